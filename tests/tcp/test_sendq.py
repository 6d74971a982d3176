"""The send queue and its pool."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hythe.tcp.sendq import CHUNK, SendPool, SendQueue


def make(start: int = 1_000, burst: int = 60_000) -> SendQueue:
    sendq = SendQueue(SendPool(1 << 28, 1 << 17, 1 << 22), start)
    sendq.burst = burst
    return sendq


def read(sendq: SendQueue, start: int, size: int) -> bytes:
    return b"".join(bytes(view) for view in sendq.slices(start, size))


def test_reserve_fills_a_chunk_to_one_burst() -> None:
    sendq = make(burst=10_000)
    assert len(sendq.reserve(1 << 20)) == 10_000
    sendq.commit(9_000)
    assert len(sendq.reserve(1 << 20)) == 10_000  # what is left of the first is not worth a read
    sendq.commit(0)
    assert len(sendq.reserve(500)) == 500
    assert len(sendq) == 9_000


def test_reserve_nothing() -> None:
    sendq = make()
    assert len(sendq.reserve(0)) == 0
    assert len(sendq.reserve(-5)) == 0
    sendq.commit(0)
    assert sendq._pool.flows == 0


def test_long_bytes_are_not_copied() -> None:
    sendq = make()
    data = bytes(range(256)) * 100
    sendq.append(data)
    (view,) = sendq.slices(1_000, len(data))
    assert view.obj is data


def test_mutable_data_is_copied() -> None:
    sendq = make()
    data = bytearray(b"x" * 10_000)
    sendq.append(data)
    data[:] = bytes(10_000)
    assert read(sendq, 1_000, 10_000) == b"x" * 10_000


def test_items_wider_than_bytes_are_bytes() -> None:
    sendq = make()
    sendq.append(memoryview(bytes(8)).cast("I"))
    assert len(sendq) == 8


def test_released_chunks_are_used_again() -> None:
    sendq = make()
    view = sendq.reserve(CHUNK)
    sendq.commit(len(view))
    sendq.release(sendq.end)
    assert sendq.reserve(10).obj is view.obj


def test_flows_counts_queues_that_hold_something() -> None:
    pool = SendPool(1_000, 100, 600)
    queues = [SendQueue(pool, 0) for _ in range(3)]
    assert pool.share(700) == 600
    for sendq in queues:
        sendq.append(b"abc")
    assert (pool.flows, pool.share(700)) == (3, 333)
    for sendq in queues:
        sendq.clear()
        sendq.clear()
    assert pool.flows == 0
    pool.flows = 50
    assert pool.share(700) == 100


def test_a_share_is_no_more_than_is_wanted() -> None:
    pool = SendPool(1_000, 100, 600)
    assert [pool.share(wanted) for wanted in (50, 300, 700)] == [100, 300, 600]


@given(st.lists(st.one_of(st.integers(1, 9_000), st.just(0)), max_size=20))
def test_the_stream_is_what_was_put_in(sizes: list[int]) -> None:
    sendq = make(start=77, burst=7_000)
    stream = bytearray()
    for index, size in enumerate(sizes):
        data = bytes([index + 1]) * size
        if index % 2:
            sendq.append(data)
        else:
            view = sendq.reserve(size)
            view[:] = data[: len(view)]
            sendq.commit(len(view))
            data = data[: len(view)]
        stream += data
        if index % 3 == 2 and len(sendq):
            released = 1 + (index * 997) % len(sendq)
            sendq.release(sendq.start + released)
            del stream[:released]
        assert len(sendq) == len(stream)
        if stream:
            assert read(sendq, sendq.start, len(stream)) == stream
            middle = len(stream) // 2
            assert read(sendq, sendq.start + middle, len(stream) - middle) == stream[middle:]
    sendq.clear()
    assert sendq._pool.flows == 0

"""The receive queue: views, islands and what is held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hythe.tcp.recvq import ISLANDS_MAX, ReceiveQueue


def queue(*pieces: bytes) -> ReceiveQueue:
    recvq = ReceiveQueue()
    for piece in pieces:
        recvq.views.append(memoryview(bytearray(piece)))
        recvq.held += len(piece)
    return recvq


def content(recvq: ReceiveQueue) -> bytes:
    return b"".join(bytes(view) for view in recvq.views)


def test_consume_takes_whole_views_and_parts() -> None:
    recvq = queue(b"abc", b"def", b"ghi")
    recvq.consume(4)
    assert content(recvq) == b"efghi"
    assert recvq.held == 5
    recvq.consume(5)
    assert (recvq.views, recvq.held, recvq.kept) == ([], 0, 0)


def test_keep_copies_what_is_borrowed_once() -> None:
    ring = bytearray(b"x" * 20_000)
    recvq = ReceiveQueue()
    recvq.views.append(memoryview(ring))
    recvq.held = len(ring)
    recvq.keep()
    kept = recvq.views[0]
    ring[:] = bytes(len(ring))
    recvq.views.append(memoryview(ring))
    recvq.keep()
    assert recvq.views[0] is kept
    assert bytes(kept) == b"x" * 20_000
    assert recvq.kept == len(recvq.views)


def test_keep_joins_small_leftovers() -> None:
    recvq = ReceiveQueue()
    for _ in range(10_000):
        recvq.views.append(memoryview(bytearray(b"a")))
        recvq.keep()
    assert len(recvq.views) == 1
    assert len(content(recvq)) == 10_000


def test_consume_between_keeps() -> None:
    recvq = queue(b"a" * 20_000, b"b" * 10)
    recvq.keep()
    recvq.consume(5)
    recvq.views.append(memoryview(bytearray(b"c" * 10)))
    recvq.held += 10
    recvq.keep()
    recvq.consume(20_000)
    assert content(recvq) == b"b" * 5 + b"c" * 10


def test_first_come_stays_where_islands_overlap() -> None:
    recvq = ReceiveQueue()
    assert recvq.add_island(20, memoryview(b"BBBBB")) == 5
    assert recvq.add_island(10, memoryview(b"a" * 20)) == 15
    assert recvq.blocks(4) == [(10, 30)]
    assert recvq.join(10) == 30
    assert content(recvq) == b"a" * 10 + b"BBBBB" + b"a" * 5
    assert (recvq.islands, recvq.held) == (None, 20)


def test_join_stops_at_the_next_gap() -> None:
    recvq = ReceiveQueue()
    recvq.add_island(5, memoryview(b"five"))
    recvq.add_island(20, memoryview(b"twenty"))
    assert recvq.join(5) == 9
    assert recvq.highest == 26
    assert recvq.blocks(4) == [(20, 26)]


def test_join_forgets_what_came_twice() -> None:
    recvq = ReceiveQueue()
    recvq.add_island(5, memoryview(b"five"))
    assert recvq.join(7) == 9
    assert content(recvq) == b"ve"
    recvq = ReceiveQueue()
    recvq.add_island(5, memoryview(b"five"))
    assert recvq.join(12) == 12
    assert (content(recvq), recvq.held, recvq.islands) == (b"", 0, None)


def test_what_continues_an_island_is_no_piece_of_its_own() -> None:
    """A window of wire packets behind one loss is one gap, not thousands."""
    recvq = ReceiveQueue()
    sizes = [1_448] * 4_000
    for index, size in enumerate(sizes):
        assert recvq.add_island(10 + index * size, memoryview(index.to_bytes(2, "big") * (size // 2))) == size
    assert recvq.islands is not None
    assert len(recvq.islands) < 100
    assert recvq.blocks(4) == [(10, 10 + sum(sizes))]
    assert recvq.join(10) == 10 + sum(sizes)
    assert content(recvq) == b"".join(index.to_bytes(2, "big") * 724 for index in range(4_000))


def test_pieces_are_bounded() -> None:
    recvq = ReceiveQueue()
    for index in range(ISLANDS_MAX + 500):
        recvq.add_island(10 + 2 * index, memoryview(b"x"))
    assert recvq.islands is not None
    assert len(recvq.islands) == ISLANDS_MAX
    assert recvq.held == ISLANDS_MAX


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20)), max_size=12))
def test_islands_hold_what_arrived(arrivals: list[tuple[int, int]]) -> None:
    """Against a set of octets: the blocks are its runs, `held` its size, and joining gives its first run."""
    recvq = ReceiveQueue()
    octets: set[int] = set()
    for start, size in arrivals:
        span = set(range(start, start + size))
        assert recvq.add_island(start, memoryview(bytes(at & 0xFF for at in range(start, start + size)))) == len(
            span - octets
        )
        octets |= span
    assert recvq.held == len(octets)
    covered = {at for left, right in recvq.blocks(99) for at in range(left, right)}
    assert covered == octets
    first = min(octets, default=0)
    end = first
    while end in octets:
        end += 1
    assert recvq.join(first) == end
    assert content(recvq) == bytes(at & 0xFF for at in range(first, end))

"""The ring between two processes: nothing is lost that found room, and what found none is counted."""

from __future__ import annotations

import os
import random

from hythe.gateway.capture import ring
from hythe.gateway.capture.ring import Ring
from hythe.units import KIB


def bodies(shared: Ring) -> list[bytes]:
    """Take what is there."""
    return [bytes(each.body) for each in shared.records()]


def put(shared: Ring, data: bytes, packets: int = 1) -> bool:
    return shared.put(ring.TO_COMMAND, 7, (data[:3], memoryview(data)[3:]), len(data), 1460, 1, packets)


def test_records_come_out_as_they_went_in() -> None:
    shared = Ring(4 * KIB)
    assert put(shared, b"first packet")
    assert shared.put(ring.ANSWER, 1 << 62, (b"a",), 1)
    assert bodies(shared) == []  # nobody has been told yet
    shared.publish()
    first, second = [each._replace(body=memoryview(bytes(each.body))) for each in shared.records()]
    assert first == (ring.TO_COMMAND, 7, memoryview(b"first packet"), 1460, 1, 0)
    assert second == (ring.ANSWER, 1 << 62, memoryview(b"a"), 0, 0, 0)
    assert shared.used == 0


def test_every_record_is_whole_wherever_the_end_of_the_memory_falls(rng: random.Random) -> None:
    shared = Ring(4 * KIB)
    for _ in range(2_000):
        sent = [rng.randbytes(rng.randrange(3, 700)) for _ in range(rng.randrange(4))]
        for each in sent:
            assert put(shared, each)
        shared.publish()
        assert bodies(shared) == sent
    assert shared.dropped == 0


def test_a_full_ring_is_shut_until_most_of_it_is_empty() -> None:
    shared = Ring(8 * KIB)
    taken = 0
    while put(shared, bytes(400)):
        taken += 1
    shared.publish()
    assert (taken, shared.dropped, shared.shut) == (19, 1, True)
    waiting = shared.records()
    for _ in range(5):
        next(waiting)
    assert not put(shared, bytes(400), 45)  # there would be room
    assert len(list(waiting)) == 14
    assert put(shared, bytes(400))
    shared.publish()
    (after,) = shared.records()
    assert (after.missing, shared.dropped, shared.shut) == (46, 46, False)
    assert put(shared, bytes(400))
    shared.publish()
    assert [each.missing for each in shared.records()] == [0]


def test_another_process_takes_all_and_hears_the_end(rng: random.Random) -> None:
    shared = Ring(64 * KIB)
    sent = [rng.randbytes(rng.randrange(3, 3_000)) for _ in range(5_000)]
    answer, tell = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            shared.end()
            os.set_blocking(shared.bell, True)
            got = []
            while True:
                ended = shared.is_ended()
                got += bodies(shared)
                if ended:
                    break
            os.write(tell, b"all" if got == sent else b"not all")
            status = 0
        finally:
            os._exit(status)
    os.close(shared.bell)
    os.close(tell)
    for each in sent:
        while not put(shared, each):
            shared.publish()
    shared.end()
    said = os.read(answer, 16)
    os.close(answer)
    assert os.waitpid(child, 0)[1] == 0
    assert said == b"all"

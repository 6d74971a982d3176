"""When the writer rests: where more comes than is promised, and not because the ring was full once; and when it collects."""

from __future__ import annotations

import pytest

from hythe.gateway.capture import ring
from hythe.gateway.capture.pace import WORK, Pace
from hythe.gateway.capture.ring import Ring

RECORD = bytes(10_000)


def rests(megabits: int, *, taken: int) -> list[bool]:
    """Look a thousand times, each after a millisecond's work, in which so many records are taken and so much comes."""
    memory, now, looks, owed = Ring(1 << 22), 0, [], 0
    pace = Pace(memory, now)
    for _ in range(1_000):
        owed += megabits * WORK // 8_000
        while owed >= len(RECORD):
            memory.put(ring.TO_COMMAND, now, (RECORD,), len(RECORD), packets=1)
            owed -= len(RECORD)
        memory.publish()
        memory.is_ended()
        pace.begin(now)
        records = memory.records()
        for _ in range(taken):
            next(records, None)
        now += WORK
        looks.append(pace.look(now))
    assert (memory.dropped > 0) is (megabits * WORK // 8_000 > taken * len(RECORD))
    memory.end()
    return looks


def test_it_rests_where_more_comes_than_is_promised() -> None:
    assert sum(rests(10_000, taken=20)) > 800


@pytest.mark.parametrize("taken", [1, 5, 12])
def test_it_hurries_where_it_is_only_behind(taken: int) -> None:
    """The machine has no time for it: a gigabit a second comes, and less than that can be written."""
    assert not any(rests(1_000, taken=taken))


def test_it_hurries_where_nothing_was_lost() -> None:
    assert not any(rests(10_000, taken=200))


def test_looking_costs_nothing_before_it_is_time() -> None:
    pace = Pace(Ring(1 << 16), 0)
    assert not pace.look(WORK - 1)


@pytest.mark.parametrize(("records", "much"), [(3, False), (30, True)])
def test_what_is_much_is_collected(records: int, much: bool) -> None:
    """So many records of 10,000 bytes in 10 ms."""
    memory = Ring(1 << 20)
    pace = Pace(memory, 0)
    for number in range(3):
        for _ in range(records):
            memory.put(ring.TO_COMMAND, 0, (RECORD,), len(RECORD), packets=1)
        memory.publish()
        assert len(list(memory.records())) == records
        assert pace.collects((number + 1) * 10_000_000) is much
    for _ in range(60):
        memory.put(ring.TO_COMMAND, 0, (RECORD,), len(RECORD), packets=1)
    memory.publish()
    assert not pace.collects(31_000_000), "enough is there"
    assert not pace.collects(40_000_000)

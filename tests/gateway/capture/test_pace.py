"""When the writer rests: where far more comes than it can write, and not because the ring was full once."""

from __future__ import annotations

import pytest

from hythe.gateway.capture import ring
from hythe.gateway.capture.pace import WORK, Pace
from hythe.gateway.capture.ring import Ring

RECORD = bytes(1_000)


def rests(offered: int, *, of_the_time: int, size: int = 1_000) -> list[bool]:
    """Work for a hundred looks, in each of which ten records are taken and `offered` come.

    The machine lets it work so many per cent of the time.
    """
    memory, record = Ring(1 << 19), bytes(size)
    now, looks = 0, []
    pace = Pace(memory, now)
    for _ in range(100):
        for _ in range(offered):
            memory.put(ring.TO_COMMAND, now, (record,), size, packets=1)
        memory.publish()
        memory.is_ended()
        now += WORK * (100 - of_the_time) // of_the_time
        pace.begin(now)
        records = memory.records()
        for _ in range(10):
            next(records, None)
        now += WORK
        looks.append(pace.look(now))
    memory.end()
    return looks


def test_it_rests_where_there_is_no_use_in_hurrying() -> None:
    assert sum(rests(100, of_the_time=100)) > 80


def test_it_rests_where_more_comes_than_is_promised() -> None:
    """Though it could write most of that, whenever it is full."""
    assert sum(rests(15, of_the_time=100, size=30_000)) > 50


def test_it_catches_up_where_little_more_comes_than_it_writes() -> None:
    assert not any(rests(15, of_the_time=100))


@pytest.mark.parametrize("share", [50, 20])
def test_having_had_no_time_is_no_reason_to_rest(share: int) -> None:
    """What came while others had the machine was not too much for it."""
    assert not any(rests(15 * 100 // share, of_the_time=share)[10:])


def test_it_never_rests_where_there_is_room() -> None:
    assert not any(rests(5, of_the_time=100))


def test_looking_costs_nothing_before_it_is_time() -> None:
    pace = Pace(Ring(1 << 16), 0)
    assert not pace.look(WORK - 1)


@pytest.mark.parametrize(("records", "much"), [(3, False), (300, True)])
def test_what_is_much_is_collected(records: int, much: bool) -> None:
    """So many records of 1,000 bytes in 10 ms."""
    memory = Ring(1 << 20)
    pace = Pace(memory, 0)
    for number in range(3):
        for _ in range(records):
            memory.put(ring.TO_COMMAND, 0, (RECORD,), len(RECORD), packets=1)
        memory.publish()
        assert len(list(memory.records())) == records
        assert pace.collects((number + 1) * 10_000_000) is much
    assert not pace.collects(40_000_000)

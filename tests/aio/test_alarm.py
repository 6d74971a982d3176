"""The timerfd behind links that keep packets until a time."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from time import monotonic_ns

import pytest

from hythe.aio.alarm import Alarm
from hythe.units import MICROSECOND, MILLISECOND, NEVER, SECOND


class Sleeper:
    """An epoll with an alarm in it, as the driver has."""

    def __init__(self) -> None:
        self.alarm = Alarm()
        self.epoll = select.epoll()
        self.epoll.register(self.alarm.fd, select.EPOLLIN | select.EPOLLET)

    def sleep(self, most: float = 5.0) -> int | None:
        """Return how long after its time it woke, in ns; None when it did not within `most` seconds."""
        at = self.alarm.at
        if not self.epoll.poll(most):
            return None
        self.alarm.on_events(select.EPOLLIN, monotonic_ns())
        return monotonic_ns() - at


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    made = Sleeper()
    yield made
    made.epoll.close()
    made.alarm.close()


def test_it_rings_at_its_time_each_time(sleeper: Sleeper) -> None:
    late = []
    for _ in range(20):
        sleeper.alarm.set(monotonic_ns() + 1_500 * MICROSECOND)
        late.append(sleeper.sleep())
        assert sleeper.alarm.at == NEVER
    assert all(each is not None and each >= 0 for each in late)
    assert min(each for each in late if each is not None) < MILLISECOND // 2


def test_what_has_passed_rings_at_once(sleeper: Sleeper) -> None:
    for at in (0, 1, monotonic_ns() - SECOND):
        sleeper.alarm.set(at)
        assert sleeper.sleep() is not None


def test_the_last_word_counts(sleeper: Sleeper) -> None:
    sleeper.alarm.set(monotonic_ns() + SECOND)
    sleeper.alarm.set(monotonic_ns() + MILLISECOND)
    assert sleeper.sleep() is not None
    assert sleeper.sleep(0.01) is None
    sleeper.alarm.set(monotonic_ns() + 5 * MILLISECOND)
    sleeper.alarm.set(monotonic_ns() + SECOND)
    assert sleeper.sleep(0.02) is None


def test_it_goes_back(sleeper: Sleeper) -> None:
    other = Alarm()
    other.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(other.fd)

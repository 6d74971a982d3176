"""The lazy heap: early, never late, and it lets go."""

from __future__ import annotations

from random import Random

from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER


class Alarm:
    def __init__(self, queue: TimerQueue) -> None:
        self.queue = queue
        self.deadline = NEVER
        self.filed = NEVER
        self.fired: list[int] = []

    def at(self, deadline: int) -> None:
        self.deadline = deadline
        self.queue.file(self)

    def fire(self, now: int) -> None:
        self.fired.append(now)
        self.deadline = NEVER


def test_fires_when_due_not_before() -> None:
    queue = TimerQueue()
    alarm = Alarm(queue)
    alarm.at(100)
    assert queue.next_deadline() == 100
    queue.fire(99)
    assert alarm.fired == []
    queue.fire(100)
    assert alarm.fired == [100]
    assert queue.next_deadline() == NEVER


def test_a_deadline_moved_later_is_filed_again_when_looked_at() -> None:
    queue = TimerQueue()
    alarm = Alarm(queue)
    alarm.at(100)
    alarm.deadline = 300
    queue.fire(100)
    assert alarm.fired == []
    assert queue.next_deadline() == 300
    queue.fire(300)
    assert alarm.fired == [300]


def test_a_deadline_moved_earlier_fires_once() -> None:
    queue = TimerQueue()
    alarm = Alarm(queue)
    alarm.at(300)
    alarm.at(100)
    queue.fire(100)
    queue.fire(300)
    assert alarm.fired == [100]


def test_cancelled_alarms_are_let_go() -> None:
    queue = TimerQueue()
    alarms = [Alarm(queue) for _ in range(1_000)]
    for alarm in alarms:
        alarm.at(10_000)
    for alarm in alarms:
        queue.cancel(alarm)
    assert len(queue) < 70
    queue.fire(10_000)
    assert not any(alarm.fired for alarm in alarms)


def test_moving_ever_earlier_does_not_pile_up() -> None:
    queue = TimerQueue()
    alarm = Alarm(queue)
    for deadline in range(100_000, 0, -1):
        alarm.at(deadline)
    assert len(queue) < 140


def test_against_a_plain_list(rng: Random) -> None:
    queue = TimerQueue()
    alarms = [Alarm(queue) for _ in range(50)]
    expected: dict[int, int] = {}
    now = 0
    for _ in range(5_000):
        index = rng.randrange(len(alarms))
        choice = rng.random()
        if choice < 0.6:
            alarms[index].at(now + rng.randrange(1, 200))
            expected[index] = alarms[index].deadline
        elif choice < 0.7:
            queue.cancel(alarms[index])
            expected.pop(index, None)
        else:
            now += rng.randrange(20)
            assert queue.next_deadline() <= min(expected.values(), default=NEVER)
            due = {each for each, deadline in expected.items() if deadline <= now}
            before = {each: len(alarms[each].fired) for each in range(len(alarms))}
            queue.fire(now)
            assert {each for each in range(len(alarms)) if len(alarms[each].fired) > before[each]} == due
            for each in due:
                del expected[each]

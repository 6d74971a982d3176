"""The rate, and the queue in front of it."""

from __future__ import annotations

from hythe.link.faults import Plan
from hythe.link.faults.queue import Queue
from hythe.units import MILLISECOND, SECOND
from tests.link.faults.wires import datagram, number, passed

#: 125 bytes take a millisecond.
MEGABIT = 1_000_000


def test_the_rate_is_kept_exactly() -> None:
    found = passed(Plan(rate=MEGABIT), [datagram(each, 125) for each in range(50)])
    assert [at for at, _ in found] == [(each + 1) * MILLISECOND for each in range(50)]


def test_who_comes_slower_than_the_rate_does_not_wait() -> None:
    found = passed(Plan(rate=MEGABIT), [datagram(each, 125) for each in range(50)], every=2 * MILLISECOND)
    assert [at for at, _ in found] == [2 * each * MILLISECOND + MILLISECOND for each in range(50)]


def test_a_queue_of_packets_drops_its_tail() -> None:
    """One leaves, three wait."""
    found = passed(Plan(rate=MEGABIT, queue_packets=3), [datagram(each, 125) for each in range(10)])
    assert [number(packet) for _, packet in found] == [0, 1, 2, 3]


def test_a_queue_of_bytes_drops_its_tail() -> None:
    sizes = [1_000, 500, 400, 200, 100, 100]
    found = passed(Plan(rate=MEGABIT, queue_bytes=1_000), [datagram(index, size) for index, size in enumerate(sizes)])
    assert [number(packet) for _, packet in found] == [0, 1, 2, 4]  # the fourth finds 100 bytes free, not 200


def test_room_comes_back_as_packets_leave() -> None:
    plan = Plan(rate=MEGABIT, queue_packets=1)
    found = passed(plan, [datagram(each, 125) for each in range(100)], every=MILLISECOND // 2)
    assert abs(len(found) - 50) <= 2
    assert found[-1][0] <= 52 * MILLISECOND


def test_the_queue_of_nobodys_choice_holds_100_ms() -> None:
    found = passed(Plan(rate=100 * MEGABIT), [datagram(each, 1_250) for each in range(5_000)])
    assert len(found) == 1_001
    assert found[-1][0] == 1_001 * MILLISECOND // 10
    slow = passed(Plan(rate=8_000), [datagram(each, 1_500) for each in range(100)])
    assert len(slow) == 21  # at least twenty packets, whatever the rate


def test_no_limit_of_packets_without_a_rate() -> None:
    assert len(passed(Plan(delay=SECOND, queue_packets=1), [datagram(each) for each in range(1_000)])) == 1_000


def test_nobody_overtakes_when_the_rate_is_lifted() -> None:
    queue = Queue()
    departure = queue.admit(12_500, 0, Plan(rate=MEGABIT))
    assert departure == 100 * MILLISECOND
    assert queue.admit(100, MILLISECOND, Plan()) == departure
    assert queue.admit(100, 200 * MILLISECOND, Plan()) == 200 * MILLISECOND

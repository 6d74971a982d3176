"""The window of a channel, on a path of known rate and delay."""

from __future__ import annotations

import pytest

from hythe.tunnel.ssh.window import INITIAL, LARGEST, Window
from hythe.units import MIB, MILLISECOND, SECOND

PACKET = 32_768


def carried(window: Window, *, rate: int, round_trip: int, seconds: float, reader: float = float("inf")) -> float:
    """Bytes a second in the second half of `seconds`: a sender that always has more, `rate` bytes a second between.

    `reader`: bytes a second that the far program takes.
    """
    clock, sent, credit = 0, 0, window.granted
    arrivals: list[tuple[int, int]] = []  # on their way to us
    grants: list[tuple[int, int]] = []  # and back
    unread, taken_at, halfway = 0, 0, 0
    step = max(MILLISECOND // 10, PACKET * SECOND // rate)
    end = int(seconds * SECOND)
    while clock < end:
        clock += step
        while grants and grants[0][0] <= clock:
            credit += grants.pop(0)[1]
        if credit - sent >= PACKET:
            sent += PACKET
            arrivals.append((clock + round_trip // 2, PACKET))
        while arrivals and arrivals[0][0] <= clock:
            window.arrived(arrivals[0][1], clock)
            unread += arrivals.pop(0)[1]
        if unread and (clock - taken_at) * reader >= unread * SECOND:
            taken_at = clock
            grant = window.take(unread, clock)
            unread = 0
            if grant:
                grants.append((clock + round_trip // 2, grant))
        if clock <= end // 2:
            halfway = window.taken
    return (window.taken - halfway) / (seconds / 2)


def test_a_short_path_needs_no_more_than_openssh_has() -> None:
    window = Window()
    assert carried(window, rate=250_000_000, round_trip=200_000, seconds=0.5) > 200_000_000
    assert window.size <= 2 * INITIAL


def test_a_long_fat_path_is_filled() -> None:
    rate = 125_000_000
    fixed = Window(INITIAL, INITIAL)
    assert carried(fixed, rate=rate, round_trip=100 * MILLISECOND, seconds=4) < 0.2 * rate
    window = Window()
    assert carried(window, rate=rate, round_trip=100 * MILLISECOND, seconds=4) > 0.9 * rate
    assert window.size <= LARGEST


def test_a_slow_reader_gets_no_larger_window() -> None:
    window = Window()
    carried(window, rate=125_000_000, round_trip=100 * MILLISECOND, seconds=4, reader=1_000_000)
    assert window.size == INITIAL


def test_no_more_is_ever_granted_than_the_size() -> None:
    window = Window(1 * MIB, 1 * MIB)
    now = 0
    for _ in range(1_000):
        room = window.granted - window.received
        window.arrived(room, now)
        assert window.granted - window.taken <= window.size
        window.take(room, now)
        now += MILLISECOND
    assert window.granted - window.taken == window.size


@pytest.mark.parametrize("pause", [0, 10 * SECOND])
def test_a_pause_says_nothing_of_the_path(pause: int) -> None:
    window = Window()
    carried(window, rate=10_000_000, round_trip=20 * MILLISECOND, seconds=2)
    size = window.size
    window.arrived(PACKET, 2 * SECOND + pause)
    window.take(PACKET, 2 * SECOND + pause)
    assert window.size == size <= 2 * INITIAL

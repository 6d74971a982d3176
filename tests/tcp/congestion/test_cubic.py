"""RFC 9438. Windows are checked against the RFC's formula, evaluated here by itself."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hythe.tcp.congestion.cubic import Cubic
from hythe.units import MILLISECOND, SECOND

MSS = 1_000


def reduced(segments: int) -> Cubic:
    cubic = Cubic(MSS, segments)
    cubic.lost(0, segments * MSS)
    return cubic


def grow(cubic: Cubic, now: int, length: int, rtt: int) -> int:
    """Acknowledge whole windows, one a round trip, for `length` nanoseconds. Returns the time."""
    end = now + length
    while now < end:
        window = cubic.cwnd
        for _ in range(window // MSS):
            cubic.acked(MSS, now, rtt)
        now += rtt
    return now


def test_4_6_a_loss_leaves_seven_tenths() -> None:
    cubic = reduced(100)
    assert (cubic.cwnd, cubic.ssthresh) == (70_000, 70_000)


def test_4_2_growth_follows_the_curve() -> None:
    rtt = 200 * MILLISECOND
    cubic = reduced(1_000)
    now = SECOND
    for seconds in range(1, 14):
        now = grow(cubic, now, SECOND, rtt)
        k = (300 / 0.4) ** (1 / 3)
        expected = 0.4 * (seconds - k) ** 3 + 1_000
        assert cubic.cwnd / MSS == pytest.approx(expected, rel=0.03)


def test_4_2_concave_then_convex() -> None:
    rtt = 100 * MILLISECOND
    cubic = reduced(1_000)
    now = SECOND
    windows = []
    for _ in range(18):
        now = grow(cubic, now, SECOND, rtt)
        windows.append(cubic.cwnd)
    steps = [after - before for before, after in pairwise(windows)]
    plateau = steps.index(min(steps))
    assert 5 <= plateau <= 10
    assert steps[0] > steps[plateau] < steps[-1]


def test_4_3_never_slower_than_reno_on_a_short_path() -> None:
    """alpha = 3 (1 - 0.7) / (1 + 0.7) = 0.53 segments a round trip until the old window, then one."""
    rtt = MILLISECOND
    cubic = reduced(20)
    grow(cubic, 0, 10 * rtt, rtt)
    assert cubic.cwnd / MSS == pytest.approx(14 + 10 * 0.529, abs=0.6)


def test_4_2_growth_is_bounded_to_half_a_window_a_round_trip() -> None:
    cubic = reduced(10)
    cubic.acked(MSS, 0, MILLISECOND)
    before = cubic.cwnd
    cubic._grew_at = 100 * SECOND  # no pause: time simply has passed on the curve
    for _ in range(before // MSS):
        cubic.acked(MSS, 100 * SECOND, MILLISECOND)
    assert cubic.cwnd <= before * 1.7


def test_4_7_fast_convergence_makes_room() -> None:
    cubic = reduced(100)
    cubic.lost(SECOND, 70_000)
    assert cubic._w_max == pytest.approx(70 * 0.85)
    assert cubic.cwnd == 49_000


def test_4_8_after_a_time_out_the_old_plateau_is_forgotten() -> None:
    cubic = Cubic(MSS, 100)
    cubic.timed_out(0, 100_000)
    assert (cubic.cwnd, cubic.ssthresh) == (1_000, 70_000)
    cubic.acked(69_000, SECOND, MILLISECOND)
    cubic.acked(MSS, SECOND, MILLISECOND)
    assert cubic._k == 0.0


def test_5_8_time_without_sending_does_not_count() -> None:
    rtt = 50 * MILLISECOND
    busy, idle = reduced(500), reduced(500)
    now = grow(busy, SECOND, 2 * SECOND, rtt)
    grow(idle, SECOND, 2 * SECOND, rtt)
    grow(busy, now, SECOND, rtt)
    grow(idle, now + 60 * SECOND, SECOND, rtt)
    assert idle.cwnd == pytest.approx(busy.cwnd, rel=0.02)


def test_resizing_scales_the_plateau() -> None:
    cubic = reduced(100)
    cubic.resized(500)
    assert cubic._w_max == pytest.approx(200)
    assert cubic.cwnd == 35_000

"""NewReno's window: RFC 5681."""

from __future__ import annotations

from hythe.tcp.congestion import controller
from hythe.tcp.congestion.base import UNLIMITED
from hythe.tcp.congestion.reno import Reno
from hythe.units import MILLISECOND, SECOND

MSS = 1_000


def test_3_1_slow_start_grows_by_what_is_acknowledged() -> None:
    reno = Reno(MSS, 10)
    assert (reno.cwnd, reno.ssthresh) == (10_000, UNLIMITED)
    reno.acked(10_000, 0, 1)
    assert reno.cwnd == 20_000


def test_3_1_what_slow_start_does_not_need_goes_to_avoidance() -> None:
    reno = Reno(MSS, 10)
    reno.ssthresh = 12_000
    reno.acked(14_000, 0, 1)
    assert reno.cwnd == 13_000


def test_3_1_avoidance_adds_one_segment_a_window() -> None:
    reno = Reno(MSS, 10)
    reno.ssthresh = 5_000
    for _ in range(10):
        reno.acked(1_000, 0, 1)
    assert reno.cwnd == 11_000


def test_3_1_losses_halve_what_is_in_flight() -> None:
    reno = Reno(MSS, 20)
    reno.lost(0, 16_000)
    assert (reno.cwnd, reno.ssthresh) == (8_000, 8_000)
    reno.lost(0, 1_000)
    assert reno.ssthresh == 2 * MSS


def test_3_1_time_out_leaves_one_segment() -> None:
    reno = Reno(MSS, 20)
    reno.timed_out(0, 16_000)
    assert (reno.cwnd, reno.ssthresh) == (1_000, 8_000)
    reno.timed_out_again()
    assert (reno.cwnd, reno.ssthresh) == (1_000, 8_000)


def test_4_1_rest_halves_for_each_time_out_down_to_the_restart_window() -> None:
    reno = Reno(MSS, 64)
    reno.rested(2 * SECOND, SECOND, 10_000)
    assert (reno.cwnd, reno.ssthresh) == (16_000, UNLIMITED)
    reno.rested(SECOND * 10**9, 200 * MILLISECOND, 10_000)
    assert reno.cwnd == 10_000


def test_a_new_segment_size_keeps_the_number_of_segments_but_never_grows_the_window() -> None:
    reno = Reno(MSS, 20)
    reno.resized(500)
    assert reno.cwnd == 10_000
    reno.resized(2_000)
    assert reno.cwnd == 10_000


def test_controllers_by_name() -> None:
    assert controller("reno")(MSS, 10).name == "reno"
    assert controller("cubic")(MSS, 10).name == "cubic"

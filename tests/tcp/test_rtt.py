"""RFC 6298's arithmetic with Linux's floor."""

from __future__ import annotations

from hythe.tcp.rtt import RoundTrip
from hythe.units import MILLISECOND, SECOND


def estimator() -> RoundTrip:
    return RoundTrip(SECOND, 200 * MILLISECOND, 120 * SECOND)


def test_2_1_one_second_before_the_first_sample() -> None:
    assert estimator().rto == SECOND


def test_2_2_first_sample() -> None:
    rtt = estimator()
    rtt.sample(400 * MILLISECOND)
    assert (rtt.srtt, rtt.rttvar) == (400 * MILLISECOND, 200 * MILLISECOND)
    assert rtt.rto == 1_200 * MILLISECOND


def test_2_3_later_samples() -> None:
    rtt = estimator()
    rtt.sample(400 * MILLISECOND)
    rtt.sample(800 * MILLISECOND)
    assert rtt.rttvar == 250 * MILLISECOND
    assert rtt.srtt == 450 * MILLISECOND
    assert rtt.least == 400 * MILLISECOND
    assert rtt.latest == 800 * MILLISECOND


def test_2_4_the_floor_is_on_the_variance() -> None:
    rtt = estimator()
    for _ in range(100):
        rtt.sample(50 * MILLISECOND)
    assert rtt.rto == 250 * MILLISECOND


def test_5_5_backing_off_is_bounded_and_a_sample_ends_it() -> None:
    rtt = estimator()
    rtt.sample(MILLISECOND)
    seen = []
    for _ in range(20):
        rtt.back_off()
        seen.append(rtt.rto)
    assert seen[:3] == [402 * MILLISECOND, 804 * MILLISECOND, 1_608 * MILLISECOND]
    assert seen[-1] == 120 * SECOND
    rtt.sample(MILLISECOND)
    assert rtt.rto <= 202 * MILLISECOND


def test_5_7_fallback_only_without_a_sample() -> None:
    rtt = estimator()
    rtt.back_off()
    rtt.opened()
    assert rtt.rto == 3 * SECOND
    rtt = estimator()
    rtt.sample(MILLISECOND)
    rtt.opened()
    assert rtt.rto == 201 * MILLISECOND


def test_a_clock_that_did_not_move_is_a_sample_of_one() -> None:
    rtt = estimator()
    rtt.sample(0)
    assert rtt.srtt == 1


def test_rfc8985_7_2_a_probe_waits_two_round_trips_and_on_a_short_path_for_the_machine() -> None:
    rtt = estimator()
    rtt.early = True
    rtt.sample(MILLISECOND)
    assert rtt.pto == 11 * MILLISECOND
    rtt = estimator()
    rtt.early = True
    rtt.sample(50 * MILLISECOND)
    assert rtt.pto == 100 * MILLISECOND

"""Goodput, Jain's index, and when a run measured the machine rather than the stack."""

from __future__ import annotations

import pytest

from hythe.units import MILLISECOND
from scoreboard.outcome import Outcome, jain


@pytest.mark.parametrize(
    ("shares", "index"),
    [([7], 1.0), ([3, 3, 3, 3], 1.0), ([5, 0, 0, 0], 0.25), ([2, 1], 0.9), ([0, 0], 0.0)],
)
def test_the_index_is_jains(shares: list[int], index: float) -> None:
    assert jain(shares) == pytest.approx(index)


def test_goodput_is_of_all_flows_together() -> None:
    assert Outcome([1_000_000, 250_000], seconds=2.0).goodput == pytest.approx(5.0)


def test_lateness_counts_by_the_round_trip() -> None:
    late = Outcome([1], 1.0, late=MILLISECOND)
    assert "wire was 1.0 ms late" in late.disturbed(1)
    assert late.disturbed(50) == ""


def test_waiting_for_a_processor_counts_by_the_round_trip() -> None:
    waiting = Outcome([1], 1.0, waited={"wire": 0, "client": 2 * MILLISECOND})
    assert "client waited 2.0 ms" in waiting.disturbed(10)
    assert waiting.disturbed(200) == ""


def test_a_process_that_works_all_the_time_is_what_limits() -> None:
    assert "wire worked 95 %" in Outcome([1], 1.0, busy={"wire": 0.95, "client": 0.1}).disturbed(200)
    assert Outcome([1], 1.0, busy={"wire": 0.5}).disturbed(200) == ""

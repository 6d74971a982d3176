"""Medians, ratios round by round, spread and targets from samples written by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench import results as results_module
from bench.report import Target, show
from bench.results import Results, row_name

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def results() -> Results:
    made = Results()
    for ours, theirs in ((8.0, 2.0), (4.0, 1.0), (9.0, 3.0)):
        made.add("up, 1 flow, MTU 65520", "hythe", ours, "Gbit/s")
        made.add("up, 1 flow, MTU 65520", "slirp4netns", theirs, "Gbit/s")
    return made


def test_a_ratio_is_taken_round_by_round(results: Results) -> None:
    assert results.ratio("up, 1 flow, MTU 65520", "hythe", "slirp4netns") == 4.0


def test_a_failed_round_counts_for_neither_side(results: Results) -> None:
    results.add("up, 1 flow, MTU 65520", "hythe", None, "Gbit/s")
    results.add("up, 1 flow, MTU 65520", "slirp4netns", 100.0, "Gbit/s")
    assert results.ratio("up, 1 flow, MTU 65520", "hythe", "slirp4netns") == 4.0
    assert results.median("up, 1 flow, MTU 65520", "hythe") == 8.0
    assert results.failures("up, 1 flow, MTU 65520", "hythe") == 1


def test_spread_is_relative_to_the_median(results: Results) -> None:
    assert results.spread("up, 1 flow, MTU 65520", "hythe") == pytest.approx((9 - 4) / 8)


@pytest.mark.parametrize(("bound", "at_least", "word"), [(3.9, True, "pass"), (4.1, True, "SHORT"), (3.9, False, "SHORT")])
def test_a_target_says_pass_or_short(results: Results, bound: float, at_least: bool, word: str) -> None:
    verdict = Target("up, 1 flow, MTU 65520", bound, at_least=at_least).verdict(results)
    assert verdict is not None
    assert verdict.startswith(word)


def test_a_target_that_was_not_measured_says_nothing(results: Results) -> None:
    assert Target("round trip", 1.0, at_least=False).verdict(results) is None


def test_the_report_shows_what_failed(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    results.add("round trip", "slirp4netns", None, "µs")
    results.notes.append("slirp4netns: round trip: no answer within 8 s")
    show(results, ["slirp4netns", "hythe"])
    printed = capsys.readouterr().out
    assert "no answer within 8 s" in printed
    assert "4.00" in printed
    assert "pass   up, 1 flow, MTU 65520" in printed


def test_the_json_keeps_every_sample(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_module, "FOLDER", tmp_path)
    document = json.loads(results.save().read_text())
    assert document["samples"]["up, 1 flow, MTU 65520"]["hythe"] == [8.0, 4.0, 9.0]
    assert document["medians"]["up, 1 flow, MTU 65520"]["slirp4netns"] == 2.0


def test_rows_carry_their_mtu() -> None:
    assert row_name("up, 1 flow", 1500) == "up, 1 flow, MTU 1500"
    assert row_name("round trip", None) == "round trip"

"""Medians, ratios round by round and the verdict, from outcomes written by hand; the page that is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from scoreboard import board as board_module
from scoreboard import report
from scoreboard.board import HYTHE, LINUX, Board
from scoreboard.cells import Cell
from scoreboard.outcome import Outcome

if TYPE_CHECKING:
    from pathlib import Path

CLEAN, LOSSY = Cell(10), Cell(50, 5, flows=2)


def outcome(*flows: float, late: int = 0) -> Outcome:
    """Of flows with these goodputs, in Mbit/s."""
    return Outcome([int(flow * 125_000) for flow in flows], 1.0, late=late)


@pytest.fixture
def board() -> Board:
    made = Board([CLEAN, LOSSY], [LINUX, HYTHE], "by hand")
    for theirs, ours in ((10, 9), (20, 10), (5, 5)):
        made.add(CLEAN, LINUX, outcome(theirs))
        made.add(CLEAN, HYTHE, outcome(ours))
    made.add(LOSSY, LINUX, outcome(2, 2))
    made.add(LOSSY, HYTHE, outcome(9, 3))
    return made


def test_a_ratio_is_taken_round_by_round(board: Board) -> None:
    assert board.ratios(CLEAN, HYTHE) == pytest.approx([0.9, 0.5, 1.0])
    assert board.ratio(CLEAN, HYTHE) == pytest.approx(0.9)
    assert board.ratio(LOSSY, HYTHE) == pytest.approx(3.0)


def test_a_failed_run_counts_for_neither_side(board: Board) -> None:
    board.add(LOSSY, LINUX, outcome(1, 1))
    board.add(LOSSY, HYTHE, None)
    assert board.ratio(LOSSY, HYTHE) == pytest.approx(3.0)
    assert len(board.outcomes(LOSSY, HYTHE)) == 1


def test_what_is_below_the_bound_is_told(board: Board) -> None:
    assert [cell.name for cell, _ in board.below(0.99)] == ["10ms-0%"]
    assert board.below(0.8) == []
    assert board.mean() == pytest.approx((0.9 * 3.0) ** 0.5)


def test_the_table_has_both_side_by_side(board: Board) -> None:
    rows = report.markdown(board).splitlines()
    assert "| 10 ms | 0 % | BDP | 0 % | 1 | 10.00 | 9.00 | 0.90 | 0.50-1.00 |  |  |" in rows
    assert "| 50 ms | 5 % | BDP | 0 % | 2 | 4.00 | 12.00 | 3.00 | 3.00-3.00 | 1.00 | 0.80 |" in rows
    assert "- below Linux (by more than 1%): 10ms-0% (0.90)" in rows
    assert "- below 80% of Linux: none" in rows


def test_a_disturbed_cell_is_marked_and_says_why(board: Board) -> None:
    board.add(CLEAN, LINUX, outcome(10, late=5_000_000))
    board.add(CLEAN, HYTHE, outcome(9))
    told = report.markdown(board)
    assert "| 0.90 ~ |" in told
    assert "10ms-0%, linux: the wire was 5.0 ms late" in told


def test_a_board_of_failures_is_empty() -> None:
    made = Board([CLEAN], [LINUX], "by hand")
    made.add(CLEAN, LINUX, None)
    assert made.empty
    assert made.mean() is None


def test_the_page_keeps_what_is_around_the_table(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "scoreboard.md"
    page.write_text(f"before\n{report.BEGIN}old\n{report.END}after\n")
    monkeypatch.setattr(report, "PAGE", page)
    report.publish(board)
    text = page.read_text()
    assert text == f"before\n{report.BEGIN}{report.markdown(board)}{report.END}after\n"
    report.publish(board)
    assert page.read_text() == text


def test_the_real_page_has_the_place_for_it() -> None:
    text = report.PAGE.read_text()
    assert 0 < text.index(report.BEGIN) < text.index(report.END)


def test_every_run_is_kept(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "FOLDER", tmp_path / "results")
    kept = json.loads(board.save().read_text())
    runs = kept["cells"]["50ms-5%-x2"]["runs"]
    assert runs["hythe"][0]["goodput"] == pytest.approx(12.0)
    assert runs["hythe"][0]["received"] == [1_125_000, 375_000]
    assert kept["cells"]["50ms-5%-x2"]["wire"]["loss"] == 5

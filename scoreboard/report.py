"""The scoreboard as people read it: one Markdown table, on the terminal and in docs/scoreboard.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from scoreboard.board import EQUAL, HYTHE, LEAST, LINUX
from scoreboard.cells import RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoreboard.board import Board
    from scoreboard.cells import Cell

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "scoreboard.md"
#: What stands between these lines of the page is ours.
BEGIN: Final = "<!-- written by make scoreboard ARGS=--publish -->\n"
END: Final = "<!-- end -->\n"


def markdown(board: Board) -> str:
    """The table, what is short of the mark, and on what machine it was measured."""
    lines = ["", *table(board), ""]
    lines += [f"- {each}" for each in (*verdict(board), *measured(board), *board.notes)]
    return "\n".join(lines) + "\n\n"


def table(board: Board) -> Iterator[str]:
    """One line a cell."""
    beside = LINUX in board.pairings and HYTHE in board.pairings
    names = [each.replace(LINUX, "Linux") for each in board.pairings]
    heads = ["RTT", "loss", "queue", "reordered", "flows", *(f"{each}, Mbit/s" for each in names)]
    heads += ["hythe ÷ Linux", "rounds"] * beside + [f"{each}, fairness" for each in names]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---:|' * len(heads)}"
    for cell in board.cells:
        mark = " ~" if board.disturbed(cell) else ""
        cells = [f"{cell.rtt} ms", f"{cell.loss:g} %", cell.queue, f"{cell.reorder:g} %", f"{cell.flows}{_rate(cell)}"]
        cells += [_figure(board.median(cell, each, lambda outcome: outcome.goodput)) for each in board.pairings]
        if beside:
            rounds = board.ratios(cell, HYTHE)
            cells += [_figure(board.ratio(cell, HYTHE)) + mark]
            cells += [f"{min(rounds):.2f}-{max(rounds):.2f}" if rounds else "-"]
        for each in board.pairings:
            cells.append(_figure(board.median(cell, each, lambda outcome: outcome.fairness)) if cell.flows > 1 else "")
        yield f"| {' | '.join(cells)} |"


def verdict(board: Board) -> Iterator[str]:
    """How hythe compares, in sentences; none where Linux was not measured."""
    mean = board.mean()
    if mean is None:
        return
    below, far = board.below(EQUAL), board.below(LEAST)
    yield f"hythe ÷ Linux over all {len(board.cells)} cells, geometric mean: **{mean:.2f}**"
    yield f"below Linux (by more than {1 - EQUAL:.0%}): {_names(below)}"
    yield f"below {LEAST:.0%} of Linux: {_names(far)}"


def measured(board: Board) -> Iterator[str]:
    """When, how, and on what."""
    machine = board.machine
    yield (
        f"{board.how}; {machine['cpus']} CPUs, Linux {machine['kernel']}, CPython {machine['python']}, "
        f"qdisc {machine['qdisc']}"
    )
    disturbed = [reason for reason in map(board.disturbed, board.cells) if reason]
    if disturbed:
        yield f"~ disturbed by the machine: {'; '.join(disturbed)}"


def publish(board: Board) -> None:
    """Put it into the page, in place of what was there."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}{markdown(board)}{END}{tail}")


def _rate(cell: Cell) -> str:
    return "" if cell.rate == RATE else f" ({cell.rate} Mbit/s)"


def _names(cells: list[tuple[Cell, float]]) -> str:
    return ", ".join(f"{cell.name} ({ratio:.2f})" for cell, ratio in cells) or "none"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

"""All outcomes of one scoreboard: medians, ratios round by round, what is short of the mark; kept as JSON."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.results import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scoreboard.cells import Cell
    from scoreboard.outcome import Outcome

FOLDER: Final = Path(__file__).resolve().parent / "results"
#: What hythe is held to: Linux's goodput in every cell, and in no cell less than this share of it. Where the wire is full
#: either way what differs is who had sent a window more when time was up: so near to each other they are equal.
LEAST: Final = 0.8
EQUAL: Final = 0.99
_QDISC: Final = Path("/proc/sys/net/core/default_qdisc")

LINUX: Final = "linux"
HYTHE: Final = "hythe"


class Board:
    """Outcomes by cell and pairing of stacks, one a round; None where a run came to nothing."""

    def __init__(self, cells: Sequence[Cell], pairings: Sequence[str], how: str) -> None:
        """`how`: in a word or two, for instance "real time"."""
        self.cells = cells
        self.pairings = pairings
        self.how = how
        self.notes: list[str] = []
        self.machine = {**machine(), "qdisc": qdisc()}
        self.started = time.time()
        self._outcomes: dict[tuple[str, str], list[Outcome | None]] = {}

    def add(self, cell: Cell, pairing: str, outcome: Outcome | None) -> None:
        """Note one run, or that it failed."""
        self._outcomes.setdefault((cell.name, pairing), []).append(outcome)

    @property
    def empty(self) -> bool:
        """Did every run come to nothing?"""
        return not any(any(outcomes) for outcomes in self._outcomes.values())

    def outcomes(self, cell: Cell, pairing: str) -> list[Outcome]:
        """The runs that succeeded."""
        return [each for each in self._outcomes.get((cell.name, pairing), []) if each is not None]

    def median(self, cell: Cell, pairing: str, figure: Callable[[Outcome], float]) -> float | None:
        """The median of a figure over the rounds."""
        values = [figure(each) for each in self.outcomes(cell, pairing)]
        return statistics.median(values) if values else None

    def ratios(self, cell: Cell, pairing: str) -> list[float]:
        """Goodput as a share of Linux's, round by round: the same seed, at the same time."""
        ours, theirs = (self._outcomes.get((cell.name, each), []) for each in (pairing, LINUX))
        pairs = zip(ours, theirs, strict=False)
        return [a.goodput / b.goodput for a, b in pairs if a is not None and b is not None and b.goodput]

    def ratio(self, cell: Cell, pairing: str) -> float | None:
        """The median of `ratios`."""
        ratios = self.ratios(cell, pairing)
        return statistics.median(ratios) if ratios else None

    def below(self, bound: float) -> list[tuple[Cell, float]]:
        """The cells in which hythe is below `bound` of Linux's goodput, and where it is."""
        found = ((cell, self.ratio(cell, HYTHE)) for cell in self.cells)
        return [(cell, ratio) for cell, ratio in found if ratio is not None and ratio < bound]

    def mean(self) -> float | None:
        """The geometric mean of hythe's ratios over all cells."""
        ratios = [ratio for ratio in (self.ratio(cell, HYTHE) for cell in self.cells) if ratio]
        return prod(ratios) ** (1 / len(ratios)) if ratios else None

    def disturbed(self, cell: Cell) -> str:
        """Why this cell's figures may be the machine's rather than the stacks', or an empty string."""
        for pairing in self.pairings:
            for outcome in self.outcomes(cell, pairing):
                if reason := outcome.disturbed(cell.rtt):
                    return f"{cell.name}, {pairing}: {reason}"
        return ""

    def document(self) -> dict[str, object]:
        """Everything, for JSON."""
        return {
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.started)),
            "seconds": round(time.time() - self.started, 1),
            "how": self.how,
            "machine": self.machine,
            "cells": {cell.name: self._cell(cell) for cell in self.cells},
            "notes": self.notes,
        }

    def _cell(self, cell: Cell) -> dict[str, object]:
        return {
            "wire": asdict(cell),
            "ratio": self.ratio(cell, HYTHE),
            "runs": {
                pairing: [
                    outcome and {"goodput": outcome.goodput, "fairness": outcome.fairness, **asdict(outcome)}
                    for outcome in self._outcomes.get((cell.name, pairing), [])
                ]
                for pairing in self.pairings
            },
        }

    def save(self) -> Path:
        """Write everything to scoreboard/results and return the file."""
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / time.strftime("%Y-%m-%dT%H%M%S.json", time.localtime(self.started))
        path.write_text(json.dumps(self.document(), indent=1, ensure_ascii=False) + "\n")
        return path


def qdisc() -> str:
    """What Linux puts before a device when nobody says anything."""
    return _QDISC.read_text().strip() if _QDISC.exists() else "unknown"

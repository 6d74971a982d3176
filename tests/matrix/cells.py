"""The matrix: its axes, its cells, and a choice of cells in which every pair of values meets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from random import Random
from typing import Any, Final, NamedTuple

from hythe.link.faults import Plan, RandomLoss
from hythe.units import KIB, MILLISECOND

#: The least MTU of IPv6 (RFC 8200, 5).
MTU6_MIN: Final = 1_280
#: On the wire with faults, each way; and for a packet that others overtake, in addition.
DELAY: Final = MILLISECOND
REORDER_BY: Final = 3 * MILLISECOND
_TRIES: Final = 30


class Cell(NamedTuple):
    """One transfer. `role`: what hythe does. `supers`: may super-segments come in and go out?"""

    device: str
    role: str
    version: int
    loss: float
    reorder: bool
    duplicate: bool
    corrupt: bool
    mtu: int
    supers: bool

    def __str__(self) -> str:
        faults = [name for name in ("reorder", "duplicate", "corrupt") if getattr(self, name)]
        words = [self.device, self.role, f"IPv{self.version}", f"loss {self.loss:.0%}", *faults, f"MTU {self.mtu}"]
        return ", ".join([*words, "super-segments" if self.supers else "no super-segments"])

    @property
    def exists(self) -> bool:
        """IPv6 has a least MTU."""
        return self.version == 4 or self.mtu >= MTU6_MIN

    @property
    def faulty(self) -> bool:
        """Does anything go wrong?"""
        return bool(self.loss or self.reorder or self.duplicate or self.corrupt)

    @property
    def plan(self) -> Plan:
        """What either direction does to its packets."""
        return Plan(
            delay=DELAY if self.faulty else 0,
            loss=RandomLoss(self.loss) if self.loss else None,
            reorder=0.1 if self.reorder else 0.0,
            reorder_by=REORDER_BY,
            duplicate=0.1 if self.duplicate else 0.0,
            corrupt=0.03 if self.corrupt else 0.0,
        )

    @property
    def size(self) -> int:
        """Bytes that each side sends: 32 KiB, and eight packets where that is more."""
        return max(32 * KIB, 8 * self.mtu)


AXES: Final[Mapping[str, tuple[Any, ...]]] = {
    "device": ("tun", "tap"),
    "role": ("connects", "listens"),
    "version": (4, 6),
    "loss": (0.0, 0.01, 0.05, 0.2),
    "reorder": (False, True),
    "duplicate": (False, True),
    "corrupt": (False, True),
    "mtu": (576, 1_280, 1_500, 9_000, 65_520),
    "supers": (False, True),
}

Pair = tuple[tuple[str, Any], tuple[str, Any]]


def every() -> list[Cell]:
    """The whole matrix."""
    return [cell for cell in (Cell(*values) for values in product(*AXES.values())) if cell.exists]


def pairs(cell: Cell) -> set[Pair]:
    """Each value of the cell with each value of another axis."""
    return set(combinations(zip(AXES, cell, strict=True), 2))


def all_pairs() -> set[Pair]:
    """Every pair that a cell can have."""
    return {pair for cell in every() for pair in pairs(cell)}


def pairwise(seed: int) -> list[Cell]:
    """Cells in which every pair occurs: few, and the same for the same seed.

    Greedy: a pair that is missing yet, completed at random some times over; the cell with the most missing pairs stays.
    """
    rng = Random(seed)
    missing = all_pairs()
    chosen: list[Cell] = []
    while missing:
        wanted = rng.choice(sorted(missing, key=repr))
        best = max(_around(wanted, rng), key=lambda cell: len(pairs(cell) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return chosen


def _around(pair: Pair, rng: Random) -> Iterator[Cell]:
    found = 0
    while found < _TRIES:
        cell = Cell(**{**{name: rng.choice(values) for name, values in AXES.items()}, **dict(pair)})
        if cell.exists:
            found += 1
            yield cell

"""Numbers as a few cells of a terminal: short quantities, sparklines, curves of braille dots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hythe.units import MICROSECOND, MILLISECOND, SECOND

_BARS: Final = " ▁▂▃▄▅▆▇█"
_UNITS: Final = "KMGTP"
#: Dots of one cell, and where they stand in U+2800's bits: of each column from above (Unicode, Braille Patterns).
_BRAILLE: Final = 0x2800
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
ACROSS: Final = 2
DOWN: Final = 4


def quantity(value: float) -> str:
    """Bytes in five cells at most: ``812``, ``1.4K``, ``98M``; by 1024s."""
    if value < 1_000:
        return f"{value:.0f}"
    for unit in _UNITS:
        value /= 1_024
        if value < 9.95:
            return f"{value:.1f}{unit}"
        if value < 999.5:
            return f"{value:.0f}{unit}"
    return f"{value:.0f}{_UNITS[-1]}"


def rate(value: float) -> str:
    """Bytes a second, nothing for none."""
    return quantity(value) if value >= 0.5 else ""


def lapse(seconds: float | None) -> str:
    """A length of time in six cells at most: ``87µs``, ``1.4ms``, ``12s``, ``3h05``; nothing for what is not known."""
    if seconds is None:
        return ""
    nanoseconds = seconds * SECOND
    if nanoseconds < 999.5 * MICROSECOND:
        return f"{nanoseconds / MICROSECOND:.0f}µs"
    if nanoseconds < 999.5 * MILLISECOND:
        return f"{nanoseconds / MILLISECOND:.{0 if nanoseconds >= 9.95 * MILLISECOND else 1}f}ms"
    if seconds < 99.5:
        return f"{seconds:.{0 if seconds >= 9.95 else 1}f}s"
    minutes = round(seconds) // 60
    return f"{minutes}m{round(seconds) % 60:02}" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}"


def spark(values: Sequence[float], highest: float = 0.0) -> str:
    """A bar for each, as high as its part of the highest, or of `highest` where that is more; what is not 0 can be seen."""
    top = max(highest, *values, 0.0)
    if not top:
        return " " * len(values)
    levels = len(_BARS) - 1
    return "".join(_BARS[max(1, round(value / top * levels))] if value > 0 else " " for value in values)


class Canvas:
    """`width` by `height` cells; what was drawn last gives a cell its colour."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._bits = [[0] * width for _ in range(height)]
        self._colours = [[""] * width for _ in range(height)]

    def dot(self, x: int, y: int, colour: str) -> None:
        """`x`: dots from the left; `y`: dots from below. What is outside is left out."""
        column, row = x // ACROSS, self.height - 1 - y // DOWN
        if 0 <= column < self.width and 0 <= row < self.height:
            self._bits[row][column] |= _DOTS[x % ACROSS][DOWN - 1 - y % DOWN]
            self._colours[row][column] = colour

    def steps(self, points: Iterable[tuple[int, int]], colour: str) -> None:
        """A staircase through points, from left to right: what a counter says holds until it says something else."""
        previous: tuple[int, int] | None = None
        for x, y in points:
            if previous is not None:
                for between in range(previous[0], x):
                    self.dot(between, previous[1], colour)
                for between in range(min(previous[1], y), max(previous[1], y)):
                    self.dot(x, between, colour)
            self.dot(x, y, colour)
            previous = (x, y)

    def row(self, number: int) -> list[tuple[str, str]]:
        """One row from above: pieces of text, each with its colour."""
        pieces: list[tuple[str, str]] = []
        for bits, colour in zip(self._bits[number], self._colours[number], strict=True):
            text = chr(_BRAILLE + bits) if bits else " "
            if pieces and (pieces[-1][1] == colour or not bits):
                pieces[-1] = (pieces[-1][0] + text, pieces[-1][1])
            else:
                pieces.append((text, colour))
        return pieces

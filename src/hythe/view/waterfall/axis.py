"""Round times for an axis, and lengths of time in as few figures as tell them."""

from __future__ import annotations

from typing import Final

#: Parts of a power of ten that people count by.
_ROUND: Final = (1, 2, 5)
_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def ticks(seconds: float, most: int) -> list[float]:
    """From 0 on, none behind `seconds`, `most` steps at the most: of 1, 2 or 5 times a power of ten."""
    power = -9
    while True:
        for part in _ROUND:
            step = part * 10.0**power
            count = int(seconds / step * (1 + 1e-9))
            if count <= most:
                return [round(step * place, 9) for place in range(count + 1)]
        power += 1


def spell(seconds: float) -> str:
    """Three figures: ``87 µs``, ``1.42 ms``, ``350 ms``, ``3.1 s``, ``128 s``."""
    if seconds == 0:
        return "0"
    unit, name = next((each for each in _UNITS if seconds >= each[0] * 0.9995), _UNITS[-1])
    value = seconds / unit
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") + f" {name}" if digits else f"{value:.0f} {name}"

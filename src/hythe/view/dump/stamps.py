"""Times before packets, as the options -t to -ttttt ask for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_SECOND: Final = 1_000_000_000
#: A timestamp in nanoseconds -> text with a space behind it.
Stamper = Callable[[int], str]


def stamper(times: int, *, nano: bool = False) -> Stamper:
    """`times`: how often -t was given.

    0: time of day; 1: none; 2: seconds since 1970; 3: since the packet before; 4: with the date; 5: since the first packet.
    `nano`: nine digits behind the point, not six.
    """
    fraction = _nanoseconds if nano else _microseconds
    match times:
        case 0 | 4:
            return _Clock("%H:%M:%S" if not times else "%Y-%m-%d %H:%M:%S", fraction).text
        case 1:
            return lambda _now: ""
        case 2:
            return lambda now: f"{now // _SECOND}.{fraction(now % _SECOND)} "
    return _Since(fraction, first=times == 5).text


def _microseconds(nanoseconds: int) -> str:
    return f"{nanoseconds // 1_000:06}"


def _nanoseconds(nanoseconds: int) -> str:
    return f"{nanoseconds:09}"


class _Clock:
    """Local time; the text of a second is made once."""

    __slots__ = ("_form", "_fraction", "_second", "_text")

    def __init__(self, form: str, fraction: Stamper) -> None:
        self._form = form
        self._fraction = fraction
        self._second = -1
        self._text = ""

    def text(self, now: int) -> str:
        second, rest = divmod(now, _SECOND)
        if second != self._second:
            self._second = second
            self._text = time.strftime(self._form, time.localtime(second))
        return f"{self._text}.{self._fraction(rest)} "


class _Since:
    """Time since the packet before, or since the first one."""

    __slots__ = ("_base", "_first", "_fraction")

    def __init__(self, fraction: Stamper, *, first: bool) -> None:
        self._fraction = fraction
        self._first = first
        self._base: int | None = None

    def text(self, now: int) -> str:
        base = now if self._base is None else self._base
        if self._base is None or not self._first:
            self._base = now
        seconds, rest = divmod(abs(now - base), _SECOND)
        sign = "-" if now < base else " "
        return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{self._fraction(rest)} "

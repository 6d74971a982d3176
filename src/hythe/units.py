"""Units of time, size and sequence space, and how people write them.

Inside hythe an instant is an ``int`` of nanoseconds on whatever clock the driver reads (`now`), a length of time is an
``int`` of nanoseconds too, and a size is an ``int`` of bytes. Text such as ``50ms`` or ``512KiB`` exists at the edges
only; the parsers here are those edges.
"""

from __future__ import annotations

import re

from hythe.errors import UsageError

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000

#: An instant later than any other: "no timer".
NEVER = (1 << 63) - 1

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

_NUMBER = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)")

_SHARE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*%")

_DURATIONS = {
    "ns": 1,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "": SECOND,
    "m": 60 * SECOND,
    "min": 60 * SECOND,
    "h": 3600 * SECOND,
}
_SIZES = {
    "": 1,
    "b": 1,
    "k": KIB,
    "kib": KIB,
    "kb": 1_000,
    "m": MIB,
    "mib": MIB,
    "mb": 1_000_000,
    "g": GIB,
    "gib": GIB,
    "gb": 1_000_000_000,
}
_RATES = {
    "": 1,
    "bit": 1,
    "kbit": 1_000,
    "mbit": 1_000_000,
    "gbit": 1_000_000_000,
}


def parse_duration(text: str) -> int:
    """Nanoseconds of a length of time written as ``200ms``, ``1.5s`` or ``2min``; a bare number means seconds.

    Raises `UsageError` naming what was written.
    """
    return _parse(text, _DURATIONS, "length of time", "50ms, 1.5s or 2min")


def parse_size(text: str) -> int:
    """Bytes of a size written as ``65536``, ``64KiB`` (1024s) or ``64kB`` (1000s). Raises `UsageError`."""
    return _parse(text, _SIZES, "size", "65536, 512KiB or 4MiB")


def parse_rate(text: str) -> int:
    """Bits a second of a rate written as ``10mbit``, ``10Mbit/s`` or ``1.5gbit`` (1000s). Raises `UsageError`.

    ``bps`` is not taken, since it means bits to some and bytes to others.
    """
    rate = _parse(text.strip().removesuffix("/s"), _RATES, "rate", "500kbit, 10mbit or 1gbit", written=text)
    if not rate:
        raise UsageError(f"{text!r} is not a rate: nothing would ever arrive")
    return rate


def parse_share(text: str) -> float:
    """A share, 0 to 1, written as ``5%`` or ``0.1%``. Raises `UsageError`."""
    match = _SHARE.fullmatch(text.strip())
    if match is None or float(match["number"]) > 100:
        raise UsageError(f"{text!r} is not a share: write for example 5% or 0.1%")
    return float(match["number"]) / 100


def _parse(text: str, units: dict[str, int], what: str, examples: str, written: str | None = None) -> int:
    match = _NUMBER.fullmatch(text.strip())
    scale = units.get(match["unit"].lower()) if match else None
    if match is None or scale is None:
        raise UsageError(f"{written or text!r} is not a {what}: write for example {examples}")
    return round(float(match["number"]) * scale)


def format_bytes(count: int) -> str:
    """A size for people: ``812 B``, ``1.4 KiB``, ``1.0 GiB``."""
    if count < KIB:
        return f"{count} B"
    scaled, unit = count / KIB, "KiB"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        if scaled < 1024 or unit == "TiB":
            break
        scaled /= 1024
    return f"{scaled:.1f} {unit}"


def format_duration(nanoseconds: int) -> str:
    """A length of time for people: ``87 µs``, ``1.42 ms``, ``3.1 s``."""
    if nanoseconds < MILLISECOND:
        return f"{nanoseconds / MICROSECOND:.0f} µs"
    if nanoseconds < SECOND:
        return f"{nanoseconds / MILLISECOND:.2f} ms"
    return f"{nanoseconds / SECOND:.1f} s"

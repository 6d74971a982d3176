"""What a filter does to a packet's bytes: loads, arithmetic, comparisons, joined by and, or, not.

The one meaning that an expression has for a link type, from which `predicate` makes Python and `bpf` makes a program for the
kernel. All numbers are unsigned, of 32 bits. A load past the end of what was kept, or a division by zero, does not make a
comparison false: it rejects the packet, under a `not` as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WORD: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: int


@dataclass(frozen=True, slots=True)
class PacketLength:
    """Bytes the packet had before any cutting."""


@dataclass(frozen=True, slots=True)
class HeaderLength:
    """Four times the low half of the byte at `offset`: the length of an IPv4 header there."""

    offset: int


@dataclass(frozen=True, slots=True)
class Load:
    """`size` bytes in network order at `offset`, plus `index` if there is one."""

    size: int
    offset: int
    index: Value | None = None


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`sign` is one of + - * / % & | ^ << >>."""

    sign: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Compare:
    """`sign` is one of == != > < >= <=."""

    sign: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class All:
    """Every one of them, looked at in order; of none, true."""

    parts: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of them, looked at in order; of none, false."""

    parts: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """The contrary."""

    inner: Check


@dataclass(frozen=True, slots=True)
class Chain:
    """Is this protocol anywhere behind the IP header at `network`, of version `four` or 6? Its loop is none for a kernel."""

    network: int
    protocol: int
    four: bool


Value = Number | PacketLength | HeaderLength | Load | Arithmetic
Check = Compare | All | Any | Negation | Chain

TRUE: Final = All(())
FALSE: Final = Any(())


def every(*parts: Check) -> Check:
    """All of them, without needless levels."""
    flat: list[Check] = []
    for part in parts:
        flat += part.parts if isinstance(part, All) else (part,)
    if FALSE in flat:
        return FALSE
    return flat[0] if len(flat) == 1 else All(tuple(flat))


def either(*parts: Check) -> Check:
    """Any of them, without needless levels."""
    flat: list[Check] = []
    for part in parts:
        flat += part.parts if isinstance(part, Any) else (part,)
    if TRUE in flat:
        return TRUE
    return flat[0] if len(flat) == 1 else Any(tuple(flat))


def equal(value: Value, number: int) -> Check:
    """`value == number`."""
    return Compare("==", value, Number(number))


def masked(value: Value, mask: int) -> Value:
    """`value & mask`, or the value itself where all bits count."""
    return value if mask == WORD else Arithmetic("&", value, Number(mask))

"""Checks to Python: one function over the bytes of a packet, compiled once.

The source is written by this file alone; of an expression only numbers reach it. A field is read in the order of the
checks, so that what lies past the end of a packet rejects it exactly where a BPF program would.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from hythe.view.filter.checks import (
    WORD,
    All,
    Any,
    Arithmetic,
    Chain,
    Check,
    Compare,
    HeaderLength,
    Load,
    Negation,
    Number,
    PacketLength,
    Value,
)
from hythe.view.filter.meaning import calculate

#: Called with the bytes kept of a packet, from its link-layer header on, and the length it had.
Predicate = Callable[[bytes, int], bool]

_TEMPLATE: Final = """\
def predicate(data, length):
    try:
        return {}
    except (IndexError, StructError, ZeroDivisionError):
        return False
"""
_SIX_SIZE: Final = 40
_NO_NEXT: Final = 59
_AUTHENTICATION: Final = 51
#: Hop-by-hop options, routing, fragments, destination options; how many may follow each other.
_EXTENSIONS: Final = frozenset({0, 43, 44, 60})
_HEADERS_MAX: Final = 256
#: Signs whose result may need more than 32 bits, or that Python takes further than a register goes.
_CALCULATED: Final = frozenset({"-", "*", "<<", ">>"})


def predicate(check: Check) -> Predicate:
    """The function that tells whether a packet passes."""
    room: dict[str, object] = {
        "IndexError": IndexError,
        "ZeroDivisionError": ZeroDivisionError,
        "StructError": struct.error,
        "two": struct.Struct(">H").unpack_from,
        "four": struct.Struct(">I").unpack_from,
        "calculate": calculate,
        "chain": chain,
        "__builtins__": {},
    }
    exec(compile(source(check), "<filter>", "exec"), room)
    found: Predicate = room["predicate"]  # type: ignore[assignment]
    return found


def source(check: Check) -> str:
    """The text of the function."""
    return _TEMPLATE.format(_check(check))


def _check(check: Check) -> str:
    match check:
        case All():
            return f"({' and '.join(map(_check, check.parts))})" if check.parts else "True"
        case Any():
            return f"({' or '.join(map(_check, check.parts))})" if check.parts else "False"
        case Negation():
            return f"(not {_check(check.inner)})"
        case Compare():
            return f"{_value(check.left)} {check.sign} {_value(check.right)}"
        case Chain():
            return f"chain(data, {check.network}, {check.protocol}, {check.four})"


def chain(data: bytes, network: int, protocol: int, four: bool) -> bool:
    """Follow the extension headers of the IP packet at `network` to a protocol. Raises IndexError where the packet ends.

    An authentication header is followed as tcpdump follows it: as if it were the first behind the IP header's beginning.
    """
    following = data[network + 9] if four else data[network + 6]
    at = (data[network] & 15) * 4 if four else _SIX_SIZE
    for _ in range(_HEADERS_MAX):
        if following in (protocol, _NO_NEXT):
            break
        if following == _AUTHENTICATION:
            following, at = data[network + at], (data[network + at + 1] + 2) * 4
        elif following in _EXTENSIONS and not four:
            following, at = data[network + at], at + (data[network + at + 1] + 1) * 8
        else:
            break
    return following == protocol


def _value(value: Value) -> str:
    match value:
        case Number():
            return str(value.value)
        case PacketLength():
            return "length"
        case HeaderLength():
            return f"((data[{value.offset}] & 15) << 2)"
        case Load():
            return _load(value)
        case Arithmetic():
            left, right = _value(value.left), _value(value.right)
            if value.sign == "+":
                return f"({left} + {right} & {WORD})"
            if value.sign in _CALCULATED:
                return f"calculate({value.sign!r}, {left}, {right})"
            return f"({left} {'//' if value.sign == '/' else value.sign} {right})"


def _load(load: Load) -> str:
    place = str(load.offset)
    if load.index is not None:
        place = f"({_value(load.index)} + {load.offset} & {WORD})"
    elif load.size == 2:
        return f"(data[{load.offset}] << 8 | data[{load.offset + 1}])"
    match load.size:
        case 1:
            return f"data[{place}]"
        case 2:
            return f"two(data, {place})[0]"
    return f"four(data, {place})[0]"

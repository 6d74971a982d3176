"""Router renumbering in ICMPv6 (RFC 2894)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.show import ENDS, Show, address_at, address_text

_HEADER: Final = struct.Struct(">IBBHI").unpack_from
_HEADER_SIZE: Final = 16
_COMMAND: Final = 0
_CODES: Final[Mapping[int, str]] = MappingProxyType({0: "command", 1: "result", 255: "sequence number reset"})
#: RFC 2894, 3.1.
_FLAGS: Final = ((0x80, "T"), (0x40, "R"), (0x20, "A"), (0x10, "S"), (0x08, "P"))
_OPERATIONS: Final[Mapping[int, str]] = MappingProxyType({1: "add", 2: "change", 3: "setglobal"})
_MATCH_SIZE: Final = 24
_USE_SIZE: Final = 32
_FOREVER: Final = 0xFFFF_FFFF


def renumbering(show: Show, data: bytes, at: int) -> None:
    """What stands behind the name of the message; where it is cut off, its length is told nevertheless."""
    try:
        _message(show, data, at)
    except ENDS:
        show.put(" [|icmp6]")


def _message(show: Show, data: bytes, at: int) -> None:
    put, verbose = show.put, show.style.verbose
    sequence, segment, flags, delay, reserved = _HEADER(data, at + 4)
    code = data[at + 1]
    put(f", {_CODES.get(code, f'code-#{code}')}, seq={sequence}")
    if verbose:
        letters = "".join(letter for bit, letter in _FLAGS if flags & bit) + "," if flags else ""
        put(f"[{letters}seg={segment},maxdelay={delay}" + (f"rsvd=0x{reserved:x}" if reserved else "") + "]")
    if code == _COMMAND:
        _operation(show, data, at + _HEADER_SIZE)


def _operation(show: Show, data: bytes, at: int) -> None:
    """One; tcpdump tells no more of them (RFC 2894, 3.2)."""
    put, verbose = show.put, show.style.verbose
    prefix = address_text(address_at(data, at + 8))
    code, units, ordinal, match, low, high = struct.unpack_from(">6B", data, at)
    between = "\n\t" if verbose > 1 else " "
    put(f"{between}match({_OPERATIONS.get(code, f'#{code}')}")
    put(f",ord={ordinal},min={low},max={high}" if verbose else "")
    put(f",{prefix}/{match})")
    if (units - 3) % 4:
        raise IndexError("the length is none that an operation can have")
    for number in range((units - 3) // 4):
        put(between + _use(data, at + _MATCH_SIZE + _USE_SIZE * number, verbose))


def _use(data: bytes, at: int, verbose: int) -> str:
    """A prefix to be used instead."""
    prefix = address_text(address_at(data, at + 16))
    use, keep, mask, flags, valid, preferred = struct.unpack_from(">BBBBII", data, at)
    text = "use("
    if data[at + 12]:
        text += ("V" if data[at + 12] & 0x80 else "") + ("P" if data[at + 12] & 0x40 else "") + ","
    if verbose:
        text += f"mask=0x{mask:x},raflags=0x{flags:x},vltime={_seconds(valid)},pltime={_seconds(preferred)},"
    return f"{text}{prefix}/{use}/{keep})"


def _seconds(value: int) -> str:
    return "infty" if value == _FOREVER else str(value)

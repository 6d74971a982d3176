"""RPL, routing in networks of small devices, in ICMPv6 (RFC 6550, 6)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.show import ShortError, Show, address_at, hexadecimal

_SECURE: Final = 0x80
_INFORMATION, _ADVERTISEMENT, _ACKNOWLEDGMENT = 1, 2, 3
_CODES: Final = (
    "DODAG Information Solicitation",
    "DODAG Information Object",
    "Destination Advertisement Object",
    "Destination Advertisement Object Ack",
)
_MODES: Final = ("nonstoring", "storing", "nonstoring-multicast", "storing-multicast")
_OPTIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "padN",
        2: "metrics",
        3: "routinginfo",
        4: "config",
        5: "rpltarget",
        6: "transitinfo",
        8: "destprefix",
        9: "rpltargetdesc",
    }
)
#: Bytes behind the ICMPv6 header's first four: of an information object, and of the others without and with a graph's name.
_OBJECT_SIZE: Final = 24
_SHORT_SIZE: Final = 4
_LONG_SIZE: Final = 20


def rpl(show: Show, data: bytes, at: int, length: int) -> None:
    """What stands behind the name of the message. Raises IndexError where a part of it is missing."""
    put, code = show.put, data[at + 1]
    if code & _SECURE:
        put(", (SEC) [worktodo]")  # in so many words, as tcpdump has it
        return
    put(f", (CLR){_CODES[code]}" if code < len(_CODES) else f", (CLR)RPL message, unknown code {code}")
    if not show.style.verbose:
        return
    if code == _INFORMATION:
        _object(show, data, at + 4, length - 4)
    elif code in (_ADVERTISEMENT, _ACKNOWLEDGMENT):
        _advertisement(show, data, at + 4, length - 4, code)


def _object(show: Show, data: bytes, at: int, length: int) -> None:
    """RFC 6550, 6.3.1."""
    if length < _OBJECT_SIZE:
        show.put(f" [length {length} < {_OBJECT_SIZE}] (invalid)")
        return
    graph = show.names.host(address_at(data, at + 8))
    instance, _, rank, mode, sequence = struct.unpack_from(">BBHBB", data, at)
    operation = mode >> 3 & 7
    name = _MODES[operation] if operation < len(_MODES) else f"mop{operation}"
    show.put(f" [dagid:{graph},seq:{sequence},instance:{instance},rank:{rank},")
    show.put(f"{'grounded,' if mode & 0x80 else ''}mop:{name},prf:{mode & 7}]")
    _options(show, data, at + _OBJECT_SIZE, at + length)


def _advertisement(show: Show, data: bytes, at: int, length: int, code: int) -> None:
    """RFC 6550, 6.4.1 and 6.5.1: a bit tells whether the graph has its name in it."""
    acknowledgment = code == _ACKNOWLEDGMENT
    if len(data) < at + (_SHORT_SIZE if acknowledgment else _LONG_SIZE):
        raise ShortError("the message is cut off")
    instance, flags, third, fourth = data[at : at + _SHORT_SIZE]
    size, graph = _SHORT_SIZE, "<elided>"
    if length >= size and flags & (0x80 if acknowledgment else 0x40):
        if len(data) < at + _LONG_SIZE:
            raise ShortError("the graph's name is cut off")
        graph = show.names.host(address_at(data, at + _SHORT_SIZE))
        size = _LONG_SIZE
    if length < size:
        show.put(" [|dao-length too short]" if acknowledgment else " [|length too short]")
        return
    if acknowledgment:
        show.put(f" [dagid:{graph},seq:{third},instance:{instance},status:{fourth}]")
    else:
        marks = (",acK" if flags & 0x80 else "") + (",Dagid" if flags & 0x40 else "")
        show.put(f" [dagid:{graph},seq:{fourth},instance:{instance}{marks},{flags:02x}]")
    _options(show, data, at + size, at + length)


def _options(show: Show, data: bytes, at: int, end: int) -> None:
    """RFC 6550, 6.7."""
    if show.style.verbose < 2:
        return
    while at < end:
        kind = data[at]
        if not kind:
            show.put(" opt:pad1")
            at += 1
            continue
        if at + 2 > end:
            raise ShortError("the option is cut off")
        size = data[at + 1] + 2
        show.put(f" opt:{_OPTIONS.get(kind, f'subopt:{kind}')} len:{size} ")
        if at + size > min(end, len(data)):
            raise ShortError("the option is cut off")
        if show.style.verbose > 2:
            show.put(hexadecimal(data[at + 2 : at + size], " "))
        at += size

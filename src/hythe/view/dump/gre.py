"""Generic routing encapsulation (RFC 1701, 2784, 2890) with the packet inside, and PPTP's variant of it (RFC 2637)."""

from __future__ import annotations

import struct
from typing import Final

from hythe.view.dump.ethertypes import ETHERTYPES, IPV4, IPV6
from hythe.view.dump.linklayer import ethernet
from hythe.view.dump.show import ENDS, NESTING_MAX, Show, address_text

_CHECKSUM, _ROUTING, _KEY, _SEQUENCE, _STRICT, _ACKNOWLEDGED = 0x8000, 0x4000, 0x2000, 0x1000, 0x0800, 0x0080
_FLAGS: Final = (
    (_CHECKSUM, "checksum present"),
    (_ROUTING, "routing present"),
    (_KEY, "key present"),
    (_SEQUENCE, "sequence# present"),
    (_STRICT, "source routing present"),
    (_ACKNOWLEDGED, "ack present"),
)
_VERSION: Final = 0x0007
_BRIDGED: Final = 0x6558
#: Address families of source routes: IP, autonomous system numbers (RFC 1701, RFC 1702).
_ROUTE_IP: Final = 0x0800
_ROUTE_SYSTEM: Final = 0xFFFE


def gre(show: Show, data: bytes, at: int, length: int) -> None:
    """The packet at `at`, of which the IP header promised `length` bytes."""
    try:
        reader = _Reader(data, at, length)
        flags = reader.number(2)
        version = flags & _VERSION
        show.put(f"GREv{version}")
        if version > 1:
            show.put(" ERROR: unknown-version")
            return
        if show.style.verbose:
            names = ", ".join(name for bit, name in _FLAGS if flags & bit) or "none"
            show.put(f", Flags [{names}]")
        protocol = reader.number(2)
        goes_on = _plain(show, reader, flags) if version == 0 else _enhanced(show, reader, flags)
        if show.style.link:
            show.put(f", proto {ETHERTYPES.get(protocol, 'unknown')} (0x{protocol:04x})")
        show.put(f", length {length}")
        if goes_on:
            show.put("\n\t" if show.style.verbose else ": ")
            _inside(show, protocol if version == 0 else 0, protocol, reader)
    except ENDS:
        show.put(" [|gre]")


class _Reader:
    """Numbers one behind the other, from as many bytes as there are and were promised."""

    __slots__ = ("at", "data", "left")

    def __init__(self, data: bytes, at: int, left: int) -> None:
        self.data = data
        self.at = at
        self.left = left

    def number(self, size: int) -> int:
        """The next one. Raises IndexError behind the end."""
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        """The next bytes. Raises IndexError behind the end."""
        if self.left < size or self.at + size > len(self.data):
            raise IndexError("the header is cut off")
        found = self.data[self.at : self.at + size]
        self.at += size
        self.left -= size
        return found


def _plain(show: Show, reader: _Reader, flags: int) -> bool:
    put = show.put
    if flags & (_CHECKSUM | _ROUTING):
        checksum = reader.number(2)
        put(f", sum 0x{checksum:x}" if show.style.verbose else "")
        put(f", off 0x{reader.number(2):x}")
    if flags & _KEY:
        put(f", key=0x{reader.number(4):x}")
    if flags & _SEQUENCE:
        put(f", seq {reader.number(4)}")
    if flags & _ROUTING:
        while True:
            family, offset, size = struct.unpack(">HBB", reader.take(4))
            if not family and not size:
                break
            _route(show, reader, family, offset, size)
    return True


def _enhanced(show: Show, reader: _Reader, flags: int) -> bool:
    """Of version 1 the key is a length and a call; without a sequence number nothing is carried (RFC 2637, 4.1)."""
    put = show.put
    if flags & _KEY:
        put(f", call {reader.number(4) & 0xFFFF}")
    if flags & _SEQUENCE:
        put(f", seq {reader.number(4)}")
    if flags & _ACKNOWLEDGED:
        put(f", ack {reader.number(4)}")
    if not flags & _SEQUENCE:
        put(", no-payload")
    return bool(flags & _SEQUENCE)


def _route(show: Show, reader: _Reader, family: int, offset: int, size: int) -> None:
    """An entry of a source route: stations, the next of them marked."""
    put = show.put
    step = {_ROUTE_IP: 4, _ROUTE_SYSTEM: 2}.get(family)
    if step is None:
        put(f", (rtaf=0x{family:x})")
    else:
        put(f", (rtaf={'ip' if step == 4 else 'asn'}")
        try:
            put(_stations(show, reader, offset, size, step))
        finally:
            put(")")
    reader.take(size)


def _stations(show: Show, reader: _Reader, offset: int, size: int, step: int) -> str:
    """What is wrong with them; those that are right are put as they are read."""
    if offset % step:
        return f", badoffset={offset}"
    if size % step:
        return f", badlength={size}"
    if offset >= size:
        return f", badoff/len={offset}/{size}"
    ahead = _Reader(reader.data, reader.at, reader.left)
    for place in range(0, size, step):
        station = ahead.take(step)
        text = address_text(station) if step == 4 else f"{int.from_bytes(station, 'big'):x}"
        show.put(f" {'*' if place == offset else ''}{text}")
    return ""


def _inside(show: Show, known: int, protocol: int, reader: _Reader) -> None:
    """`known`: the protocol, if it is to be told any further."""
    if known in (IPV4, IPV6):
        show.within(known == IPV4, reader.data, reader.at, reader.left)
    elif known == _BRIDGED and show.depth < NESTING_MAX:
        show.depth += 1
        ethernet(show, reader.data[reader.at :], reader.left)
        show.depth -= 1
    else:
        show.put(f"gre-proto-0x{protocol:x}")

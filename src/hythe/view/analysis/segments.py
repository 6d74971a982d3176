"""TCP segments of captured packets: their headers alone, since a capture may have kept no more.

The size of the text is what the IP header says, not what was kept. Where a kernel wrote down a super-segment that is longer
than an IP header can tell (length 0: Linux's BIG TCP), the packet's own length counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from hythe.errors import MachineError, ParseError
from hythe.wire import pcapng
from hythe.wire.ipv6 import FRAGMENT
from hythe.wire.options import Options, parse
from hythe.wire.pcapng import CapturedPacket
from hythe.wire.segment import FIN, HEADER_SIZE, PROTOCOL, SYN

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
_VLAN: Final = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
#: IPv6 headers that say how long they are in 8-byte units (RFC 8200, 4): hop-by-hop, routing, destination.
_EXTENSIONS: Final = frozenset({0, 43, 60})
_READ_TCP: Final = struct.Struct(">HHIIBBH").unpack_from
#: link type -> (offset of the EtherType, of what is behind it).
_TYPED: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        pcapng.LINKTYPE_ETHERNET: (12, 14),
        pcapng.LINKTYPE_LINUX_SLL: (14, 16),
        pcapng.LINKTYPE_LINUX_SLL2: (0, 20),
    }
)
_BARE: Final[Mapping[int, int]] = MappingProxyType(
    {
        pcapng.LINKTYPE_RAW: 0,
        pcapng.LINKTYPE_IPV4: 0,
        pcapng.LINKTYPE_IPV6: 0,
        pcapng.LINKTYPE_NULL: 4,
        pcapng.LINKTYPE_LOOP: 4,
    }
)
_NOTHING: Final = Options()


class Captured:
    """One segment of a capture: `number` counts its packets from 1, `time` is in nanoseconds.

    `source`, `destination`: address and port, packed. `size`: bytes of text it had. `identification`: IPv4's, 0 else.
    """

    __slots__ = (
        "ack",
        "comment",
        "destination",
        "flags",
        "identification",
        "number",
        "options",
        "seq",
        "size",
        "source",
        "time",
        "window",
    )

    def __init__(self, packet: CapturedPacket, number: int, source: bytes, destination: bytes, identification: int) -> None:
        self.number = number
        self.time = packet.timestamp
        self.comment = packet.comment
        self.source = source
        self.destination = destination
        self.identification = identification
        self.seq = self.ack = self.flags = self.window = self.size = 0
        self.options = _NOTHING

    @property
    def length(self) -> int:
        """SEG.LEN: SYN and FIN count (RFC 9293, 3.4)."""
        return self.size + (self.flags & SYN != 0) + (self.flags & FIN)


def segments(packets: Iterable[CapturedPacket]) -> Iterator[Captured]:
    """Those among the packets that are TCP's and whole enough to be read.

    Raises `MachineError` for a link type that is not known here.
    """
    for number, packet in enumerate(packets, start=1):
        found = segment_of(packet, number)
        if found is not None:
            yield found


def segment_of(packet: CapturedPacket, number: int) -> Captured | None:
    """One packet's, if it is TCP's."""
    try:
        return _segment(packet, number)
    except (struct.error, IndexError, ParseError):
        return None  # cut off in its headers, or broken: nobody can tell what it was


def _segment(packet: CapturedPacket, number: int) -> Captured | None:
    data = packet.data
    at = network(data, packet.interface.linktype)
    if at < 0 or at >= len(data):
        return None
    length = max(packet.length, len(data)) - at
    if data[at] >> 4 == 4:
        total, identification, fragment = struct.unpack_from(">HHH", data, at + 2)
        if data[at + 9] != PROTOCOL or fragment & 0x1FFF:
            return None
        pair, start, end = data[at + 12 : at + 20], at + (data[at] & 15) * 4, at + (total or length)
    elif data[at] >> 4 == 6:
        total = int.from_bytes(data[at + 4 : at + 6], "big")
        start = _behind_extensions(data, at)
        pair, identification, end = data[at + 8 : at + 40], 0, at + (total + 40 if total else length)
    else:
        return None
    return _read(packet, number, pair, identification, start, end) if start >= 0 else None


def _read(packet: CapturedPacket, number: int, pair: bytes, identification: int, start: int, end: int) -> Captured | None:
    data, half = packet.data, len(pair) // 2
    sport, dport, seq, ack, offset, flags, window = _READ_TCP(data, start)
    text = start + (offset >> 2 & 0x3C)
    if text < start + HEADER_SIZE or text > end:
        return None
    found = Captured(
        packet, number, pair[:half] + sport.to_bytes(2, "big"), pair[half:] + dport.to_bytes(2, "big"), identification
    )
    found.seq, found.ack, found.flags, found.window, found.size = seq, ack, flags, window, end - text
    if text > start + HEADER_SIZE and text <= len(data):
        found.options = parse(data[start + HEADER_SIZE : text])
    return found


def network(data: bytes, linktype: int) -> int:
    """Where the IP header begins; -1 where there is none."""
    bare = _BARE.get(linktype)
    if bare is not None:
        return bare
    typed = _TYPED.get(linktype)
    if typed is None:
        raise MachineError(f"packets of link type {linktype} cannot be analysed here: capture Ethernet or bare IP")
    at, behind = typed
    kind = int.from_bytes(data[at : at + 2], "big")
    while kind in _VLAN:
        kind = int.from_bytes(data[behind + 2 : behind + 4], "big")
        behind += 4
    return behind if kind in (IPV4, IPV6) else -1


def _behind_extensions(data: bytes, at: int) -> int:
    """Where TCP begins behind an IPv6 header; -1 where something else is there."""
    kind, start = data[at + 6], at + 40
    while kind != PROTOCOL:
        if kind in _EXTENSIONS:
            kind, start = data[start], start + 8 * (1 + data[start + 1])
        elif kind == FRAGMENT and not int.from_bytes(data[start + 2 : start + 4], "big") & 0xFFF8:
            kind, start = data[start], start + 8
        else:
            return -1
    return start


def least_scale(window: int, flight: int) -> int:
    """By how much a window is shifted at the least, for what is in flight to have found room (RFC 7323, 2.3)."""
    guess = 0
    while guess < 14 and window and window << guess < flight:
        guess += 1
    return guess

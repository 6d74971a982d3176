"""Classic pcap capture files, read: a header, then records one behind the other.

The header's magic number says how its writer stored numbers and whether fractions of a second are micro- or nanoseconds.
All packets of a file come from one interface. A patched libpcap of the nineties wrote the interface and the protocol
behind each record's header, and another magic number to say so. What is read is what `hythe.wire.pcapng` reads:
`CapturedPacket`.
Layout: IETF draft-ietf-opsawg-pcap.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hythe.errors import ParseError
from hythe.wire.pcapng import CapturedPacket, Interface

HEADER_SIZE: Final = 24
RECORD_SIZE: Final = 16
#: The most that a packet can have kept (what libpcap takes); a record that claims more is damage.
SNAPLEN_MAX: Final = 262_144

#: magic as it lies in the file -> (byte order, nanoseconds a unit of the fraction, bytes of a record's header).
MAGICS: Final[Mapping[bytes, tuple[str, int, int]]] = MappingProxyType(
    {
        b"\xd4\xc3\xb2\xa1": ("<", 1_000, RECORD_SIZE),
        b"\xa1\xb2\xc3\xd4": (">", 1_000, RECORD_SIZE),
        b"\x4d\x3c\xb2\xa1": ("<", 1, RECORD_SIZE),
        b"\xa1\xb2\x3c\x4d": (">", 1, RECORD_SIZE),
        b"\x34\xcd\xb2\xa1": ("<", 1_000, RECORD_SIZE + 8),
        b"\xa1\xb2\xcd\x34": (">", 1_000, RECORD_SIZE + 8),
    }
)
#: Of the link-type field, what is the link type; above it stand the length of a frame check sequence, and flags.
_LINKTYPE: Final = 0x03FF_FFFF


class Reader:
    """Reads a file piece by piece. Use up what `feed` yields before feeding more, and call `end` where the file ends.

    Both raise `ParseError`, naming the place, when the bytes are no pcap file or a record does not fit; what came before
    has been yielded by then. `overlong`: packets whose fraction is a second or more, which is added all the same.
    """

    __slots__ = ("_head", "_interface", "_offset", "_record", "_rest", "_unit", "order", "overlong")

    def __init__(self) -> None:
        self.order = "<"
        self.overlong = 0
        self._head = RECORD_SIZE
        self._interface: Interface | None = None
        self._record = struct.Struct("<IIII")
        self._unit = 1_000
        self._rest = b""
        self._offset = 0

    @property
    def interfaces(self) -> Sequence[Interface]:
        """The one, once the header has been read."""
        return () if self._interface is None else (self._interface,)

    def feed(self, chunk: bytes) -> Iterator[CapturedPacket]:
        """The packets that `chunk` completes."""
        data = self._rest + chunk if self._rest else chunk
        at, size = 0, len(data)
        interface = self._interface
        if interface is None:
            if size < HEADER_SIZE:
                self._rest = data
                return
            interface, at = self._begin(data), HEADER_SIZE
        unpack, unit, head, ticks = self._record.unpack_from, self._unit, self._head, interface.ticks
        room = interface.snaplen or SNAPLEN_MAX
        while at + head <= size:
            seconds, fraction, kept, length = unpack(data, at)
            if kept > SNAPLEN_MAX:
                raise ParseError(f"pcap record at byte {self._offset + at} claims {kept} bytes, which no packet has")
            at += head
            end = at + kept
            if end > size:
                at -= head
                break
            if fraction >= ticks:
                self.overlong += 1
            # Of a record longer than the file's own limit libpcap takes what the limit allows.
            stop = end if kept <= room else at + room
            yield CapturedPacket(interface, seconds * 1_000_000_000 + fraction * unit, data[at:stop], length)
            at = end
        self._rest = data[at:]
        self._offset += at

    def end(self) -> None:
        """Raise `ParseError` if the file cannot end here."""
        size = len(self._rest)
        if self._interface is None:
            raise ParseError(f"pcap header is cut off: it has {HEADER_SIZE} bytes, {size} are there")
        if size >= self._head:
            kept = self._record.unpack_from(self._rest)[2]
            raise ParseError(
                f"pcap record at byte {self._offset} is cut off: it has {kept} bytes, {size - self._head} are there"
            )
        if size:
            raise ParseError(f"pcap record at byte {self._offset} is cut off within its header")

    def _begin(self, data: bytes) -> Interface:
        if data[:4] not in MAGICS:
            raise ParseError(f"not a pcap file: it begins with {data[:4].hex()}")
        self.order, self._unit, self._head = MAGICS[data[:4]]
        self._record = struct.Struct(self.order + "IIII")
        major, _, _, _, snaplen, linktype = struct.unpack_from(self.order + "HHiIII", data, 4)
        if major != 2:
            raise ParseError(f"pcap file of version {major}, only 2 is known")
        ticks = 1_000_000_000 // self._unit
        self._interface = Interface("", linktype & _LINKTYPE, snaplen, ticks)
        return self._interface

"""pcapng capture files: a writer for what hythe sees, and a reader for what anybody wrote.

Theory of operation. A pcapng file is a list of blocks: type, total length, body padded to 4 bytes, total length again.
A section header comes first and says by its byte-order magic how the section's numbers are stored; each interface has a
description block, and packets name their interface by its index. The writer writes one section in little-endian order,
timestamps in nanoseconds, and hands each block to the file in one `write`, so that a file cut off by a crash ends in a
whole block as far as the file object flushes. The reader is fed pieces of a file of any size, takes both orders, several
sections, and skips blocks that it does not know.
Layout: IETF draft-ietf-opsawg-pcapng, sections 3 and 4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from hythe.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hythe.wire.checksum import Octets

#: Link types (LINKTYPE_ values). RAW is IP without a link-layer header, of the version its first byte tells; SLL is what
#: Linux gives where several kinds of interface meet; NULL has an address family before the packet, in the order of the
#: machine that captured, LOOP the same in network order.
LINKTYPE_NULL: Final = 0
LINKTYPE_ETHERNET: Final = 1
LINKTYPE_RAW: Final = 101
LINKTYPE_LOOP: Final = 108
LINKTYPE_LINUX_SLL: Final = 113
LINKTYPE_IPV4: Final = 228
LINKTYPE_IPV6: Final = 229
LINKTYPE_LINUX_SLL2: Final = 276

#: Direction bits of a packet's flags (4.3.1 of the draft), as seen by the interface.
INBOUND: Final = 1
OUTBOUND: Final = 2

SECTION_HEADER: Final = 0x0A0D0D0A
INTERFACE_DESCRIPTION: Final = 1
OLD_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
NAME_RESOLUTION: Final = 4
INTERFACE_STATISTICS: Final = 5
ENHANCED_PACKET: Final = 6
DECRYPTION_SECRETS: Final = 10
_MAGIC: Final = 0x1A2B3C4D
_SECTION_LENGTH_UNKNOWN: Final = 0xFFFFFFFFFFFFFFFF

_OPT_END: Final = 0
_OPT_COMMENT: Final = 1
_SHB_HARDWARE: Final = 2
_SHB_OS: Final = 3
_SHB_APPLICATION: Final = 4
_IF_NAME: Final = 2
_IF_DESCRIPTION: Final = 3
_IF_TSRESOL: Final = 9
_IF_TSOFFSET: Final = 14
_EPB_FLAGS: Final = 2
_ISB_RECEIVED: Final = 4
_ISB_DROPPED: Final = 5
#: Kinds of a name resolution record, by the length of the address (4.5 of the draft).
_NAME_RECORDS: Final = {4: 1, 16: 2}
#: "TLSK": a key log as SSLKEYLOGFILE has it (4.7 of the draft).
_TLS_KEY_LOG: Final = 0x544C534B

_NANOSECONDS: Final = 9  # if_tsresol: 10 to the minus nine
_MICROSECONDS: Final = 6  # and what its absence means
_OPTION_MAX: Final = 65_535
#: No block of ours or of anybody's is longer; a length past it is damage, not a reason to read on.
_BLOCK_MAX: Final = 16 << 20

_BLOCK: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_OPTION: Final = struct.Struct("<HH")
_SECTION: Final = struct.Struct("<IHHQ")
_INTERFACE: Final = struct.Struct("<HHI")
_PACKET: Final = struct.Struct("<IIIII")
_FLAGS: Final = struct.Struct("<HHIHH")
_STATISTICS: Final = struct.Struct("<III")
_COUNT: Final = struct.Struct("<Q")
_BLOCK_BIG: Final = struct.Struct(">II")
_PACKET_BIG: Final = struct.Struct(">IIIII")


class Writer:
    """Writes one section to a binary file object: interfaces first, then packets that name them.

    `application`, `os`, `hardware` and `comment` describe the section; empty ones are left out. Errors of the file
    object (a full disk) come through as its own OSError.
    """

    __slots__ = ("_file", "_interfaces")

    def __init__(
        self, file: BinaryIO, *, application: str = "hythe", os: str = "", hardware: str = "", comment: str = ""
    ) -> None:
        self._file = file
        self._interfaces = 0
        options = _options(
            (_OPT_COMMENT, comment), (_SHB_HARDWARE, hardware), (_SHB_OS, os), (_SHB_APPLICATION, application)
        )
        self._block(SECTION_HEADER, _SECTION.pack(_MAGIC, 1, 0, _SECTION_LENGTH_UNKNOWN), options)

    def add_interface(
        self, name: str, linktype: int = LINKTYPE_RAW, *, snaplen: int = 0, description: str = "", comment: str = ""
    ) -> int:
        """Describe one more interface and return its index. `snaplen`: most bytes kept of a packet, 0 for all."""
        options = _options(
            (_OPT_COMMENT, comment), (_IF_NAME, name), (_IF_DESCRIPTION, description), (_IF_TSRESOL, bytes((_NANOSECONDS,)))
        )
        self._block(INTERFACE_DESCRIPTION, _INTERFACE.pack(linktype, 0, snaplen), options)
        self._interfaces += 1
        return self._interfaces - 1

    def packet(
        self,
        interface: int,
        timestamp: int,
        data: Octets | Sequence[Octets],
        *,
        length: int | None = None,
        direction: int = 0,
        comment: str = "",
        options: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        """Write one packet, given in one piece or several.

        `timestamp`: nanoseconds since 1970 UTC. `length`: bytes the packet had, when `data` is only their start.
        `direction`: INBOUND, OUTBOUND or 0. `options`: others, by code. Raises ValueError for an interface that was not
        added.
        """
        if not 0 <= interface < self._interfaces:
            raise ValueError(f"interface {interface} of the capture was never added")
        pieces = (data,) if isinstance(data, (bytes, bytearray, memoryview)) else data
        size = sum(map(len, pieces))
        head = _PACKET.pack(interface, timestamp >> 32, timestamp & 0xFFFFFFFF, size, size if length is None else length)
        beside = b""
        if direction or comment or options:
            flags = direction.to_bytes(4, "little") if direction else b""
            beside = _options((_OPT_COMMENT, comment), (_EPB_FLAGS, flags), *options)
        self._block(ENHANCED_PACKET, head, *pieces, bytes(-size % 4), beside)

    def packets(self, interface: int, timestamp: int, packets: Iterable[Octets], *, direction: int = 0) -> None:
        """Write whole packets of one moment, of which nothing more is to be said, in one go."""
        if not 0 <= interface < self._interfaces:
            raise ValueError(f"interface {interface} of the capture was never added")
        # The same as `_options` makes, at every packet of a capture.
        beside = _FLAGS.pack(_EPB_FLAGS, 4, direction, _OPT_END, 0) if direction else b""
        parts: list[Octets] = []
        before = -1
        head = tail = b""
        for packet in packets:
            size = len(packet)
            if size != before:  # those that were cut from one are of one size but the last
                total = 32 + size + -size % 4 + len(beside)
                head = _BLOCK.pack(ENHANCED_PACKET, total) + _PACKET.pack(
                    interface, timestamp >> 32, timestamp & 0xFFFFFFFF, size, size
                )
                tail = bytes(-size % 4) + beside + _LENGTH.pack(total)
                before = size
            parts += (head, packet, tail)
        self._file.write(b"".join(parts))

    def names(self, pairs: Iterable[tuple[bytes, str]]) -> None:
        """Tell the names of packed addresses, for those who read on from here. Names without a byte are left out."""
        records = []
        for address, name in pairs:
            data = address + name.encode() + b"\0"
            if name and len(data) <= _OPTION_MAX:
                records += [_OPTION.pack(_NAME_RECORDS[len(address)], len(data)), data, bytes(-len(data) % 4)]
        if records:
            self._block(NAME_RESOLUTION, *records, bytes(4))

    def secrets(self, key_log: bytes) -> None:
        """Write lines of a TLS key log. They have to come before the packets that are decrypted with them."""
        head = _BLOCK.pack(_TLS_KEY_LOG, len(key_log))
        self._block(DECRYPTION_SECRETS, head, key_log, bytes(-len(key_log) % 4))

    def statistics(self, interface: int, timestamp: int, received: int, dropped: int) -> None:
        """How many packets the interface had by `timestamp`, and how many of them are not in the file for want of room."""
        options = _options((_ISB_RECEIVED, _COUNT.pack(received)), (_ISB_DROPPED, _COUNT.pack(dropped)))
        self._block(INTERFACE_STATISTICS, _STATISTICS.pack(interface, timestamp >> 32, timestamp & 0xFFFFFFFF), options)

    def block(self, kind: int, body: bytes) -> None:
        """Write a block as a `Reader` kept it in `others`."""
        self._block(kind, body)

    def flush(self) -> None:
        """Flush the file object."""
        self._file.flush()

    def _block(self, kind: int, *parts: Octets) -> None:
        total = 12 + sum(map(len, parts))
        self._file.write(b"".join((_BLOCK.pack(kind, total), *parts, _LENGTH.pack(total))))


def _options(*options: tuple[int, str | bytes]) -> bytes:
    """Option bytes with their end mark; empty values are left out, text past 65,535 bytes is cut off."""
    parts = []
    for code, value in options:
        data = value.encode()[:_OPTION_MAX].decode(errors="ignore").encode() if isinstance(value, str) else value
        if data:
            parts += [_OPTION.pack(code, len(data)), data, bytes(-len(data) % 4)]
    return b"".join((*parts, bytes(4))) if parts else b""


@dataclass(slots=True)
class Interface:
    """An interface as described. `ticks`: timestamp units a second. `offset`: seconds to add to every timestamp."""

    name: str
    linktype: int
    snaplen: int
    ticks: int
    offset: int = 0


@dataclass(slots=True)
class CapturedPacket:
    """One packet as read: `timestamp` in nanoseconds since 1970, `length` the bytes it had before any cutting.

    Several comments are lines of one. `options`: what was said of it besides, by code.
    """

    interface: Interface
    timestamp: int
    data: bytes
    length: int
    flags: int = 0
    comment: str = ""
    options: tuple[tuple[int, bytes], ...] = ()


def read(data: bytes) -> Iterator[CapturedPacket]:
    """The packets of a whole pcapng file, in the order of the file.

    Raises `ParseError`, naming the place, when the bytes are no pcapng file or a block does not fit; what came before
    has been yielded by then.
    """
    reader = Reader()
    yield from reader.feed(data)
    reader.end()


class Reader:
    """Reads a file piece by piece. Use up what `feed` yields before feeding more, and call `end` where the file ends.

    Both raise `ParseError` as `read` does. `order` is that of the section, as `struct` writes it. `others`: where blocks go
    that are about neither packets nor interfaces (names, secrets), kind and body, for `Writer.block`; those of big-endian
    sections are left out. `dropped`: packets that the file is said to lack, by the statistics that were read.
    """

    __slots__ = ("_interfaces", "_offset", "_others", "_rest", "dropped", "order")

    def __init__(self, others: list[tuple[int, bytes]] | None = None) -> None:
        self.order = "<"
        self.dropped = 0
        self._interfaces: list[Interface] = []
        self._others = others
        self._rest = b""
        self._offset = 0

    @property
    def interfaces(self) -> Sequence[Interface]:
        """Those that the section has described so far."""
        return self._interfaces

    def feed(self, chunk: bytes) -> Iterator[CapturedPacket]:
        """The packets that `chunk` completes."""
        data = self._rest + chunk if self._rest else chunk
        at, size = 0, len(data)
        while at + 12 <= size:
            kind, total = self._block_at(data, at)
            if at + total > size:
                break
            if kind == ENHANCED_PACKET:
                yield self._enhanced(data, at, total)
            elif kind == INTERFACE_DESCRIPTION:
                self._interfaces.append(self._interface(data[at + 8 : at + total - 4], self._offset + at))
            elif kind == SIMPLE_PACKET:
                yield self._simple(data[at + 8 : at + total - 4], self._offset + at)
            elif kind == OLD_PACKET:
                yield self._old(data[at + 8 : at + total - 4], self._offset + at)
            elif kind == INTERFACE_STATISTICS:
                self._count(data[at + 8 : at + total - 4], self._offset + at)
            elif self._others is not None and self.order == "<" and kind != SECTION_HEADER:
                self._others.append((kind, data[at + 8 : at + total - 4]))
            at += total
        self._rest = data[at:]
        self._offset += at

    def end(self) -> None:
        """Raise `ParseError` if the file cannot end here."""
        size = len(self._rest)
        if not self._offset and self._rest[:4] != SECTION_HEADER.to_bytes(4, "big"):
            raise ParseError("not a pcapng file: it does not begin with a section header")
        if size >= 12:
            _, total = self._block_at(self._rest, 0)
            raise ParseError(f"pcapng block at byte {self._offset} has length {total}, {size} bytes are there")
        if size:
            raise ParseError(f"pcapng block at byte {self._offset} is cut off")

    def _block_at(self, data: bytes, at: int) -> tuple[int, int]:
        """Type and length of a block whose first 12 bytes are there; a section header sets the order and forgets."""
        place = self._offset + at
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            self.order = _order_of(data, at, place)
            self._interfaces = []
        elif not place:
            raise ParseError("not a pcapng file: it does not begin with a section header")
        kind, total = (_BLOCK if self.order == "<" else _BLOCK_BIG).unpack_from(data, at)
        if total < 12 or total % 4 or total > _BLOCK_MAX:
            raise ParseError(f"pcapng block at byte {place} has length {total}, which no block has")
        return kind, total

    def _enhanced(self, data: bytes, at: int, total: int) -> CapturedPacket:
        if total < 32:
            raise ParseError(f"pcapng packet at byte {self._offset + at} is cut off")
        index, high, low, size, length = (_PACKET if self.order == "<" else _PACKET_BIG).unpack_from(data, at + 8)
        end = at + 28 + size
        if index >= len(self._interfaces) or end > at + total - 4:
            raise self._misfit(self._offset + at, index, size)
        interface = self._interfaces[index]
        ticks = high << 32 | low
        timestamp = ticks if interface.ticks == 1_000_000_000 else ticks * 1_000_000_000 // interface.ticks
        if interface.offset:
            timestamp += interface.offset * 1_000_000_000
        packet = CapturedPacket(interface, timestamp, data[at + 28 : end], length)
        end += -size % 4
        if end < at + total - 4:
            self._describe(packet, data[end : at + total - 4], self._offset + at)
        return packet

    def _describe(self, packet: CapturedPacket, data: bytes, place: int) -> None:
        comments, others = [], []
        for code, value in self._options(data, place):
            if code == _EPB_FLAGS:
                packet.flags = int.from_bytes(value, "little" if self.order == "<" else "big")
            elif code == _OPT_COMMENT:
                comments.append(value.decode(errors="replace"))
            else:
                others.append((code, value))
        packet.comment = "\n".join(comments)
        packet.options = tuple(others)

    def _simple(self, body: bytes, place: int) -> CapturedPacket:
        """A packet of the first interface, without a time (4.4 of the draft)."""
        if len(body) < 4:
            raise ParseError(f"pcapng packet at byte {place} is cut off")
        (length,) = struct.unpack_from(self.order + "I", body)
        if not self._interfaces:
            raise self._misfit(place, 0, length)
        interface = self._interfaces[0]
        size = min(length, interface.snaplen or length)
        if size > len(body) - 4:
            raise self._misfit(place, 0, size)
        return CapturedPacket(interface, 0, body[4 : 4 + size], length)

    def _old(self, body: bytes, place: int) -> CapturedPacket:
        """A block of the first drafts, which said how many packets had been dropped (appendix A of the draft)."""
        if len(body) < 20:
            raise ParseError(f"pcapng packet at byte {place} is cut off")
        index, _, high, low, size, length = struct.unpack_from(self.order + "HHIIII", body)
        if index >= len(self._interfaces) or size > len(body) - 20:
            raise self._misfit(place, index, size)
        interface = self._interfaces[index]
        timestamp = (high << 32 | low) * 1_000_000_000 // interface.ticks + interface.offset * 1_000_000_000
        return CapturedPacket(interface, timestamp, body[20 : 20 + size], length)

    def _misfit(self, place: int, index: int, size: int) -> ParseError:
        return ParseError(f"pcapng packet at byte {place} names interface {index} and {size} bytes, which are not there")

    def _interface(self, body: bytes, place: int) -> Interface:
        if len(body) < 8:
            raise ParseError(f"pcapng interface at byte {place} is cut off")
        linktype, _, snaplen = struct.unpack_from(self.order + "HHI", body)
        options = dict(self._options(body[8:], place))
        resolution = options.get(_IF_TSRESOL, bytes((_MICROSECONDS,)))[:1] or bytes((_MICROSECONDS,))
        exponent = resolution[0]
        # The top bit chooses powers of two (4.2 of the draft).
        ticks = 1 << (exponent & 0x7F) if exponent & 0x80 else 10**exponent
        name = options.get(_IF_NAME, b"").decode(errors="replace")
        offset = int.from_bytes(options.get(_IF_TSOFFSET, b""), "little" if self.order == "<" else "big", signed=True)
        return Interface(name, linktype, snaplen, ticks, offset)

    def _count(self, body: bytes, place: int) -> None:
        for code, value in self._options(body[12:], place):
            if code == _ISB_DROPPED:
                self.dropped += int.from_bytes(value, "little" if self.order == "<" else "big")

    def _options(self, data: bytes, place: int) -> Iterator[tuple[int, bytes]]:
        at = 0
        while at + 4 <= len(data):
            code, size = struct.unpack_from(self.order + "HH", data, at)
            if code == _OPT_END:
                return
            if at + 4 + size > len(data):
                raise ParseError(f"pcapng option {code} of the block at byte {place} is cut off")
            yield code, data[at + 4 : at + 4 + size]
            at += 4 + size + -size % 4


def _order_of(data: bytes, at: int, place: int) -> str:
    for order in "<>":
        if data[at + 8 : at + 12] == struct.pack(order + "I", _MAGIC):
            return order
    raise ParseError(f"pcapng section at byte {place} has no byte-order magic")

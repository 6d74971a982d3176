"""pcapng capture files: a writer for what hythe sees, and a reader for what it wrote.

Theory of operation. A pcapng file is a list of blocks: type, total length, body padded to 4 bytes, total length again.
A section header comes first and says by its byte-order magic how the section's numbers are stored; each interface has a
description block, and packets name their interface by its index. The writer writes one section in little-endian order,
timestamps in nanoseconds, and hands each block to the file in one `write`, so that a file cut off by a crash ends in a
whole block as far as the file object flushes. The reader takes both orders, several sections, and skips blocks that it
does not know.
Layout: IETF draft-ietf-opsawg-pcapng, sections 3 and 4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from hythe.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hythe.wire.checksum import Octets

#: Link types (LINKTYPE_ values): IP packets without a link-layer header, and Ethernet.
LINKTYPE_RAW: Final = 101
LINKTYPE_ETHERNET: Final = 1

#: Direction bits of a packet's flags (4.3.1 of the draft), as seen by the interface.
INBOUND: Final = 1
OUTBOUND: Final = 2

SECTION_HEADER: Final = 0x0A0D0D0A
INTERFACE_DESCRIPTION: Final = 1
ENHANCED_PACKET: Final = 6
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
_EPB_FLAGS: Final = 2

_NANOSECONDS: Final = 9  # if_tsresol: 10 to the minus nine
_MICROSECONDS: Final = 6  # and what its absence means
_OPTION_MAX: Final = 65_535

_BLOCK: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_OPTION: Final = struct.Struct("<HH")
_SECTION: Final = struct.Struct("<IHHQ")
_INTERFACE: Final = struct.Struct("<HHI")
_PACKET: Final = struct.Struct("<IIIII")


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
    ) -> None:
        """Write one packet, given in one piece or several.

        `timestamp`: nanoseconds since 1970 UTC. `length`: bytes the packet had, when `data` is only their start.
        `direction`: INBOUND, OUTBOUND or 0. Raises ValueError for an interface that was not added.
        """
        if not 0 <= interface < self._interfaces:
            raise ValueError(f"interface {interface} of the capture was never added")
        body = bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else b"".join(data)
        size = len(body)
        head = _PACKET.pack(interface, timestamp >> 32, timestamp & 0xFFFFFFFF, size, size if length is None else length)
        options = b""
        if direction or comment:
            flags = direction.to_bytes(4, "little") if direction else b""
            options = _options((_OPT_COMMENT, comment), (_EPB_FLAGS, flags))
        self._block(ENHANCED_PACKET, head, body, bytes(-size % 4), options)

    def flush(self) -> None:
        """Flush the file object."""
        self._file.flush()

    def _block(self, kind: int, *parts: bytes) -> None:
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
    """An interface as described. `ticks`: timestamp units a second."""

    name: str
    linktype: int
    snaplen: int
    ticks: int


@dataclass(slots=True)
class CapturedPacket:
    """One packet as read: `timestamp` in nanoseconds since 1970, `length` the bytes it had before any cutting."""

    interface: Interface
    timestamp: int
    data: bytes
    length: int
    flags: int = 0
    comment: str = ""


@dataclass(slots=True)
class _Section:
    order: str = "<"
    interfaces: list[Interface] = field(default_factory=list)


def read(data: bytes) -> Iterator[CapturedPacket]:
    """The packets of a whole pcapng file, in the order of the file.

    Raises `ParseError`, naming the place, when the bytes are no pcapng file or a block does not fit; what came before
    has been yielded by then.
    """
    section = _Section()
    at = 0
    while at < len(data):
        if data[at : at + 4] == SECTION_HEADER.to_bytes(4, "big"):
            section = _Section(_order_of(data, at))
        elif not at:
            raise ParseError("not a pcapng file: it does not begin with a section header")
        if at + 12 > len(data):
            raise ParseError(f"pcapng block at byte {at} is cut off")
        kind, total = struct.unpack_from(section.order + "II", data, at)
        if total < 12 or total % 4 or at + total > len(data):
            raise ParseError(f"pcapng block at byte {at} has length {total}, {len(data) - at} bytes are there")
        body = data[at + 8 : at + total - 4]
        if kind == INTERFACE_DESCRIPTION:
            section.interfaces.append(_read_interface(section, body, at))
        elif kind == ENHANCED_PACKET:
            yield _read_packet(section, body, at)
        at += total


def _order_of(data: bytes, at: int) -> str:
    for order in "<>":
        if data[at + 8 : at + 12] == struct.pack(order + "I", _MAGIC):
            return order
    raise ParseError(f"pcapng section at byte {at} has no byte-order magic")


def _read_interface(section: _Section, body: bytes, at: int) -> Interface:
    if len(body) < 8:
        raise ParseError(f"pcapng interface at byte {at} is cut off")
    linktype, _, snaplen = struct.unpack_from(section.order + "HHI", body)
    options = dict(_read_options(section, body[8:], at))
    resolution = options.get(_IF_TSRESOL, bytes((_MICROSECONDS,)))[:1] or bytes((_MICROSECONDS,))
    exponent = resolution[0]
    # The top bit chooses powers of two (4.2 of the draft).
    ticks = 1 << (exponent & 0x7F) if exponent & 0x80 else 10**exponent
    return Interface(options.get(_IF_NAME, b"").decode(errors="replace"), linktype, snaplen, ticks)


def _read_packet(section: _Section, body: bytes, at: int) -> CapturedPacket:
    if len(body) < 20:
        raise ParseError(f"pcapng packet at byte {at} is cut off")
    index, high, low, size, length = struct.unpack_from(section.order + "IIIII", body)
    end = 20 + size
    if index >= len(section.interfaces) or end > len(body):
        raise ParseError(f"pcapng packet at byte {at} names interface {index} and {size} bytes, which are not there")
    interface = section.interfaces[index]
    options = dict(_read_options(section, body[end + -size % 4 :], at))
    flags = options.get(_EPB_FLAGS, b"")
    return CapturedPacket(
        interface,
        (high << 32 | low) * 1_000_000_000 // interface.ticks,
        body[20:end],
        length,
        int.from_bytes(flags, "little" if section.order == "<" else "big"),
        options.get(_OPT_COMMENT, b"").decode(errors="replace"),
    )


def _read_options(section: _Section, data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 4 <= len(data):
        code, size = struct.unpack_from(section.order + "HH", data, place)
        if code == _OPT_END:
            return
        if place + 4 + size > len(data):
            raise ParseError(f"pcapng option {code} of the block at byte {at} is cut off")
        yield code, data[place + 4 : place + 4 + size]
        place += 4 + size + -size % 4

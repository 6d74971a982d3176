"""IPv4 headers as strict records (RFC 791, 3.1).

The hot paths read IPv4 and their transport in one go (`hythe.wire.segment`, `hythe.wire.udp`); this is the reader of
everything that is not plain: options, fragments, ICMP, and whatever a view wants to show.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hythe.errors import ParseError
from hythe.wire.checksum import Octets, checksum, require

HEADER_SIZE: Final = 20
#: RFC 791, 3.1: the header length field counts to 15 words.
OPTIONS_MAX: Final = 40
PACKET_MAX: Final = 65_535
#: RFC 791, 3.2: every link carries this without fragmenting.
MTU_MIN: Final = 68

# The fragment word: a reserved bit, two flags, and the offset in units of 8 bytes.
RESERVED_FLAG: Final = 0x8000
DONT_FRAGMENT: Final = 0x4000
MORE_FRAGMENTS: Final = 0x2000
OFFSET_MASK: Final = 0x1FFF

# Option kinds (RFC 791, 3.1). The top bit of a kind says "copy into every fragment".
END_OF_OPTIONS: Final = 0
NO_OPERATION: Final = 1
COPIED: Final = 0x80

# Options that the hosts on the way write into (RFC 791, 3.1).
RECORD_ROUTE: Final = 7
TIMESTAMP: Final = 68
#: The top bit of a timestamp that does not count from midnight.
_NOT_MIDNIGHT: Final = 1 << 31

#: The fixed part: version and header length, tos, length, identification, fragment word, ttl, protocol, checksum,
#: addresses.
HEADER: Final = struct.Struct(">BBHHHBBH4s4s")
_CHECKSUM_AT: Final = 10


class OptionError(ParseError):
    """An option whose length is wrong: `pointer` is its place in the packet (RFC 1122, 3.2.2.5)."""

    def __init__(self, message: str, pointer: int) -> None:
        super().__init__(message)
        self.pointer = pointer


@dataclass(slots=True)
class Header4:
    """One IPv4 header. Sizes and `fragment_offset` in bytes, addresses 4 bytes each.

    `options` lists (kind, data) in order, every kind kept, no-operation and end-of-list left out; `raw_options` is what
    they were read from, padding included; `parse_start` leaves them unread. `checksum` is the field as received.
    """

    tos: int
    total_length: int
    identification: int
    reserved_flag: bool
    dont_fragment: bool
    more_fragments: bool
    fragment_offset: int
    ttl: int
    protocol: int
    checksum: int
    source: bytes
    destination: bytes
    raw_options: bytes = b""
    options: tuple[tuple[int, bytes], ...] = ()

    @property
    def header_length(self) -> int:
        """Bytes of header, options included: where the payload starts."""
        return HEADER_SIZE + len(self.raw_options)

    @property
    def is_fragment(self) -> bool:
        """Whether this is part of a datagram only (RFC 791, 3.2)."""
        return self.more_fragments or self.fragment_offset > 0


def parse(view: Octets, length: int, verify: bool = True) -> Header4:
    """The header of the packet `view[:length]`; bytes after its total length are padding of a link and ignored.

    Raises `ParseError` for a wrong version, header or total length, a fragment that would end past 65,535 bytes, and with
    `verify` a wrong header checksum (RFC 1122, 3.2.1.1 and 3.2.1.2); `OptionError` for malformed options.
    """
    header = parse_start(view, length)
    if header.total_length > length:
        raise ParseError(f"IPv4 total length is {header.total_length}, {length} bytes are there")
    end = header.fragment_offset + header.total_length
    if end > PACKET_MAX:
        raise ParseError(f"IPv4 fragment ends at {end}, past the longest datagram")
    if verify:
        require(view[: header.header_length], "IPv4 header")
    if header.raw_options:
        header.options = parse_options(header.raw_options)
    return header


def parse_start(view: Octets, length: int) -> Header4:
    """As `parse`, but the packet may be cut off anywhere after its header: the reader for what ICMP quotes.

    Neither checksum nor options are looked at: routers change the fields that the one covers before they quote.
    """
    if length < HEADER_SIZE or len(view) < length:
        raise ParseError(f"IPv4 header needs {HEADER_SIZE} bytes, {min(length, len(view))} are there")
    (first, tos, total, identification, fragment, ttl, protocol, check, source, destination) = HEADER.unpack_from(view)
    if first >> 4 != 4:
        raise ParseError(f"IP version is {first >> 4}, not 4")
    size = (first & 0x0F) * 4
    if size < HEADER_SIZE or size > length or size > total:
        raise ParseError(f"IPv4 header length {size} does not fit a packet of {min(length, total)} bytes")
    raw = bytes(view[HEADER_SIZE:size])
    return Header4(
        tos,
        total,
        identification,
        fragment & RESERVED_FLAG != 0,
        fragment & DONT_FRAGMENT != 0,
        fragment & MORE_FRAGMENTS != 0,
        (fragment & OFFSET_MASK) * 8,
        ttl,
        protocol,
        check,
        source,
        destination,
        raw,
    )


def parse_options(raw: bytes) -> tuple[tuple[int, bytes], ...]:
    """The (kind, data) pairs of an option area. Raises `OptionError` for a length below 2 or past the end."""
    options = []
    at = 0
    while at < len(raw):
        kind = raw[at]
        if kind == END_OF_OPTIONS:
            break
        if kind == NO_OPERATION:
            at += 1
            continue
        size = raw[at + 1] if at + 1 < len(raw) else 0
        if size < 2 or at + size > len(raw):
            raise OptionError(f"IPv4 option {kind} at byte {HEADER_SIZE + at} has length {size}", HEADER_SIZE + at)
        options.append((kind, raw[at + 2 : at + size]))
        at += size
    return tuple(options)


def recorded(options: Sequence[tuple[int, bytes]], address: bytes, milliseconds: int) -> bytes:
    """The option area of an echo reply: what the request records of its way, with `address` on it (RFC 1122, 3.2.2.6).

    `milliseconds`: a time that need not count from midnight. What is full, or malformed within, goes back as it came.
    """
    area = b""
    for kind, data in options:
        if kind == RECORD_ROUTE and data:
            room = _room(data, 1, len(address))
            area += bytes((kind, 2 + len(data))) + (_written(data, room, address) if room else data)
        elif kind == TIMESTAMP and len(data) > 1:
            area += bytes((kind, 2 + len(data))) + _stamped(data, address, milliseconds)
    return area


def _stamped(data: bytes, address: bytes, milliseconds: int) -> bytes:
    """The data of a timestamp option: pointer, overflow and flag, entries of a time alone or of an address and a time."""
    flag = data[1] & 0x0F
    if flag not in (0, 1, 3):
        return data
    time = (milliseconds & _NOT_MIDNIGHT - 1 | _NOT_MIDNIGHT).to_bytes(4, "big")
    entry = time if flag == 0 else address + time
    room = _room(data, 2, len(entry))
    if not room:
        return data[:1] + bytes((min(data[1] >> 4, 14) + 1 << 4 | flag,)) + data[2:]
    if flag == 3 and data[room : room + 4] != address:  # those that are to write are named
        return data
    return _written(data, room, entry)


def _room(data: bytes, least: int, size: int) -> int:
    """Where the next entry of `size` bytes goes in the data of an option; 0 where there is no room."""
    at = data[0] - 3  # the pointer counts from 1, kind and length included
    return at if least <= at <= len(data) - size else 0


def _written(data: bytes, at: int, entry: bytes) -> bytes:
    return bytes((data[0] + len(entry),)) + data[1:at] + entry + data[at + len(entry) :]


def build(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload_length: int,
    *,
    ttl: int = 64,
    tos: int = 0,
    identification: int = 0,
    dont_fragment: bool = True,
    more_fragments: bool = False,
    fragment_offset: int = 0,
    raw_options: bytes = b"",
) -> bytes:
    """Header bytes, checksum complete, for a payload of that many bytes.

    `fragment_offset` is in bytes, a multiple of 8; `raw_options` is padded to 4 bytes here. Identification 0 with DF
    makes an atomic datagram (RFC 6864, 4). Raises ValueError when a length does not fit its field.
    """
    raw_options += b"\0" * (-len(raw_options) % 4)
    size = HEADER_SIZE + len(raw_options)
    total = size + payload_length
    if len(raw_options) > OPTIONS_MAX or total > PACKET_MAX or fragment_offset % 8 or fragment_offset > OFFSET_MASK * 8:
        raise ValueError(
            f"IPv4 cannot carry {payload_length} bytes at offset {fragment_offset} "
            f"behind {len(raw_options)} bytes of options"
        )
    fragment = (DONT_FRAGMENT if dont_fragment else 0) | (MORE_FRAGMENTS if more_fragments else 0)
    head = bytearray(
        HEADER.pack(
            0x40 | size // 4,
            tos,
            total,
            identification,
            fragment | fragment_offset // 8,
            ttl,
            protocol,
            0,
            source,
            destination,
        )
    )
    head += raw_options
    struct.pack_into(">H", head, _CHECKSUM_AT, checksum(head))
    return bytes(head)

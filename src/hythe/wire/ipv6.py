"""IPv6 headers and the walk along their extension headers (RFC 8200).

Theory of operation. An IPv6 packet names its upper protocol at the end of a chain of headers, so reading one means
walking. The walk takes the headers a host must know (hop-by-hop options, routing, fragment, destination options,
authentication) in any order, since RFC 8200, 4.1 asks receivers to; it is bounded by the bytes and by
`EXTENSIONS_MAX`. It stops at the first number that is not one of these: the upper protocol, "no next header", or
something unknown, which the host answers with a parameter problem. It also stops at a fragment header whose offset is
not zero: what follows is the middle of a datagram.

Some errors of the chain must be answered with ICMPv6 Parameter Problem. They are raised as `HeaderError`, a
`ParseError` that carries the code and the pointer.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError

if TYPE_CHECKING:
    from hythe.wire.checksum import Octets

HEADER_SIZE: Final = 40
FRAGMENT_HEADER_SIZE: Final = 8
PAYLOAD_MAX: Final = 65_535
#: RFC 8200, 5.
MTU_MIN: Final = 1_280
#: RFC 8200 wants each header once, destination options twice: seven in all; RFC 8504, 5.3 lets a host set a limit.
EXTENSIONS_MAX: Final = 8

# Next header values (IANA protocol numbers).
HOP_BY_HOP: Final = 0
ROUTING: Final = 43
FRAGMENT: Final = 44
AUTHENTICATION: Final = 51
NO_NEXT_HEADER: Final = 59
DESTINATION_OPTIONS: Final = 60

# Parameter Problem codes (RFC 4443, 3.4; RFC 7112, 6).
ERRONEOUS_FIELD: Final = 0
UNRECOGNIZED_NEXT_HEADER: Final = 1
UNRECOGNIZED_OPTION: Final = 2
INCOMPLETE_CHAIN: Final = 3

_PAD1: Final = 0
# PadN, and Router Alert (RFC 2711), which is for routers. All other options are unknown to us, jumbo payload
# (RFC 2675) included: no link here carries one, and its action bits demand the answer that unknown options get.
_SKIPPED_OPTIONS: Final = frozenset((1, 5))

# RFC 7112, 5: the first fragment holds the whole chain, the upper-layer header included (TCP, UDP, ICMPv6).
_UPPER_HEADER_SIZES: Final = {6: 20, 17: 8, 58: 8}

_HEADER: Final = struct.Struct(">IHBB16s16s")
_FRAGMENT: Final = struct.Struct(">BBHI")


class HeaderError(ParseError):
    """A header to be answered with ICMPv6 Parameter Problem: `code`, and `pointer` to the offending byte.

    `even_multicast`: the answer is due even when the packet was sent to a multicast address (RFC 4443, 2.4(e.3)).
    """

    def __init__(self, message: str, code: int, pointer: int, even_multicast: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.pointer = pointer
        self.even_multicast = even_multicast


@dataclass(slots=True)
class Fragment:
    """A fragment header (RFC 8200, 4.5): `at` is its place in the packet, `offset` that of its data, both in bytes.

    `previous` is the place of the byte that names it: the next-header field before it.
    """

    at: int
    previous: int
    next_header: int
    offset: int
    more: bool
    identification: int

    @property
    def is_atomic(self) -> bool:
        """A datagram in one piece that bears a fragment header nevertheless (RFC 6946)."""
        return self.offset == 0 and not self.more


@dataclass(slots=True)
class Header6:
    """One IPv6 header and what the walk found. Addresses are 16 bytes each.

    `protocol` is the upper protocol, its header at `payload_offset`; 0 is a hop-by-hop header where none may stand. Of
    a fragment other than the first it is what that fragment's datagram goes on with. `named_at` is the place of the
    byte that names `protocol`, for Parameter Problem. `extensions` lists (kind, place, size).
    """

    traffic_class: int
    flow_label: int
    payload_length: int
    next_header: int
    hop_limit: int
    source: bytes
    destination: bytes
    protocol: int
    payload_offset: int
    named_at: int = 6
    extensions: tuple[tuple[int, int, int], ...] = ()
    fragment: Fragment | None = None

    @property
    def end(self) -> int:
        """Bytes of the packet, the fixed header included."""
        return HEADER_SIZE + self.payload_length

    @property
    def is_fragment(self) -> bool:
        """Whether this is part of a datagram only; an atomic fragment is not."""
        return self.fragment is not None and not self.fragment.is_atomic


def parse(view: Octets, length: int) -> Header6:
    """The headers of the packet `view[:length]`; bytes after its payload length are ignored.

    Raises `ParseError` for a wrong version or length and a chain that does not fit, `HeaderError` where RFC 8200
    wants the sender told.
    """
    header = _fixed(view, length)
    if header.end > length:
        raise ParseError(f"IPv6 payload length is {header.payload_length}, {length - HEADER_SIZE} bytes are there")
    _walk(view, header.end, header)
    fragment = header.fragment
    if fragment is not None and fragment.more and not fragment.offset:
        least = _UPPER_HEADER_SIZES.get(header.protocol, 1)
        if header.payload_offset + least > header.end:
            raise HeaderError(
                f"IPv6 first fragment ends before its protocol {header.protocol} header does", INCOMPLETE_CHAIN, 0
            )
    return header


def parse_start(view: Octets, length: int) -> Header6:
    """As `parse` for a packet cut off anywhere after its fixed header: the reader for what ICMPv6 quotes.

    A chain that is cut off ends the walk early: `protocol` is then the header that could not be read, its place
    `payload_offset`.
    """
    header = _fixed(view, length)
    try:
        _walk(view, min(length, header.end), header)
    except ParseError:
        # The walk records each step it completes, so the header holds what could be read.
        return header
    return header


def _fixed(view: Octets, length: int) -> Header6:
    if length < HEADER_SIZE or len(view) < length:
        raise ParseError(f"IPv6 header needs {HEADER_SIZE} bytes, {min(length, len(view))} are there")
    first, payload_length, next_header, hop_limit, source, destination = _HEADER.unpack_from(view)
    if first >> 28 != 6:
        raise ParseError(f"IP version is {first >> 28}, not 6")
    return Header6(
        first >> 20 & 0xFF,
        first & 0xFFFFF,
        payload_length,
        next_header,
        hop_limit,
        source,
        destination,
        next_header,
        HEADER_SIZE,
    )


def _walk(view: Octets, end: int, header: Header6) -> None:
    """Follow the chain up to `end`, moving `protocol`, `payload_offset` and `named_at` along."""
    while header.protocol in (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS):
        kind, at = header.protocol, header.payload_offset
        if kind == HOP_BY_HOP and at != HEADER_SIZE:
            return  # RFC 8200, 4.1: only directly behind the fixed header; elsewhere it is not recognized
        if len(header.extensions) == EXTENSIONS_MAX:
            raise ParseError(f"IPv6 packet has more than {EXTENSIONS_MAX} extension headers")
        size = _extension_size(view, kind, at, end)
        if at + size > end:
            message = f"IPv6 extension header {kind} at byte {at} needs {size} bytes, {end - at} are there"
            if header.fragment is not None and header.fragment.more:
                raise HeaderError(message, INCOMPLETE_CHAIN, 0)
            raise ParseError(message)
        if kind == FRAGMENT:
            if header.fragment is not None:
                raise ParseError("IPv6 packet has two fragment headers")
            header.fragment = _fragment(view, at, header.named_at)
        elif kind in (HOP_BY_HOP, DESTINATION_OPTIONS):
            _check_options(view, at + 2, at + size)
        elif kind == ROUTING and view[at + 3]:  # type 0 is treated like an unknown one (RFC 5095, 3)
            raise HeaderError(f"IPv6 routing header of type {view[at + 2]} wants forwarding", ERRONEOUS_FIELD, at + 2)
        header.extensions += ((kind, at, size),)
        header.protocol, header.payload_offset, header.named_at = view[at], at + size, at
        if header.fragment is not None and header.fragment.offset:
            return


def _extension_size(view: Octets, kind: int, at: int, end: int) -> int:
    """Bytes of the extension header at `at`; at least 8, also where fewer are left."""
    if kind == FRAGMENT or at + 2 > end:
        return FRAGMENT_HEADER_SIZE
    if kind == AUTHENTICATION:  # RFC 4302, 2.2: in 4-byte units, minus 2; multiple of 8 in IPv6
        return max(8, (view[at + 1] + 2) * 4)
    return (view[at + 1] + 1) * 8


def _fragment(view: Octets, at: int, previous: int) -> Fragment:
    next_header, _, word, identification = _FRAGMENT.unpack_from(view, at)
    return Fragment(at, previous, next_header, word & 0xFFF8, word & 1 != 0, identification)


def _check_options(view: Octets, at: int, end: int) -> None:
    """Act on the options of a hop-by-hop or destination options header as RFC 8200, 4.2 says."""
    while at < end:
        kind = view[at]
        if kind == _PAD1:
            at += 1
            continue
        if at + 2 > end or at + 2 + view[at + 1] > end:
            raise HeaderError(f"IPv6 option {kind} at byte {at} runs past its header", ERRONEOUS_FIELD, at)
        action = kind >> 6
        if action and kind not in _SKIPPED_OPTIONS:
            message = f"IPv6 option {kind} at byte {at} is unknown and must not be skipped"
            if action == 1:
                raise ParseError(message)
            raise HeaderError(message, UNRECOGNIZED_OPTION, at, even_multicast=action == 2)
        at += 2 + view[at + 1]


def build(
    source: bytes,
    destination: bytes,
    next_header: int,
    payload_length: int,
    *,
    hop_limit: int = 64,
    traffic_class: int = 0,
    flow_label: int = 0,
) -> bytes:
    """The 40 bytes of a fixed header; `payload_length` counts extension headers. Raises ValueError past 65,535."""
    if payload_length > PAYLOAD_MAX:
        raise ValueError(f"IPv6 cannot carry {payload_length} bytes")
    return _HEADER.pack(
        6 << 28 | traffic_class << 20 | flow_label, payload_length, next_header, hop_limit, source, destination
    )


def build_fragment(next_header: int, offset: int, more: bool, identification: int) -> bytes:
    """The 8 bytes of a fragment header; `offset` in bytes, a multiple of 8 (RFC 8200, 4.5)."""
    return _FRAGMENT.pack(next_header, 0, offset | more, identification)

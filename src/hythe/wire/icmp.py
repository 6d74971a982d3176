"""ICMP for IPv4 (RFC 792), and the records that ICMPv6 shares.

A message is an `Echo`, an `Error` that quotes a packet, or an `Other` that nobody here acts on. Builders give whole IP
packets with complete checksums, ready for a link behind `packet.VNET_PLAIN`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError
from hythe.wire import ipv4
from hythe.wire.checksum import Octets, checksum, require
from hythe.wire.quote import Quote, parse4

if TYPE_CHECKING:
    from hythe.wire.ipv4 import Header4

PROTOCOL: Final = 1
HEADER_SIZE: Final = 8

ECHO_REPLY: Final = 0
UNREACHABLE: Final = 3
SOURCE_QUENCH: Final = 4
REDIRECT: Final = 5
ECHO: Final = 8
TIME_EXCEEDED: Final = 11
PARAMETER_PROBLEM: Final = 12

# Codes of UNREACHABLE: RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1.
NET_UNREACHABLE: Final = 0
HOST_UNREACHABLE: Final = 1
PROTOCOL_UNREACHABLE: Final = 2
PORT_UNREACHABLE: Final = 3
FRAGMENTATION_NEEDED: Final = 4
SOURCE_ROUTE_FAILED: Final = 5
NET_UNKNOWN: Final = 6
HOST_UNKNOWN: Final = 7
SOURCE_ISOLATED: Final = 8
NET_PROHIBITED: Final = 9
HOST_PROHIBITED: Final = 10
NET_UNREACHABLE_FOR_TOS: Final = 11
HOST_UNREACHABLE_FOR_TOS: Final = 12
ADMINISTRATIVELY_PROHIBITED: Final = 13
PRECEDENCE_VIOLATION: Final = 14
PRECEDENCE_CUTOFF: Final = 15

# Codes of TIME_EXCEEDED.
TTL_EXCEEDED: Final = 0
REASSEMBLY_EXCEEDED: Final = 1

#: Messages about other messages; never answered with an error (RFC 1122, 3.2.2).
ERRORS: Final = frozenset((UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM))

#: RFC 1812, 4.3.2.3: quote as much as fits an error datagram of this size.
ERROR_PACKET_MAX: Final = 576
# RFC 1812, 4.3.2.5: errors travel with precedence "internetwork control", as Linux sends them.
_ERROR_TOS: Final = 0xC0

_HEAD: Final = struct.Struct(">BBHHH")
_LONG_HEAD: Final = struct.Struct(">BBHI")


@dataclass(slots=True)
class Echo:
    """An echo request, or with `reply` its answer. `data` is a slice of what was parsed, of the same type."""

    reply: bool
    identifier: int
    sequence: int
    data: Octets


@dataclass(slots=True)
class Error:
    """A message about the packet in `quote`.

    `mtu`: the next hop's, in bytes, for fragmentation needed (RFC 1191; 0 from routers that do not know) and packet too
    big. `pointer`: the offending byte of a parameter problem. `gateway`: 4 bytes, of a redirect.
    """

    type: int
    code: int
    quote: Quote
    mtu: int = 0
    pointer: int = 0
    gateway: bytes | None = None


@dataclass(slots=True)
class Other:
    """A message of any other type; `rest` is what follows type, code and checksum."""

    type: int
    code: int
    rest: Octets


Message = Echo | Error | Other


def parse(view: Octets, length: int, verify: bool = True) -> Message:
    """The ICMP message `view[:length]`, IP header already off.

    Raises `ParseError` for less than 8 bytes, with `verify` a wrong checksum, and an error whose quote has no whole IP
    header.
    """
    if length < HEADER_SIZE or len(view) < length:
        raise ParseError(f"ICMP message needs {HEADER_SIZE} bytes, {min(length, len(view))} are there")
    message = view[:length]
    if verify:
        require(message, "ICMP")
    kind, code, _, high, low = _HEAD.unpack_from(message)
    if kind in (ECHO, ECHO_REPLY):
        return Echo(kind == ECHO_REPLY, high, low, message[HEADER_SIZE:])
    if kind not in ERRORS:
        return Other(kind, code, message[4:])
    quote = parse4(message[HEADER_SIZE:])
    if kind == UNREACHABLE and code == FRAGMENTATION_NEEDED:
        return Error(kind, code, quote, mtu=low)
    if kind == PARAMETER_PROBLEM:
        return Error(kind, code, quote, pointer=high >> 8)
    if kind == REDIRECT:
        return Error(kind, code, quote, gateway=bytes(message[4:8]))
    return Error(kind, code, quote)


def may_send_error(header: Header4, view: Octets, broadcast: bool = False) -> bool:
    """Whether RFC 1122, 3.2.2 allows an error about the packet `view` with this header.

    Never about an ICMP error, a fragment other than the first, a packet to or from anything that is not one host.
    `broadcast`: it came as a link-layer broadcast or to a subnet's broadcast address, which only the host can know.
    """
    if broadcast or header.fragment_offset or header.destination[0] >= 224:
        return False
    if header.source[0] in (0, 127) or header.source[0] >= 224:
        return False
    if header.protocol == PROTOCOL:
        at = header.header_length
        return at < header.total_length and view[at] not in ERRORS
    return True


def echo_message(reply: bool, identifier: int, sequence: int, data: Octets) -> bytes:
    """An echo request or reply, checksum complete, without an IP header."""
    return _complete(_HEAD.pack(ECHO_REPLY if reply else ECHO, 0, 0, identifier, sequence), data)


def echo_packet(
    source: bytes,
    destination: bytes,
    reply: bool,
    identifier: int,
    sequence: int,
    data: Octets,
    *,
    ttl: int = 64,
    tos: int = 0,
    identification: int = 0,
    raw_options: bytes = b"",
) -> bytes:
    """The whole IPv4 packet of an echo message; with an IP `identification` it may be fragmented, else DF is set."""
    message = echo_message(reply, identifier, sequence, data)
    return (
        ipv4.build(
            source,
            destination,
            PROTOCOL,
            len(message),
            ttl=ttl,
            tos=tos,
            identification=identification,
            dont_fragment=not identification,
            raw_options=raw_options,
        )
        + message
    )


def error_packet(
    source: bytes,
    destination: bytes,
    kind: int,
    code: int,
    original: Octets,
    *,
    mtu: int = 0,
    pointer: int = 0,
    ttl: int = 64,
) -> bytes:
    """The whole IPv4 packet of an error about the packet `original`, quoting up to 576 bytes in all.

    `mtu` for fragmentation needed (RFC 1191), `pointer` for parameter problem. Ask `may_send_error` first.
    """
    quote = original[: ERROR_PACKET_MAX - ipv4.HEADER_SIZE - HEADER_SIZE]
    parameter = pointer << 24 if kind == PARAMETER_PROBLEM else min(mtu, 0xFFFF)
    message = _complete(_LONG_HEAD.pack(kind, code, 0, parameter), quote)
    return ipv4.build(source, destination, PROTOCOL, len(message), ttl=ttl, tos=_ERROR_TOS) + message


def _complete(head: bytes, data: Octets) -> bytes:
    message = bytearray(head)
    message += data
    struct.pack_into(">H", message, 2, checksum(message))
    return bytes(message)

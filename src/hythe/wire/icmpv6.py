"""ICMPv6 (RFC 4443): echo, errors with their quotes, and when an error may be sent. Neighbor discovery is not here.

Records are those of `hythe.wire.icmp`. The checksum covers the pseudo-header, so parsing and building want addresses.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError
from hythe.wire import ipv6
from hythe.wire.checksum import Octets, checksum, pseudo_sum, require
from hythe.wire.icmp import Echo, Error, Message, Other
from hythe.wire.quote import parse6

if TYPE_CHECKING:
    from hythe.wire.ipv6 import Header6

PROTOCOL: Final = 58
HEADER_SIZE: Final = 8

UNREACHABLE: Final = 1
PACKET_TOO_BIG: Final = 2
TIME_EXCEEDED: Final = 3
PARAMETER_PROBLEM: Final = 4
ECHO: Final = 128
ECHO_REPLY: Final = 129
REDIRECT: Final = 137

#: RFC 4443, 2.1: types below this are errors, known or not.
INFORMATIONAL: Final = 128

# Codes of UNREACHABLE (RFC 4443, 3.1).
NO_ROUTE: Final = 0
ADMINISTRATIVELY_PROHIBITED: Final = 1
BEYOND_SCOPE: Final = 2
ADDRESS_UNREACHABLE: Final = 3
PORT_UNREACHABLE: Final = 4
POLICY_FAILED: Final = 5
ROUTE_REJECTED: Final = 6

# Codes of TIME_EXCEEDED; those of PARAMETER_PROBLEM stand in `hythe.wire.ipv6`.
HOP_LIMIT_EXCEEDED: Final = 0
REASSEMBLY_EXCEEDED: Final = 1

_UNSPECIFIED: Final = bytes(16)
_MULTICAST: Final = 0xFF

_ECHO_HEAD: Final = struct.Struct(">BBHHH")
_HEAD: Final = struct.Struct(">BBHI")


def parse(view: Octets, length: int, source: bytes, destination: bytes, verify: bool = True) -> Message:
    """The ICMPv6 message `view[:length]` of a packet from `source` to `destination`, IPv6 headers already off.

    Raises `ParseError` for less than 8 bytes, with `verify` a wrong checksum, and an error whose quote has no whole
    IPv6 header. Errors of unknown type are `Error`s too (RFC 4443, 2.4(a)).
    """
    if length < HEADER_SIZE or len(view) < length:
        raise ParseError(f"ICMPv6 message needs {HEADER_SIZE} bytes, {min(length, len(view))} are there")
    message = view[:length]
    if verify:
        require(message, "ICMPv6", pseudo_sum(source, destination, PROTOCOL, length))
    kind, code, _, parameter = _HEAD.unpack_from(message)
    if kind in (ECHO, ECHO_REPLY):
        return Echo(kind == ECHO_REPLY, parameter >> 16, parameter & 0xFFFF, message[HEADER_SIZE:])
    if kind >= INFORMATIONAL:
        return Other(kind, code, message[4:])
    quote = parse6(message[HEADER_SIZE:])
    if kind == PACKET_TOO_BIG:
        return Error(kind, code, quote, mtu=parameter)
    if kind == PARAMETER_PROBLEM:
        return Error(kind, code, quote, pointer=parameter)
    return Error(kind, code, quote)


def may_send_error(header: Header6, view: Octets, kind: int, code: int = 0, multicast: bool = False) -> bool:
    """Whether RFC 4443, 2.4(e) allows the error `kind`/`code` about the packet `view` with this header.

    Never about an ICMPv6 error or redirect, or where the source is not one node; about a multicast packet only packet
    too big and "unrecognized option" (whether that option's bits want it says `HeaderError.even_multicast`).
    `multicast`: it came as a link-layer multicast or broadcast. Of fragments other than the first only their own headers
    are worth an error (RFC 8200, 4.5), since they cannot be seen not to be ICMPv6 errors.
    """
    if header.source == _UNSPECIFIED or header.source[0] == _MULTICAST:
        return False
    if (
        (multicast or header.destination[0] == _MULTICAST)
        and kind != PACKET_TOO_BIG
        and (kind != PARAMETER_PROBLEM or code != ipv6.UNRECOGNIZED_OPTION)
    ):
        return False
    if header.fragment is not None and header.fragment.offset:
        return kind == PARAMETER_PROBLEM and code == ipv6.ERRONEOUS_FIELD
    if header.protocol == PROTOCOL:
        at = header.payload_offset
        return at < min(header.end, len(view)) and view[at] >= INFORMATIONAL and view[at] != REDIRECT
    return True


def echo_message(reply: bool, identifier: int, sequence: int, data: Octets) -> bytes:
    """An echo request or reply, no IPv6 header, checksum field zero: for sockets whose kernel fills it in."""
    return _ECHO_HEAD.pack(ECHO_REPLY if reply else ECHO, 0, 0, identifier, sequence) + data


def echo_packet(
    source: bytes,
    destination: bytes,
    reply: bool,
    identifier: int,
    sequence: int,
    data: Octets,
    *,
    hop_limit: int = 64,
    traffic_class: int = 0,
) -> bytes:
    """The whole IPv6 packet of an echo message."""
    return packet(
        source,
        destination,
        echo_message(reply, identifier, sequence, data),
        hop_limit=hop_limit,
        traffic_class=traffic_class,
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
    hop_limit: int = 64,
) -> bytes:
    """The whole IPv6 packet of an error about the packet `original`, quoting up to 1,280 bytes in all.

    RFC 4443, 2.4(c). `mtu` for packet too big, `pointer` for parameter problem. Ask `may_send_error` first.
    """
    quote = original[: ipv6.MTU_MIN - ipv6.HEADER_SIZE - HEADER_SIZE]
    return packet(source, destination, _HEAD.pack(kind, code, 0, pointer or mtu) + quote, hop_limit=hop_limit)


def packet(source: bytes, destination: bytes, message: bytes, *, hop_limit: int = 64, traffic_class: int = 0) -> bytes:
    """`message`, its checksum field zero, completed and behind an IPv6 header."""
    check = checksum(message, pseudo_sum(source, destination, PROTOCOL, len(message)))
    head = ipv6.build(source, destination, PROTOCOL, len(message), hop_limit=hop_limit, traffic_class=traffic_class)
    return b"".join((head, message[:2], check.to_bytes(2, "big"), message[4:]))

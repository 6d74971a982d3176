"""Multicast listener discovery: what a host says about the groups it listens to (RFC 3810; RFC 2710 for version 1 queries).

Switches that snoop send a group's packets only where somebody has said to listen, so even neighbor discovery depends on
it. A report is a whole packet here, since its IPv6 header is special: hop limit 1, and a router alert (RFC 3810, 5).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hythe.errors import ParseError
from hythe.units import MILLISECOND
from hythe.wire import icmpv6, ipv6
from hythe.wire.checksum import Octets, checksum, pseudo_sum, require

QUERY: Final = 130
_REPORT: Final = 143
#: Where reports go: all routers that understand version 2 (RFC 3810, 5.2.14).
REPORTS: Final = b"\xff\x02" + bytes(13) + b"\x16"

# What a record says of a group (RFC 3810, 5.2.12): any source is welcome; from now on; no more.
LISTENING: Final = 2
JOINED: Final = 4
LEFT: Final = 3

#: A hop-by-hop header: next is ICMPv6, a router alert for MLD (RFC 2711), padding.
ALERT: Final = bytes((icmpv6.PROTOCOL, 0, 5, 2, 0, 0, 1, 0))
_QUERY_SIZE: Final = 24
_QUERY: Final = struct.Struct(">BBHHH16s")
_RECORD: Final = struct.Struct(">BBH16s")


@dataclass(slots=True)
class Query:
    """Who listens to `group`, or with 16 zero bytes to any? Answer within `delay` nanoseconds."""

    group: bytes
    delay: int


def parse_query(view: Octets, length: int, source: bytes, destination: bytes, verify: bool = True) -> Query:
    """The ICMPv6 message `view[:length]`. Raises `ParseError`."""
    length = min(length, len(view))
    if length < _QUERY_SIZE:
        raise ParseError(f"multicast listener query needs {_QUERY_SIZE} bytes, {length} are there")
    kind, _, _, code, _, group = _QUERY.unpack_from(view)
    if kind != QUERY:
        raise ParseError(f"ICMPv6 type {kind} is no multicast listener query")
    if any(group) and group[0] != 0xFF:
        raise ParseError("multicast listener query asks about what is no group")
    if verify:
        require(view[:length], "ICMPv6", pseudo_sum(source, destination, icmpv6.PROTOCOL, length))
    if code >= 0x8000 and length > _QUERY_SIZE:  # version 2: RFC 3810, 5.1.3
        code = (code & 0xFFF | 0x1000) << (code >> 12 & 7) + 3
    return Query(group, code * MILLISECOND)


def report(source: bytes, records: Sequence[tuple[int, bytes]]) -> bytes:
    """The whole IPv6 packet of a report; each record is (what, group)."""
    body = b"".join(_RECORD.pack(kind, 0, 0, group) for kind, group in records)
    message = struct.pack(">BBHHH", _REPORT, 0, 0, 0, len(records)) + body
    check = checksum(message, pseudo_sum(source, REPORTS, icmpv6.PROTOCOL, len(message)))
    head = ipv6.build(source, REPORTS, ipv6.HOP_BY_HOP, len(ALERT) + len(message), hop_limit=1)
    return b"".join((head, ALERT, message[:2], check.to_bytes(2, "big"), message[4:]))

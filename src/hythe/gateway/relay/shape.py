"""A closer look at one packet: what a relay asks of those that belong to no flow yet, or change one."""

from __future__ import annotations

import struct
from typing import Final

from hythe.errors import ParseError
from hythe.wire import icmp, icmpv6, ipv4, ipv6, udp
from hythe.wire.packet import Packet
from hythe.wire.quote import Quote, parse4, parse6
from hythe.wire.segment import FIN, RST, SYN
from hythe.wire.segment import PROTOCOL as TCP

_PORTS: Final = struct.Struct(">HH")
_ECHO4: Final = (icmp.ECHO, icmp.ECHO_REPLY)
_ECHO6: Final = (icmpv6.ECHO, icmpv6.ECHO_REPLY)
_ERRORS6: Final = 128  # RFC 4443, 2.1: types below are errors
#: Stands for fragments other than the first, of whatever protocol: they bear no ports (RFC 8200, 4.5 has the number).
FRAGMENTS: Final = 44


class Look:
    """What there is to know. Addresses packed; ports 0 where there are none; an echo's identifier is its asker's port.

    `starts`: may it be the first of a flow? `error`: an ICMP error, of `kind` and `code`. `size`: payload in bytes.
    `said`: TCP's sequence and acknowledgment number.
    """

    __slots__ = (
        "_quote",
        "code",
        "destination",
        "error",
        "far_port",
        "flags",
        "kind",
        "port",
        "protocol",
        "said",
        "size",
        "source",
        "starts",
        "version",
    )

    def __init__(self, version: int, source: bytes, destination: bytes, protocol: int) -> None:
        self.version = version
        self.source = source
        self.destination = destination
        self.protocol = protocol
        self.port = self.far_port = 0
        self.flags = 0
        self.kind = self.code = 0
        self.size = 0
        self.said = b""
        self.starts = True
        self.error = False
        self._quote = b""

    @property
    def span(self) -> int:
        """What TCP's payload and flags take in sequence numbers."""
        return self.size + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def key(self) -> bytes:
        """As the key of its flow is made (`segment.make_key`): source, destination, and their ports."""
        return self.source + self.destination + _PORTS.pack(self.port, self.far_port)

    def quoted(self) -> Quote | None:
        """What an error quotes, if that can be read."""
        try:
            return parse4(self._quote) if self.version == 4 else parse6(self._quote)
        except ParseError:
            return None

    def take_quote(self, quote: bytes) -> None:
        """It is an error, and quotes this."""
        self.error, self.starts, self._quote = True, False, quote


def look(packet: Packet) -> Look:
    """Raises `ParseError` for what is no packet, or not whole."""
    view, length = packet.view, packet.length
    if length and view[0] >> 4 == 4:
        head = ipv4.parse_start(view, length)
        seen = Look(4, head.source, head.destination, head.protocol)
        at, end, middle = head.header_length, min(head.total_length, length), head.fragment_offset > 0
    else:
        head6 = ipv6.parse_start(view, length)
        seen = Look(6, head6.source, head6.destination, head6.protocol)
        at, end = head6.payload_offset, min(head6.end, length)
        middle = head6.fragment is not None and head6.fragment.offset > 0
    seen.size = end - at
    if middle:
        seen.port = seen.far_port = seen.protocol
        seen.protocol = FRAGMENTS
    elif seen.protocol == TCP:
        _look_at_tcp(seen, view, at, end)
    elif seen.protocol == udp.PROTOCOL:
        _need(end - at, 8)
        seen.port, seen.far_port = _PORTS.unpack_from(view, at)
        seen.size -= 8
    elif seen.protocol == (icmp.PROTOCOL if seen.version == 4 else icmpv6.PROTOCOL):
        _look_at_icmp(seen, view, at, end)
    else:
        seen.port = seen.far_port = seen.protocol
    return seen


def _look_at_tcp(seen: Look, view: memoryview, at: int, end: int) -> None:
    _need(end - at, 20)
    seen.port, seen.far_port = _PORTS.unpack_from(view, at)
    seen.flags = view[at + 13]
    seen.said = bytes(view[at + 4 : at + 12])
    seen.size = max(0, seen.size - (view[at + 12] >> 2 & 0x3C))
    seen.starts = not seen.flags & RST


def _look_at_icmp(seen: Look, view: memoryview, at: int, end: int) -> None:
    _need(end - at, 8)
    seen.kind, seen.code = view[at], view[at + 1]
    seen.size -= 8
    request, reply = _ECHO4 if seen.version == 4 else _ECHO6
    if seen.kind == request:
        seen.port = _PORTS.unpack_from(view, at + 4)[0]
    elif seen.kind == reply:
        seen.far_port = _PORTS.unpack_from(view, at + 4)[0]
        seen.starts = False
    elif seen.kind in icmp.ERRORS if seen.version == 4 else seen.kind < _ERRORS6:
        seen.take_quote(bytes(view[at + 8 : end]))
    else:
        seen.starts = False  # a message of the network's own business


def _need(there: int, size: int) -> None:
    if there < size:
        raise ParseError(f"the transport header needs {size} bytes, {there} are there")

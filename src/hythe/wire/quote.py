"""What an ICMP error quotes: the start of the packet that it is about.

A quote is somebody else's copy of a packet that we sent, cut off where it pleased them; routers have changed its TTL
and perhaps its checksum. It is read as far as it goes: addresses and protocol always, the first bytes of the transport
header when they are there. Whether to believe it is for the connection to decide (RFC 5927, 4.1: the sequence number).
Layout: RFC 792; RFC 4443, 2.4(c).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hythe.wire import ipv4, ipv6

if TYPE_CHECKING:
    from hythe.wire.checksum import Octets

_TCP: Final = 6
_UDP: Final = 17
_ICMP: Final = 1
_ICMPV6: Final = 58

_PORTS: Final = struct.Struct(">HH")
_WORD: Final = struct.Struct(">I")


@dataclass(slots=True)
class Quote:
    """A quoted packet: `source` and `destination` as its sender (usually us) wrote them, 4 or 16 bytes.

    `transport` is what the quote has of the upper header and its data; empty for a fragment other than the first.
    """

    source: bytes
    destination: bytes
    protocol: int
    transport: bytes

    @property
    def ports(self) -> tuple[int, int] | None:
        """(source port, destination port) of TCP or UDP; None where the quote ends before them."""
        if self.protocol not in (_TCP, _UDP) or len(self.transport) < 4:
            return None
        source, destination = _PORTS.unpack_from(self.transport)
        return source, destination

    @property
    def key(self) -> bytes | None:
        """The key that the far end's packets to the quoted sender bear (`segment.make_key`), or None without ports."""
        if self.ports is None:
            return None
        return self.destination + self.source + self.transport[2:4] + self.transport[0:2]

    @property
    def sequence(self) -> int | None:
        """The TCP sequence number (32 bits), or None: not TCP, or cut off before it."""
        if self.protocol != _TCP or len(self.transport) < 8:
            return None
        value: int = _WORD.unpack_from(self.transport, 4)[0]
        return value

    @property
    def echo(self) -> tuple[int, int] | None:
        """(identifier, sequence) of a quoted echo request (ICMP 8, ICMPv6 128), or None."""
        request = {_ICMP: 8, _ICMPV6: 128}.get(self.protocol)
        if request is None or len(self.transport) < 8 or self.transport[0] != request:
            return None
        identifier, sequence = _PORTS.unpack_from(self.transport, 4)
        return identifier, sequence


def parse4(data: Octets) -> Quote:
    """The IPv4 packet whose first bytes are `data`. Raises `ParseError` when not even its header is whole."""
    header = ipv4.parse_start(data, len(data))
    transport = b"" if header.fragment_offset else bytes(data[header.header_length : header.total_length])
    return Quote(header.source, header.destination, header.protocol, transport)


def parse6(data: Octets) -> Quote:
    """The IPv6 packet whose first bytes are `data`. Raises `ParseError` when not even its fixed header is whole."""
    header = ipv6.parse_start(data, len(data))
    middle = header.fragment is not None and header.fragment.offset > 0
    transport = b"" if middle else bytes(data[header.payload_offset : header.end])
    return Quote(header.source, header.destination, header.protocol, transport)

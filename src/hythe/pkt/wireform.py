"""Packets of a run: reading what a stack sent into `Seen`, and writing what a script's peer sends as bytes.

Numbers here are the wire's: 32-bit sequence numbers, real ports. `compare` maps them to the script's.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hythe.errors import ParseError
from hythe.wire import icmp, icmpv6, ipv4, ipv6, udp
from hythe.wire.checksum import finish, ones_sum, pseudo_sum
from hythe.wire.segment import PROTOCOL as TCP
from hythe.wire.segment import read as read_tcp

UDP: Final = udp.PROTOCOL
ICMP: Final = frozenset((icmp.PROTOCOL, icmpv6.PROTOCOL))
_FILL: Final = b"hythe "


@dataclass(frozen=True, slots=True)
class Marks:
    """What a packet's IP header says beside its addresses."""

    tos: int = 0
    ttl: int = 64
    flow_label: int = 0

    @property
    def ecn(self) -> int:
        """The two bits of `tos` that tell of congestion."""
        return self.tos & 3


_PLAIN: Final = Marks()


@dataclass(frozen=True, slots=True)
class Seen:
    """A packet that left, at `at` nanoseconds. `ports`: (source, destination); `options`: (kind, data) in order.

    For UDP only `size`, `ports` and `marks` say something; for ICMP `size`, and `ports` are type and code.
    """

    at: int
    protocol: int
    source: bytes
    destination: bytes
    ports: tuple[int, int] = (0, 0)
    flags: int = 0
    seq: int = 0
    ack: int = 0
    window: int = 0
    urgent: int = 0
    size: int = 0
    options: tuple[tuple[int, bytes], ...] = ()
    marks: Marks = _PLAIN


def read(data: bytes, at: int) -> Seen | None:
    """One whole packet; None for what is no IP packet. A malformed one is a `ParseError`."""
    view = memoryview(data)
    if not data or data[0] >> 4 not in (4, 6):
        return None
    head: ipv4.Header4 | ipv6.Header6
    if data[0] >> 4 == 4:
        head = ipv4.parse(view, len(data), verify=False)
        protocol, start, end = head.protocol, head.header_length, head.total_length
        marks = Marks(head.tos, head.ttl)
    else:
        head = ipv6.parse(view, len(data))
        protocol, start, end = head.protocol, head.payload_offset, head.end
        marks = Marks(head.traffic_class, head.hop_limit, head.flow_label)
    if protocol == TCP:
        segment = read_tcp(view, start, end, head.source, head.destination, marks.tos)
        ports = struct.unpack(">HH", view[start : start + 4])
        options = tuple(split_options(segment.options or b""))
        return Seen(
            at, protocol, head.source, head.destination, ports, segment.flags, segment.seq, segment.ack,
            segment.window, segment.urgent, segment.size, options, marks=marks,
        )  # fmt: skip
    if protocol == UDP and end - start >= udp.HEADER_SIZE:
        ports = struct.unpack(">HH", view[start : start + 4])
        return Seen(at, protocol, head.source, head.destination, ports, size=end - start - udp.HEADER_SIZE, marks=marks)
    if protocol in ICMP and end - start >= icmp.HEADER_SIZE:
        kind = view[start], view[start + 1]
        return Seen(at, protocol, head.source, head.destination, kind, size=end - start - icmp.HEADER_SIZE, marks=marks)
    return Seen(at, protocol, head.source, head.destination, marks=marks)


def split_options(raw: bytes) -> list[tuple[int, bytes]]:
    """Every option in order, the no-operations among them."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(raw):
        kind = raw[at]
        if kind < 2:
            found.append((kind, b""))
            at += 1
            continue
        size = raw[at + 1] if at + 1 < len(raw) else 0
        if size < 2 or at + size > len(raw):
            raise ParseError(f"TCP option {kind} has length {size}")
        found.append((kind, raw[at + 2 : at + size]))
        at += size
    return found


def join_options(options: Sequence[tuple[int, bytes]]) -> bytes:
    """Option bytes, padded to a multiple of four."""
    raw = b"".join(bytes((kind,)) if kind < 2 else bytes((kind, 2 + len(data))) + data for kind, data in options)
    return raw + bytes(-len(raw) % 4)


def filler(size: int) -> bytes:
    """Bytes to send where a script does not say which."""
    return (_FILL * (size // len(_FILL) + 1))[:size]


def tcp_packet(source: bytes, destination: bytes, header: bytes, size: int, marks: Marks = _PLAIN) -> bytes:
    """An IP packet around a TCP header (checksum zero) and `size` bytes."""
    return _packet(source, destination, TCP, header + filler(size), 16, marks)


def tcp_header(
    ports: tuple[int, int], seq: int, ack: int, flags: int, window: int, urgent: int, options: bytes = b""
) -> bytes:
    """A TCP header whose checksum is zero."""
    offset = (20 + len(options)) << 10 | flags
    fields = (*ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, window, 0, urgent)
    return struct.pack(">HHIIHHHH", *fields) + options


def udp_packet(source: bytes, destination: bytes, ports: tuple[int, int], size: int, marks: Marks = _PLAIN) -> bytes:
    """A datagram of `size` bytes."""
    return _packet(source, destination, UDP, struct.pack(">HHHH", *ports, 8 + size, 0) + filler(size), 6, marks)


def _packet(source: bytes, destination: bytes, protocol: int, body: bytes, check_at: int, marks: Marks) -> bytes:
    total = ones_sum(body, pseudo_sum(source, destination, protocol, len(body)))
    body = body[:check_at] + struct.pack(">H", finish(total)) + body[check_at + 2 :]
    return _network(source, destination, protocol, len(body), marks) + body


def _network(source: bytes, destination: bytes, protocol: int, size: int, marks: Marks = _PLAIN) -> bytes:
    if len(source) == 4:
        return ipv4.build(source, destination, protocol, size, tos=marks.tos, ttl=marks.ttl)
    return ipv6.build(
        source,
        destination,
        protocol,
        size,
        traffic_class=marks.tos,
        hop_limit=marks.ttl,
        flow_label=marks.flow_label,
    )


def quoted(local: bytes, remote: bytes, ports: tuple[int, int], seq: int, size: int, *, of_udp: bool) -> bytes:
    """The start of a packet that we sent, as an ICMP error about it quotes it: 8 bytes behind the IP header."""
    if of_udp:
        return _network(local, remote, UDP, 8 + size) + struct.pack(">HHHH", *ports, 8 + size, 0)
    return _network(local, remote, TCP, 20 + size) + struct.pack(">HHI", *ports, seq & 0xFFFFFFFF) + bytes(12)


def icmp_error(router: bytes, local: bytes, kind: int, code: int, quote: bytes, mtu: int) -> bytes:
    """An ICMP error with that quote in it."""
    if len(local) == 4:
        return icmp.error_packet(router, local, kind, code, quote, mtu=mtu)
    return icmpv6.error_packet(router, local, kind, code, quote, mtu=mtu)

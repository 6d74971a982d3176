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
_FILL: Final = b"hythe "


@dataclass(frozen=True, slots=True)
class Seen:
    """A packet that left, at `at` nanoseconds. `ports`: (source, destination); `options`: (kind, data) in order.

    For UDP only `size`, `ports` and `ecn` say something, for other protocols (ICMP) nothing does.
    """

    at: int
    protocol: int
    source: bytes
    destination: bytes
    ecn: int
    ports: tuple[int, int] = (0, 0)
    flags: int = 0
    seq: int = 0
    ack: int = 0
    window: int = 0
    urgent: int = 0
    size: int = 0
    options: tuple[tuple[int, bytes], ...] = ()


def read(data: bytes, at: int) -> Seen | None:
    """One whole packet; None for what is no IP packet. A malformed one is a `ParseError`."""
    view = memoryview(data)
    if not data or data[0] >> 4 not in (4, 6):
        return None
    head: ipv4.Header4 | ipv6.Header6
    if data[0] >> 4 == 4:
        head = ipv4.parse(view, len(data), verify=False)
        protocol, start, end, tos = head.protocol, head.header_length, head.total_length, head.tos
    else:
        head = ipv6.parse(view, len(data))
        protocol, start, end, tos = head.protocol, head.payload_offset, head.end, head.traffic_class
    if protocol == TCP:
        segment = read_tcp(view, start, end, head.source, head.destination, tos)
        ports = struct.unpack(">HH", view[start : start + 4])
        options = tuple(split_options(segment.options or b""))
        return Seen(
            at, protocol, head.source, head.destination, tos & 3, ports, segment.flags, segment.seq, segment.ack,
            segment.window, segment.urgent, segment.size, options,
        )  # fmt: skip
    if protocol == UDP and end - start >= udp.HEADER_SIZE:
        ports = struct.unpack(">HH", view[start : start + 4])
        return Seen(at, protocol, head.source, head.destination, tos & 3, ports, size=end - start - udp.HEADER_SIZE)
    return Seen(at, protocol, head.source, head.destination, tos & 3)


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


def tcp_packet(source: bytes, destination: bytes, header: bytes, size: int, ecn: int) -> bytes:
    """An IP packet around a TCP header (checksum zero) and `size` bytes."""
    return _packet(source, destination, TCP, header + filler(size), 16, ecn)


def tcp_header(
    ports: tuple[int, int], seq: int, ack: int, flags: int, window: int, urgent: int, options: bytes = b""
) -> bytes:
    """A TCP header whose checksum is zero."""
    offset = (20 + len(options)) << 10 | flags
    fields = (*ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, window, 0, urgent)
    return struct.pack(">HHIIHHHH", *fields) + options


def udp_packet(source: bytes, destination: bytes, ports: tuple[int, int], size: int, ecn: int) -> bytes:
    """A datagram of `size` bytes."""
    return _packet(source, destination, UDP, struct.pack(">HHHH", *ports, 8 + size, 0) + filler(size), 6, ecn)


def _packet(source: bytes, destination: bytes, protocol: int, body: bytes, check_at: int, tos: int) -> bytes:
    total = ones_sum(body, pseudo_sum(source, destination, protocol, len(body)))
    body = body[:check_at] + struct.pack(">H", finish(total)) + body[check_at + 2 :]
    return _network(source, destination, protocol, len(body), tos) + body


def _network(source: bytes, destination: bytes, protocol: int, size: int, tos: int = 0) -> bytes:
    if len(source) == 4:
        return ipv4.build(source, destination, protocol, size, tos=tos)
    return ipv6.build(source, destination, protocol, size, traffic_class=tos)


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

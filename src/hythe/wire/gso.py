"""Cutting super-segments into the packets of a wire, and finishing checksums that a device would finish.

Theory of operation. Inside hythe a TCP super-segment or a UDP super-datagram is one set of headers before up to 64 KiB
of payload (`hythe.wire.packet`). What goes to a real link, into a capture, or through faults must be the packets that a
network card would make of it (Linux calls it GSO): the payload in pieces of `gso_size`, each behind its own copy of the
headers, in which lengths, identification, sequence number, flags and checksums differ. Everything that does not differ
is summed once for all pieces.
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.errors import ParseError
from hythe.wire import ipv4, ipv6, udp
from hythe.wire.checksum import Octets, finish, ones_sum, pseudo_sum
from hythe.wire.packet import PARTIAL
from hythe.wire.segment import CWR, FIN, PSH, URG
from hythe.wire.segment import HEADER_SIZE as TCP_HEADER_SIZE
from hythe.wire.segment import PROTOCOL as TCP

UDP: Final = udp.PROTOCOL

_WORD: Final = struct.Struct(">H")
_LONG: Final = struct.Struct(">I")
_TWO_WORDS: Final = struct.Struct(">HH")
# Where the checksum stands in each transport header.
_CHECKSUM_AT: Final = {TCP: 16, UDP: 6}


class Shape:
    """Where things are in a packet: transport header at `start`, its payload at `data`, all of it before `end`."""

    __slots__ = ("addresses_sum", "data", "end", "protocol", "start", "version")

    def __init__(self, view: Octets, length: int) -> None:
        self.version = view[0] >> 4 if length else 0
        if self.version == 4:
            head4 = ipv4.parse(view, length, verify=False)
            if head4.is_fragment:
                raise ParseError("a fragment has no transport checksum of its own to complete")
            self.protocol, self.start, self.end = head4.protocol, head4.header_length, head4.total_length
            self.addresses_sum = pseudo_sum(head4.source, head4.destination, head4.protocol, 0)
        else:
            head6 = ipv6.parse(view, length)
            if head6.is_fragment:
                raise ParseError("a fragment has no transport checksum of its own to complete")
            self.protocol, self.start, self.end = head6.protocol, head6.payload_offset, head6.end
            self.addresses_sum = pseudo_sum(head6.source, head6.destination, head6.protocol, 0)
        self.data = self._payload(view)

    def _payload(self, view: Octets) -> int:
        room = self.end - self.start
        if self.protocol == UDP:
            size = udp.HEADER_SIZE
        elif self.protocol == TCP:
            size = view[self.start + 12] >> 2 & 0x3C if room >= TCP_HEADER_SIZE else TCP_HEADER_SIZE
            size = max(size, TCP_HEADER_SIZE)
        else:
            raise ParseError(f"IP protocol {self.protocol} has no checksum that hythe could complete")
        if room < size:
            raise ParseError(f"transport header needs {size} bytes, {room} are there")
        return self.start + size


def complete(view: Octets, length: int, state: int) -> bytes:
    """A copy of the packet `view[:length]`, its transport checksum filled in where `state` is PARTIAL.

    Raises `ParseError` where that cannot be done: a fragment, neither TCP nor UDP, lengths that do not fit.
    """
    if state != PARTIAL:
        return bytes(view[:length])
    shape = Shape(view, length)
    packet = bytearray(view[: shape.end])
    at = shape.start + _CHECKSUM_AT[shape.protocol]
    _WORD.pack_into(packet, at, 0)
    total = ones_sum(memoryview(packet)[shape.start :], shape.addresses_sum + shape.end - shape.start)
    # RFC 768: a UDP checksum of zero is sent as all ones, since zero means none.
    _WORD.pack_into(packet, at, total ^ 0xFFFF or (0xFFFF if shape.protocol == UDP else 0))
    return bytes(packet)


def cut(view: Octets, length: int, gso_size: int, state: int) -> list[bytes]:
    """The packets of a wire that `view[:length]` stands for, in order, every checksum complete.

    With a `gso_size` the checksum is partial whatever `state` says; with 0 the packet comes back as `complete` gives it.
    Raises `ParseError` as `complete` does.
    """
    if not gso_size:
        return [complete(view, length, state)]
    shape = Shape(view, length)
    if shape.end - shape.data <= gso_size:
        return [complete(view, length, PARTIAL)]
    pieces = [view[at : min(at + gso_size, shape.end)] for at in range(shape.data, shape.end, gso_size)]
    head = bytearray(view[: shape.data])
    transport = _tcp_heads(head, shape, pieces) if shape.protocol == TCP else _udp_heads(head, shape, pieces)
    network = bytes(head[: shape.start])
    if shape.version == 4:
        networks = _ipv4_heads(network, shape, pieces)
    else:
        networks = _ipv6_heads(network, shape, pieces)
    return [b"".join(parts) for parts in zip(networks, transport, pieces, strict=True)]


def _ipv4_heads(network: bytes, shape: Shape, pieces: list[Octets]) -> list[bytes]:
    """One IPv4 header a piece: total length and checksum its own, the identification counting up as Linux does."""
    first, tos, _, identification, fragment, ttl, protocol, _, source, destination = ipv4.HEADER.unpack_from(network)
    head_size = shape.data
    rest = network[ipv4.HEADER_SIZE :]
    base = ones_sum(rest, ones_sum(ipv4.HEADER.pack(first, tos, 0, 0, fragment, ttl, protocol, 0, source, destination)))
    heads = []
    for piece in pieces:
        total = head_size + len(piece)
        check = finish(base + total + identification)
        heads.append(
            ipv4.HEADER.pack(first, tos, total, identification, fragment, ttl, protocol, check, source, destination) + rest
        )
        identification = identification + 1 & 0xFFFF
    return heads


def _ipv6_heads(network: bytes, shape: Shape, pieces: list[Octets]) -> list[bytes]:
    """One IPv6 header a piece, extension headers repeated: only the payload length differs."""
    before, after = network[:4], network[6:]
    extra = shape.data - ipv6.HEADER_SIZE
    return [b"".join((before, _WORD.pack(extra + len(piece)), after)) for piece in pieces]


def _tcp_heads(head: bytearray, shape: Shape, pieces: list[Octets]) -> list[bytes]:
    """One TCP header a piece. FIN and PSH belong to the last, CWR to the first (RFC 3168, 6.1.2)."""
    template = head[shape.start :]
    seq = _LONG.unpack_from(template, 4)[0]
    flags = template[13]
    urgent = _WORD.unpack_from(template, 18)[0] if flags & URG else 0
    _LONG.pack_into(template, 4, 0)
    _LONG.pack_into(template, 16, 0)
    template[13] = 0
    base = ones_sum(template, shape.addresses_sum) + len(template)
    heads = []
    for index, piece in enumerate(pieces):
        bits = flags
        if index:
            bits &= ~CWR
        if index + 1 < len(pieces):
            bits &= ~(FIN | PSH)
        if not urgent:
            bits &= ~URG
        size = len(piece)
        check = ones_sum(piece, base + seq + bits + urgent + size) ^ 0xFFFF
        _LONG.pack_into(template, 4, seq)
        _TWO_WORDS.pack_into(template, 16, check, urgent)
        template[13] = bits
        heads.append(bytes(template))
        seq = seq + size & 0xFFFFFFFF
        # The urgent pointer counts from the segment's own sequence number (RFC 9293, 3.8.5).
        urgent = max(0, urgent - size)
    return heads


def _udp_heads(head: bytearray, shape: Shape, pieces: list[Octets]) -> list[bytes]:
    """One UDP header a piece: each is a datagram of its own."""
    ports = bytes(head[shape.start : shape.start + 4])
    base = ones_sum(ports, shape.addresses_sum)
    heads = []
    for piece in pieces:
        length = udp.HEADER_SIZE + len(piece)
        check = ones_sum(piece, base + 2 * length) ^ 0xFFFF
        heads.append(ports + _TWO_WORDS.pack(length, check or 0xFFFF))
    return heads

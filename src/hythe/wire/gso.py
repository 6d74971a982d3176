"""Cutting super-segments into the packets of a wire, and finishing checksums that a device would finish.

Theory of operation. Inside hythe a TCP super-segment or a UDP super-datagram is one set of headers before up to 64 KiB
of payload (`hythe.wire.packet`). What goes to a real link, into a capture, or through faults must be the packets that a
network card would make of it (Linux calls it GSO): the payload in pieces of `gso_size`, each behind its own copy of the
headers, in which lengths, identification, sequence number, flags and checksums differ. Everything that does not differ
is summed once for all pieces: one set of headers is rewritten for each of them and copied out.

A checksum here is `0xFFFE - (total - 1) % 0xFFFF`: `checksum.finish` of a total that is more than zero, without a branch.
"""

from __future__ import annotations

import struct
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError
from hythe.wire import ipv4, ipv6, udp
from hythe.wire.checksum import Octets, ones_sum, pseudo_sum
from hythe.wire.packet import PARTIAL
from hythe.wire.segment import CWR, FIN, PSH, URG
from hythe.wire.segment import HEADER_SIZE as TCP_HEADER_SIZE
from hythe.wire.segment import PROTOCOL as TCP

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    head = bytearray(view[: shape.data])
    at = shape.start + _CHECKSUM_AT[shape.protocol]
    _WORD.pack_into(head, at, 0)
    payload = memoryview(view)[shape.data : shape.end]
    total = ones_sum(head[shape.start :], ones_sum(payload, shape.addresses_sum + shape.end - shape.start))
    # RFC 768: a UDP checksum of zero is sent as all ones, since zero means none.
    _WORD.pack_into(head, at, total ^ 0xFFFF or (0xFFFF if shape.protocol == UDP else 0))
    return b"".join((head, payload))


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
    body = memoryview(view)
    pieces = [body[at : min(at + gso_size, shape.end)] for at in range(shape.data, shape.end, gso_size)]
    head = bytearray(body[: shape.data])
    heads = _tcp_heads(head, shape, pieces) if shape.protocol == TCP else _udp_heads(head, shape, pieces)
    return list(map(b"".join, zip(heads, pieces, strict=True)))


def _networks(head: bytearray, shape: Shape, pieces: list[memoryview]) -> Iterator[None]:
    """Make the IP header in `head` that of one piece after the other."""
    sizes = chain(repeat(shape.data + len(pieces[0]), len(pieces) - 1), (shape.data + len(pieces[-1]),))
    if shape.version == 6:  # extension headers are repeated; only the payload length differs
        for size in sizes:
            _WORD.pack_into(head, 4, size - ipv6.HEADER_SIZE)
            yield
        return
    # Total length and checksum are each packet's own, and the identification counts up, as Linux has it.
    identification = _WORD.unpack_from(head, 4)[0]
    _LONG.pack_into(head, 2, 0)
    _WORD.pack_into(head, 10, 0)
    base = ones_sum(head[: shape.start]) - 1
    for size in sizes:
        _TWO_WORDS.pack_into(head, 2, size, identification)
        _WORD.pack_into(head, 10, 0xFFFE - (base + size + identification) % 0xFFFF)
        yield
        identification = identification + 1 & 0xFFFF


def _tcp_heads(head: bytearray, shape: Shape, pieces: list[memoryview]) -> Iterator[bytes]:
    """The headers of each piece. FIN and PSH belong to the last, CWR to the first (RFC 3168, 6.1.2)."""
    start, size = shape.start, len(pieces[0])
    seq = _LONG.unpack_from(head, start + 4)[0]
    flags = head[start + 13]
    bits = [flags & ~(CWR | FIN | PSH | URG)] * len(pieces)
    bits[0] |= flags & CWR
    bits[-1] |= flags & (FIN | PSH)
    # The urgent pointer counts from the segment's own sequence number (RFC 9293, 3.8.5).
    urgent = _WORD.unpack_from(head, start + 18)[0] if flags & URG else 0
    _LONG.pack_into(head, start + 4, 0)
    _LONG.pack_into(head, start + 16, 0)
    head[start + 13] = 0
    base = ones_sum(head[start:], shape.addresses_sum) + shape.data - start - 1
    for _, each, total in zip(_networks(head, shape, pieces), bits, _sums(pieces), strict=True):
        if urgent:
            each |= URG
        _LONG.pack_into(head, start + 4, seq)
        _TWO_WORDS.pack_into(head, start + 16, 0xFFFE - (base + total + seq + each + urgent) % 0xFFFF, urgent)
        head[start + 13] = each
        yield bytes(head)
        seq = seq + size & 0xFFFFFFFF
        if urgent:
            urgent = max(0, urgent - size)


def _udp_heads(head: bytearray, shape: Shape, pieces: list[memoryview]) -> Iterator[bytes]:
    """The headers of each piece, which is a datagram of its own."""
    start = shape.start
    base = ones_sum(head[start : start + 4], shape.addresses_sum) - 1
    for _, piece, total in zip(_networks(head, shape, pieces), pieces, _sums(pieces), strict=True):
        length = udp.HEADER_SIZE + len(piece)  # which is in the pseudo-header, too
        _TWO_WORDS.pack_into(head, start + 4, length, 0xFFFE - (base + total + length + udp.HEADER_SIZE) % 0xFFFF or 0xFFFF)
        yield bytes(head)


def _sums(pieces: list[memoryview]) -> Iterator[int]:
    """Numbers congruent to each piece's sum plus its length. A remainder costs more than additions: fold by halves first."""
    size = len(pieces[0])
    pad = 8 * (size & 1)
    half, quarter, eighth = ((size + 1) // part * 16 for part in (4, 8, 16))
    low, lower, lowest = (1 << half) - 1, (1 << quarter) - 1, (1 << eighth) - 1
    for piece in pieces[:-1]:
        number = int.from_bytes(piece, "big") << pad
        number = (number >> half) + (number & low)
        number = (number >> quarter) + (number & lower)
        yield (number >> eighth) + (number & lowest) + size
    yield ones_sum(pieces[-1], len(pieces[-1]))

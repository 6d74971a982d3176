"""TCP segments: the one object made per packet, and the writer of headers.

Theory of operation. A bulk transfer costs as many of these per second as there are super-segments, so reading is one
`struct` call over IPv4 + TCP (field by field it would cost six times as much) and writing is one `pack`, virtio-net
header included. Two tricks carry that:

*The key.* In an IPv4 header without options the addresses and the TCP ports lie side by side: 12 bytes that name the
socket pair. They are taken as one ``12s`` field, never sliced, and are the demultiplexer's dictionary key. IPv6 has the
same luck with 36 bytes. A key is always "as received": remote address, local address, remote port, local port.

*The envelope.* Everything of a header that does not change during a connection (addresses, ports, their sums for both
checksums, the virtio-net header) is computed once, in an `Envelope`.

Sequence numbers are the wire's 32 bits here; `hythe.tcp` unwraps them at its door.
Layout: RFC 9293, 3.1; RFC 791, 3.1; RFC 8200, 3.
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.errors import ParseError
from hythe.wire.packet import GSO_TCPV4, GSO_TCPV6, VNET_SIZE, Packet, vnet

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10
URG: Final = 0x20
ECE: Final = 0x40
CWR: Final = 0x80

PROTOCOL: Final = 6
HEADER_SIZE: Final = 20
_EMPTY: Final = memoryview(b"")

# version/ihl tos length id fragment ttl protocol checksum KEY seq ack offset flags window checksum urgent
_READ4: Final = struct.Struct(">BBHHHBBH12sIIBBHHH").unpack_from
# version/class/flow length next hops KEY seq ack offset flags window checksum urgent
_READ6: Final = struct.Struct(">IHBB36sIIBBHHH").unpack_from
_READ_TCP: Final = struct.Struct(">4sIIBBHHH").unpack_from

_PORTS: Final = struct.Struct(">HH")
#: virtio-net headers of what is no super-segment.
_PLAIN4: Final = vnet(GSO_TCPV4, 40, 0, 20, 16)
_PLAIN6: Final = vnet(GSO_TCPV6, 60, 0, 40, 16)
_WRITE4: Final = struct.Struct(">10sHHIHH12sIIHHHH").pack
_WRITE6: Final = struct.Struct(">10sIHH36sIIHHHH").pack


class Segment:
    """One received segment. `payload` is a view into the link's ring: good for this turn only.

    `seq`, `ack`: 32-bit wire values. `flags`: the eight control bits (FIN … CWR). `window`: unscaled. `options`: the
    option bytes, or None when there are none. `size`: bytes of payload. `gso_size`: the piece size of a super-segment,
    0 for one wire packet. `tos`: the IP traffic class byte (its low two bits are ECN).
    """

    __slots__ = ("ack", "flags", "gso_size", "key", "options", "payload", "seq", "size", "tos", "urgent", "window")

    def __init__(
        self,
        key: bytes,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        payload: memoryview,
        size: int,
        options: bytes | None,
        urgent: int,
        gso_size: int,
        tos: int,
    ) -> None:
        self.key = key
        self.seq = seq
        self.ack = ack
        self.flags = flags
        self.window = window
        self.payload = payload
        self.size = size
        self.options = options
        self.urgent = urgent
        self.gso_size = gso_size
        self.tos = tos

    @property
    def length(self) -> int:
        """SEG.LEN: octets of sequence space, SYN and FIN counted (RFC 9293, 3.4)."""
        return self.size + (self.flags & SYN != 0) + (self.flags & FIN)

    def __repr__(self) -> str:
        return f"<Segment {flag_names(self.flags)} seq {self.seq} ack {self.ack} win {self.window} len {self.size}>"


def read4(packet: Packet) -> Segment | None:
    """The segment of a plain IPv4 packet; None when it is anything else (options, fragment, other protocol, runt)."""
    view = packet.view
    length = packet.length
    if length < 40:
        return None
    (version, tos, total, _, fragment, _, protocol, _, key, seq, ack, offset, flags, window, _, urgent) = _READ4(view)
    start = 20 + (offset >> 2 & 0x3C)
    if version != 0x45 or protocol != PROTOCOL or fragment & 0x3FFF or start < 40 or not start <= total <= length:
        return None
    size = total - start
    return Segment(
        key,
        seq,
        ack,
        flags,
        window,
        view[start:total] if size else _EMPTY,
        size,
        bytes(view[40:start]) if start > 40 else None,
        urgent,
        packet.gso_size,
        tos,
    )


def read6(packet: Packet) -> Segment | None:
    """The segment of a plain IPv6 packet; None when it is anything else (extension header, other protocol, runt)."""
    view = packet.view
    length = packet.length
    if length < 60:
        return None
    (version, total, protocol, _, key, seq, ack, offset, flags, window, _, urgent) = _READ6(view)
    total += 40
    start = 40 + (offset >> 2 & 0x3C)
    if version >> 28 != 6 or protocol != PROTOCOL or start < 60 or not start <= total <= length:
        return None
    size = total - start
    return Segment(
        key,
        seq,
        ack,
        flags,
        window,
        view[start:total] if size else _EMPTY,
        size,
        bytes(view[60:start]) if start > 60 else None,
        urgent,
        packet.gso_size,
        version >> 20 & 0xFF,
    )


def read(view: memoryview, start: int, end: int, source: bytes, destination: bytes, tos: int = 0) -> Segment:
    """The segment at `view[start:end]` of a packet of any shape (IP options, extension headers, reassembled).

    Raises `ParseError` when the header is longer than the bytes or shorter than its least.
    """
    if end - start < HEADER_SIZE:
        raise ParseError(f"TCP header needs {HEADER_SIZE} bytes, {end - start} are there")
    ports, seq, ack, offset, flags, window, _, urgent = _READ_TCP(view, start)
    data = start + (offset >> 2 & 0x3C)
    if not start + HEADER_SIZE <= data <= end:
        raise ParseError(f"TCP data offset {data - start} does not fit a segment of {end - start} bytes")
    options = bytes(view[start + HEADER_SIZE : data]) or None
    return Segment(
        source + destination + ports, seq, ack, flags, window, view[data:end], end - data, options, urgent, 0, tos
    )


class Envelope4:
    """Writes the headers of one IPv4 socket pair: ``head(...)`` is virtio-net + IPv4 + TCP, checksum partial.

    `source`, `destination`: 4 bytes each. `tos`: the traffic class byte, which the owner may change between packets.
    """

    __slots__ = ("_gso", "_ip_sum", "_pair", "_shape", "_tcp_sum", "_ttl_protocol", "tos")

    header_size = 20 + HEADER_SIZE
    version = 4

    def __init__(self, source: bytes, destination: bytes, source_port: int, destination_port: int, ttl: int = 64) -> None:
        pair = source + destination
        self._pair = pair + _PORTS.pack(source_port, destination_port)
        self._ttl_protocol = protocol = ttl << 8 | PROTOCOL
        addresses = int.from_bytes(pair, "big") % 0xFFFF  # which is the sum of its 16-bit words, folded
        # Identification 0 and DF: an atomic datagram (RFC 6864, 4), so the fragment word is 0x4000 throughout.
        self._ip_sum = (0x4500 + 0x4000 + protocol + addresses) % 0xFFFF
        self._tcp_sum = (addresses + PROTOCOL) % 0xFFFF
        self._gso = _PLAIN4
        self._shape = (0, 0)
        self.tos = 0

    def head(
        self,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        size: int = 0,
        gso_size: int = 0,
        options: bytes = b"",
        urgent: int = 0,
    ) -> bytes:
        """Header bytes for a segment of `size` payload bytes, virtio-net header first.

        `seq` and `ack` may be unwrapped; `options` is padded to 4 bytes by the caller. With `gso_size` the segment is a
        super-segment of pieces of that many bytes.
        """
        extra = len(options)
        tcp_size = 20 + extra + size
        total = 20 + tcp_size
        if gso_size:
            if self._shape != (gso_size, extra):
                self._gso = vnet(GSO_TCPV4, 40 + extra, gso_size, 20, 16)
                self._shape = (gso_size, extra)
            link = self._gso
        else:
            link = _PLAIN4
        tos = self.tos
        ip_sum = self._ip_sum + total + tos
        ip_sum = (ip_sum & 0xFFFF) + (ip_sum >> 16)
        tcp_sum = self._tcp_sum + tcp_size
        head = _WRITE4(
            link,
            0x4500 | tos,
            total,
            0x4000,
            self._ttl_protocol,
            ip_sum ^ 0xFFFF,
            self._pair,
            seq & 0xFFFFFFFF,
            ack & 0xFFFFFFFF,
            (20 + extra) << 10 | flags,
            window,
            (tcp_sum & 0xFFFF) + (tcp_sum >> 16),
            urgent,
        )
        return head + options if extra else head


class Envelope6:
    """`Envelope4` for IPv6: addresses are 16 bytes each, `flow` is the 20-bit flow label (RFC 6437)."""

    __slots__ = ("_first", "_gso", "_next_hops", "_pair", "_shape", "_tcp_sum", "tos")

    header_size = 40 + HEADER_SIZE
    version = 6

    def __init__(
        self, source: bytes, destination: bytes, source_port: int, destination_port: int, ttl: int = 64, flow: int = 0
    ) -> None:
        pair = source + destination
        self._pair = pair + _PORTS.pack(source_port, destination_port)
        self._first = 6 << 28 | flow
        self._next_hops = PROTOCOL << 8 | ttl
        self._tcp_sum = (int.from_bytes(pair, "big") + PROTOCOL) % 0xFFFF
        self._gso = _PLAIN6
        self._shape = (0, 0)
        self.tos = 0

    def head(
        self,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        size: int = 0,
        gso_size: int = 0,
        options: bytes = b"",
        urgent: int = 0,
    ) -> bytes:
        """As `Envelope4.head`."""
        extra = len(options)
        tcp_size = 20 + extra + size
        if gso_size:
            if self._shape != (gso_size, extra):
                self._gso = vnet(GSO_TCPV6, 60 + extra, gso_size, 40, 16)
                self._shape = (gso_size, extra)
            link = self._gso
        else:
            link = _PLAIN6
        tcp_sum = self._tcp_sum + tcp_size
        head = _WRITE6(
            link,
            self._first | self.tos << 20,
            tcp_size,
            self._next_hops,
            self._pair,
            seq & 0xFFFFFFFF,
            ack & 0xFFFFFFFF,
            (20 + extra) << 10 | flags,
            window,
            (tcp_sum & 0xFFFF) + (tcp_sum >> 16),
            urgent,
        )
        return head + options if extra else head


Envelope = Envelope4 | Envelope6


def envelope(key: bytes, ttl: int = 64, flow: int = 0) -> Envelope:
    """The envelope that answers packets of this key: its source is the key's destination, and so on."""
    remote, remote_port, local, local_port = split_key(key)
    if len(key) == 12:
        return Envelope4(local, remote, local_port, remote_port, ttl)
    return Envelope6(local, remote, local_port, remote_port, ttl, flow)


def make_key(remote: bytes, remote_port: int, local: bytes, local_port: int) -> bytes:
    """The key that packets from `remote` to `local` will bear."""
    return remote + local + _PORTS.pack(remote_port, local_port)


def split_key(key: bytes) -> tuple[bytes, int, bytes, int]:
    """`make_key` backwards: (remote address, remote port, local address, local port)."""
    size = 4 if len(key) == 12 else 16
    remote_port, local_port = _PORTS.unpack_from(key, 2 * size)
    return key[:size], remote_port, key[size : 2 * size], local_port


_LETTERS: Final = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (URG, "U"), (ECE, "E"), (CWR, "W"), (ACK, "."))


def flag_names(flags: int) -> str:
    """Control bits as tcpdump writes them: ``S.``, ``P.``, ``F.``, ``R``; ``none`` for none."""
    return "".join(letter for bit, letter in _LETTERS if flags & bit) or "none"


assert VNET_SIZE == 10  # the "10s" of the writers above

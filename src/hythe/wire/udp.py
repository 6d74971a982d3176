"""UDP datagrams: reading them, and writing their headers (RFC 768).

Built like `hythe.wire.segment`: one `struct` call reads IP and UDP together, the addresses and ports side by side are
the demultiplexer's key, and an `Envelope` of a socket pair writes headers with one `pack`. A packet with a `gso_size`
stands for several datagrams of that size, the last of them shorter perhaps, in both directions.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError
from hythe.wire.checksum import Octets, fold, ones_sum, pseudo_sum, verify
from hythe.wire.packet import ABSENT, GSO_UDP_L4, VNET_PLAIN, VNET_SIZE, Packet, vnet

if TYPE_CHECKING:
    from collections.abc import Callable

PROTOCOL: Final = 17
HEADER_SIZE: Final = 8
#: The longest payload behind an IPv4 header without options, and behind a plain IPv6 header.
PAYLOAD_MAX4: Final = 65_535 - 28
PAYLOAD_MAX6: Final = 65_535 - 8

_EMPTY: Final = memoryview(b"")

# version/ihl tos length id fragment ttl protocol checksum KEY length checksum
_READ4: Final = struct.Struct(">BBHHHBBH12sHH").unpack_from
# version/class/flow length next hops KEY length checksum
_READ6: Final = struct.Struct(">IHBB36sHH").unpack_from
_READ_UDP: Final = struct.Struct(">4sHH").unpack_from

_WRITE4: Final = struct.Struct(">10sHHIHH12sHH").pack
_WRITE6: Final = struct.Struct(">10sIHH36sHH").pack


class Datagram:
    """One received datagram, or with `gso_size` several. `payload` is a view into the link's ring: for this turn only.

    `key`: source and destination address, source and destination port as received (`segment.split_key`). `size`: bytes
    of payload. `tos`: the IP traffic class byte.
    """

    __slots__ = ("gso_size", "key", "payload", "size", "tos")

    def __init__(self, key: bytes, payload: memoryview, size: int, gso_size: int, tos: int) -> None:
        self.key = key
        self.payload = payload
        self.size = size
        self.gso_size = gso_size
        self.tos = tos

    @property
    def ecn(self) -> int:
        """The codepoint for explicit congestion notification: 0 none, 1 and 2 ECT(1) and ECT(0), 3 CE (RFC 3168, 5)."""
        return self.tos & 3

    def pieces(self) -> list[memoryview]:
        """The payloads of all datagrams that this stands for, in order."""
        step = self.gso_size
        if not step or self.size <= step:
            return [self.payload]
        return [self.payload[at : at + step] for at in range(0, self.size, step)]

    def __repr__(self) -> str:
        return f"<Datagram {self.key.hex()} len {self.size} gso {self.gso_size}>"


def read4(packet: Packet) -> Datagram | None:
    """The datagram of a plain IPv4 packet with good checksums; None for anything else.

    None is for the general path (`ipv4.parse`, reassembly, then `read`) to look into: options, a fragment, another
    protocol, lengths that contradict each other, a wrong checksum.
    """
    view = packet.view
    length = packet.length
    if length < 28:
        return None
    version, tos, total, _, fragment, _, protocol, _, key, size, check = _READ4(view)
    if version != 0x45 or protocol != PROTOCOL or fragment & 0x3FFF or total > length or not 8 <= size <= total - 20:
        return None
    end = 20 + size
    if packet.checksum == ABSENT and not (
        verify(view[:20]) and (not check or verify(view[20:end], pseudo_sum(key[:4], key[4:8], PROTOCOL, size)))
    ):
        return None
    return Datagram(key, view[28:end] if size > 8 else _EMPTY, size - 8, packet.gso_size, tos)


def read6(packet: Packet) -> Datagram | None:
    """The datagram of a plain IPv6 packet with a good checksum; None for anything else, as `read4`."""
    view = packet.view
    length = packet.length
    if length < 48:
        return None
    version, total, protocol, _, key, size, check = _READ6(view)
    if version >> 28 != 6 or protocol != PROTOCOL or total + 40 > length or not 8 <= size <= total:
        return None
    end = 40 + size
    if packet.checksum == ABSENT and not (check and verify(view[40:end], pseudo_sum(key[:16], key[16:32], PROTOCOL, size))):
        return None
    return Datagram(key, view[48:end] if size > 8 else _EMPTY, size - 8, packet.gso_size, version >> 20 & 0xFF)


def read(
    view: memoryview, start: int, end: int, source: bytes, destination: bytes, tos: int = 0, check: bool = True
) -> Datagram:
    """The datagram at `view[start:end]` of a packet of any shape (IP options, extension headers, reassembled).

    Bytes past the UDP length are ignored. Raises `ParseError` for a length below 8 or past `end`, and with `check` for
    a wrong checksum; zero means "none" over IPv4 (RFC 768) and is wrong over IPv6 (RFC 8200, 8.1).
    """
    if end - start < HEADER_SIZE:
        raise ParseError(f"UDP header needs {HEADER_SIZE} bytes, {end - start} are there")
    ports, size, value = _READ_UDP(view, start)
    if not HEADER_SIZE <= size <= end - start:
        raise ParseError(f"UDP length is {size}, {end - start} bytes are there")
    if check:
        if not value and len(source) == 16:
            raise ParseError("UDP checksum is zero, which IPv6 does not allow")
        if value and not verify(view[start : start + size], pseudo_sum(source, destination, PROTOCOL, size)):
            raise ParseError(f"UDP checksum is wrong in a datagram of {size} bytes")
    return Datagram(source + destination + ports, view[start + HEADER_SIZE : start + size], size - HEADER_SIZE, 0, tos)


class Envelope4:
    """Writes the headers of one IPv4 socket pair. `source`, `destination`: 4 bytes each.

    `tos`: the traffic class byte, which the owner may change between datagrams. Payloads of up to `PAYLOAD_MAX4` bytes.
    """

    __slots__ = ("_gso", "_gso_size", "_ip_sum", "_pair", "_ttl_protocol", "_udp_sum", "tos")

    header_size = 20 + HEADER_SIZE
    version = 4
    _plain = vnet(GSO_UDP_L4, 28, 0, 20, 6)

    def __init__(
        self, source: bytes, destination: bytes, source_port: int, destination_port: int, ttl: int = 64, tos: int = 0
    ) -> None:
        self._pair = source + destination + struct.pack(">HH", source_port, destination_port)
        self._ttl_protocol = ttl << 8 | PROTOCOL
        addresses = ones_sum(source + destination)
        self._ip_sum = fold(0x4500 + 20 + self._ttl_protocol + addresses)
        self._udp_sum = fold(addresses + PROTOCOL)
        self._gso = self._plain
        self._gso_size = 0
        self.tos = tos

    def head(self, size: int, gso_size: int = 0) -> bytes:
        """Virtio-net, IPv4 and UDP headers for `size` payload bytes, the UDP checksum partial.

        With `gso_size` below `size`, of a super-datagram to be cut into pieces of that many bytes.
        """
        link = self._plain
        if gso_size and gso_size < size:
            if gso_size != self._gso_size:
                self._gso = vnet(GSO_UDP_L4, 28, gso_size, 20, 6)
                self._gso_size = gso_size
            link = self._gso
        tos = self.tos
        length = size + 8
        ip_sum = self._ip_sum + 0x4000 + tos + length
        ip_sum = (ip_sum & 0xFFFF) + (ip_sum >> 16)
        udp_sum = self._udp_sum + length
        return _WRITE4(
            link,
            0x4500 | tos,
            20 + length,
            0x4000,
            self._ttl_protocol,
            ip_sum ^ 0xFFFF,
            self._pair,
            length,
            (udp_sum & 0xFFFF) + (udp_sum >> 16),
        )

    def complete_head(self, payload: Octets) -> bytes:
        """As `head`, both checksums complete: for links whose device does not finish them."""
        return self._complete(payload, 0x4000)

    def packet(self, payload: Octets, identification: int = 0) -> bytes:
        """The whole IP packet, checksums complete, no virtio-net header; with `identification` it may be fragmented.

        Identification 0 goes with DF (RFC 6864, 4). Raises ValueError past `PAYLOAD_MAX4`.
        """
        if len(payload) > PAYLOAD_MAX4:
            raise ValueError(f"UDP over IPv4 carries {PAYLOAD_MAX4} bytes at most, not {len(payload)}")
        return self._complete(payload, identification << 16 or 0x4000)[VNET_SIZE:] + payload

    def _complete(self, payload: Octets, fragment: int) -> bytes:
        """`fragment`: the identification, flags and offset as one 32-bit number."""
        tos = self.tos
        length = len(payload) + 8
        ip_sum = fold(self._ip_sum + fragment + tos + length)
        # Ports and length stand in the header, the length in the pseudo-header as well.
        total = ones_sum(payload, self._udp_sum + ones_sum(self._pair[8:]) + 2 * length)
        return _WRITE4(
            VNET_PLAIN,
            0x4500 | tos,
            20 + length,
            fragment,
            self._ttl_protocol,
            ip_sum ^ 0xFFFF,
            self._pair,
            length,
            total ^ 0xFFFF or 0xFFFF,
        )


class Envelope6:
    """`Envelope4` for IPv6: addresses are 16 bytes each, `flow` is the 20-bit flow label (RFC 6437)."""

    __slots__ = ("_first", "_gso", "_gso_size", "_next_hops", "_pair", "_udp_sum", "tos")

    header_size = 40 + HEADER_SIZE
    version = 6
    _plain = vnet(GSO_UDP_L4, 48, 0, 40, 6)

    def __init__(
        self,
        source: bytes,
        destination: bytes,
        source_port: int,
        destination_port: int,
        ttl: int = 64,
        tos: int = 0,
        flow: int = 0,
    ) -> None:
        self._pair = source + destination + struct.pack(">HH", source_port, destination_port)
        self._first = 6 << 28 | flow
        self._next_hops = PROTOCOL << 8 | ttl
        self._udp_sum = fold(ones_sum(source + destination) + PROTOCOL)
        self._gso = self._plain
        self._gso_size = 0
        self.tos = tos

    def head(self, size: int, gso_size: int = 0) -> bytes:
        """As `Envelope4.head`."""
        link = self._plain
        if gso_size and gso_size < size:
            if gso_size != self._gso_size:
                self._gso = vnet(GSO_UDP_L4, 48, gso_size, 40, 6)
                self._gso_size = gso_size
            link = self._gso
        length = size + 8
        total = self._udp_sum + length
        return _WRITE6(
            link, self._first | self.tos << 20, length, self._next_hops, self._pair, length, (total & 0xFFFF) + (total >> 16)
        )

    def complete_head(self, payload: Octets) -> bytes:
        """As `Envelope4.complete_head`."""
        length = len(payload) + 8
        total = ones_sum(payload, self._udp_sum + ones_sum(self._pair[32:]) + 2 * length)
        return _WRITE6(
            VNET_PLAIN, self._first | self.tos << 20, length, self._next_hops, self._pair, length, total ^ 0xFFFF or 0xFFFF
        )

    def packet(self, payload: Octets) -> bytes:
        """The whole IP packet, checksum complete, no virtio-net header. Raises ValueError past `PAYLOAD_MAX6`."""
        if len(payload) > PAYLOAD_MAX6:
            raise ValueError(f"UDP over IPv6 carries {PAYLOAD_MAX6} bytes at most, not {len(payload)}")
        return self.complete_head(payload)[VNET_SIZE:] + payload


Envelope = Envelope4 | Envelope6


def envelope(key: bytes, ttl: int = 64, tos: int = 0) -> Envelope:
    """The envelope that answers packets of this key: its source is the key's destination, and so on."""
    size = 4 if len(key) == 12 else 16
    remote_port, local_port = struct.unpack_from(">HH", key, 2 * size)
    make: Callable[[bytes, bytes, int, int, int, int], Envelope] = Envelope4 if size == 4 else Envelope6
    return make(key[size : 2 * size], key[:size], local_port, remote_port, ttl, tos)

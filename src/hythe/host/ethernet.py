"""The link of a host with a MAC address: IP packets on one side, Ethernet frames on the other.

Theory of operation. To the host this is a link like any other; connections and endpoints neither know nor pay. What a
segment needs beyond that happens here, at the door:

*Out.* `Link.send` names no next hop, but the packet names its destination, and the routing table, whose answer for it
chose this link, says which gateway leads there. The Ethernet header of every destination whose neighbor is known is kept
at hand, so the fast path is one look-up; the headers are dropped whenever a route or a neighbor changes.

*In.* Frames for others are dropped. ARP, neighbor discovery and, while there is a client for it, DHCP are taken out and
given to whoever speaks them (`Protocols`): they are about the link, even where they travel in IP. All else is the host's.

What waited for a neighbor that never answered comes back as the ICMP error a router would have sent (RFC 4861, 7.2.2),
addressed to ourselves: so connections and endpoints learn of it by the way they already have.
RFC 894, RFC 2464, RFC 1122, 2.3 and 3.3.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from hythe.errors import ParseError
from hythe.host.host import Host
from hythe.host.interfaces import Interface
from hythe.host.neighbors import Neighbors, Waiting
from hythe.link.frames import DelayingFrameLink, Frame, FrameLink
from hythe.tcp.connection import Connection
from hythe.wire import ethernet, icmp, icmpv6, ipv6, mld, ndp, udp
from hythe.wire.dhcp import CLIENT_PORT, SERVER_PORT
from hythe.wire.packet import VNET_PLAIN, VNET_SIZE, Packet
from hythe.wire.segment import split_key

#: Destinations whose header is kept at hand.
_HEADERS_MAX: Final = 4_096
_ICMPV6: Final = icmpv6.PROTOCOL
_SOURCE4: Final = slice(12, 16)
_SOURCE6: Final = slice(8, 24)
#: Of a packet that cannot be delivered, what an error quotes.
_QUOTE: Final = 576


class Protocols(Protocol):
    """Who speaks what is not the host's. Each may raise `ParseError`; views are good for the call."""

    def solicit(self, address: bytes, mac: bytes | None, now: int) -> None:
        """Ask who has `address`: everybody, or `mac` alone."""

    def lost(self, address: bytes) -> None:
        """`address` has not answered, though it was asked several times."""

    def receive_arp(self, frame: Frame, now: int) -> None:
        """An ARP message."""

    def receive_discovery(self, frame: Frame, now: int) -> None:
        """A packet of neighbor discovery, IPv6 header first."""

    def receive_query(self, frame: Frame, now: int) -> None:
        """A multicast listener query, IPv6 header first."""

    def receive_dhcp(self, message: memoryview, now: int) -> bool:
        """What a DHCP server sends; False when nobody waits for that."""


class EthernetLink:
    """A `Link` on a frame link, for the station `mac`. `interface` and `protocols` are set once both are made.

    `dropped`: frames that were for nobody here or could not be read. `mtu` may be lowered, as routers can ask.
    """

    __slots__ = ("_frames", "_headers", "_host", "dropped", "interface", "mac", "mtu", "neighbors", "protocols")

    def __init__(self, frames: FrameLink, mac: bytes, host: Host) -> None:
        self._frames = frames
        self._host = host
        self._headers: dict[bytes, bytes] = {}
        self.mac = mac
        self.mtu = frames.mtu
        self.dropped = 0
        self.interface: Interface | None = None
        self.protocols: Protocols | None = None
        self.neighbors = Neighbors(
            host.config.ethernet,
            host.around.timers,
            host.random,
            self._solicit,
            self._deliver,
            self._undeliverable,
            self._lost,
            self._confirmed,
            self._headers.clear,
        )
        host.routes.dependents.append(self._headers)

    @property
    def frame_mtu(self) -> int:
        """What the link below carries, in bytes."""
        return self._frames.mtu

    def fileno(self) -> int:
        """The descriptor of the link below."""
        return self._frames.fileno()

    def close(self) -> None:
        """Close the link below."""
        self.neighbors.close()
        self._frames.close()

    # --- In

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`; what came may be less than what was read."""
        packets: list[Packet] = []
        mac = self.mac
        for frame in self._frames.receive(now, limit):
            header, view = frame.header, frame.view
            if header.startswith(mac):
                kind = header[12] << 8 | header[13]
                if kind == ethernet.IPV4 and (view[9] != udp.PROTOCOL or view[23] != CLIENT_PORT):
                    packets.append(frame)
                    continue
                if kind == ethernet.IPV6 and view[6] != _ICMPV6:
                    packets.append(frame)
                    continue
            try:
                if self._is_hosts(frame, now):
                    packets.append(frame)
            except ParseError:
                self.dropped += 1
        return packets

    def _is_hosts(self, frame: Frame, now: int) -> bool:
        """Sort one frame: True for a packet that the host shall see. Raises `ParseError`."""
        header = ethernet.parse(frame.header + bytes(frame.view[: min(frame.length, ethernet.TAG_SIZE)]), frame.length + 14)
        group = ethernet.is_group(header.destination)
        if (header.destination != self.mac and not group) or header.source == self.mac or header.vlan:
            self.dropped += 1  # somebody else's, our own come back, another VLAN's
            return False
        if header.vlan is not None:
            _untag(frame)
        protocols = self.protocols
        if header.ethertype == ethernet.ARP and protocols is not None:
            protocols.receive_arp(frame, now)
        elif header.ethertype == ethernet.IPV4:
            return not (self._is_dhcp(frame, now) or (group and self._is_one(bytes(frame.view[16:20]))))
        elif header.ethertype == ethernet.IPV6:
            view, size = frame.view, ipv6.HEADER_SIZE
            if protocols is not None and frame.length > size + len(mld.ALERT):
                if view[6] == _ICMPV6 and ndp.ROUTER_SOLICITATION <= view[size] <= ndp.REDIRECT:
                    protocols.receive_discovery(frame, now)
                    return False
                if view[6] == ipv6.HOP_BY_HOP and view[size] == _ICMPV6 and view[size + len(mld.ALERT)] == mld.QUERY:
                    protocols.receive_query(frame, now)
                    return False
            return not (group and self._is_one(bytes(view[24:40])))
        else:
            self.dropped += 1
        return False

    def _is_one(self, destination: bytes) -> bool:
        """Is it one host's address, though the frame was sent to many (RFC 1122, 3.3.6)?"""
        if destination in self._host.addresses:
            self.dropped += 1
            return True
        return False

    def _is_dhcp(self, frame: Frame, now: int) -> bool:
        """A DHCP server speaks to an address that we do not have yet, so the host could not receive it."""
        if self.protocols is None or frame.length < 28 or frame.view[9] != udp.PROTOCOL:
            return False
        datagram = udp.read4(frame)
        if datagram is None:
            return False
        _, remote_port, _, port = split_key(datagram.key)
        return (remote_port, port) == (SERVER_PORT, CLIENT_PORT) and self.protocols.receive_dhcp(datagram.payload, now)

    # --- Out

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`; waits for the neighbor to be known, if need be, and copies for that."""
        destination = head[26:30] if head[VNET_SIZE] >> 4 == 4 else head[34:50]
        header = self._headers.get(destination)
        if header is None:
            header = self._header(destination, head, payload, now)
            if not header:
                return
        self._frames.send_frame(now, header, head, payload)

    def send_to(self, mac: bytes, ethertype: int, data: bytes, now: int) -> None:
        """One frame of our own making: ARP, or a whole IP packet to whom routes do not lead."""
        self._frames.send_frame(now, ethernet.build(mac, self.mac, ethertype), VNET_PLAIN + data)

    def _header(self, destination: bytes, head: bytes, payload: Sequence[memoryview | bytes], now: int) -> bytes:
        """The Ethernet header for a destination; empty when the packet waits for its next hop's."""
        kind = ethernet.IPV4 if len(destination) == 4 else ethernet.IPV6
        mac = self._group(destination)
        if not mac:
            hop = self._hop(destination)
            mac = self.neighbors.use(hop, now)
            if not mac:
                self.neighbors.ask(hop, head, payload, now)
                return b""
        if len(self._headers) >= _HEADERS_MAX:
            self._headers.clear()
        header = self._headers[destination] = ethernet.build(mac, self.mac, kind)
        return header

    def _hop(self, destination: bytes) -> bytes:
        """Whom packets for one host's address are handed to."""
        route = self._host.routes.find(destination)
        return (route.gateway if route is not None and route.interface is self.interface else None) or destination

    def _group(self, destination: bytes) -> bytes:
        """The MAC address for packets to many; empty for one host's address."""
        if len(destination) == 16:
            return ethernet.group_of(destination) if destination[0] == 0xFF else b""
        if destination[0] >> 4 == 14:
            return ethernet.group_of(destination)
        many = destination == b"\xff" * 4 or (self.interface is not None and self.interface.is_broadcast(destination))
        return ethernet.BROADCAST if many else b""

    # --- What the neighbor cache asks for

    def _solicit(self, address: bytes, mac: bytes | None, now: int) -> None:
        if self.protocols is not None:
            self.protocols.solicit(address, mac, now)

    def _lost(self, address: bytes) -> None:
        if self.protocols is not None:
            self.protocols.lost(address)

    def _confirmed(self, address: bytes, since: int) -> bool:
        """Has a connection by way of this neighbor made progress?"""
        return any(
            isinstance(each, Connection) and each.progressed(since) and self._hop(split_key(each.key)[0]) == address
            for each in self._host.connections.values()
        )

    def _deliver(self, mac: bytes, packet: Waiting, now: int) -> None:
        kind = ethernet.IPV4 if packet.head[VNET_SIZE] >> 4 == 4 else ethernet.IPV6
        self._frames.send_frame(now, ethernet.build(mac, self.mac, kind), packet.head, (packet.payload,))

    def _undeliverable(self, packet: Waiting, now: int) -> None:
        """Tell ourselves: host unreachable."""
        original = packet.head[VNET_SIZE:] + packet.payload[:_QUOTE]
        if original[0] >> 4 == 4:
            us = original[_SOURCE4]
            error = icmp.error_packet(us, us, icmp.UNREACHABLE, icmp.HOST_UNREACHABLE, original[:_QUOTE])
        else:
            us = original[_SOURCE6]
            error = icmpv6.error_packet(us, us, icmpv6.UNREACHABLE, icmpv6.ADDRESS_UNREACHABLE, original)
        if us in self._host.addresses and self.interface is not None:
            self._host.receive(Packet(len(error)).fill(error), now, self.interface)


class DelayingEthernetLink(EthernetLink):
    """The same on a frame link that keeps frames until a time, and so a `DelayingLink` to whoever drives the host."""

    __slots__ = ("_delaying",)

    def __init__(self, frames: DelayingFrameLink, mac: bytes, host: Host) -> None:
        super().__init__(frames, mac, host)
        self._delaying = frames

    @property
    def on_deadline(self) -> Callable[[int], object]:
        """As `Delaying.on_deadline`."""
        return self._delaying.on_deadline

    @on_deadline.setter
    def on_deadline(self, told: Callable[[int], object]) -> None:
        self._delaying.on_deadline = told

    def next_deadline(self) -> int:
        """As `Delaying.next_deadline`."""
        return self._delaying.next_deadline()

    def release(self, now: int) -> None:
        """As `Delaying.release`."""
        self._delaying.release(now)


def _untag(frame: Frame) -> None:
    """Take off a tag that bears only a priority (IEEE 802.1Q, 9.6): such a frame belongs to no VLAN."""
    size = frame.length - ethernet.TAG_SIZE
    frame.header[12:14] = frame.view[2:4]
    frame.view[:size] = bytes(frame.view[ethernet.TAG_SIZE : frame.length])
    frame.length = size

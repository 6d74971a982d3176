"""The messages of the neighbor cache and of address claims: ARP (RFC 826, 5227) and neighbor discovery (RFC 4861, 7).

We answer for addresses that are ours beyond doubt: of this interface, and no longer tentative; never for anybody else's.
Who asks about one of them is noted, since the answer will follow (RFC 826, 4861, 7.2.3); what is said unasked updates the
neighbors we know and no others.
"""

from __future__ import annotations

from random import Random

from hythe.errors import ParseError
from hythe.host.claims import Claims
from hythe.host.ethernet import EthernetLink
from hythe.host.interfaces import Interface, may_be_source
from hythe.host.routers import Routers
from hythe.link.frames import Frame
from hythe.wire import arp, ethernet, ipv6, mld, ndp
from hythe.wire.packet import ABSENT, VNET_PLAIN

_NOBODY4 = bytes(4)
_LINK_LOCAL = b"\xfe\x80" + bytes(14)


class Resolution:
    """Asks and answers on one segment."""

    __slots__ = ("_claims", "_interface", "_link", "_nonce", "_random", "_routers")

    def __init__(self, link: EthernetLink, interface: Interface, claims: Claims, routers: Routers, random: Random) -> None:
        self._link = link
        self._interface = interface
        self._claims = claims
        self._routers = routers
        self._random = random
        self._nonce = b""

    # --- Asking and telling

    def solicit(self, address: bytes, mac: bytes | None, now: int) -> None:
        """Ask who has `address`: everybody, or `mac` alone."""
        link = self._link
        source = self._interface.source_for(address)
        if source is None:
            return
        if len(address) == 4:
            link.send_to(mac or ethernet.BROADCAST, ethernet.ARP, arp.request(link.mac, source, address), now)
            return
        destination = address if mac else ndp.solicited_node(address)
        packet = ndp.packet(source, destination, ndp.NeighborSolicitation(address, link.mac))
        link.send_to(mac or ethernet.group_of(destination), ethernet.IPV6, packet, now)

    def probe(self, address: bytes, now: int) -> None:
        """Ask whether anybody has `address`, without claiming it (RFC 5227, 2.1.1; RFC 4862, 5.4.2; RFC 7527)."""
        if len(address) == 4:
            self._link.send_to(ethernet.BROADCAST, ethernet.ARP, arp.probe(self._link.mac, address), now)
            return
        self._nonce = self._random.getrandbits(48).to_bytes(6, "big")
        group = ndp.solicited_node(address)
        packet = ndp.packet(ndp.UNSPECIFIED, group, ndp.NeighborSolicitation(address, None, self._nonce))
        self._link.send_to(ethernet.group_of(group), ethernet.IPV6, packet, now)

    def announce(self, address: bytes, now: int) -> None:
        """Tell everybody that we have `address` (RFC 5227, 2.3; RFC 4861, 7.2.6)."""
        link = self._link
        if len(address) == 4:
            link.send_to(ethernet.BROADCAST, ethernet.ARP, arp.announcement(link.mac, address), now)
            return
        packet = ndp.packet(address, ndp.ALL_NODES, ndp.NeighborAdvertisement(address, link.mac, override=True))
        link.send_to(ethernet.group_of(ndp.ALL_NODES), ethernet.IPV6, packet, now)

    def report(self, records: list[tuple[int, bytes]], now: int) -> None:
        """Tell switches and routers of our groups; from nobody while we have no address (RFC 3810, 5.2.13)."""
        source = self._interface.source_for(_LINK_LOCAL)
        packet = mld.report(source if source is not None and ndp.is_link_local(source) else ndp.UNSPECIFIED, records)
        self._link.send_to(ethernet.group_of(mld.REPORTS), ethernet.IPV6, packet, now)

    def read_query(self, frame: Frame) -> mld.Query:
        """A packet that asks for that; only a router on the link may (RFC 3810, 5.1.14 and 6.2). Raises `ParseError`."""
        header = ipv6.parse(frame.view, frame.length)
        if not ndp.is_link_local(header.source) or header.hop_limit != 1:
            raise ParseError("multicast listener query comes from another link")
        start, end = header.payload_offset, header.end
        return mld.parse_query(
            frame.view[start:end], end - start, header.source, header.destination, frame.checksum == ABSENT
        )

    # --- ARP

    def receive_arp(self, frame: Frame, now: int) -> None:
        """RFC 826 with the rules of RFC 5227. Raises `ParseError`."""
        message = arp.parse(frame.view, frame.length)
        link, claims = self._link, self._claims
        if message.is_probe:
            claims.conflict(message.target, message.sender_mac, now, probing=True)
        elif message.sender in claims.all:
            claims.conflict(message.sender, message.sender_mac, now)
            return
        asked = message.operation == arp.REQUEST and self._is_ours(message.target)
        if self._is_neighbor(message.sender):
            if asked:
                link.neighbors.heard(message.sender, message.sender_mac, now)
            else:
                solicited = message.operation == arp.REPLY and not ethernet.is_group(frame.header)
                link.neighbors.answered(message.sender, message.sender_mac, now, solicited=solicited)
        if asked:
            reply = arp.reply(link.mac, message.target, message)
            link.send_to(message.sender_mac, ethernet.ARP, reply, now)

    def _is_ours(self, address: bytes) -> bool:
        claim = self._claims.all.get(address)
        return claim is not None and not claim.tentative

    def _is_neighbor(self, address: bytes) -> bool:
        """Can this IPv4 address be one host's on this segment?"""
        return (
            address != _NOBODY4
            and may_be_source(address)
            and not self._interface.is_broadcast(address)
            and any(prefix.contains(address) for prefix in self._interface.prefixes)
        )

    # --- Neighbor discovery

    def receive_discovery(self, frame: Frame, now: int) -> None:
        """One packet. Raises `ParseError`."""
        header = ipv6.parse(frame.view, frame.length)
        if header.payload_offset != ipv6.HEADER_SIZE or not may_be_source(header.source):
            raise ParseError("neighbor discovery behind extension headers, or from many")
        message = ndp.parse(
            frame.view[ipv6.HEADER_SIZE : header.end],
            header.end - ipv6.HEADER_SIZE,
            header.source,
            header.destination,
            header.hop_limit,
            frame.checksum == ABSENT,
        )
        station = bytes(frame.header[6:12])
        if isinstance(message, ndp.NeighborSolicitation):
            self._asked(message, header.source, station, now)
        elif isinstance(message, ndp.NeighborAdvertisement):
            self._told(message, station, now)
        elif isinstance(message, ndp.RouterAdvertisement):
            if message.link is not None:
                self._link.neighbors.heard(header.source, message.link, now)
            self._routers.advertised(header.source, message, now)
        elif isinstance(message, ndp.Redirect):
            if self._routers.redirected(header.source, message) and message.link is not None:
                self._link.neighbors.heard(message.target, message.link, now)

    def _asked(self, message: ndp.NeighborSolicitation, source: bytes, station: bytes, now: int) -> None:
        """RFC 4861, 7.2.3 and 7.2.4; RFC 4862, 5.4.3: to a probe the answer goes to all."""
        link = self._link
        target = message.target
        probing = source == ndp.UNSPECIFIED
        if not self._is_ours(target):
            if probing and not (message.nonce and message.nonce == self._nonce):
                self._claims.conflict(target, station, now, probing=True)
            return
        if probing:
            self.announce(target, now)
            return
        if message.link is not None:
            link.neighbors.heard(source, message.link, now)
        answer = ndp.NeighborAdvertisement(target, link.mac, solicited=True, override=True)
        link.send(now, VNET_PLAIN + ndp.packet(target, source, answer))

    def _told(self, message: ndp.NeighborAdvertisement, station: bytes, now: int) -> None:
        """RFC 4861, 7.2.5; RFC 4862, 5.4.4."""
        if message.target in self._claims.all:
            self._claims.conflict(message.target, station, now)
            return
        self._link.neighbors.answered(
            message.target,
            message.link,
            now,
            solicited=message.solicited,
            override=message.override,
            router=message.router,
        )
        if not message.router:
            self._routers.no_router(message.target)

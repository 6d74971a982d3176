"""One host on one Ethernet segment: the link, its addresses, and everybody who helps to get and keep them.

A station is put together here from parts that each do one thing: `EthernetLink` carries, `Claims` decides whether an
address is ours, `Resolution` speaks ARP and neighbor discovery, `Routers` and `DhcpClient` are told addresses. What they
decide becomes the host's addresses and routes in this file alone.

Like connections a station tells of news by entering the ready list: `owner` is visited when addresses have changed.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from hythe.host.claims import DHCP, LINK_LOCAL, ROUTER, STATIC, Claim, Claims
from hythe.host.dhcp import BOUND, REBINDING, RENEWING, DhcpClient, Lease
from hythe.host.ethernet import DelayingEthernetLink, EthernetLink
from hythe.host.groups import Groups
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.resolution import Resolution
from hythe.host.routers import Routers
from hythe.host.routes import Route
from hythe.link.frames import DelayingFrameLink, Frame, FrameLink
from hythe.tcp.block import CHANGED
from hythe.tcp.states import CLOSED
from hythe.wire import dhcp, ethernet, ipv4, ndp, udp
from hythe.wire.packet import VNET_PLAIN

_EVERYBODY: Final = b"\xff" * 4


class Conflict(NamedTuple):
    """An address we wanted is used by the station `rival` (a MAC address)."""

    prefix: Prefix
    rival: bytes


class Station:
    """Made of a frame link and a MAC address; `begin` starts it.

    `secret`: for interface identifiers (RFC 7217). `conflicts`: static addresses that somebody else has, for the owner.
    `owner`, `queued`, `news`, `state` and `emit` are the ready list's.
    """

    __slots__ = (
        "_host",
        "_leased",
        "_resolution",
        "auto",
        "claims",
        "conflicts",
        "dhcp",
        "groups",
        "interface",
        "link",
        "news",
        "owner",
        "queued",
        "routers",
        "state",
    )

    def __init__(self, host: Host, frames: FrameLink, mac: bytes, name: str, secret: bytes) -> None:
        self._host = host
        self._leased: list[Route] = []
        timers, config = host.around.timers, host.config.ethernet
        if isinstance(frames, DelayingFrameLink):
            self.link: EthernetLink = DelayingEthernetLink(frames, mac, host)
        else:
            self.link = EthernetLink(frames, mac, host)
        self.interface = self.link.interface = host.attach(name, self.link, ())
        self.claims = Claims(config, timers, host.random, self)
        self.routers = Routers(host, self.link, self.interface, self.claims, secret, self._changed)
        self._resolution = Resolution(self.link, self.interface, self.claims, self.routers, host.random)
        self.groups = Groups(timers, host.random, self._resolution.report)
        self.link.protocols = self
        self.auto = False
        self.dhcp: DhcpClient | None = None
        self.conflicts: list[Conflict] = []
        self.owner: Any = None
        self.queued = False
        self.news = 0
        self.state = CLOSED

    # --- The owner's verbs

    def begin(self, prefixes: tuple[Prefix, ...], now: int, *, auto: bool = False, lease: bool = False) -> None:
        """Claim the static addresses and a link-local one; with `auto` listen to routers, with `lease` use DHCP."""
        for prefix in prefixes:
            self.claims.add(prefix, STATIC, now)
        self.routers.begin(now)
        self.auto = auto
        if auto:
            self.routers.solicit(now)
        if lease:
            config = self._host.config.ethernet
            self.dhcp = DhcpClient(config, self._host.around.timers, self._host.random, self.link.mac, self)
            self.dhcp.begin(now)

    @property
    def is_settled(self) -> bool:
        """Has everything that was asked for been given or refused? Routers that say nothing within 12 s are none."""
        origins = {claim.origin for claim in self.claims.all.values() if claim.tentative}
        if STATIC in origins or (self.dhcp is not None and self.dhcp.state not in (BOUND, RENEWING, REBINDING)):
            return False
        return not self.auto or (self.routers.solicited and not origins & {LINK_LOCAL, ROUTER})

    @property
    def name_servers(self) -> list[bytes]:
        """Where names are asked for, as routers and the DHCP server say."""
        lent = self.dhcp.lease.name_servers if self.dhcp is not None and self.dhcp.lease is not None else ()
        return [*self.routers.name_servers, *lent]

    def close(self, now: int) -> None:
        """Give the lease back and let go of timers. The link stays open: the owner closes it."""
        if self.dhcp is not None:
            self.dhcp.release(now)
        timers = self._host.around.timers
        timers.cancel(self.routers)
        self.groups.close()
        self.claims.close()

    def emit(self, now: int) -> None:
        """Everything is sent where it is decided."""

    def _changed(self, now: int) -> None:
        self.news |= CHANGED
        if not self.queued:
            self.queued = True
            self._host.around.ready.append(self)

    # --- `Protocols`: what the link takes out

    def solicit(self, address: bytes, mac: bytes | None, now: int) -> None:
        """As `Protocols.solicit`."""
        self._resolution.solicit(address, mac, now)

    def lost(self, address: bytes) -> None:
        """As `Protocols.lost`."""
        self.routers.unreachable(address)

    def receive_arp(self, frame: Frame, now: int) -> None:
        """As `Protocols.receive_arp`."""
        self._resolution.receive_arp(frame, now)

    def receive_discovery(self, frame: Frame, now: int) -> None:
        """As `Protocols.receive_discovery`."""
        self._resolution.receive_discovery(frame, now)

    def receive_query(self, frame: Frame, now: int) -> None:
        """As `Protocols.receive_query`."""
        self.groups.asked(self._resolution.read_query(frame), now)

    def receive_dhcp(self, message: memoryview, now: int) -> bool:
        """As `Protocols.receive_dhcp`."""
        if self.dhcp is None:
            return False
        self.dhcp.receive(message, now)
        return True

    # --- `Keeper`: what becomes of claims

    def claimed(self, claim: Claim, now: int) -> None:
        """As `Keeper.claimed`: who probes an IPv6 address, too, hears others only in its group (RFC 4862, 5.4.2)."""
        if len(claim.address) == 16:
            self.groups.join(ndp.solicited_node(claim.address), now)

    def probe(self, address: bytes, now: int) -> None:
        """As `Keeper.probe`."""
        self._resolution.probe(address, now)

    def announce(self, address: bytes, now: int) -> None:
        """As `Keeper.announce`."""
        self._resolution.announce(address, now)

    def assigned(self, claim: Claim, now: int) -> None:
        """As `Keeper.assigned`."""
        self._host.add_address(self.interface, claim.prefix, on_link=claim.on_link)
        if claim.origin == DHCP and self.dhcp is not None and self.dhcp.lease is not None:
            self.dhcp.accept(now)
            self._route(self.dhcp.lease)
        self._changed(now)

    def deprecated(self, claim: Claim, now: int) -> None:
        """As `Keeper.deprecated`: the best address is the first, so this one goes to the end, or to the front again."""
        others = tuple(prefix for prefix in self.interface.prefixes if prefix != claim.prefix)
        self.interface.prefixes = (*others, claim.prefix) if claim.deprecated else (claim.prefix, *others)

    def released(self, claim: Claim, now: int, rival: bytes) -> None:
        """As `Keeper.released`."""
        if len(claim.address) == 16:
            self.groups.leave(ndp.solicited_node(claim.address), now)
        if not claim.tentative:
            self._host.remove_address(self.interface, claim.prefix)
        if rival and claim.origin == STATIC:
            self.conflicts.append(Conflict(claim.prefix, rival))
        elif rival and claim.origin in (LINK_LOCAL, ROUTER):
            self.routers.duplicate(claim, now)
        elif rival and self.dhcp is not None:
            self._unroute()
            self.dhcp.decline(now)
        self._changed(now)

    # --- `Borrower`: what becomes of a lease

    def send_dhcp(self, message: bytes, source: bytes, destination: bytes, now: int) -> None:
        """As `Borrower.send_dhcp`."""
        ports = udp.Envelope4(source, destination, dhcp.CLIENT_PORT, dhcp.SERVER_PORT)
        if destination == _EVERYBODY:
            self.link.send_to(ethernet.BROADCAST, ethernet.IPV4, ports.packet(message), now)
        else:
            self.link.send(now, VNET_PLAIN + ports.packet(message))

    def offered(self, lease: Lease, now: int) -> None:
        """As `Borrower.offered`."""
        claim = self.claims.add(lease.prefix, DHCP, now)
        if claim.origin != DHCP and self.dhcp is not None:  # a server that lends what we have anyway
            self.dhcp.accept(now)

    def renewed(self, lease: Lease, now: int) -> None:
        """As `Borrower.renewed`."""
        self._route(lease)
        self._changed(now)

    def expired(self, lease: Lease, now: int) -> None:
        """As `Borrower.expired`."""
        self._unroute()
        claim = self.claims.all.get(lease.prefix.address)
        if claim is not None and claim.origin == DHCP:
            self.claims.release(claim, now)

    def _route(self, lease: Lease) -> None:
        """Replace the routes that came with the last lease."""
        self._unroute()
        self._leased = [Route(network, self.interface, router) for network, router in lease.routes]
        for route in self._leased:
            self._host.routes.add(route)
        if lease.mtu is not None and ipv4.MTU_MIN <= lease.mtu <= self.link.frame_mtu:
            self.link.mtu = lease.mtu

    def _unroute(self) -> None:
        for route in self._leased:
            self._host.routes.discard(route)
        self._leased = []

"""What routers tell a host: default routes, prefixes, addresses to make of them, and better ways (RFC 4861, 6.3 and 8).

Theory of operation. With `begin` the link-local address is claimed, which every IPv6 interface has (RFC 4862, 5.3). With
`solicit` routers are asked three times who they are. What an advertisement says is taken over one by one: the router for
its lifetime as a default route, prefixes that are on the link as routes, prefixes for autonomous configuration as
addresses (RFC 4862, 5.5.3), and the parameters of the link.

Interface identifiers are RFC 7217's: a hash of the prefix and of a secret, so the same each time a host comes to the same
network, of no meaning elsewhere, and without the MAC address in it. After a duplicate the next in line is tried.

Whoever is on the segment can send advertisements, so everything is bounded: routers, prefixes, redirects.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from hythe.config import EthernetConfig
from hythe.host.claims import LINK_LOCAL, ROUTER, Claim, Claims
from hythe.host.ethernet import EthernetLink
from hythe.host.host import Host
from hythe.host.interfaces import Interface, Prefix
from hythe.host.routes import Route
from hythe.units import MILLISECOND, NEVER, SECOND
from hythe.wire import ethernet, ipv6, ndp

_LINK_LOCAL: Final = b"\xfe\x80" + bytes(14)
_ANYWHERE: Final = Prefix(bytes(16), 0)
_TWO_HOURS: Final = 7_200 * SECOND


class Routers:
    """The routers of one segment. `changed(now)` is called when something here has changed for who waits for it.

    `name_servers`: address and until when, as RFC 8106 has it. `solicited`: nobody is going to be asked any more.
    """

    __slots__ = (
        "_changed",
        "_claims",
        "_config",
        "_host",
        "_interface",
        "_link",
        "_redirects",
        "_retries",
        "_routes",
        "_secret",
        "_sent",
        "_solicit_at",
        "deadline",
        "filed",
        "name_servers",
        "prefixes",
        "solicited",
        "table",
    )

    def __init__(
        self,
        host: Host,
        link: EthernetLink,
        interface: Interface,
        claims: Claims,
        secret: bytes,
        changed: Callable[[int], None],
    ) -> None:
        self._host = host
        self._config: EthernetConfig = host.config.ethernet
        self._link = link
        self._interface = interface
        self._claims = claims
        self._secret = secret
        self._changed = changed
        #: Router -> until when it is one; prefix -> until when it is on the link.
        self.table: dict[bytes, int] = {}
        self.prefixes: dict[Prefix, int] = {}
        self.name_servers: dict[bytes, int] = {}
        self._routes: dict[bytes | Prefix, Route] = {}
        self._redirects: dict[bytes, Route] = {}
        self._retries: dict[Prefix, int] = {}
        self._sent = 0
        self._solicit_at = NEVER
        self.solicited = False
        self.deadline = NEVER
        self.filed = NEVER

    # --- Beginning

    def begin(self, now: int) -> None:
        """Claim the link-local address."""
        self._claim(Prefix(_LINK_LOCAL, 64), LINK_LOCAL, NEVER, NEVER, now)

    def solicit(self, now: int) -> None:
        """Ask for routers, after a moment, so that hosts which start together do not ask together (RFC 4861, 6.3.7)."""
        self._solicit_at = now + int(self._config.router_solicit_delay * self._host.random.random())
        self._arm()

    def fire(self, now: int) -> None:
        """Ask again, or forget what is over."""
        if self._solicit_at <= now:
            self._ask(now)
        for router in [each for each, until in self.table.items() if until <= now]:
            self._forget_router(router)
        for prefix in [each for each, until in self.prefixes.items() if until <= now]:
            self._forget_prefix(prefix)
        for server in [each for each, until in self.name_servers.items() if until <= now]:
            del self.name_servers[server]
        self._arm()

    def _ask(self, now: int) -> None:
        if self._sent >= self._config.router_solicits:
            self._solicit_at = NEVER
            self.solicited = True
            self._changed(now)
            return
        self._sent += 1
        self._solicit_at = now + self._config.router_solicit_interval
        source = self._interface.source_for(_LINK_LOCAL)
        if source is None:
            source, told = ndp.UNSPECIFIED, None
        else:
            told = self._link.mac
        packet = ndp.packet(source, ndp.ALL_ROUTERS, ndp.RouterSolicitation(told))
        self._link.send_to(ethernet.group_of(ndp.ALL_ROUTERS), ethernet.IPV6, packet, now)

    # --- What is heard

    def advertised(self, router: bytes, told: ndp.RouterAdvertisement, now: int) -> None:
        """RFC 4861, 6.3.4. Nothing, unless routers were asked for."""
        if not self._sent:
            return
        config, link = self._config, self._link
        if told.lifetime:
            self._add_router(router, now + told.lifetime * SECOND)
        else:
            self._forget_router(router)
        if told.hop_limit:
            self._interface.hop_limit = told.hop_limit
        if told.reachable:
            link.neighbors.reachable_time = min(told.reachable, 3_600_000) * MILLISECOND
        if told.retransmit:
            link.neighbors.retransmit_time = self._claims.retransmit_time = min(told.retransmit, 60_000) * MILLISECOND
        if told.mtu is not None and ipv6.MTU_MIN <= told.mtu <= link.frame_mtu:
            link.mtu = told.mtu
        for each in told.prefixes:
            prefix = Prefix(_masked(each.prefix, each.length), each.length)
            if ndp.is_link_local(each.prefix) or each.prefix[0] == 0xFF:
                continue
            if each.on_link:
                self._add_prefix(prefix, _until(now, each.valid))
            if each.autonomous and each.preferred <= each.valid and each.length == 64:
                self._configure(prefix, _until(now, each.valid), _until(now, each.preferred), now)
        for server, life in told.name_servers:
            if not life:
                self.name_servers.pop(server, None)
            elif server in self.name_servers or len(self.name_servers) < config.prefixes:
                self.name_servers[server] = _until(now, life)
        self._solicit_at = NEVER
        self.solicited = True
        self._arm()
        self._changed(now)

    def redirected(self, router: bytes, told: ndp.Redirect) -> bool:
        """RFC 4861, 8.3: believed only of the router that we send such packets to."""
        current = self._host.routes.find(told.destination)
        if current is None or current.gateway != router or current.interface is not self._interface:
            return False
        old = self._redirects.pop(told.destination, None)
        if old is None and len(self._redirects) >= self._config.redirects:
            old = self._redirects.pop(next(iter(self._redirects)))
        if old is not None:
            self._host.routes.discard(old)
        gateway = None if told.target == told.destination else told.target
        route = self._redirects[told.destination] = Route(Prefix(told.destination, 128), self._interface, gateway)
        self._host.routes.add(route)
        return True

    def no_router(self, address: bytes) -> None:
        """A neighbor says that it is no router (any more): RFC 4861, 7.2.5."""
        if address in self.table:
            self._forget_router(address)

    def unreachable(self, address: bytes) -> None:
        """A router does not answer: the others come first from now on (RFC 4861, 6.3.6), and no redirect leads there."""
        self._forget_redirects(address)
        route = self._routes.get(address)
        if route is not None:
            self._host.routes.discard(route)
            self._host.routes.add(route)

    def duplicate(self, claim: Claim, now: int) -> None:
        """Somebody has the address that was made here: try the next one (RFC 7217, 6)."""
        prefix = Prefix(_masked(claim.address, 64), 64)
        self._retries[prefix] = self._retries.get(prefix, 0) + 1
        if self._retries[prefix] <= self._config.dad_retries:
            self._claim(prefix, claim.origin, claim.valid, claim.preferred, now)

    # --- Inside

    def _configure(self, prefix: Prefix, valid: int, preferred: int, now: int) -> None:
        """RFC 4862, 5.5.3. Nobody may shorten the life of an address to less than two hours (e)."""
        known = next(
            (each for each in self._claims.all.values() if each.origin == ROUTER and prefix.contains(each.address)), None
        )
        if known is None:
            if valid > now and len(self._own()) < self._config.prefixes:
                self._claim(prefix, ROUTER, valid, preferred, now)
            return
        if valid <= now + _TWO_HOURS and valid <= known.valid:
            valid = min(known.valid, now + _TWO_HOURS)
        self._claims.renew(known, valid, preferred, now)

    def _own(self) -> list[Claim]:
        return [each for each in self._claims.all.values() if each.origin == ROUTER]

    def _claim(self, prefix: Prefix, origin: str, valid: int, preferred: int, now: int) -> None:
        identifier = stable_identifier(prefix.address, self._link.mac, self._retries.get(prefix, 0), self._secret)
        address = Prefix(prefix.address[:8] + identifier, 64)
        on_link = origin == LINK_LOCAL  # other prefixes are on the link if a router says so
        self._claims.add(address, origin, now, on_link=on_link, valid=valid, preferred=preferred)

    def _add_router(self, router: bytes, until: int) -> None:
        if router not in self.table and len(self.table) >= self._config.routers:
            return
        self.table[router] = until
        self._route(router, Route(_ANYWHERE, self._interface, router))

    def _forget_router(self, router: bytes) -> None:
        if self.table.pop(router, None) is not None:
            self._host.routes.discard(self._routes.pop(router))
            self._forget_redirects(router)

    def _forget_redirects(self, gateway: bytes) -> None:
        for destination in [each for each, route in self._redirects.items() if route.gateway == gateway]:
            self._host.routes.discard(self._redirects.pop(destination))

    def _add_prefix(self, prefix: Prefix, until: int) -> None:
        known = prefix in self.prefixes
        if known or len(self.prefixes) < self._config.prefixes:
            self.prefixes[prefix] = until
            self._route(prefix, Route(prefix, self._interface))

    def _forget_prefix(self, prefix: Prefix) -> None:
        del self.prefixes[prefix]
        self._host.routes.discard(self._routes.pop(prefix))

    def _route(self, key: bytes | Prefix, route: Route) -> None:
        if key not in self._routes:
            self._routes[key] = route
            self._host.routes.add(route)

    def _arm(self) -> None:
        ends = (*self.table.values(), *self.prefixes.values(), *self.name_servers.values())
        self.deadline = min(self._solicit_at, *ends, NEVER)
        self._host.around.timers.file(self)


def stable_identifier(prefix: bytes, mac: bytes, retries: int, secret: bytes) -> bytes:
    """The last 8 bytes of an address (RFC 7217, 5): F(prefix, interface, counter, secret), F being SHA-256."""
    digest = sha256(b"RFC 7217" + secret + prefix[:8] + mac + retries.to_bytes(4, "big")).digest()
    # RFC 5453: zero is the routers' anycast address, and what begins with fdff:ffff:ffff:ff is reserved for others.
    reserved = not any(digest[:8]) or digest.startswith(b"\xfd" + b"\xff" * 6)
    return digest[8:16] if reserved else digest[:8]


def _masked(address: bytes, length: int) -> bytes:
    value = int.from_bytes(address, "big") >> 128 - length << 128 - length
    return value.to_bytes(16, "big")


def _until(now: int, seconds: int) -> int:
    return NEVER if seconds == ndp.INFINITE else now + seconds * SECOND

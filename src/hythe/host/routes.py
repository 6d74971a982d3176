"""The routing table: longest prefix first (RFC 1812, 5.2.4.3; RFC 1122, 3.3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hythe.errors import UsageError
from hythe.host.interfaces import Interface, Prefix, is_loopback


@dataclass(frozen=True, slots=True)
class Route:
    """Destinations in `prefix` leave by `interface`; `gateway` is the next hop on a link that has neighbours."""

    prefix: Prefix
    interface: Interface
    gateway: bytes | None = None

    @classmethod
    def parse(cls, text: str, interface: Interface) -> Route:
        """From ``10.0.0.0/8`` or, as ip(8) writes it, ``0.0.0.0/0 via 10.0.0.1``. Raises `UsageError`."""
        network, via, gateway = text.partition(" via ")
        prefix = Prefix.parse(network.strip())
        if not via:
            return cls(prefix, interface)
        hop = Prefix.parse(gateway.strip())
        if len(hop.address) != len(prefix.address) or "/" in gateway:
            raise UsageError(f"{text!r} is not a route: the gateway is one address of the same family")
        return cls(prefix, interface, hop.address)


class RouteTable:
    """Routes by descending prefix length, and a cache of what was asked for (cleared with every change).

    `dependents`: what others have found out with the help of routes, cleared with them.
    """

    __slots__ = ("_cache", "_routes", "dependents")

    _CACHE_LIMIT = 4_096

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._cache: dict[bytes, Route | None] = {}
        self.dependents: list[dict[bytes, bytes]] = []

    def add(self, route: Route) -> None:
        """A route more; of two with equal prefixes the first counts."""
        self._routes.append(route)
        self._routes.sort(key=lambda each: -each.prefix.length)
        self._changed()

    def discard(self, route: Route) -> None:
        """Take one route out. Harmless when it is not there."""
        if route in self._routes:
            self._routes.remove(route)
            self._changed()

    def remove(self, interface: Interface) -> None:
        """Every route by this interface."""
        self._routes = [route for route in self._routes if route.interface is not interface]
        self._changed()

    def find(self, destination: bytes) -> Route | None:
        """The route for a destination, None when there is none; to a loopback address no wider one leads."""
        try:
            return self._cache[destination]
        except KeyError:
            pass
        inner = is_loopback(destination)
        leading = (route for route in self._routes if route.prefix.contains(destination))
        found = next((route for route in leading if is_loopback(route.prefix.address) == inner), None)
        if len(self._cache) >= self._CACHE_LIMIT:
            self._cache.clear()
        self._cache[destination] = found
        return found

    def _changed(self) -> None:
        self._cache.clear()
        for each in self.dependents:
            each.clear()

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

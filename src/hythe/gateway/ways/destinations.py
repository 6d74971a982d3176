"""Where a destination inside leads to, by which way: names behind their stand-ins, addresses as without ways.

What is refused directly is refused by any way: loopback, this machine's own addresses, the network inside. Where this
machine may be reached no way leads there (`Destination.via` is empty): at its far end it would be another one. Which
addresses a name has, and whether one may go there, is the far end's affair; where a name goes directly, every address it has
is looked at (`streams`).
"""

from __future__ import annotations

import errno
from typing import Final

from hythe.gateway.destinations import Leads
from hythe.gateway.egress.base import Destination
from hythe.gateway.machine import Machine
from hythe.gateway.ways.standins import StandIns
from hythe.via.base import Way
from hythe.via.direct import Direct

LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


class WayDestinations:
    """`inner`: without ways; `way`: chooses among several; `standins`: of the names that were asked for."""

    __slots__ = ("_inner", "_machine", "_standins", "_way")

    def __init__(self, inner: Leads, machine: Machine, way: Way, standins: StandIns) -> None:
        self._inner = inner
        self._machine = machine
        self._way = way
        self._standins = standins

    def stream(self, address: bytes, port: int) -> Destination | None:
        """As `Destinations.stream`; the way is told."""
        if self._standins.network.contains(address):
            name = self._standins.name(address)
            return Destination(name, port, self._way.choose(name, port).name) if name is not None else None
        found = self._inner.stream(address, port)
        if found is None or self._here(found, address):
            return found
        return Destination(found.host, port, self._way.choose(found.host, port).name)

    def datagram(self, address: bytes, port: int) -> Destination | None:
        """As `Destinations.datagram`."""
        return self.stream(address, port)

    def inside(self, host: str) -> bytes | None:
        """As `Destinations.inside`; of a name, its stand-in."""
        return self._standins.known(host) or self._inner.inside(host)

    def _here(self, found: Destination, address: bytes) -> bool:
        """Is it this machine?"""
        return found.host in LOOPBACK or self._machine.owns(address)

    def reason(self, address: bytes) -> int:
        """As `Destinations.reason`."""
        return errno.EHOSTUNREACH if self._standins.network.contains(address) else self._inner.reason(address)


class PingDestinations(WayDestinations):
    """For pings: ways have none, so all but the direct one is refused."""

    __slots__ = ()

    def datagram(self, address: bytes, port: int) -> Destination | None:
        """As `Destinations.datagram`."""
        found = self._inner.datagram(address, port) if not self._standins.network.contains(address) else None
        if found is None or self._here(found, address) or isinstance(self._way.choose(found.host, port), Direct):
            return found
        return None

    def reason(self, address: bytes) -> int:
        """As `Destinations.reason`."""
        return self._inner.reason(address) or errno.EACCES

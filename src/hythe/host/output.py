"""The way out for packets that are not a connection's: route, path MTU, and fragments for what is too long.

Connections write to their link themselves and never send what would have to be fragmented.
"""

from __future__ import annotations

import errno
from random import Random

from hythe.host.fragments import fragment4, fragment6
from hythe.host.interfaces import Interface
from hythe.host.pathmtu import PathMtus
from hythe.host.routes import RouteTable
from hythe.link.base import Link
from hythe.wire.packet import VNET_PLAIN


class Output:
    """`paths`: what is known of path MTUs. `random` draws the identifications of fragmented packets (RFC 7739)."""

    __slots__ = ("_random", "_routes", "paths")

    def __init__(self, routes: RouteTable, paths: PathMtus, random: Random) -> None:
        self._routes = routes
        self._random = random
        self.paths = paths

    def find(self, destination: bytes) -> Interface | None:
        """The interface that leads to `destination`, if there is one."""
        route = self._routes.find(destination)
        return route.interface if route is not None else None

    def interface(self, destination: bytes) -> Interface:
        """The same; OSError(ENETUNREACH) when there is none."""
        interface = self.find(destination)
        if interface is None:
            raise OSError(errno.ENETUNREACH, "network is unreachable: the host has no route there")
        return interface

    def mtu(self, destination: bytes, link: Link) -> int:
        """The longest packet for `destination` behind `link`, in bytes."""
        return self.paths.get(destination, link.mtu)

    def identification(self) -> int:
        """For an IPv4 packet that may be fragmented: never 0, which goes with DF (RFC 6864, 4)."""
        return self._random.randrange(1, 0x10000)

    def send(self, packet: bytes, destination: bytes, now: int, link: Link) -> None:
        """Send a whole IP packet, checksums complete, by `link`; in fragments when it is too long.

        A too long IPv4 packet must bear an identification and no DF (`identification`); with DF it raises ValueError.
        """
        mtu = self.mtu(destination, link)
        if len(packet) <= mtu:
            link.send(now, VNET_PLAIN + packet)
            return
        if len(destination) == 4:
            pieces = fragment4(packet, mtu)
        else:
            pieces = fragment6(packet, mtu, self._random.getrandbits(32))
        for piece in pieces:
            link.send(now, VNET_PLAIN + piece)

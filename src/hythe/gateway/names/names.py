"""Where names are answered: port 53 of the gateway and of every address that this machine's resolv.conf names."""

from __future__ import annotations

import ipaddress
from random import Random
from typing import Final

from hythe.aio.driver import Driver
from hythe.gateway.layout import Family
from hythe.gateway.names.queries import QueryService
from hythe.gateway.names.resolvers import Resolvers
from hythe.gateway.names.streams import StreamService
from hythe.gateway.names.zone import Answers, Zone
from hythe.gateway.session import Session
from hythe.host.host import Host
from hythe.units import NEVER, SECOND
from hythe.wire.resolvconf import PORT, Server

#: How often to look whether resolv.conf has changed.
_LOOK_EVERY: Final = 2 * SECOND


class Names:
    """`servers`: those of `--dns`, none of them for "none"; None asks whom this machine asks. `resolvers`: theirs.

    `zone`: what answers by itself, before they are asked.
    """

    def __init__(
        self,
        host: Host,
        driver: Driver,
        random: Random,
        families: list[Family],
        servers: list[Server] | None,
        *,
        host_loopback: bool,
        session: Session,
        resolvers: Resolvers | None = None,
        zone: Answers | None = None,
    ) -> None:
        self.host = host
        self.resolvers = resolvers or Resolvers(servers, session.notice)
        zone = zone or Zone(families, host_loopback=host_loopback)
        self.queries = QueryService(driver, zone, self.resolvers, random, session)
        self.streams = StreamService(driver, zone, self.resolvers, session)
        self.deadline = NEVER
        self.filed = NEVER
        self._sizes = {len(family.gateway) for family in families}
        self._answering: set[bytes] = set()
        for family in families:
            self._answer_at(family.gateway)
        self.fire(driver.clock())
        host.around.timers.file(self)

    def fire(self, now: int) -> None:
        """Look whether resolv.conf has changed. Addresses that it no longer names stay answered: a program may know them."""
        if self.resolvers.refresh():
            for address in self.resolvers.machine:
                if len(address) in self._sizes and _can_come_here(address):
                    self._answer_at(address)
        self.deadline = now + _LOOK_EVERY

    def _answer_at(self, address: bytes) -> None:
        if address in self._answering:
            return
        self._answering.add(address)
        self.host.listen(address, PORT).owner = self.streams
        self.host.bind(address, PORT).owner = self.queries

    def close(self) -> None:
        """Let go of every resolver; the host goes with its owner."""
        self.queries.close()
        self.streams.close()


def _can_come_here(address: bytes) -> bool:
    """Does a packet for `address` leave the command's network at all?"""
    ip = ipaddress.ip_address(address)
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)

"""Puts together a gateway and the ways of ``--via``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hythe.config import RelayConfig
from hythe.gateway.datagrams import DatagramGate
from hythe.gateway.egress.direct import Direct as DirectEgress
from hythe.gateway.names.resolvers import Resolver, Resolvers
from hythe.gateway.names.zone import Zone
from hythe.gateway.pings import PingGate
from hythe.gateway.ways.datagrams import WayDatagramEgress
from hythe.gateway.ways.destinations import PingDestinations, WayDestinations
from hythe.gateway.ways.resolvers import Errands
from hythe.gateway.ways.standins import NETWORK4, StandIns, network6
from hythe.gateway.ways.streams import WayStreamGate
from hythe.gateway.ways.zone import WayZone
from hythe.via.direct import Direct
from hythe.via.make import make_all

if TYPE_CHECKING:
    from hythe.gateway.gateway import Gateway
    from hythe.gateway.layout import Layout
    from hythe.gateway.options import RunOptions


class Ways:
    """The gates of a gateway whose command's streams go by ways, and what answers its questions for names.

    Raises `UsageError`, `MachineError` for a way that cannot be.
    """

    def __init__(self, gateway: Gateway, layout: Layout, options: RunOptions) -> None:
        host, driver, session = gateway.host, gateway.driver, gateway.session
        self.policy = policy = options.policy.begin(session, driver.clock) if options.policy is not None else None
        self._way = way = policy.way if policy is not None else make_all(options.routes)
        families = layout.families
        standins = StandIns(NETWORK4 if layout.ipv4 is not None else network6(families[0].gateway))
        local, config = gateway.destinations, RelayConfig()
        leads = WayDestinations(local, gateway.machine, way, standins)
        pinged = PingDestinations(local, gateway.machine, way, standins)
        self.streams = WayStreamGate(host, driver, way, leads, local, session, policy)
        plain = isinstance(way, Direct) and way.plain
        out = host, driver, DirectEgress() if plain else WayDatagramEgress(way), leads, session, config
        echo = host, driver, DirectEgress(), pinged, session, config
        if policy is None:
            self.datagrams: DatagramGate = DatagramGate(*out)
            self.pings: PingGate = PingGate(*echo)
        else:
            from hythe.gateway.ways.admitted import AdmittedDatagrams, AdmittedPings

            self.datagrams = AdmittedDatagrams(*out, policy=policy)
            self.pings = AdmittedPings(*echo, policy=policy)
        self._errands = Errands(way)
        # Without --dns nobody is asked but for what goes directly, of which there may be nothing.
        servers = options.dns if options.dns is not None else [] if options.led else None
        self.resolvers = Resolvers(servers, session.notice, self._errands.resolver if options.dns else Resolver)
        zone = Zone(families, host_loopback=options.host_loopback)
        knows = policy.knows if policy is not None else None
        self.zone = WayZone(zone, way, standins, asks=bool(options.dns), knows=knows)

    async def close(self) -> None:
        """Let go of the ways."""
        await self.streams.wait_closed()
        await self._errands.close()
        await self._way.close()
        if self.policy is not None:
            await self.policy.close()

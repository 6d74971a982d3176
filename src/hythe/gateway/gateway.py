"""The gateway: a host that answers for every destination, its driver, and the gates to the ways out."""

from __future__ import annotations

import os
from random import SystemRandom
from typing import TYPE_CHECKING

from hythe.aio.driver import LOOK_AGAIN, Driver, Receiver
from hythe.config import HostConfig, RelayConfig, TcpConfig
from hythe.gateway.datagrams import DatagramGate
from hythe.gateway.destinations import Destinations
from hythe.gateway.egress.direct import Direct
from hythe.gateway.layout import Layout
from hythe.gateway.machine import Machine
from hythe.gateway.names.names import Names
from hythe.gateway.namespace.plan import BUFFER_MAX
from hythe.gateway.options import RunOptions
from hythe.gateway.pings import PingGate
from hythe.gateway.session import Session
from hythe.gateway.streams import StreamGate
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.routes import Route
from hythe.link.base import Link
from hythe.units import KIB, MIB, SECOND

if TYPE_CHECKING:
    from hythe.gateway.publish.publications import Publication
    from hythe.gateway.publish.publisher import Published, Publisher
    from hythe.gateway.relay.names import Asker
    from hythe.gateway.relay.relay import Relay
    from hythe.gateway.relay.tunnel import Tunnel
    from hythe.gateway.ways.joining import Ways
    from hythe.link.faults import FaultLink

#: TCP towards the command: its link is a system call away, loses nothing and repeats nothing, so timestamps (PAWS) have
#: nothing to protect, an ACK need not wait for company, and nothing old can be on its way when TIME-WAIT is over. No buffer
#: need be larger than what keeps both sides busy.
COMMAND_TCP = TcpConfig(
    timestamps=False,
    nagle=False,
    quick_acks=0,
    eager_ack=True,
    time_wait=1 * SECOND,
    receive_buffer_max=512 * KIB,
    send_buffer_max=4 * MIB,
)
#: The same where the link has faults, or is a real network: whatever can happen on a wire does, what is on its way takes
#: room, and a burst overflows the queue.
FAULTY_TCP = TcpConfig(nagle=False, receive_buffer_max=BUFFER_MAX // 2, send_buffer_max=BUFFER_MAX // 2, pacing=True)
#: What one turn can bring at most: super-datagrams lie in the link's ring until then, so this costs nothing.
DATAGRAM_BUFFER = 4 * MIB
DEFAULT_ROUTES = (Prefix(bytes(4), 0), Prefix(bytes(16), 0))


class Gateway:
    """Serves one link, on the running asyncio loop, until `close`. `tunnel`: what `options.tunnel` has opened."""

    def __init__(self, link: Link, layout: Layout, options: RunOptions, tunnel: Tunnel | None = None) -> None:
        config = HostConfig(
            tcp=COMMAND_TCP if options.faults is None and not layout.remote else FAULTY_TCP,
            any_destination=True,
            allow_privileged_ports=True,
            datagram_buffer=DATAGRAM_BUFFER,
        )
        self.host = Host(config, SystemRandom(), os.urandom(32))
        prefixes = tuple(Prefix(family.gateway, family.prefix) for family in layout.families)
        self.interface = interface = self.host.attach("hythe0", link, prefixes)
        self.wire: FaultLink | None = None  # among the interface's links, where there is one
        for default in DEFAULT_ROUTES:  # whatever address the command chose to send from, this is the way back
            self.host.routes.add(Route(default, interface))
        self.driver = Driver(self.host, look_again=LOOK_AGAIN)
        self.session = Session(self.driver.clock())
        self.machine = Machine()
        self.machine.watch(self.driver)
        self.destinations = Destinations(
            self.machine, layout.families, host_loopback=options.host_loopback, others=layout.others
        )
        self.relay: Relay | None = None
        self.asker: Asker | None = None
        self.ways: Ways | None = None
        resolvers = zone = None
        egress, relay = Direct(), RelayConfig()
        if tunnel is not None and options.tunnel is not None:
            from hythe.gateway.relay.joining import join  # start-up pays for what is used

            joined = join(self, options.tunnel, tunnel, layout, options)
            self.relay, self.asker, resolvers = joined.relay, joined.asker, joined.resolvers
            egress = joined.egress
        if options.routes or options.policy is not None:
            from hythe.gateway.ways.joining import Ways  # start-up pays for what is used

            self.ways = ways = Ways(self, layout, options)
            self.streams: StreamGate = ways.streams
            self.datagrams, self.pings = ways.datagrams, ways.pings
            resolvers, zone = ways.resolvers, ways.zone
        else:
            self.streams = StreamGate(self.host, self.driver, egress, self.destinations, self.session)
            self.datagrams = DatagramGate(self.host, self.driver, egress, self.destinations, self.session, relay)
            self.pings = PingGate(self.host, self.driver, egress, self.destinations, self.session, relay)
        self.names = Names(
            self.host,
            self.driver,
            self.host.random,
            layout.families,
            options.dns,
            host_loopback=options.host_loopback,
            session=self.session,
            resolvers=resolvers,
            zone=zone,
        )
        self._receive: Receiver = self.relay.receive if self.relay is not None else self.host.receive
        self._layout = layout
        self.published: Publisher | None = None
        if options.publish:
            self.publish(options.publish)
        self.listen()

    def listen(self) -> None:
        """Read packets from the interface's link, which may be another than before."""
        self.driver.add_link(self.interface, self._receive)

    def stand_before(self, receive: Receiver) -> None:
        """From now on packets from the interface's link are given to this, which gives the host what is for it."""
        self._receive = receive
        self.driver.remove_link(self.interface)
        self.listen()

    @property
    def sending(self) -> bool:
        """Is anything that the command sent, or may still send, on its way out?"""
        return self.streams.sending or (self.relay is not None and self.relay.flows.unfinished)

    @property
    def received(self) -> int:
        """Bytes received from the command, as a measure of progress."""
        return self.streams.received + (self.relay.flows.bytes_up if self.relay is not None else 0)

    def publish(self, publications: list[Publication]) -> list[Published]:
        """Let outside clients reach ports of the command, or raise `MachineError`."""
        if self.published is None:
            from hythe.gateway.publish.datagrams import DatagramPublishGate  # start-up pays for what is used
            from hythe.gateway.publish.publisher import Publisher
            from hythe.gateway.publish.streams import PublishGate

            self.published = Publisher(
                PublishGate(self.host, self.driver, self.session, self.streams.flows),
                DatagramPublishGate(self.host, self.driver, self.session, RelayConfig()),
                self._layout,
            )
        return self.published.publish(publications)

    def unpublish(self, number: int) -> Published | None:
        """Let nobody more come in by a published port; None where there is none of that number."""
        if self.published is None:
            return None
        return self.published.unpublish(number, self.driver.clock())

    def close(self) -> None:
        """Stop serving."""
        if self.published is not None:
            self.published.close()
        self.names.close()
        self.pings.close()
        self.datagrams.close()
        self.streams.close()
        self.machine.close()
        self.driver.close()
        self.interface.link.close()

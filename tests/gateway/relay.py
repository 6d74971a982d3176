"""A gateway's gates on real sockets, with a host of ours in the command's place and a clock that the test turns.

The kernel's loopback delivers at once, so what a test sends is there when the next turn looks: nothing waits for time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from random import Random

from hythe.aio.driver import Driver
from hythe.config import HostConfig, RelayConfig
from hythe.gateway.datagrams import DatagramGate
from hythe.gateway.destinations import Destinations
from hythe.gateway.egress.direct import Direct
from hythe.gateway.gateway import DEFAULT_ROUTES
from hythe.gateway.layout import Family
from hythe.gateway.machine import Machine
from hythe.gateway.pings import PingGate
from hythe.gateway.session import Session
from hythe.gateway.streams import StreamGate
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.routes import Route
from hythe.link.pair import pair
from tests.host.hosts import Side, packed

FAMILIES = [Family(bytes((10, 83, 64, 0)), 24), Family(bytes.fromhex("fd68797468650000") + bytes(8), 64)]
HOST4, HOST6 = packed("10.83.64.2"), packed("fd68:7974:6865::2")
UDP_GRO, UDP_SEGMENT = 104, 103


class Relay:
    """`command`: the host inside, at 10.83.64.100 and fd68:7974:6865::64. Makes its loop's driver: use within `within`."""

    def __init__(
        self,
        config: RelayConfig,
        *,
        host_loopback: bool = True,
        destinations: Callable[[Machine], Destinations] | None = None,
    ) -> None:
        near, far = pair(65_520, poison=True)
        self.now = 0
        self.command = Side(far, ("10.83.64.100/24", "fd68:7974:6865::64/64"), 5)
        for default in DEFAULT_ROUTES:
            self.command.host.routes.add(Route(default, self.command.interface))
        host = Host(HostConfig(any_destination=True), Random(6), b"r" * 32)
        interface = host.attach("hythe0", near, tuple(Prefix(family.gateway, family.prefix) for family in FAMILIES))
        for default in DEFAULT_ROUTES:
            host.routes.add(Route(default, interface))
        self.driver = Driver(host, clock=lambda: self.now)
        self.driver.add_link(interface)
        machine = Machine()
        leads = destinations(machine) if destinations else Destinations(machine, FAMILIES, host_loopback=host_loopback)
        self.session = Session(0)
        self.datagrams = DatagramGate(host, self.driver, Direct(), leads, self.session, config)
        self.pings = PingGate(host, self.driver, Direct(), leads, self.session, config)
        self.streams = StreamGate(host, self.driver, Direct(), leads, self.session)

    def warm(self) -> None:
        """Have the next turn read in long rows, as under load."""
        for feed in self.driver._feeds.values():
            feed.batch = 32
        for mapping in self.datagrams.mappings.values():
            mapping.batch = 64

    def turn(self, after: int = 0) -> None:
        """Let time pass, and everything that is there go where it should."""
        self.now += after
        for _ in range(3):
            self.command.turn(self.now)
            self.driver.turn()
        self.command.turn(self.now)

    def close(self) -> None:
        """Close every socket."""
        self.pings.close()
        self.datagrams.close()
        self.driver.close()


def within(
    test: Callable[[Relay], None],
    config: RelayConfig | None = None,
    *,
    host_loopback: bool = True,
    destinations: Callable[[Machine], Destinations] | None = None,
) -> None:
    """Run `test` with a relay of its own."""

    async def run() -> None:
        relay = Relay(config or RelayConfig(), host_loopback=host_loopback, destinations=destinations)
        try:
            test(relay)
        finally:
            relay.close()

    asyncio.run(run())


def outside(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a bound UDP socket of the world outside, with two seconds of patience."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    found.bind((host, port))
    found.settimeout(2)
    return found


def port_of(sock: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    return int(sock.getsockname()[1])

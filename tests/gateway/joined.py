"""A gateway's host, a relay and a tunnel, with the test in the command's and in the peer's place, packet by packet."""

from __future__ import annotations

from random import Random

from scapy.packet import Packet as Scapy

from hythe.config import HostConfig, RelayConfig
from hythe.gateway.gateway import DEFAULT_ROUTES
from hythe.gateway.relay.match import Match
from hythe.gateway.relay.relay import Ends, Relay
from hythe.gateway.relay.tunnel import Tunnel
from hythe.gateway.session import Session
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.routes import Route
from hythe.link.pair import PairEnd, pair
from hythe.via.patterns import parse
from hythe.wire.packet import VNET_PLAIN
from tests.host.hosts import dissect, packed

GATEWAY4, GATEWAY6 = "10.83.64.1", "fd68:7974:6865::1"
OWN4, OWN6 = "10.83.64.100", "fd68:7974:6865::64"
TUNNEL4, TUNNEL6 = "10.9.0.2", "fd09::2"
FAR4, FAR6 = "198.51.100.7", "2001:db8::7"
MTU = 1_420


class Joined:
    """`patterns`: what goes through the tunnel, all of it unless given; then the command has addresses of its own.

    `carries`: the networks of the tunnel's peer. `addresses`: those that the tunnel has given.
    """

    def __init__(
        self,
        patterns: str = "",
        carries: tuple[str, ...] = ("0.0.0.0/0", "::/0"),
        *,
        addresses: tuple[str, ...] = (TUNNEL4, TUNNEL6),
        **config: int,
    ) -> None:
        self.command, near = pair(65_520 if patterns else MTU, poison=True)
        self.far, tunnel = pair(MTU, offload=False, poison=True)
        self.now = 0
        self.host = Host(HostConfig(any_destination=True), Random(7), b"j" * 32)
        self.interface = self.host.attach("hythe0", near, (Prefix.parse(f"{GATEWAY4}/24"), Prefix.parse(f"{GATEWAY6}/64")))
        for default in DEFAULT_ROUTES:
            self.host.routes.add(Route(default, self.interface))
        self.session = Session(0)
        self.relay = Relay(
            self.host,
            self.interface,
            Tunnel(tunnel, map(Prefix.parse, carries)),
            Ends(
                list(map(packed, addresses)),
                [packed(OWN6 if ":" in each else OWN4) for each in addresses] if patterns else [],
            ),
            Match(
                parse(patterns) if patterns else (),
                [Prefix.parse(f"{GATEWAY4}/24"), Prefix.parse(f"{GATEWAY6}/64")],
            ),
            self.session,
            RelayConfig(**config),
            self.host.receive,
        )

    def up(self, *packets: Scapy | bytes) -> list[Scapy]:
        """Send from the command; what the peer gets."""
        for each in packets:
            self.command.send(self.now, VNET_PLAIN + bytes(each))
        return self.turn()[1]

    def down(self, *packets: Scapy | bytes) -> list[Scapy]:
        """Send from the peer; what the command gets."""
        for each in packets:
            self.far.send(self.now, VNET_PLAIN + bytes(each))
        return self.turn()[0]

    def turn(self) -> tuple[list[Scapy], list[Scapy]]:
        """Let everything pass: what the command gets, and the peer."""
        tunnel = self.relay.tunnel
        for packet in self.interface.link.receive(self.now, 64):
            self.relay.receive(packet, self.now, self.interface)
        for packet in tunnel.link.receive(self.now, 64):
            self.relay.receive_down(packet, self.now, tunnel)
        for item in self.host.take_ready():
            item.queued = False
            self.host.attend(item, self.now)
        return self._read(self.command), self._read(self.far)

    def _read(self, end: PairEnd) -> list[Scapy]:
        return [dissect(packet.keep()) for packet in end.receive(self.now, 64)]

"""Hosts with MAC addresses on one segment and one clock, and a port where the test speaks for itself."""

from __future__ import annotations

from random import Random
from typing import Any

from scapy.layers.l2 import Ether
from scapy.packet import Packet as Scapy

from hythe.config import EthernetConfig, HostConfig
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.station import Station
from hythe.link.hub import Hub
from hythe.units import SECOND
from hythe.wire import ethernet
from hythe.wire.packet import VNET_PLAIN

#: The test's own MAC address.
OURS = bytes.fromhex("0200000000ee")


class Sided:
    """One host: its station `station`, begun at once."""

    def __init__(self, hub: Hub, number: int, addresses: tuple[str, ...], now: int, auto: bool, lease: bool, **config: Any):
        self.mac = bytes.fromhex("0200000000") + bytes((number,))
        self.host = Host(HostConfig(**config), Random(number), bytes([number]) * 32)
        self.station = Station(self.host, hub.port(), self.mac, "eth0", bytes([number]) * 32)
        self.station.begin(tuple(map(Prefix.parse, addresses)), now, auto=auto, lease=lease)

    @property
    def addresses(self) -> list[str]:
        """As text, without link-local ones."""
        return [str(each) for each in self.station.interface.prefixes if not str(each).startswith("fe80")]

    def turn(self, now: int) -> bool:
        """Feed and visit, as the driver does; True if there was anything to do."""
        packets = self.station.link.receive(now, 8)
        for packet in packets:
            self.host.receive(packet, now, self.station.interface)
        if self.host.next_deadline() <= now:
            self.host.fire(now)
        ready = self.host.take_ready()
        for item in ready:
            item.queued = False
            self.host.attend(item, now)
        self.host.settle(now)
        return bool(packets or ready)


class World:
    """The segment and its clock."""

    def __init__(self, *, offload: bool = True) -> None:
        self.hub = Hub(offload=offload, poison=True)
        self.far = self.hub.port()
        self.now = 0
        self.sides: list[Sided] = []

    def add(self, *addresses: str, auto: bool = False, lease: bool = False, **config: Any) -> Sided:
        """One more host."""
        side = Sided(self.hub, len(self.sides) + 1, addresses, self.now, auto, lease, **config)
        self.sides.append(side)
        return side

    def run(self, time: int = 0) -> list[Scapy]:
        """Let `time` pass, from deadline to deadline; every frame on the segment meanwhile, dissected."""
        end = self.now + time
        seen = self.rest()
        while True:
            due = min((side.host.next_deadline() for side in self.sides), default=end + 1)
            if due > end:
                break
            self.now = max(self.now, due)
            seen += self.rest()
        self.now = end
        return seen + self.rest()

    def rest(self) -> list[Scapy]:
        """Turn until nothing happens any more at this instant."""
        seen: list[Scapy] = []
        for _ in range(1_000):
            busy = [side.turn(self.now) for side in self.sides]
            frames = self.far.receive(self.now, 100)
            seen += [Ether(bytes(frame.header) + frame.keep()) for frame in frames]
            waiting = any(port._inbox for port in self.hub.ports) or any(
                side.host.next_deadline() <= self.now for side in self.sides
            )
            if not (any(busy) or frames or waiting):
                return seen
        raise AssertionError("the segment never comes to rest")

    def say(self, frame: Scapy | bytes) -> list[Scapy]:
        """Send a frame from the test's port, and return what it leads to at this instant."""
        data = bytes(frame)
        self.far.send_frame(self.now, data[: ethernet.HEADER_SIZE], VNET_PLAIN + data[ethernet.HEADER_SIZE :])
        return self.rest()


def settled(world: World) -> None:
    """Every address is claimed."""
    world.run(3 * SECOND)


def quick(**changes: Any) -> EthernetConfig:
    """No probes, for tests that are about something else."""
    return EthernetConfig(**{"dad_transmits": 0, "arp_probes": 0, "arp_announces": 0, **changes})

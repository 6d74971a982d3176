"""A three-way handshake of two real hosts in this process, as the wire between them has it.

Two hythe hosts with MAC addresses on an Ethernet hub, on a clock that jumps from one deadline to the next: addresses are
probed for and announced, ARP finds the server, a client connects. A third port of the hub hears everything. Nothing is
written down here but who they are; the same seed gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from hythe.config import HostConfig
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.station import Station
from hythe.link.hub import Hub
from hythe.units import NEVER
from hythe.wire import ethernet, pcapng

CLIENT: Final = ("10.0.0.3/24", "bc:35:db:cf:1b:03")
SERVER: Final = ("10.0.0.2/24", "bc:f2:b8:57:86:02")
CLIENT_PORT: Final = 35_310
SERVER_PORT: Final = 80
_BATCH: Final = 16
#: Turns that all of this takes at most, some hundred times over.
_TURNS_MAX: Final = 10_000


class _Side:
    """One host on the segment."""

    def __init__(self, hub: Hub, address: str, mac: str, dice: Random) -> None:
        self.host = Host(HostConfig(allow_privileged_ports=True), dice, dice.randbytes(16))
        self.station = Station(self.host, hub.port(), ethernet.parse_mac(mac), "eth0", dice.randbytes(16))
        self.prefix = Prefix.parse(address)

    def turn(self, now: int) -> None:
        """Feed and visit, as a driver does."""
        for packet in self.station.link.receive(now, _BATCH):
            self.host.receive(packet, now, self.station.interface)
        if self.host.next_deadline() <= now:
            self.host.fire(now)
        for item in self.host.take_ready():
            item.queued = False
            self.host.attend(item, now)
        self.host.settle(now)


class _Segment:
    """The hub, both hosts and their clock."""

    def __init__(self, seed: int) -> None:
        dice = Random(seed)
        hub = Hub(offload=False)
        self.ear = hub.port()
        self.sides = [_Side(hub, *each, Random(dice.getrandbits(64))) for each in (CLIENT, SERVER)]
        self.now = 0

    def frames(self, until: int = NEVER) -> Iterator[tuple[int, bytes]]:
        """(time, frame) of everything that is sent, until all rest at this instant and no timer is due before `until`."""
        for _ in range(_TURNS_MAX):
            for side in self.sides:
                side.turn(self.now)
            heard = self.ear.receive(self.now, _BATCH)
            yield from [(self.now, bytes(frame.header) + bytes(frame.view[: frame.length])) for frame in heard]
            due = min(side.host.next_deadline() for side in self.sides)
            if heard or due <= self.now:
                continue
            if due > until:
                return
            self.now = due

    def close(self) -> None:
        """Descriptors back."""
        for side in self.sides:
            side.station.close(self.now)
            side.station.link.close()
        self.ear.close()


def handshake(seed: int = 1) -> Iterator[pcapng.CapturedPacket]:
    """All frames on the segment, ARP's too, until the connection stands; times count from its beginning."""
    interface = pcapng.Interface("hub", pcapng.LINKTYPE_ETHERNET, 0, 1_000_000_000)
    segment = _Segment(seed)
    client, server = segment.sides
    try:
        for side in segment.sides:
            side.station.begin((side.prefix,), segment.now)
        heard = [*segment.frames(until=10**10)]
        server.host.listen(server.prefix.address, SERVER_PORT)
        client.host.connect(server.prefix.address, SERVER_PORT, segment.now, local_port=CLIENT_PORT)
        heard += segment.frames(until=segment.now)
    finally:
        segment.close()
    for now, frame in heard:
        yield pcapng.CapturedPacket(interface, now, frame, len(frame))

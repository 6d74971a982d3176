"""Devices on a simulated network and a simulated clock: what a far end does is done by a second device."""

from __future__ import annotations

import ipaddress
import random
import struct
from collections.abc import Callable
from heapq import heappop, heappush

from hythe.config import WireguardConfig
from hythe.tunnel.wireguard.admission import Source
from hythe.tunnel.wireguard.config import Configuration, PeerConfig
from hythe.tunnel.wireguard.device import Device
from hythe.tunnel.wireguard.joining import Joiner
from hythe.tunnel.wireguard.keys import Secret, clamp, public_key
from hythe.tunnel.wireguard.peer import Peer
from hythe.units import MILLISECOND, NEVER, SECOND
from hythe.wire.checksum import checksum

#: 2026-01-01; nothing depends on it.
WALL = 1_767_225_600 * SECOND
START = 1_000 * SECOND


def packet(source: str, destination: str, payload: bytes = b"hello", ecn: int = 0) -> bytes:
    """An IP packet of an experimental protocol (253, RFC 3692)."""
    origin, target = ipaddress.ip_address(source).packed, ipaddress.ip_address(destination).packed
    if len(origin) == 16:
        return struct.pack(">IHBB", 6 << 28 | ecn << 20, len(payload), 253, 64) + origin + target + payload
    head = struct.pack(">BBHHHBBH", 0x45, ecn, 20 + len(payload), 0, 0x4000, 64, 253, 0) + origin + target
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


class Side:
    """One device at `address`; `arrived`: the packets that came out of it."""

    def __init__(self, world: World, configuration: Configuration, settings: WireguardConfig, address: Source) -> None:
        self.world = world
        self.configuration = configuration
        self.settings = settings
        self.address = address
        self.arrived: list[bytes] = []
        self.start()

    def start(self) -> None:
        """A new device with the same configuration: the machine was switched off and on."""
        self.device = Device(self.configuration, self.settings, self.world.wall, self.world.rng.randbytes)

    @property
    def peer(self) -> Peer:
        """Its only peer."""
        (peer,) = self.device.peers.values()
        return peer

    def send(self, data: bytes) -> None:
        """Send a packet now."""
        peer = self.device.route(data)
        assert peer is not None
        self.device.send(peer, [data], self.world.now)
        self.world.collect(self)

    def hear(self, datagram: bytes, source: Source, ecn: int = 0) -> None:
        """A datagram has come from the network."""
        joiner = Joiner(4)
        joiner.begin(4)
        ended = self.device.receive(memoryview(datagram), 0, len(datagram), source, ecn, self.world.now, joiner)
        assert ended == len(datagram)
        self.arrived += [each.keep() for each in joiner.finish()]
        self.world.collect(self)


class World:
    """Two sides, 10.0.0.1 and 10.0.0.2, that know each other's endpoint. `lose(datagram, sender)`: does it get lost?"""

    def __init__(
        self,
        rng: random.Random,
        settings: WireguardConfig | None = None,
        *,
        preshared: bool = False,
        keepalive: int = 0,
        latency: int = 10 * MILLISECOND,
    ) -> None:
        self.rng = rng
        self.now = START
        self.latency = latency
        self.lose: Callable[[bytes, Side], bool] = lambda _, __: False
        #: Everything that was sent: (when, who sent it, what).
        self.sent: list[tuple[int, Side, bytes]] = []
        self._queue: list[tuple[int, int, Source, Source, bytes, int]] = []
        self._serial = 0
        settings = settings or WireguardConfig()
        keys = [clamp(rng.randbytes(32)) for _ in range(2)]
        shared = Secret(rng.randbytes(32)) if preshared else None
        self.sides: list[Side] = []
        for own, other in ((0, 1), (1, 0)):
            allowed = ipaddress.ip_network(f"10.0.0.{other + 1}/32"), ipaddress.ip_network(f"fd00::{other + 1}/128")
            far = PeerConfig(public_key(keys[other]), allowed, None, shared, keepalive if own == 0 else 0)
            side = Side(self, Configuration(keys[own], (far,)), settings, (f"192.0.2.{own + 1}", 51_820))
            self.sides.append(side)
        self.a, self.b = self.sides
        self.a.peer.endpoint, self.b.peer.endpoint = self.b.address, self.a.address

    def wall(self) -> int:
        """The clock on the wall."""
        return WALL + self.now

    def collect(self, side: Side) -> None:
        """Put what a side has to send on the network."""
        for outgoing in side.device.outbox:
            whole = b"".join(outgoing.parts)
            for at in range(0, len(whole), outgoing.size):
                self.post(side, whole[at : at + outgoing.size], outgoing.endpoint, outgoing.tos & 3)
        side.device.outbox.clear()

    def post(self, side: Side, datagram: bytes, target: Source, ecn: int = 0) -> None:
        """One datagram on its way."""
        self.sent.append((self.now, side, datagram))
        if not self.lose(datagram, side):
            self._serial += 1
            heappush(self._queue, (self.now + self.latency, self._serial, target, side.address, datagram, ecn))

    def run(self, span: int) -> None:
        """Let `span` nanoseconds pass."""
        until = self.now + span
        while True:
            due = min([each.device.next_deadline() for each in self.sides] + [self._queue[0][0] if self._queue else NEVER])
            if due > until:
                break
            self.now = max(self.now, due)
            while self._queue and self._queue[0][0] <= self.now:
                _, _, target, source, datagram, ecn = heappop(self._queue)
                for side in self.sides:
                    if side.address == target:
                        side.hear(datagram, source, ecn)
            for side in self.sides:
                side.device.fire(self.now)
                self.collect(side)
        self.now = until

    def kinds(self, side: Side) -> list[tuple[float, int]]:
        """What a side has sent: (seconds since the start, type of message)."""
        return [((when - START) / SECOND, data[0]) for when, who, data in self.sent if who is side]

    def count(self, side: Side, kind: int) -> int:
        """How many messages of a type a side has sent."""
        return sum(each == kind for _, each in self.kinds(side))


TO_B = packet("10.0.0.1", "10.0.0.2")
TO_A = packet("10.0.0.2", "10.0.0.1")


def connected(world: World) -> World:
    """The world after a packet each way, by a session that A began."""
    world.a.send(TO_B)
    world.run(SECOND)
    world.b.send(TO_A)
    world.run(SECOND)
    assert (world.a.arrived, world.b.arrived) == ([TO_A], [TO_B])
    return world

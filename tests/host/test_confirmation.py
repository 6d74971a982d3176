"""TCP tells the neighbor cache that its neighbor is there, so that nobody is asked: RFC 4861, 7.3.1."""

from __future__ import annotations

import pytest
from scapy.layers.inet6 import ICMPv6ND_NS
from scapy.layers.l2 import ARP
from scapy.packet import Packet as Scapy

from hythe.host.neighbors import NAMES
from hythe.tcp.connection import Connection
from hythe.units import MILLISECOND, SECOND
from tests.host.hosts import packed
from tests.host.stations import Sided, World, quick


def questions(frames: list[Scapy]) -> int:
    """ARP requests and neighbor solicitations."""
    return sum((ARP in frame and frame[ARP].op == 1) or ICMPv6ND_NS in frame for frame in frames)


def talking(version: int) -> tuple[World, Sided, Sided, Connection, Connection]:
    """Two hosts with a connection, their neighbors STALE by now."""
    world = World()
    left = world.add("10.0.0.1/24", "fd00::1/64", ethernet=quick())
    right = world.add("10.0.0.2/24", "fd00::2/64", ethernet=quick(), allow_privileged_ports=True)
    listener = right.host.listen(None, 80)
    world.run(1 * SECOND)
    caller = left.host.connect(packed("10.0.0.2" if version == 4 else "fd00::2"), 80, world.now)
    caller.note(0)
    world.run(1 * SECOND)
    (called,) = listener.take()
    world.run(60 * SECOND)
    return world, left, right, caller, called


def states(*sides: Sided) -> set[str]:
    return {NAMES[each.state] for side in sides for each in side.station.link.neighbors.table.values()}


@pytest.mark.rfc("4861", "7.3.1")
@pytest.mark.parametrize("version", [4, 6])
def test_neighbors_of_connections_that_move_are_not_asked(version: int) -> None:
    world, left, right, caller, called = talking(version)
    assert states(left, right) == {"STALE"}
    asked = 0
    for _ in range(200):  # 100 s
        caller.write(b"question")
        asked += questions(world.run(250 * MILLISECOND))
        called.write(b"answer")
        asked += questions(world.run(250 * MILLISECOND))
    assert asked == 0
    assert states(left, right) == {"REACHABLE"}


@pytest.mark.rfc("4861", "7.3.1")
def test_a_neighbor_that_is_only_spoken_to_is_asked() -> None:
    world, _, right, caller, _ = talking(4)
    world.hub.ports.remove(right.station.link._frames)  # type: ignore[arg-type]
    caller.write(b"hello?")
    assert questions(world.run(7 * SECOND)) >= 2

"""The wire in real time: packets between two devices, through the fault link.

It measures itself, because it is a program on a machine that has other things to do: how late each moment was served at
which a packet was due.
"""

from __future__ import annotations

import select
from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from hythe.aio.alarm import Alarm
from hythe.link.faults import FaultLink
from hythe.wire.packet import GSO_TCPV4, NEEDS_CSUM, PARTIAL, VNET, VNET_PLAIN, Packet

if TYPE_CHECKING:
    from hythe.link.base import Link
    from hythe.link.faults import Plan, Tally

_BATCH: Final = 32


def carry(client: Link, server: Link, plans: tuple[Plan, Plan], seed: int, end: int) -> tuple[Tally, int]:
    """Carry until `end` (monotonic ns). What became of the data, and how late the wire was but for one time in 100.

    A fault link stacks on each device, and does to what is sent down there what that way does. What comes from the other
    device is sent there.
    """
    data, acks = plans
    ways = ((client, FaultLink(server, data, seed=seed)), (server, FaultLink(client, down=acks, seed=seed, far_above=True)))
    alarm, poller, late = Alarm(), select.epoll(), [0]
    for source, _ in ways:
        poller.register(source.fileno(), select.EPOLLIN)
    poller.register(alarm.fd, select.EPOLLIN | select.EPOLLET)
    now = monotonic_ns()
    while now < end:
        due = min(end, *(way.next_deadline() for _, way in ways))
        if due > now:
            alarm.set(due)
            poller.poll()
        now = monotonic_ns()
        if due <= now:
            late.append(now - due)
        for source, way in ways:
            while packets := source.receive(now, _BATCH):
                for packet in packets:
                    way.send(now, _header(packet), (packet.view[: packet.length],))
            way.release(now)
    alarm.close()
    poller.close()
    late.sort()
    return ways[0][1].up.tally, late[len(late) * 99 // 100]


def _header(packet: Packet) -> bytes:
    """The virtio-net header with what the fault link asks of it."""
    if packet.checksum != PARTIAL and not packet.gso_size:
        return VNET_PLAIN
    return VNET.pack(NEEDS_CSUM, GSO_TCPV4 if packet.gso_size else 0, 0, packet.gso_size, 0, 0)

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
from hythe.wire.packet import NEEDS_CSUM, PARTIAL, VNET, VNET_PLAIN, Packet

if TYPE_CHECKING:
    from hythe.link.base import Link
    from hythe.link.faults import Plan

_BATCH: Final = 32


def carry(client: Link, server: Link, plans: tuple[Plan, Plan], seed: int, end: int) -> tuple[FaultLink, int]:
    """Carry until `end` (monotonic ns). The fault link, for what it counted, and how late it was but for one time in 100."""
    faults = FaultLink(client, *plans, seed=seed, far_above=True)
    alarm, poller, late = Alarm(), select.epoll(), [0]
    for fd in (client.fileno(), server.fileno()):
        poller.register(fd, select.EPOLLIN)
    poller.register(alarm.fd, select.EPOLLIN | select.EPOLLET)
    now = monotonic_ns()
    while now < end:
        due = min(faults.next_deadline(), end)
        if due > now:
            alarm.set(due)
            poller.poll()
        now = monotonic_ns()
        if due <= now:
            late.append(now - due)
        while packets := server.receive(now, _BATCH):
            for packet in packets:
                faults.send(now, _header(packet), (packet.view[: packet.length],))
        for packet in faults.receive(now, _BATCH):
            server.send(now, VNET_PLAIN, (packet.view[: packet.length],))
        faults.release(now)
    alarm.close()
    poller.close()
    late.sort()
    return faults, late[len(late) * 99 // 100]


def _header(packet: Packet) -> bytes:
    if packet.checksum != PARTIAL and not packet.gso_size:
        return VNET_PLAIN
    return VNET.pack(NEEDS_CSUM, 1 if packet.gso_size else 0, 0, packet.gso_size, 0, 0)

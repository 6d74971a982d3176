"""Two link ends in one process: what is sent at one is received at the other.

With `offload` (the default) super-segments pass whole and checksums stay partial, as between two kernels on one machine;
without it every packet is cut and completed, as on a wire. The queue is bounded: beyond it packets are dropped.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence

from hythe.wire import gso
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet

#: Packets waiting at one end: Linux txqueuelen.
QUEUE = 1_000


class PairEnd:
    """One end. `peer` is the other."""

    __slots__ = ("_event", "_inbox", "_ring", "dropped", "mtu", "offload", "peer", "poison")

    def __init__(self, mtu: int, *, offload: bool, poison: bool) -> None:
        self.mtu = mtu
        self.offload = offload
        self.poison = poison
        self.peer: PairEnd = self
        self.dropped = 0
        self._inbox: deque[tuple[bytes, int, int]] = deque()
        self._ring: list[Packet] = []  # as long as the largest batch that was asked for
        self._event: int | None = None  # made when somebody wants to poll

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`."""
        if self.poison:
            for packet in self._ring:
                packet.poison()
        inbox = self._inbox
        count = min(limit, len(inbox))
        while len(self._ring) < count:
            self._ring.append(Packet())
        for slot in self._ring[:count]:
            slot.fill(*inbox.popleft())
        if self._event is not None and count and not inbox:
            os.eventfd_read(self._event)
        return self._ring[:count]

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`; bytes are copied."""
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        data = b"".join((head[VNET_SIZE:], *payload))
        state = PARTIAL if flags & NEEDS_CSUM else ABSENT
        if self.offload:
            self.peer.deliver(data, gso_size, state)
        else:
            for piece in gso.cut(memoryview(data), len(data), gso_size, state):
                self.peer.deliver(piece, 0, ABSENT)

    def deliver(self, data: bytes, gso_size: int, checksum: int) -> None:
        """Queue one packet for `receive`; dropped when the queue is full."""
        inbox = self._inbox
        if len(inbox) >= QUEUE:
            self.dropped += 1
            return
        inbox.append((data, gso_size, checksum))
        if self._event is not None and len(inbox) == 1:
            os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        """An eventfd, readable while packets wait."""
        if self._event is None:
            self._event = os.eventfd(1 if self._inbox else 0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return self._event

    def close(self) -> None:
        """Drop what waits and give the eventfd back."""
        self._inbox.clear()
        if self._event is not None:
            os.close(self._event)
            self._event = None


def pair(mtu: int = 1_500, *, offload: bool = True, poison: bool = False) -> tuple[PairEnd, PairEnd]:
    """Two connected ends."""
    left, right = (PairEnd(mtu, offload=offload, poison=poison) for _ in range(2))
    left.peer, right.peer = right, left
    return left, right


def loop(mtu: int = 65_535, *, poison: bool = False) -> PairEnd:
    """An end that is its own peer: what a host sends to itself. The MTU is the longest there can be."""
    return PairEnd(mtu, offload=True, poison=poison)

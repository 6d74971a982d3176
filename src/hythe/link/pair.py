"""Two link ends in one process: what is sent at one is received at the other.

With `offload` (the default) super-segments pass whole and checksums stay partial, as between two kernels on one machine;
without it every packet is cut and completed, as on a wire. The queue is bounded: beyond it packets are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from hythe.link.inbox import Inbox
from hythe.link.slots import Slots
from hythe.wire import gso
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet


class PairEnd:
    """One end. `peer` is the other."""

    __slots__ = ("_inbox", "_read", "_slots", "mtu", "offload", "peer", "poison")

    def __init__(self, mtu: int, *, offload: bool, poison: bool) -> None:
        self.mtu = mtu
        self.offload = offload
        self.poison = poison
        self.peer: PairEnd = self
        self._inbox: Inbox[Packet] = Inbox()
        self._slots = Slots(Packet)
        self._read: list[Packet] = []  # what the last receive returned

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`."""
        if self.poison:
            for packet in self._read:
                packet.poison()
        if self._read:
            self._slots.give(self._read)
        self._read = self._inbox.take(limit)
        return self._read

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`; bytes are copied."""
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        state = PARTIAL if flags & NEEDS_CSUM else ABSENT
        parts = (head[VNET_SIZE:], *payload)
        if self.offload:
            self.peer.deliver(parts, gso_size, state)
        else:
            data = b"".join(parts)
            for piece in gso.cut(memoryview(data), len(data), gso_size, state):
                self.peer.deliver((piece,), 0, ABSENT)

    def deliver(self, parts: Sequence[bytes | memoryview], gso_size: int, checksum: int) -> None:
        """Queue one packet for `receive`; dropped when the queue is full."""
        slot = self._slots.fill(parts, gso_size, checksum)
        if not self._inbox.put(slot):
            self._slots.give((slot,))

    @property
    def dropped(self) -> int:
        """Packets that found the queue full."""
        return self._inbox.dropped

    def fileno(self) -> int:
        """Readable while packets wait."""
        return self._inbox.fileno()

    def close(self) -> None:
        """Drop what waits and give the descriptor back."""
        self._inbox.close()


def pair(mtu: int = 1_500, *, offload: bool = True, poison: bool = False) -> tuple[PairEnd, PairEnd]:
    """Two connected ends."""
    left, right = (PairEnd(mtu, offload=offload, poison=poison) for _ in range(2))
    left.peer, right.peer = right, left
    return left, right


def loop(mtu: int = 65_535, *, poison: bool = False) -> PairEnd:
    """An end that is its own peer: what a host sends to itself. The MTU is the longest there can be."""
    return PairEnd(mtu, offload=True, poison=poison)

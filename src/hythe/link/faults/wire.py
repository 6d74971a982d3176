"""What a faulty wire for packets and one for Ethernet frames have in common.

Theory of operation. Faults happen to packets as they are on a wire, so each piece of a super-segment has a fate of its own;
but most pieces fare as those beside them, so they are cut only where they do not, and what leaves together is joined again
(`wire/gro`). Whoever cuts that sees the packets of the wire. One that was corrupted must be judged by its checksum, so
nobody is asked to finish it: it goes alone, and without offload.

Time is `now`. Received packets wait here until `receive` is called at or after their time, sent ones until `release` is;
`next_deadline` says when that is, and whoever drives the link is told through `on_deadline` as soon as there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from hythe.link.base import Link
from hythe.link.faults.direction import Direction
from hythe.link.faults.plan import Plan
from hythe.link.frames import Frame, FrameLink
from hythe.wire.gro import Joined, join, load
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE

L = TypeVar("L", bound=Link | FrameLink)

#: Read from below in a row: super-segments, and small packets, which a device has room for a few hundred of only.
_BATCH: Final = 8
_BATCHES_SMALL: Final = 8
_SMALL: Final = 2_048
#: Packets given to the host in a row.
SLOTS: Final = 64
#: Sent down in a row.
_ALL: Final = 1 << 31


class Wire(Generic[L]):
    """Stacks on `link`. `up` goes to the far ends of all flows, `down` comes from there.

    The host above is the near end, unless `far_above` says that it stands for the world, as a gateway does. `seed`: any
    integer of 127 bits; equal seeds give equal packets equal fates.
    """

    __slots__ = ("_link", "_received", "_sent", "down", "on_deadline", "up")

    def __init__(
        self, link: L, up: Plan | None = None, down: Plan | None = None, *, seed: int = 0, far_above: bool = False
    ) -> None:
        self._link = link
        self.up = Direction(up or Plan(), seed, up=True)
        self.down = Direction(down or Plan(), seed, up=False)
        self._received, self._sent = (self.up, self.down) if far_above else (self.down, self.up)
        #: Called with `next_deadline()` whenever it may have changed.
        self.on_deadline: Callable[[int], object] = _ignore

    def stand_on(self, link: L) -> None:
        """Go on by another link below, one with the same descriptor and MTU; what is on its way stays so."""
        self._link = link

    def _read(self, now: int, limit: int) -> list[Joined]:
        """Read from below; at most `limit` packets and super-segments that have come through by `now`."""
        for _ in range(_BATCHES_SMALL):
            packets = self._link.receive(now, _BATCH)
            for packet in packets:
                header = bytes(packet.header) if isinstance(packet, Frame) else b""
                for each in load(packet.view, packet.length, packet.gso_size, packet.checksum, header):
                    self._received.submit(each, now)
            if len(packets) < _BATCH or packets[-1].length > _SMALL:
                break
        due = join(self._received.take(now, min(limit, SLOTS)))
        self.on_deadline(self.next_deadline())
        return due

    def _write(self, now: int, head: bytes, payload: Sequence[memoryview | bytes], header: bytes = b"") -> None:
        """Put one packet in that goes down; bytes are copied."""
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        data = b"".join((head[VNET_SIZE:], *payload))
        for each in load(data, len(data), gso_size, PARTIAL if flags & NEEDS_CSUM else ABSENT, header):
            self._sent.submit(each, now)

    def _leaving(self, now: int) -> list[Joined]:
        """What goes down by `now`."""
        return join(self._sent.take(now, _ALL))

    def next_deadline(self) -> int:
        """When `release` or `receive` next has something; NEVER when nothing is on its way."""
        return min(self.up.next_deadline(), self.down.next_deadline())

    @property
    def holds_received(self) -> bool:
        """Is anything on its way to the host?"""
        return len(self._received) > 0

    def fileno(self) -> int:
        """The descriptor of the link below. It says nothing of packets that wait here: `next_deadline` does."""
        return self._link.fileno()

    def close(self) -> None:
        """Lose what is on its way, and close the link below."""
        self.on_deadline = _ignore
        self._link.close()


def _ignore(deadline: int) -> None:
    """Nobody wants to know."""

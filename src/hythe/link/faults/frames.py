"""The faulty wire under Ethernet: between a station and a frame link.

Faults act on what a frame carries, ARP and neighbor discovery too; its header travels beside and meets none.
"""

from __future__ import annotations

from collections.abc import Sequence

from hythe.link.faults.plan import Plan
from hythe.link.faults.wire import SLOTS, Wire
from hythe.link.frames import Frame, FrameLink


class FaultFrameLink(Wire[FrameLink]):
    """Stacks on a frame link; arguments as those of `Wire`. Sizes in plans are without the Ethernet header."""

    __slots__ = ("_ring", "mtu")

    def __init__(
        self, link: FrameLink, up: Plan | None = None, down: Plan | None = None, *, seed: int = 0, far_above: bool = False
    ) -> None:
        super().__init__(link, up, down, seed=seed, far_above=far_above)
        self.mtu = link.mtu
        self._ring = [Frame() for _ in range(SLOTS)]

    def receive(self, now: int, limit: int) -> Sequence[Frame]:
        """As `FrameLink.receive`: what has come through by `now`."""
        due = self._read(now, limit)
        for slot, joined in zip(self._ring, due, strict=False):
            slot.header[:] = joined.frame
            joined.fill(slot)
        return self._ring[: len(due)]

    def send_frame(self, now: int, header: bytes, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `FrameLink.send_frame`; bytes are copied."""
        self._write(now, head, payload, header)
        self.release(now)

    def release(self, now: int) -> None:
        """Send down what has come through by `now`."""
        for joined in self._leaving(now):
            self._link.send_frame(now, joined.frame, *joined.send())
        self.on_deadline(self.next_deadline())

"""The faulty wire as a link between a host and another link: IP packets, without frames around them."""

from __future__ import annotations

from collections.abc import Sequence

from hythe.link.base import Link
from hythe.link.faults.plan import Plan
from hythe.link.faults.wire import SLOTS, Wire
from hythe.wire.packet import Packet


class FaultLink(Wire[Link]):
    """Stacks on a link; arguments as those of `Wire`."""

    __slots__ = ("_ring",)

    def __init__(
        self, link: Link, up: Plan | None = None, down: Plan | None = None, *, seed: int = 0, far_above: bool = False
    ) -> None:
        super().__init__(link, up, down, seed=seed, far_above=far_above)
        self._ring = [Packet() for _ in range(SLOTS)]

    @property
    def mtu(self) -> int:
        """The MTU of the link below."""
        return self._link.mtu

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`: what has come through by `now`."""
        due = self._read(now, limit)
        for slot, joined in zip(self._ring, due, strict=False):
            joined.fill(slot)
        return self._ring[: len(due)]

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`; bytes are copied."""
        self._write(now, head, payload)
        self.release(now)

    def release(self, now: int) -> None:
        """Send down what has come through by `now`."""
        for joined in self._leaving(now):
            self._link.send(now, *joined.send())
        self.on_deadline(self.next_deadline())

"""What a link is. Everything between a host and a wire, device or middleware, has these five members.

A link is given super-segments and gives super-segments. Whoever needs packets as they would be on a wire (a capture, a
fault, a tunnel) cuts them there, with `hythe.wire.gso`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from hythe.wire.packet import Packet


class Link(Protocol):
    """Read and write super-segments."""

    @property
    def mtu(self) -> int:
        """The longest IP packet of the wire behind it, in bytes; super-segments are longer."""

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """At most `limit` packets that have arrived, fewer only if there are no more. Good until the next call."""

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """Send one packet: `head` is a virtio-net header (10 bytes), the IP header and what follows it up to the payload.

        Views are good during the call only; a link that keeps them copies. A full device drops, as a wire does.
        """

    def fileno(self) -> int:
        """A descriptor that polls readable while `receive` would return something."""

    def close(self) -> None:
        """Give everything back. Harmless when repeated."""


class Delaying(Protocol):
    """What keeps packets until a time, in either direction. Whoever drives it minds its deadline."""

    #: Called with `next_deadline()` whenever that may have changed.
    on_deadline: Callable[[int], object]

    def next_deadline(self) -> int:
        """When to call `release`, and `receive` after it; NEVER when nothing waits."""

    def release(self, now: int) -> None:
        """Send what has waited long enough by `now`."""


@runtime_checkable
class DelayingLink(Link, Delaying, Protocol):
    """A link that keeps packets until a time."""

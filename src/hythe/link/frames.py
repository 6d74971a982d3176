"""Links that carry Ethernet frames, for hosts with a MAC address.

A frame link differs from a `Link` in one thing: each packet comes with the 14 bytes of its Ethernet header beside it, and
leaves with such a header given beside it. So a packet's view starts at its IP header everywhere, and the offsets of the
virtio-net header count from there, whatever is below: one path through the host for both, and no byte of payload moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from hythe.link.base import Delaying
from hythe.wire.ethernet import HEADER_SIZE
from hythe.wire.packet import PACKET_ROOM, Packet


class Frame(Packet):
    """A slot of a frame link's ring: `header` is the Ethernet header, `view[:length]` what follows it."""

    __slots__ = ("header",)

    def __init__(self, room: int = PACKET_ROOM) -> None:
        super().__init__(room)
        self.header = bytearray(HEADER_SIZE)

    def poison(self) -> None:
        """As `Packet.poison`."""
        super().poison()
        self.header[:] = b"\xdb" * HEADER_SIZE


@runtime_checkable
class FrameLink(Protocol):
    """Read and write frames; the payload of one may be a super-segment."""

    mtu: int

    def receive(self, now: int, limit: int) -> Sequence[Frame]:
        """As `Link.receive`."""

    def send_frame(self, now: int, header: bytes, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`, behind the Ethernet header `header`. What is no IP goes behind a plain virtio-net header."""

    def fileno(self) -> int:
        """As `Link.fileno`."""

    def close(self) -> None:
        """As `Link.close`."""


@runtime_checkable
class DelayingFrameLink(FrameLink, Delaying, Protocol):
    """A frame link that keeps frames until a time."""

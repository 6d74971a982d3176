"""A link that shows what passes to whoever watches, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hythe.link.base import Link
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet

#: Called with (now, sent, packet, gso_size, checksum). `sent`: it went down, to the far side. The packet's bytes, a
#: super-segment maybe, are good during the call; `checksum` as in `Packet`.
Watcher = Callable[[int, bool, memoryview, int, int], None]


class WatchLink:
    """Stacks on `link`. `watchers` may change between turns."""

    __slots__ = ("_link", "watchers")

    def __init__(self, link: Link) -> None:
        self._link = link
        self.watchers: list[Watcher] = []

    @property
    def mtu(self) -> int:
        """The MTU of the link below."""
        return self._link.mtu

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`."""
        packets = self._link.receive(now, limit)
        for packet in packets:
            view = packet.view[: packet.length]
            for watch in self.watchers:
                watch(now, False, view, packet.gso_size, packet.checksum)
        return packets

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`."""
        self._link.send(now, head, payload)
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        view = memoryview(b"".join((head[VNET_SIZE:], *payload)))
        for watch in self.watchers:
            watch(now, True, view, gso_size, PARTIAL if flags & NEEDS_CSUM else ABSENT)

    def fileno(self) -> int:
        """The descriptor of the link below."""
        return self._link.fileno()

    def close(self) -> None:
        """Close the link below."""
        self._link.close()

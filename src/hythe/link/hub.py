"""An Ethernet segment in one process: what is sent at one port is received at all others, as on a shared cable.

The hub neither learns nor filters, so each interface sees every frame and must choose its own. With `offload` (the
default) super-segments pass whole, as between the ports of a virtual switch; without it every packet is cut and
completed. Each port's queue is bounded: beyond it frames are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from hythe.link.frames import Frame
from hythe.link.inbox import Inbox
from hythe.wire import gso
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE


class Hub:
    """The segment. `mtu`: bytes behind the Ethernet header; `poison`: overwrite rings between turns."""

    __slots__ = ("mtu", "offload", "poison", "ports")

    def __init__(self, mtu: int = 1_500, *, offload: bool = True, poison: bool = False) -> None:
        self.mtu = mtu
        self.offload = offload
        self.poison = poison
        self.ports: list[HubPort] = []

    def port(self) -> HubPort:
        """One more port: the link of one host."""
        port = HubPort(self)
        self.ports.append(port)
        return port


class HubPort:
    """One port: a frame link."""

    __slots__ = ("_hub", "_inbox", "_ring", "mtu")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.mtu = hub.mtu
        self._inbox: Inbox[tuple[bytes, bytes, int, int]] = Inbox()
        self._ring: list[Frame] = []

    def receive(self, now: int, limit: int) -> Sequence[Frame]:
        """As `FrameLink.receive`."""
        if self._hub.poison:
            for frame in self._ring:
                frame.poison()
        items = self._inbox.take(limit)
        while len(self._ring) < len(items):
            self._ring.append(Frame())
        for frame, (header, data, gso_size, checksum) in zip(self._ring, items, strict=False):
            frame.header[:] = header
            frame.fill(data, gso_size, checksum)
        return self._ring[: len(items)]

    def send_frame(self, now: int, header: bytes, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `FrameLink.send_frame`; bytes are copied."""
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        data = b"".join((head[VNET_SIZE:], *payload))
        state = PARTIAL if flags & NEEDS_CSUM else ABSENT
        if self._hub.offload:
            pieces = [data]
        else:
            pieces = gso.cut(memoryview(data), len(data), gso_size, state)
            gso_size, state = 0, ABSENT
        for port in self._hub.ports:
            if port is not self:
                for piece in pieces:
                    port.deliver(header, piece, gso_size, state)

    def deliver(self, header: bytes, data: bytes, gso_size: int, checksum: int) -> None:
        """Queue one frame for `receive`; dropped when the queue is full."""
        self._inbox.put((header, data, gso_size, checksum))

    @property
    def dropped(self) -> int:
        """Frames that found the queue full."""
        return self._inbox.dropped

    def fileno(self) -> int:
        """Readable while frames wait."""
        return self._inbox.fileno()

    def close(self) -> None:
        """Leave the hub, and give the descriptor back."""
        if self in self._hub.ports:
            self._hub.ports.remove(self)
        self._inbox.close()

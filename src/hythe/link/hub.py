"""An Ethernet segment in one process: what is sent at one port is received at all others, as on a shared cable.

The hub neither learns nor filters, so each interface sees every frame and must choose its own. With `offload` (the
default) super-segments pass whole, as between the ports of a virtual switch; without it every packet is cut and
completed. Each port's queue is bounded: beyond it frames are dropped.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence

from hythe.link.frames import Frame
from hythe.link.pair import QUEUE
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

    __slots__ = ("_event", "_hub", "_inbox", "_ring", "dropped", "mtu")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.mtu = hub.mtu
        self.dropped = 0
        self._inbox: deque[tuple[bytes, bytes, int, int]] = deque()
        self._ring: list[Frame] = []
        self._event: int | None = None

    def receive(self, now: int, limit: int) -> Sequence[Frame]:
        """As `FrameLink.receive`."""
        if self._hub.poison:
            for frame in self._ring:
                frame.poison()
        inbox = self._inbox
        count = min(limit, len(inbox))
        while len(self._ring) < count:
            self._ring.append(Frame())
        for frame in self._ring[:count]:
            frame.header[:], data, gso_size, checksum = inbox.popleft()
            frame.fill(data, gso_size, checksum)
        if self._event is not None and count and not inbox:
            os.eventfd_read(self._event)
        return self._ring[:count]

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
        if len(self._inbox) >= QUEUE:
            self.dropped += 1
            return
        self._inbox.append((header, data, gso_size, checksum))
        if self._event is not None and len(self._inbox) == 1:
            os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        """An eventfd, readable while frames wait."""
        if self._event is None:
            self._event = os.eventfd(1 if self._inbox else 0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return self._event

    def close(self) -> None:
        """Leave the hub, and give the eventfd back."""
        if self in self._hub.ports:
            self._hub.ports.remove(self)
        self._inbox.clear()
        if self._event is not None:
            os.close(self._event)
            self._event = None

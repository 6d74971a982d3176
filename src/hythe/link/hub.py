"""An Ethernet segment in one process: what is sent at one port is received at all others, as on a shared cable.

The hub neither learns nor filters, so each interface sees every frame and must choose its own. With `offload` (the
default) super-segments pass whole, as between the ports of a virtual switch; without it every packet is cut and
completed. Each port's queue is bounded: beyond it frames are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from hythe.link.frames import Frame
from hythe.link.inbox import Inbox
from hythe.link.slots import Slots
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

    __slots__ = ("_hub", "_inbox", "_read", "_slots", "mtu")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.mtu = hub.mtu
        self._inbox: Inbox[Frame] = Inbox()
        self._slots = Slots(Frame)
        self._read: list[Frame] = []  # what the last receive returned

    def receive(self, now: int, limit: int) -> Sequence[Frame]:
        """As `FrameLink.receive`."""
        if self._hub.poison:
            for frame in self._read:
                frame.poison()
        if self._read:
            self._slots.give(self._read)
        self._read = self._inbox.take(limit)
        return self._read

    def send_frame(self, now: int, header: bytes, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `FrameLink.send_frame`; bytes are copied."""
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        state = PARTIAL if flags & NEEDS_CSUM else ABSENT
        packets: list[Sequence[memoryview | bytes]] = [(head[VNET_SIZE:], *payload)]
        if not self._hub.offload:
            data = b"".join(packets[0])
            packets = [(piece,) for piece in gso.cut(memoryview(data), len(data), gso_size, state)]
            gso_size, state = 0, ABSENT
        for port in self._hub.ports:
            if port is not self:
                for parts in packets:
                    port.deliver(header, parts, gso_size, state)

    def deliver(self, header: bytes, parts: Sequence[memoryview | bytes], gso_size: int, checksum: int) -> None:
        """Queue one frame for `receive`; dropped when the queue is full."""
        slot = self._slots.fill(parts, gso_size, checksum)
        slot.header[:] = header
        if not self._inbox.put(slot):
            self._slots.give((slot,))

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

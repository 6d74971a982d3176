"""A TAP device with every offload the kernel offers: a link of Ethernet frames.

What the kernel sends by its interface arrives here, and the other way round, so that a host on a `Tap` is a station of
its own beside the kernel, or with the interface in a bridge, beside whatever else is on that segment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from hythe.link.device import IFF_TAP, SLOTS, Device
from hythe.link.frames import Frame
from hythe.wire.ethernet import HEADER_SIZE
from hythe.wire.packet import VNET, VNET_PLAIN, VNET_SIZE

_FIELDS: Final = VNET.unpack_from


class Tap(Device[Frame]):
    """The frame link of a TAP device: ``Tap("tap0")``, or ``Tap(fd, mtu)`` of a descriptor that is set up already.

    A device that does not exist is made, which takes CAP_NET_ADMIN, and goes when it is closed. Without that right
    somebody who has it makes the device first:

        ip tuntap add tap0 mode tap user alice
        ip address add 10.0.0.1/24 dev tap0
        ip link set tap0 up

    `mtu`: bytes behind the Ethernet header; None takes the device's own, which only a name can be asked for. `poison`:
    overwrite the ring between turns. Raises `MachineError`, `UsageError`.
    """

    __slots__ = ()

    def __init__(self, device: str | int, mtu: int | None = None, *, poison: bool = False) -> None:
        super().__init__(IFF_TAP, device, mtu, poison)
        self._ring = [Frame() for _ in range(SLOTS)]
        self._vectors = [(self._vnet, frame.header, frame.buffer) for frame in self._ring]
        self._overhead = VNET_SIZE + HEADER_SIZE

    def send_frame(self, now: int, header: bytes, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `FrameLink.send_frame`: one system call whatever the size."""
        flags, kind, length, gso_size, start, offset = _FIELDS(head)
        if flags or kind:
            # The kernel counts from the start of the frame.
            vnet = VNET.pack(flags, kind, length + HEADER_SIZE, gso_size, start + HEADER_SIZE, offset)
        else:
            vnet = VNET_PLAIN
        try:
            os.writev(self._fd, (vnet, header, head[VNET_SIZE:], *payload))
        except OSError as error:
            self._refused(error, header, head, payload)

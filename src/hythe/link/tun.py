"""A TUN device with every offload the kernel offers: a link of IP packets.

`Tun` is made of a name, or of a descriptor, which may come from another network namespace. How the device is opened and
read stands in `hythe.link.device`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hythe.link.device import IFF_TUN, SLOTS, Device
from hythe.wire.packet import Packet


class Tun(Device[Packet]):
    """The link of a TUN device: ``Tun("tun0")``, or ``Tun(fd, mtu)`` of a descriptor that is set up already.

    A device that does not exist is made, which takes CAP_NET_ADMIN, and goes when it is closed. Without that right
    somebody who has it makes the device first, and gives the kernel its own address on it:

        ip tuntap add tun0 mode tun user alice
        ip address add 10.0.0.1/24 dev tun0
        ip link set tun0 up

    `mtu`: bytes; None takes the device's own, which only a name can be asked for. `poison`: overwrite the ring between
    turns, to find views kept by mistake. Raises `MachineError`, `UsageError`.
    """

    __slots__ = ()

    def __init__(self, device: str | int, mtu: int | None = None, *, poison: bool = False) -> None:
        super().__init__(IFF_TUN, device, mtu, poison)
        self._ring = [Packet() for _ in range(SLOTS)]
        self._vectors = [(self._vnet, packet.buffer) for packet in self._ring]

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`: one system call whatever the size."""
        try:
            if payload:
                os.writev(self._fd, (head, *payload))
            else:
                os.write(self._fd, head)
        except OSError as error:
            self._refused(error, b"", head, payload)

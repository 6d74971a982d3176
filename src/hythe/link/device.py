"""What TUN and TAP devices have in common: how they are opened, their offloads, and reading them.

With IFF_VNET_HDR each read and write carries a virtio-net header, and with TSO and USO switched on the kernel hands us
super-segments of up to 64 KB and takes them from us: one system call where a wire would have 45 packets, and no checksum
over the payload on either side.

The kernel's end of a device is the administrator's: addresses, routes and "up" are set with ip(8).
Source: linux/if_tun.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from hythe.errors import MachineError, UsageError
from hythe.wire import gso
from hythe.wire.packet import (
    ABSENT,
    DATA_VALID,
    GSO_UDP_L4,
    NEEDS_CSUM,
    PARTIAL,
    VERIFIED,
    VNET,
    VNET_PLAIN,
    VNET_SIZE,
    Packet,
)

P = TypeVar("P", bound=Packet)

TUNSETIFF: Final = 0x400454CA
TUNSETOFFLOAD: Final = 0x400454D0
IFF_TUN: Final = 0x0001
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
#: TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, then with TUN_F_USO4 | TUN_F_USO6 (Linux 6.2).
OFFLOADS: Final = (0x67, 0x07, 0x01)

DEVICE: Final = "/dev/net/tun"
#: linux/if.h IFNAMSIZ, less the zero; linux/sockios.h.
_NAME_MOST: Final = 15
_SIOCGIFMTU: Final = 0x8921
SLOTS: Final = 32
_HEADER: Final = VNET.unpack_from


def open_device(name: str, kind: int = IFF_TUN) -> tuple[int, str]:
    """Open or make the device `name` (``%d`` is numbered): (descriptor, name). Raises `MachineError`, `UsageError`.

    `kind`: IFF_TUN or IFF_TAP.
    """
    what = "TUN" if kind == IFF_TUN else "TAP"
    if not 0 < len(name.encode()) <= _NAME_MOST:
        raise UsageError(f"{name!r} cannot name a device: give 1 to {_NAME_MOST} bytes, for example {what.lower()}0")
    try:
        fd = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise MachineError(
            f"{DEVICE} cannot be opened ({error.strerror}): load the tun module and let this user open "
            f"the device (chmod 0666 {DEVICE})"
        ) from error
    try:
        request = struct.pack("16sH22x", name.encode(), kind | IFF_NO_PI | IFF_VNET_HDR)
        name = fcntl.ioctl(fd, TUNSETIFF, request)[:16].rstrip(b"\0").decode()
        enable_offloads(fd)
    except OSError as error:
        os.close(fd)
        raise MachineError(
            f"{what} device {name!r} cannot be set up ({error.strerror}): it may belong to somebody else, or "
            "CAP_NET_ADMIN is missing (run as root, or inside `hythe run`)"
        ) from error
    return fd, name


def enable_offloads(fd: int) -> int:
    """Switch on the most offloads this kernel has; returns them. Raises OSError when it has none."""
    for offloads in OFFLOADS[:-1]:
        try:
            fcntl.ioctl(fd, TUNSETOFFLOAD, offloads)
        except OSError:
            continue
        return offloads
    fcntl.ioctl(fd, TUNSETOFFLOAD, OFFLOADS[-1])
    return OFFLOADS[-1]


def device_mtu(name: str) -> int:
    """The MTU of the device `name` of this network namespace, in bytes (netdevice(7), SIOCGIFMTU). Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFMTU, struct.pack("16si20x", name.encode(), 0))
    return int(struct.unpack_from("i", answer, 16)[0])


class Device(Generic[P]):
    """An open device. `vectors`: where a read goes, the virtio-net header in `vnet` first, for each slot of `ring`.

    `overhead`: bytes of a read before the packet. `poison`: overwrite the ring between turns, to find views kept by
    mistake. `dropped` counts what the device did not take.
    """

    __slots__ = ("_closed", "_fd", "_overhead", "_ring", "_used", "_vectors", "_vnet", "dropped", "mtu", "name", "poison")

    def __init__(self, kind: int, device: str | int, mtu: int | None, poison: bool) -> None:
        self.name = ""
        if isinstance(device, str):
            device, self.name = open_device(device, kind)
            mtu = mtu or device_mtu(self.name)
        elif mtu is None:
            what = "TUN" if kind == IFF_TUN else "TAP"
            raise UsageError(f"the MTU of a {what} descriptor's device cannot be told: give mtu=")
        os.set_blocking(device, False)
        self._fd = device
        self._closed = False
        self.mtu = mtu
        self.poison = poison
        self.dropped = 0
        self._vnet = bytearray(VNET_SIZE)
        self._ring: list[P] = []
        self._vectors: list[tuple[bytearray, ...]] = []
        self._overhead = VNET_SIZE
        self._used = 0

    def receive(self, now: int, limit: int) -> Sequence[P]:
        """As `Link.receive`; at most as many as the ring has slots."""
        if self.poison:
            for packet in self._ring[: self._used]:
                packet.poison()
        fd = self._fd
        ring = self._ring
        overhead = self._overhead
        count = 0
        for vector in self._vectors[:limit]:
            try:
                size = os.readv(fd, vector)
            except BlockingIOError:
                break
            if size <= overhead:
                continue
            flags, kind, _, gso_size, _, _ = _HEADER(self._vnet)
            packet = ring[count]
            packet.length = size - overhead
            packet.gso_size = gso_size if kind else 0
            packet.checksum = PARTIAL if flags & NEEDS_CSUM else VERIFIED if flags & DATA_VALID else ABSENT
            count += 1
        self._used = count
        return ring[:count]

    def _refused(self, error: OSError, header: bytes, head: bytes, payload: Sequence[memoryview | bytes]) -> None:
        """The device did not take a packet. Super-datagrams go as those of a wire, each behind `header`; others are lost."""
        if error.errno != errno.EINVAL or head[1] != GSO_UDP_L4:
            # A device that is down or out of memory loses packets like any wire; TCP notices.
            self.dropped += 1
            return
        # Linux before 6.2 takes super-segments of TCP only.
        whole = b"".join((head[VNET_SIZE:], *payload))
        for packet in gso.cut(whole, len(whole), _HEADER(head)[3], PARTIAL):
            try:
                os.write(self._fd, VNET_PLAIN + header + packet)
            except OSError:
                self.dropped += 1

    def fileno(self) -> int:
        """The device's descriptor."""
        return self._fd

    def close(self) -> None:
        """Close the descriptor; a device nobody else holds is gone."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)

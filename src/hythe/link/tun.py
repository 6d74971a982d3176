"""A TUN device with every offload the kernel offers.

With IFF_VNET_HDR each read and write carries a virtio-net header, and with TSO and USO switched on the kernel hands us
super-segments of up to 64 KB and takes them from us: one system call where a wire would have 45 packets, and no checksum
over the payload on either side.

`Tun` is made of a descriptor, which may come from another network namespace. Source: linux/if_tun.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Sequence
from typing import Final

from hythe.errors import MachineError
from hythe.wire.packet import ABSENT, DATA_VALID, NEEDS_CSUM, PARTIAL, VERIFIED, VNET, VNET_SIZE, Packet

TUNSETIFF: Final = 0x400454CA
TUNSETOFFLOAD: Final = 0x400454D0
IFF_TUN: Final = 0x0001
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
#: TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, then with TUN_F_USO4 | TUN_F_USO6 (Linux 6.2).
OFFLOADS: Final = (0x67, 0x07, 0x01)

DEVICE: Final = "/dev/net/tun"
_SLOTS: Final = 8
_HEADER: Final = VNET.unpack_from


def open_device(name: str) -> tuple[int, str]:
    """Open or make the TUN device `name` (``%d`` is numbered). Returns (descriptor, name). Raises `MachineError`."""
    try:
        fd = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise MachineError(f"{DEVICE} cannot be opened ({error.strerror}): load the tun module and let this user open "
                           f"the device (chmod 0666 {DEVICE})") from error
    try:
        request = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)
        name = fcntl.ioctl(fd, TUNSETIFF, request)[:16].rstrip(b"\0").decode()
        enable_offloads(fd)
    except OSError as error:
        os.close(fd)
        raise MachineError(f"TUN device {name!r} cannot be set up ({error.strerror}): it may belong to somebody else, or "
                           "CAP_NET_ADMIN is missing (run as root, or inside `hythe run`)") from error
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


class Tun:
    """The link of a TUN descriptor. `poison`: overwrite the ring between turns, to find views kept by mistake."""

    __slots__ = ("_closed", "_fd", "_ring", "_used", "_vectors", "_vnet", "dropped", "mtu", "poison")

    def __init__(self, fd: int, mtu: int, *, poison: bool = False) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._closed = False
        self.mtu = mtu
        self.poison = poison
        self.dropped = 0
        self._ring = [Packet() for _ in range(_SLOTS)]
        self._vnet = bytearray(VNET_SIZE)
        self._vectors = [(self._vnet, packet.buffer) for packet in self._ring]
        self._used = 0

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`; at most as many as the ring has slots."""
        if self.poison:
            for packet in self._ring[: self._used]:
                packet.poison()
        fd = self._fd
        ring = self._ring
        count = 0
        for vector in self._vectors[:limit]:
            try:
                size = os.readv(fd, vector)
            except BlockingIOError:
                break
            if size <= VNET_SIZE:
                continue
            flags, kind, _, gso_size, _, _ = _HEADER(self._vnet)
            packet = ring[count]
            packet.length = size - VNET_SIZE
            packet.gso_size = gso_size if kind else 0
            packet.checksum = PARTIAL if flags & NEEDS_CSUM else VERIFIED if flags & DATA_VALID else ABSENT
            count += 1
        self._used = count
        return ring[:count]

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`: one system call whatever the size."""
        try:
            if payload:
                os.writev(self._fd, (head, *payload))
            else:
                os.write(self._fd, head)
        except OSError:
            # A device that is down or out of memory loses packets like any wire; TCP notices.
            self.dropped += 1

    def fileno(self) -> int:
        """The device's descriptor."""
        return self._fd

    def close(self) -> None:
        """Close the descriptor; a device nobody else holds is gone."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)

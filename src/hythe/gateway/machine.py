"""This machine's own addresses, kept up to date by watching the kernel's routing tables (rtnetlink(7)).

An address is the machine's own if the kernel has a route of kind "local" for it, which also finds what no interface
bears (``ip route add local``). Changes are announced, so nothing is read again until something has changed.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from typing import Final

from hythe.aio.driver import Driver
from hythe.gateway.namespace.netlink import OWN_KINDS, RTN_LOCAL, RouteSocket

_RTMGRP_IPV4_ROUTE: Final = 0x40
_RTMGRP_IPV6_ROUTE: Final = 0x400
_HEADER: Final = struct.Struct("=IHHII")
#: rtm_type within a route message, counted from its header.
_KIND: Final = _HEADER.size + 7
_READ: Final = 65_536


class Machine:
    """`changed` until the next `read`; set by the kernel's announcements once `watch` was called."""

    __slots__ = ("_broadcast", "_driver", "_local", "_networks", "_socket", "changed")

    def __init__(self) -> None:
        self.changed = True
        self._local: frozenset[bytes] = frozenset()
        self._broadcast: frozenset[bytes] = frozenset()
        self._networks: list[tuple[int, int, int]] = []
        self._socket: socket.socket | None = None
        self._driver: Driver | None = None

    def read(self) -> None:
        """Read the addresses as they are now. OSError when that cannot be (no descriptors): they stay `changed`."""
        self.changed = False  # first, so that a change meanwhile is not missed
        try:
            with RouteSocket() as routes:
                self.take(routes.own_networks())
        except OSError:
            self.changed = True  # or what was never read would be taken for nothing, and everything be open
            raise

    def take(self, found: list[tuple[bytes, int, int]]) -> None:
        """These are its addresses now, as `RouteSocket.own_networks` tells them."""
        whole = [(address, kind) for address, bits, kind in found if bits == 8 * len(address)]
        self._local = frozenset(address for address, kind in whole if kind == RTN_LOCAL)
        self._broadcast = frozenset(address for address, kind in whole if kind != RTN_LOCAL)
        self._networks = []
        for address, bits, kind in found:
            if kind == RTN_LOCAL and bits < 8 * len(address):
                shift = 8 * len(address) - bits
                self._networks.append((len(address), shift, int.from_bytes(address, "big") >> shift))

    def owns(self, address: bytes) -> bool:
        """Would this machine take a packet for `address` (packed) as its own?"""
        if address in self._local:
            return True
        number = int.from_bytes(address, "big")
        return any(size == len(address) and number >> shift == network for size, shift, network in self._networks)

    def is_broadcast(self, address: bytes) -> bool:
        """Is it a broadcast address of a network this machine is in, or otherwise nobody's in particular?"""
        return address in self._broadcast

    # --- Changes

    def watch(self, driver: Driver) -> None:
        """From now on notice when addresses come and go."""
        announcements = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        announcements.bind((0, _RTMGRP_IPV4_ROUTE | _RTMGRP_IPV6_ROUTE))
        self._socket, self._driver = announcements, driver
        driver.register(announcements.fileno(), self, select.EPOLLIN)
        self.changed = True

    def on_events(self, events: int, now: int) -> None:
        """Announcements are there: routes to elsewhere come and go on a busy router and are none of our business."""
        if self._socket is None:
            return
        try:
            data = self._socket.recv(_READ)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                self.changed = True  # ENOBUFS: some were lost
            return
        at = 0
        while at + _KIND < len(data) and not self.changed:
            length = _HEADER.unpack_from(data, at)[0]
            self.changed = data[at + _KIND] in OWN_KINDS
            at += max(length + -length % 4, _HEADER.size)

    def close(self) -> None:
        """Stop watching."""
        if self._socket is not None and self._driver is not None:
            self._driver.unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None

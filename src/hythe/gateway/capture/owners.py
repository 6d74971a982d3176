"""Whose is a flow: the kernel of the command's namespace knows its socket, /proc who holds that.

A socket is asked for with the flow's first packet, which takes microseconds; it may be gone a moment later. Who holds it is
looked up among the processes of the last flows, then among all of the command's, which takes a millisecond where there are
many. Where packets wait meanwhile there are pauses between looks of either kind, by how long they took, and a flow may have
to wait for the next one: it is told with a later packet then.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Final

from hythe.errors import ParseError
from hythe.gateway.api.inside import Pair, holders, sockets_of
from hythe.gateway.namespace.netlink import NETLINK_SOCK_DIAG
from hythe.gateway.namespace.syscalls import CLONE_NEWNET, CLONE_NEWUSER, setns
from hythe.session.model import Process
from hythe.wire import inetdiag

__all__ = ["Owners", "Pair", "enter"]

#: Of the writer's time.
_SHARE: Final = 0.5
#: Processes that are looked at first, and sockets remembered.
_LATEST: Final = 4
_KEPT: Final = 4_096
_READ: Final = 8_192


def enter(keeper: int) -> socket.socket:
    """A NETLINK_SOCK_DIAG socket of the network namespace in which process `keeper` is; this process is there, too, then.

    Raises OSError where that is not allowed.
    """
    for kind, flag in (("user", CLONE_NEWUSER), ("net", CLONE_NEWNET)):
        there = f"/proc/{keeper}/ns/{kind}"
        if os.stat(there).st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino:
            fd = os.open(there, os.O_RDONLY | os.O_CLOEXEC)
            setns(fd, flag)
            os.close(fd)
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)


class Owners:
    """Of one network namespace. `diag`: a NETLINK_SOCK_DIAG socket that was opened there; `keeper`: a process there.

    Without a `diag` nobody is known. `share`: the part of the time that looking may take where that is short.
    """

    def __init__(self, diag: socket.socket | None, keeper: int, share: float = _SHARE) -> None:
        self._diag = diag
        self._keeper = keeper
        self._share = share
        self._sequence = 0
        self._held: dict[int, Process] = {}
        self._next_glance = self._next_look = 0.0

    def inode(self, pair: Pair) -> int:
        """The socket of a flow; 0 where there is none, or none any more."""
        if self._diag is None:
            return 0
        self._sequence += 1
        try:
            self._diag.sendall(inetdiag.request_one(*pair, self._sequence))
            for found in inetdiag.read(self._diag.recv(_READ), pair[0], self._sequence):
                return found.inode if found is not None else 0
        except (OSError, ParseError):
            return 0  # ENOENT, as a rule
        return 0

    def process(self, inode: int, *, hurried: bool) -> str | None:
        """Who holds a socket, as ``curl[1234]``; empty where nobody does. None: ask again with the next packet.

        `hurried`: there is more to do than this.
        """
        known, process = self.find(inode, hurried=hurried)
        if not known:
            return None
        return f"{process.program}[{process.pid}]" if process is not None else ""

    def find(self, inode: int, *, hurried: bool) -> tuple[bool, Process | None]:
        """As `process`: whether it can be told by now, and who it is."""
        if inode not in self._held:
            if not self._glance(inode, hurried) and not self._look(hurried):
                return False, None
        return True, self._held.get(inode)

    @property
    def next_look(self) -> float:
        """When there is time again to find out what was asked in a hurry (seconds, monotonic)."""
        return self._next_look

    def _glance(self, inode: int, hurried: bool) -> bool:
        """The processes that held the last sockets may well hold this one."""
        began = time.monotonic()
        if (hurried and began < self._next_glance) or len(self._held) >= _KEPT:
            return False
        for pid in list(dict.fromkeys(each.pid for each in self._held.values()))[-_LATEST:]:
            with suppress(OSError):
                self._held |= sockets_of(pid)
            if inode in self._held:
                break
        self._next_glance = self._pause(began)
        return inode in self._held

    def _look(self, hurried: bool) -> bool:
        """At all of them; was there time?"""
        began = time.monotonic()
        if hurried and began < self._next_look:
            return False
        self._held = holders(self._keeper)
        self._next_look = self._pause(began)
        return True

    def _pause(self, began: float) -> float:
        now = time.monotonic()
        return now + (now - began) * (1 / self._share - 1)

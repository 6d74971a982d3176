"""Whose is a flow: the kernel of the command's namespace knows its socket, /proc who holds that.

A socket is asked for with the flow's first packet, which takes microseconds; it may be gone a moment later. Who holds it is
looked up among the processes of the last flows, then among all of the command's, which takes a millisecond where there are
many. Where packets wait meanwhile there are pauses between looks, by how long they took, and a flow may have to wait for the
next one: it is told with a later packet then.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Final

from hythe.gateway.api.descriptors import Descriptors
from hythe.gateway.api.inside import Pair, inode_of
from hythe.gateway.namespace.netlink import NETLINK_SOCK_DIAG
from hythe.gateway.namespace.syscalls import CLONE_NEWNET, CLONE_NEWUSER, setns
from hythe.session.model import Process

__all__ = ["Owners", "Pair", "enter"]

#: Of the writer's time.
_SHARE: Final = 0.5


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
        self._descriptors = Descriptors(keeper)
        self._share = share
        self._sequence = 0
        self._next_look = 0.0

    def inode(self, pair: Pair) -> int:
        """The socket of a flow; 0 where there is none, or none any more."""
        if self._diag is None:
            return 0
        self._sequence += 1
        return inode_of(self._diag, pair, self._sequence)

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
        began = time.monotonic()
        if hurried and began < self._next_look:
            return False, None
        found = self._descriptors.find({inode})
        now = time.monotonic()
        self._next_look = now + (now - began) * (1 / self._share - 1)
        return True, found.get(inode)

    @property
    def next_look(self) -> float:
        """When there is time again to find out what was asked in a hurry (seconds, monotonic)."""
        return self._next_look

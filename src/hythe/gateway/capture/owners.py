"""Whose is a flow: the kernel of the command's namespace knows its socket, /proc who holds that.

A socket is asked for with the flow's first packet, which takes microseconds; it may be gone a moment later. Who holds it is
looked up for all sockets at once. That takes a millisecond where there are a hundred processes, so there are pauses between
looks, and a flow may have to wait for the next one: it is told with a later packet then.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Final

from hythe.errors import ParseError
from hythe.gateway.api.inside import Pair, holders
from hythe.session.model import Process
from hythe.wire import inetdiag

__all__ = ["Owners", "Pair"]

#: Looking takes no more than this part of the time.
_SHARE: Final = 0.2
_READ: Final = 8_192


class Owners:
    """Of one network namespace. `diag`: a NETLINK_SOCK_DIAG socket that was opened there; `keeper`: a process there."""

    def __init__(self, diag: int, keeper: int) -> None:
        self._diag = socket.socket(fileno=diag)
        self._keeper = keeper
        self._sequence = 0
        self._held: Mapping[int, Process] = {}
        self._next_look = 0.0

    def inode(self, pair: Pair) -> int:
        """The socket of a flow; 0 where there is none, or none any more."""
        self._sequence += 1
        try:
            self._diag.sendall(inetdiag.request_one(*pair, self._sequence))
            for found in inetdiag.read(self._diag.recv(_READ), pair[0], self._sequence):
                return found.inode if found is not None else 0
        except (OSError, ParseError):
            return 0  # ENOENT, as a rule
        return 0

    def process(self, inode: int) -> str | None:
        """Who holds a socket, as ``curl[1234]``; empty where nobody does. None: ask again with the next packet."""
        process = self._held.get(inode)
        if process is None:
            now = time.monotonic()
            if now < self._next_look:
                return None
            self._held = holders(self._keeper)
            self._next_look = now + (time.monotonic() - now) / _SHARE
            process = self._held.get(inode)
        return f"{process.program}[{process.pid}]" if process is not None else ""

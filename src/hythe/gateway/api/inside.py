"""Whose sockets are those inside: the kernel of the command's namespace tells of sockets, /proc of who holds them.

Only when somebody asks: it may take milliseconds, which is why it happens in a thread of its own. About a few flows the
kernel is asked one by one, which takes ten microseconds each.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from hythe.errors import ParseError
from hythe.gateway.api.descriptors import Descriptors
from hythe.session.model import Process
from hythe.wire import inetdiag
from hythe.wire.inetdiag import Socket

_READ: Final = 65_536
_KINDS: Final = tuple(
    (family, protocol) for family in (inetdiag.IPV4, inetdiag.IPV6) for protocol in (inetdiag.TCP, inetdiag.UDP)
)

#: The command's end and the far one: protocol, address, port, address, port.
Pair = tuple[int, bytes, int, bytes, int]


class Inside:
    """One network namespace. `diag`: a NETLINK_SOCK_DIAG socket that was opened there; `keeper`: a process there.

    `diag` of -1: the command is not on this machine, and nothing is known.
    """

    def __init__(self, diag: int, keeper: int) -> None:
        self._diag = diag
        self._descriptors = Descriptors(keeper)
        self._turn = asyncio.Lock()
        self._sequence = 0

    async def sockets(self, *, processes: bool) -> list[tuple[Socket, Process | None]]:
        """All TCP and UDP sockets, with `processes` those who hold them."""
        if self._diag < 0:
            return []
        async with self._turn:  # there is one netlink socket
            return await asyncio.to_thread(self._look, processes)

    async def holders(self, wanted: Collection[Pair]) -> dict[Pair, Process]:
        """Who holds which of these."""
        if self._diag < 0 or not wanted:
            return {}
        async with self._turn:
            return await asyncio.to_thread(self._look_for, wanted)

    def _look(self, processes: bool) -> list[tuple[Socket, Process | None]]:
        with socket.socket(fileno=os.dup(self._diag)) as diag:
            sockets = [each for kind in _KINDS for each in self._dump(diag, *kind)]
        found = self._descriptors.find({each.inode for each in sockets if each.inode}) if processes else {}
        return [(each, found.get(each.inode)) for each in sockets]

    def _look_for(self, wanted: Collection[Pair]) -> dict[Pair, Process]:
        with socket.socket(fileno=os.dup(self._diag)) as diag:
            inodes = {pair: self._inode(diag, pair) for pair in wanted}
        found = self._descriptors.find(set(inodes.values()) - {0})
        return {pair: found[inode] for pair, inode in inodes.items() if inode in found}

    def _inode(self, diag: socket.socket, pair: Pair) -> int:
        self._sequence += 1
        return inode_of(diag, pair, self._sequence)

    def _dump(self, diag: socket.socket, family: int, protocol: int) -> Iterator[Socket]:
        self._sequence += 1
        diag.sendall(inetdiag.request(family, protocol, self._sequence))
        while True:
            for each in inetdiag.read(diag.recv(_READ), protocol, self._sequence):
                if each is None:
                    return
                yield each


def inode_of(diag: socket.socket, pair: Pair, sequence: int) -> int:
    """Ask for the socket of one flow; 0 where there is none, or none any more. `sequence`: another for each question."""
    try:
        diag.sendall(inetdiag.request_one(*pair, sequence))
        for found in inetdiag.read(diag.recv(_READ), pair[0], sequence):
            return found.inode if found is not None else 0
    except (OSError, ParseError):
        return 0  # ENOENT, as a rule
    return 0


def is_listener(each: Socket) -> bool:
    """Does it wait for whoever comes?"""
    return each.state == (inetdiag.LISTEN if each.protocol == inetdiag.TCP else inetdiag.CLOSE) and bool(each.local_port)


def pairs(found: list[tuple[Socket, Process | None]]) -> Mapping[Pair, Process]:
    """By socket pair; an unconnected UDP socket by its own end alone, the rest zeros."""
    held = {}
    for each, process in found:
        if process is not None:
            held[each.protocol, each.local, each.local_port, each.remote, each.remote_port] = process
    return held

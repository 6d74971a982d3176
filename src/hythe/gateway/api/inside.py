"""Whose sockets are those inside: the kernel of the command's namespace tells of sockets, /proc of who holds them.

Only when somebody asks: it takes milliseconds, which is why it happens in a thread of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Final

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
        self._keeper = keeper
        self._turn = asyncio.Lock()
        self._sequence = 0

    async def sockets(self, *, processes: bool) -> list[tuple[Socket, Process | None]]:
        """All TCP and UDP sockets, with `processes` those who hold them."""
        if self._diag < 0:
            return []
        async with self._turn:  # there is one netlink socket
            return await asyncio.to_thread(self._look, processes)

    def _look(self, processes: bool) -> list[tuple[Socket, Process | None]]:
        found = holders(self._keeper) if processes else {}
        with socket.socket(fileno=os.dup(self._diag)) as diag:
            return [(each, found.get(each.inode)) for kind in _KINDS for each in self._dump(diag, *kind)]

    def _dump(self, diag: socket.socket, family: int, protocol: int) -> Iterator[Socket]:
        self._sequence += 1
        diag.sendall(inetdiag.request(family, protocol, self._sequence))
        while True:
            for each in inetdiag.read(diag.recv(_READ), protocol, self._sequence):
                if each is None:
                    return
                yield each


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


def holders(keeper: int) -> dict[int, Process]:
    """The processes of the keeper's network namespace that hold sockets, by the socket's inode."""
    namespace = os.stat(f"/proc/{keeper}/ns/net").st_ino
    found: dict[int, Process] = {}
    for pid in _family(keeper):
        try:
            if os.stat(f"/proc/{pid}/ns/net").st_ino == namespace:
                found |= sockets_of(pid)
        except OSError:
            continue  # it has ended meanwhile, or is none of ours
    return found


def _family(keeper: int) -> list[int]:
    """The keeper's descendants: all that can be in its namespaces, and far fewer than there are processes."""
    found, parents = [], [keeper]
    while parents:
        pid = parents.pop()
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
            children = [int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()]
        except ProcessLookupError:
            continue
        except FileNotFoundError:
            if pid == keeper:  # a kernel without CONFIG_PROC_CHILDREN
                return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal() and int(entry) != keeper]
            continue  # it has ended meanwhile
        found += children
        parents += children
    return found


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def sockets_of(pid: int) -> dict[int, Process]:
    """The sockets that one process holds, by inode. Raises OSError where it is gone, or none of ours."""
    folder = f"/proc/{pid}/fd"
    program = _read(f"/proc/{pid}/comm").rstrip("\n")
    user = os.stat(f"/proc/{pid}").st_uid
    found = {}
    for descriptor in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{descriptor}")
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            found[int(target[8:-1])] = Process(pid, program, user, int(descriptor))
    return found

"""Connections of ours that come to a port of ours: one that would go round for ever is not made.

Each is known by its own end, which is the client's there. So whose it is can be followed back through any number of mapped
ports, by whatever names and addresses they lead to each other. Who accepts may be quicker than who has connected, so whoever
goes to a port of ours lets the loop turn some times first. Datagrams are not led to ports of ours at all.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hythe.proxy.clients import Client, Flow, end_of
from hythe.via.patterns import endpoint

if TYPE_CHECKING:
    from hythe.proxy.server import Entry

#: Turns of the loop from a connection's being there until its task has heard of it, with some to spare.
_TURNS: Final = 6


class Circles:
    """`ports`: those that the entries that it is told of listen at, each perhaps at some address only."""

    def __init__(self) -> None:
        self._entries: Sequence[Entry] = ()
        self.ports: frozenset[int] = frozenset()
        self._led: dict[tuple[str, int], Flow] = {}

    def use(self, entries: Sequence[Entry]) -> None:
        """These are ours from now on."""
        self._entries = entries
        self.ports = frozenset(one.getsockname()[1] for each in entries for one in each.sockets)

    async def wait(self) -> None:
        """Before a client is led to one of `ports`."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def check(self, client: Client, host: str, port: int) -> None:
        """OSError (EACCES) where an address and port are those of an entry that a client has come through."""
        if port not in self.ports:
            return
        if client.entry.listen.udp:
            if any(each.listen.udp and each.is_at(host, port) for each in self._entries):
                raise PermissionError(errno.EACCES, f"{endpoint(host, port)} is a port of this proxy itself")
            return
        while not client.entry.is_at(host, port):
            before = self._led.get(client.came_from)
            if before is None:
                return
            client = before.client
        entry = client.entry
        raise PermissionError(errno.EACCES, f"{endpoint(host, port)} leads in a circle, back to {entry.kind} {entry.text}")

    def led(self, flow: Flow, far: socket.socket) -> None:
        """A connection to one of `ports` has been made."""
        flow.led = end_of(far.getsockname())
        self._led[flow.led] = flow

    def forget(self, led: tuple[str, int]) -> None:
        """It has ended."""
        self._led.pop(led, None)

"""Resolvers of ``--dns`` behind a way: asked over TCP (RFC 7766), since ways carry streams.

The services that answer the command know a resolver as something that opens a connected socket. Here that is one end of a
socket pair, and the other is joined to a stream of the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from typing import Any, Final

from hythe.gateway.names.resolvers import Resolver
from hythe.via.base import Way
from hythe.via.direct import Direct
from hythe.via.splice import splice
from hythe.wire.resolvconf import Server

_LENGTH: Final = struct.Struct(">H")
_MESSAGE: Final = 65_535


class Errands:
    """Makes resolvers, and goes their errands until `close`."""

    __slots__ = ("_tasks", "way")

    def __init__(self, way: Way) -> None:
        self.way = way
        self._tasks: set[asyncio.Task[Any]] = set()

    def resolver(self, server: Server) -> Resolver:
        """One that is asked by the way that leads to it."""
        return Resolver(server) if isinstance(self.way.choose(*server), Direct) else _WayResolver(server, self)

    def go(self, errand: Coroutine[Any, Any, Any]) -> None:
        """Have it done."""
        task = asyncio.get_running_loop().create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """No more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _WayResolver(Resolver):
    """As `Resolver`."""

    __slots__ = ("_errands", "_server")

    def __init__(self, server: Server, errands: Errands) -> None:
        super().__init__(server)
        self._server = server
        self._errands = errands

    def open(self, kind: socket.SocketKind) -> socket.socket:
        """As `Resolver.open`; messages keep their bounds, and the end is seen."""
        datagrams = kind == socket.SOCK_DGRAM
        pair_kind = socket.SOCK_SEQPACKET if datagrams else socket.SOCK_STREAM
        ours, theirs = socket.socketpair(socket.AF_UNIX, pair_kind | socket.SOCK_NONBLOCK)
        self._errands.go(self._ask(theirs) if datagrams else self._join(theirs))
        return ours

    async def _join(self, theirs: socket.socket) -> None:
        with theirs, contextlib.suppress(OSError):  # who asked sees the end
            await splice(theirs, await self._errands.way.open(*self._server))

    async def _ask(self, theirs: socket.socket) -> None:
        """One message after another, each asked for at once and answered in turn."""
        loop = asyncio.get_running_loop()
        with theirs, contextlib.suppress(OSError, asyncio.IncompleteReadError):
            question = await loop.sock_recv(theirs, _MESSAGE)
            reader, writer = await asyncio.open_connection(sock=await self._errands.way.open(*self._server))
            try:
                while question:
                    writer.write(_LENGTH.pack(len(question)) + question)
                    (size,) = _LENGTH.unpack(await reader.readexactly(2))
                    await loop.sock_sendall(theirs, await reader.readexactly(size))
                    question = await loop.sock_recv(theirs, _MESSAGE)
            finally:
                writer.transport.abort()

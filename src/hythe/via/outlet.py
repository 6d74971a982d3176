"""A way as what a SOCKS server hands its requests to (`hythe.tunnel.socks.listening.Outlet`)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from hythe.tunnel.socks.listening import Receive
from hythe.tunnel.socks.messages import UNKNOWN, Bound, Request
from hythe.via.base import Broken, Datagrams, Listening, Way
from hythe.via.splice import join


class WayOutlet:
    """Everything goes by one way, which may be one with rules."""

    __slots__ = ("_way",)

    def __init__(self, way: Way) -> None:
        self._way = way

    async def connect(self, request: Request, client: socket.socket, opened: Callable[[Bound], bytes]) -> None:
        """As `Outlet.connect`."""
        await self._way.carry(client, request.host, request.port, opened=lambda far: opened(bound_of(far)))

    async def bind(
        self,
        request: Request,
        client: socket.socket,
        listening: Callable[[Bound], Awaitable[None]],
        opened: Callable[[Bound], bytes],
    ) -> None:
        """As `Outlet.bind`. Who waits for nothing any more is told by nothing: the client's end ends the waiting."""
        door = await self._way.listen(request.host)
        try:
            await listening(Bound(*door.address))
            found = await awaited(door, client)
        finally:
            door.close()
        if found is not None:
            far, peer = found
            await join(client, far, opened(Bound(*peer)))

    async def datagrams(self, request: Request, receive: Receive, broken: Broken) -> Datagrams:
        """As `Outlet.datagrams`."""
        return await self._way.datagrams(receive, broken)


async def awaited(door: Listening, client: socket.socket) -> tuple[socket.socket, tuple[str, int]] | None:
    """Who comes to `door`, and whose it is; None when the client has gone before."""
    accepting = asyncio.ensure_future(door.accept())
    leaving = asyncio.ensure_future(_left(client))
    try:
        await asyncio.wait([accepting, leaving], return_when=asyncio.FIRST_COMPLETED)
        return accepting.result() if accepting.done() else None
    finally:
        accepting.cancel()
        leaving.cancel()
        await asyncio.wait([accepting, leaving])


async def _left(client: socket.socket) -> None:
    """Until the client has something to read, which can only be its end: it may not speak before it is connected."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(client, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(client)


def bound_of(far: socket.socket | None) -> Bound:
    """The address used at the far end, where there is one to tell."""
    if far is None or far.family not in (socket.AF_INET, socket.AF_INET6):
        return UNKNOWN
    return Bound(*far.getsockname()[:2])

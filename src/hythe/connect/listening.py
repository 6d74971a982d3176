"""The other way round: wait for the far side to open the conversation."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Callable, Sequence

from hythe.connect.carriers import Datagrams, Stream
from hythe.errors import MachineError
from hythe.serve.grounds import DatagramFactory, Factory, Ground, Place


async def accepted(ground: Ground, tls: ssl.SSLContext | None, said: Callable[[], object]) -> Stream:
    """The first client that comes; nobody else is let in. `said`: called once it may come."""
    came: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if came.done():
            writer.close()
        else:
            came.set_result(Stream(reader, writer))

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), connected)

    servers = await ground.streams(protocol, tls)
    said()
    try:
        return await came
    finally:
        for server in servers:
            server.close()


async def accepted_datagrams(ground: Ground, said: Callable[[], object]) -> Datagrams:
    """An endpoint that speaks with whoever speaks first. The ground has one place."""
    endpoint = Datagrams()
    await ground.datagrams(lambda: endpoint)
    said()
    return endpoint


class UnixGround:
    """A Unix socket at a path, ``@name`` in the abstract namespace."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.places: Sequence[Place] = ()

    async def streams(self, factory: Factory, tls: ssl.SSLContext | None = None) -> Sequence[asyncio.AbstractServer]:
        """Serve stream clients. Raises `MachineError`."""
        place = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        try:
            return [await asyncio.get_running_loop().create_unix_server(factory, place, ssl=tls)]
        except OSError as error:
            raise MachineError(
                f"{self._path} cannot be listened on ({os.strerror(error.errno or 0)}): name another path"
            ) from error

    async def datagrams(self, factory: DatagramFactory) -> None:
        """There are none here."""
        raise MachineError("Unix sockets are streams here: leave --udp out")


@contextlib.asynccontextmanager
async def unix_ground(path: str) -> AsyncIterator[Ground]:
    """The socket goes with its listener. Raises `MachineError` where something has that path already."""
    if os.path.lexists(path):
        raise MachineError(f"{path} is there already: remove it, or name another path")
    try:
        yield UnixGround(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

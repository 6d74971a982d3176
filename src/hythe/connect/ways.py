"""What ``--via`` leads to as a net: streams, Unix sockets and datagrams of the far end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from hythe.connect.carriers import Datagrams, Stream
from hythe.errors import MachineError
from hythe.via.base import Way
from hythe.via.make import make_all
from hythe.via.patterns import endpoint
from hythe.via.spec import parse_all
from hythe.via.stack import WayStack


class WayNet:
    """The verbs of a way. What fails on it is told in its own words, by `MachineError`."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._stack = WayStack(way)

    async def open_connection(
        self, host: str, port: int, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`."""
        options.pop("happy_eyeballs_delay", None)  # the far end's affair
        tls = options.get("ssl")
        with _told(endpoint(host, port)):
            stream = await self._way.open(host, port)
        return await asyncio.open_connection(sock=stream, server_hostname=host if tls else None, **options)

    async def unix(self, path: str) -> Stream:
        """A Unix socket of the far end."""
        with _told(path):
            stream = await self._way.open_unix(path)
        return Stream(*await asyncio.open_connection(sock=stream))

    async def datagrams(self, host: str, port: int) -> Datagrams:
        """A connected endpoint."""
        with _told(endpoint(host, port)):
            _, made = await self._stack.create_datagram_endpoint(Datagrams, remote_addr=(host, port))
        found: Datagrams = made
        return found


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except socket.gaierror:
        raise  # which has a sentence of its own
    except OSError as error:
        raise MachineError(f"{what}: {error.strerror or error}") from error


@contextlib.asynccontextmanager
async def way_net(texts: Sequence[str]) -> AsyncIterator[WayNet]:
    """Made for one conversation. Raises `UsageError`, `MachineError`."""
    way = make_all(parse_all(texts))
    try:
        yield WayNet(way)
    finally:
        await way.close()

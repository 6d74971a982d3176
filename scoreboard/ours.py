"""One end of the wire on hythe: a `hythe.Host` on asyncio, as programs use it.

Its link is a socket that keeps packets apart, where the kernel's end has a TUN device: the same framing, super-segments
and all, a system call a packet.
"""

from __future__ import annotations

import asyncio
import socket
from time import monotonic_ns
from typing import TYPE_CHECKING

from hythe.aio.host import Host
from hythe.link.tun import Tun
from hythe.units import SECOND
from scoreboard.cells import MTU
from scoreboard.settings import BLOCK, CLIENT, PORT, SERVER, settings

if TYPE_CHECKING:
    from scoreboard.cells import Cell


class Source(asyncio.Protocol):
    """Keeps something to send."""

    _block = bytes(BLOCK)

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._fill()

    def pause_writing(self) -> None:
        """There is enough."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._fill()

    def _fill(self) -> None:
        while not self._paused:
            self._transport.write(self._block)


class Sink(asyncio.Protocol):
    """Counts."""

    def __init__(self) -> None:
        self.received = 0

    def data_received(self, data: bytes) -> None:
        """Forget it."""
        self.received += len(data)


def send(cell: Cell, start: int, end: int, paced: bool, wire: socket.socket) -> int:
    """As `scoreboard.linux.send`, through `wire`."""
    return asyncio.run(_send(cell, start, end, paced, wire))


async def _send(cell: Cell, start: int, end: int, paced: bool, wire: socket.socket) -> int:
    async with Host(f"{CLIENT}/24", link=Tun(wire.detach(), MTU), config=settings(paced)) as host:
        await _until(start)
        opening = [asyncio.ensure_future(host.create_connection(Source, SERVER, PORT)) for _ in range(cell.flows)]
        await _until(end)
        for each in opening:
            each.cancel()
        made = [each for each in await asyncio.gather(*opening, return_exceptions=True) if isinstance(each, tuple)]
        resent: int = sum(transport.get_extra_info("connection").info().retransmits for transport, _ in made)
        for transport, _ in made:
            transport.abort()
    return resent


def receive(cell: Cell, end: int, wire: socket.socket) -> list[int]:
    """As `scoreboard.linux.receive`, through `wire`."""
    return asyncio.run(_receive(cell, end, wire))


async def _receive(cell: Cell, end: int, wire: socket.socket) -> list[int]:
    sinks: list[Sink] = []

    def sink() -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    async with Host(f"{SERVER}/24", link=Tun(wire.detach(), MTU), config=settings(False)) as host:
        await host.create_server(sink, port=PORT)
        await _until(end)
        received = [each.received for each in sinks]
    return [*received, *[0] * (cell.flows - len(received))]


async def _until(moment: int) -> None:
    while (left := moment - monotonic_ns()) > 0:
        await asyncio.sleep(left / SECOND)

"""FTP's data connections through a mapped port: each is a connection of its client's, as the channel is."""

from __future__ import annotations

import asyncio
import socket

from hythe.proxy.clients import Client, Flow
from hythe.proxy.passage import Passage
from hythe.via.base import Listening, Opened, Tally, Way
from hythe.via.patterns import endpoint
from hythe.via.splice import join


class DataWay(Way):
    """By `way`, which the channel went by, and which may go to the server's other ports."""

    def __init__(self, passage: Passage, channel: Flow, way: Way) -> None:
        self.name = way.name
        self._passage = passage
        self._channel = channel
        self._way = way

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`."""
        return await self._way.open(host, port)

    async def carry(
        self, client: socket.socket, host: str, port: int, *, opened: Opened | None = None, tally: Tally | None = None
    ) -> OSError | None:
        """As `Way.carry`: limited, counted and told of."""
        task = asyncio.current_task()
        assert task is not None
        whose = Client(self._channel.client.entry, client, client.getpeername(), task.cancel)
        with self._passage.flow(whose, host, port, f"-> {endpoint(host, port)} (data)") as flow:
            far = await self._way.open(host, port)
            self._channel.others += 1
            try:
                self._passage.reached(flow, far)
                error = await join(client, far, opened(far) if opened is not None else b"", flow.tally)
            finally:
                self._channel.others -= 1
                far.close()
            if error is not None:
                flow.fail(error)
            return error

    async def listen(self, peer: str) -> Listening:
        """As `Way.listen`."""
        return await self._way.listen(peer)

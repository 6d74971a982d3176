"""A mapped TCP port: whoever connects is led to one of its destinations, and notices nothing of it.

Nothing is sent to a client before its destination has been reached; where none can be, the client is reset, as if its own
connection had been refused late. Half-close, back-pressure and resets pass from end to end (`hythe.via.splice`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from hythe.proxy.balance import Balance, Target
from hythe.proxy.clients import Client, Flow
from hythe.proxy.config import MapConfig
from hythe.proxy.kinds import Destination, destination
from hythe.proxy.passage import Passage
from hythe.units import SECOND

if TYPE_CHECKING:
    from hythe.via.base import Way

_RESET: Final = struct.pack("ii", 1, 0)


class Mapping:
    """`way`: by which destinations are checked, too."""

    def __init__(self, config: MapConfig, passage: Passage, way: Way) -> None:
        self._passage = passage
        self._way = way
        self._config = config
        self.balance = Balance([destination(each) for each in config.to], config.balance, passage.clock)
        #: Carries a connection to its end; one that follows a protocol may stand here.
        self.carry: Callable[[Flow, socket.socket], Awaitable[None]] = passage.join
        self._checking: asyncio.Task[None] | None = None
        if config.check:
            self._checking = asyncio.get_running_loop().create_task(self.balance.check(config.check, self._reach))

    async def speak(self, client: Client, greeted: Callable[[], object]) -> None:
        """Serve a client."""
        greeted()  # there is nothing that it has to say first
        first = self.balance.targets[0].destination
        try:
            with self._passage.flow(client, first.host, first.port, f"-> {first}") as flow:
                target, far = await self._open(flow)
                target.connections += 1
                try:
                    await self.carry(flow, far)
                finally:
                    target.connections -= 1
        except OSError:  # the log has told of it
            if client.stream.fileno() >= 0:
                client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    async def _open(self, flow: Flow) -> tuple[Target, socket.socket]:
        """Try one after the other. OSError of the last."""
        tried: list[Target] = []
        while True:
            target = self.balance.choose(tried)
            assert target is not None
            to = target.destination
            flow.what = f"-> {to}"
            flow.record.far = (to.host, to.port)
            try:
                return target, await self._passage.open(flow, to.host, to.port, mapped=True)
            except PermissionError:
                raise
            except OSError:
                self.balance.failed(target)
                tried.append(target)
                if len(tried) == len(self.balance.targets):
                    raise

    async def _reach(self, to: Destination) -> bool:
        try:
            async with asyncio.timeout(self._config.connect / SECOND):
                (await self._way.open(to.host, to.port)).close()
        except OSError:
            return False
        return True

    async def close(self) -> None:
        """Check no more."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])

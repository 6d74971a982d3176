"""A negotiation as steps: what to send, and how many bytes to read before the next; nothing is read beyond its end.

The negotiation is a generator, so that it knows no sockets, and the bytes behind it stay in the socket for whoever comes
next.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Generator
from typing import Generic, NamedTuple, TypeVar

from hythe.aio.readiness import send_at_once

T = TypeVar("T")


class Step(NamedTuple):
    """Send `data`, then read `need` bytes exactly."""

    data: bytes
    need: int


#: Yields steps, is sent what was read, and returns what came of it.
Steps = Generator[Step, bytes, T]


class Exchange(Generic[T]):
    """The same as `exchange`, for a side that is spoken to first, and for whoever watches the socket himself."""

    __slots__ = ("_data", "_step", "_steps")

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self._step = next(steps)
        self._data = b""

    def go_on(self, stream: socket.socket) -> T | None:
        """Whenever there is something to read: what came of it all, or None while more is to come. Raises as `exchange`."""
        while True:
            need = self._step.need - len(self._data)
            try:
                more = stream.recv(need)
            except BlockingIOError:
                return None
            if not more:
                raise _ended()
            self._data += more
            if len(more) < need:
                return None
            try:
                said = self._answered(stream)
            except StopIteration as end:
                result: T = end.value
                return result
            if said:
                return None  # nobody can have answered to that yet

    def _answered(self, stream: socket.socket) -> bool:
        """To the next step for which something is to be read; whether anything has been sent before it."""
        self._step, self._data, said = self._steps.send(self._data), b"", False
        while True:
            if self._step.data:
                send_at_once(stream, self._step.data)
                said = True
            if self._step.need:
                return said
            self._step = self._steps.send(b"")


async def exchange(stream: socket.socket, steps: Steps[T]) -> T:
    """Run `steps` on a connected non-blocking socket.

    Raises what the steps raise, and OSError; ConnectionResetError where the far side ends in the middle.
    """
    loop = asyncio.get_running_loop()
    step = next(steps)
    while True:
        if step.data:
            await loop.sock_sendall(stream, step.data)
        try:
            step = steps.send(await _read(loop, stream, step.need) if step.need else b"")
        except StopIteration as end:
            result: T = end.value
            return result


async def _read(loop: asyncio.AbstractEventLoop, stream: socket.socket, need: int) -> bytes:
    data = b""
    while len(data) < need:
        more = await loop.sock_recv(stream, need - len(data))
        if not more:
            raise _ended()
        data += more
    return data


def _ended() -> OSError:
    return OSError(errno.ECONNRESET, "the connection ended in the middle of the negotiation")

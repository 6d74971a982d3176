"""A negotiation as steps: what to send, and how many bytes to read before the next; nothing is read beyond its end.

The negotiation is a generator, so that it knows no sockets, and the bytes behind it stay in the socket for whoever comes
next.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Generator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Step(NamedTuple):
    """Send `data`, then read `need` bytes exactly."""

    data: bytes
    need: int


#: Yields steps, is sent what was read, and returns what came of it.
Steps = Generator[Step, bytes, T]


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
            raise OSError(errno.ECONNRESET, "the connection ended in the middle of the negotiation")
        data += more
    return data

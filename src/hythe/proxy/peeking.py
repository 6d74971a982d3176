"""Look at how a connection begins, and leave it in the kernel for whoever reads it next.

The kernel is told to report the socket readable only once there is as much as it takes (SO_RCVLOWAT, which Linux heeds for
TCP), so that nobody keeps us busy by sending byte after byte.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TypeVar

from hythe.errors import ParseError
from hythe.units import SECOND

T = TypeVar("T")


async def peek(stream: socket.socket, read: Callable[[bytes], T | int], most: int, wait: int) -> T:
    """What `read` makes of the first bytes, within `wait` nanoseconds: of as many as it says that it takes, up to `most`.

    OSError: it ends before, takes too long, or is nothing that `read` knows (EPROTO). `stream` is a TCP socket.
    """
    seen = 0
    try:
        async with asyncio.timeout(wait / SECOND):
            while True:
                await _readable(stream)
                data = stream.recv(most, socket.MSG_PEEK)
                if len(data) <= seen:
                    raise OSError(errno.ECONNRESET, "it ended in the middle of its beginning")
                found = read(data)
                if not isinstance(found, int):
                    return found
                if found > most:
                    raise OSError(errno.EPROTO, f"its beginning has more than {most} bytes")
                seen = len(data)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, found)
    except ParseError as error:
        raise OSError(errno.EPROTO, str(error)) from error
    except TimeoutError as error:
        raise OSError(errno.ETIMEDOUT, "it does not say how it begins") from error
    finally:
        if stream.fileno() >= 0:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def _readable(stream: socket.socket) -> None:
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(stream, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(stream)

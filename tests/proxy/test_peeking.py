"""The beginning of a connection, looked at and left where it is."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from hythe.errors import ParseError
from hythe.proxy.peeking import peek
from hythe.units import MILLISECOND, SECOND


def connected(use: Callable[[socket.socket, socket.socket], Awaitable[None]]) -> None:
    """Do something with the two ends of a TCP connection."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as far:
            near, _ = listener.accept()
            near.setblocking(False)
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with near:
                async with asyncio.timeout(10):
                    await use(near, far)

    asyncio.run(main())


def ten(data: bytes) -> bytes | int:
    """Ten bytes."""
    return data[:10] if len(data) >= 10 else 10


def failing(said: bytes, *, end: bool = False, reset: bool = False, most: int = 100, read: object = ten) -> OSError:
    found: list[OSError] = []

    async def use(near: socket.socket, far: socket.socket) -> None:
        far.sendall(said)
        if reset:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            far.close()
        elif end:
            far.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError) as caught:
            await peek(near, read, most, 200 * MILLISECOND)  # type: ignore[arg-type]
        found.append(caught.value)

    connected(use)
    return found[0]


def test_nothing_is_taken_and_little_is_looked_at() -> None:
    looks: list[int] = []

    def read(data: bytes) -> bytes | int:
        looks.append(len(data))
        return ten(data)

    async def use(near: socket.socket, far: socket.socket) -> None:
        looking = asyncio.ensure_future(peek(near, read, 100, 10 * SECOND))
        for byte in b"0123456789rest":
            far.sendall(bytes((byte,)))
            await asyncio.sleep(0)
        assert await looking == b"0123456789"
        assert await asyncio.get_running_loop().sock_recv(near, 100) == b"0123456789rest"
        far.sendall(b"x")
        assert await asyncio.get_running_loop().sock_recv(near, 100) == b"x", "and one byte is heard again"

    connected(use)
    assert len(looks) <= 2


def test_what_ends_before() -> None:
    assert failing(b"01234", end=True).errno == errno.ECONNRESET
    assert failing(b"", end=True).errno == errno.ECONNRESET
    assert failing(b"01234", reset=True).errno == errno.ECONNRESET


def test_what_does_not_come() -> None:
    assert failing(b"").errno == errno.ETIMEDOUT
    assert failing(b"01234").errno == errno.ETIMEDOUT


def test_what_takes_too_much() -> None:
    assert failing(b"01234", most=9).errno == errno.EPROTO


def test_what_is_none() -> None:
    def read(data: bytes) -> int:
        raise ParseError("no such thing")

    error = failing(b"0", read=read)
    assert (error.errno, error.strerror) == (errno.EPROTO, "no such thing")

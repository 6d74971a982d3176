"""Socket pairs: what becomes of one end is noticed at the other."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import pytest

from hythe.via.pairs import Given, Pairs


def pumped(use: Callable[[socket.socket, asyncio.Future[bool]], Awaitable[None]]) -> None:
    """Do something with an end whose stream breaks as soon as it has read a byte, or an end."""

    async def up(theirs: socket.socket) -> None:
        await asyncio.get_running_loop().sock_recv(theirs, 1)
        raise ConnectionResetError

    async def down(theirs: socket.socket) -> None:
        await asyncio.get_running_loop().sock_sendall(theirs, b"half")
        await asyncio.Event().wait()

    async def main() -> None:
        pairs = Pairs()
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        given = pairs.make(up, down, ended.set_result)
        async with asyncio.timeout(20):
            await use(given, ended)
        await pairs.close()

    asyncio.run(main())


def test_an_end_that_is_closed_is_noticed() -> None:
    async def use(given: socket.socket, ended: asyncio.Future[bool]) -> None:
        given.close()
        assert not await ended

    pumped(use)


def test_a_break_is_a_reset_behind_what_has_come() -> None:
    async def use(given: socket.socket, ended: asyncio.Future[bool]) -> None:
        loop = asyncio.get_running_loop()
        given.send(b"x")
        assert not await ended
        assert await loop.sock_recv(given, 100) == b"half"
        with pytest.raises(ConnectionResetError):
            await loop.sock_recv(given, 100)
        given.close()

    pumped(use)


def test_a_descriptor_that_is_another_file_s_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe2(os.O_NONBLOCK)
    with theirs:
        given = Given(ours)
        fd = ours.fileno()
        ours.close()
        os.dup2(writing, fd)
        given.spoil()
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)
        for each in (reading, writing, fd):
            os.close(each)

"""Clients accepted: the silent ones make room, those who were served stay until they end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from hythe.tunnel.accepting import Acceptor


async def echo(client: socket.socket, greeted: Callable[[], object]) -> None:
    """Say back what is said, once something is."""
    loop = asyncio.get_running_loop()
    with client:
        while data := await loop.sock_recv(client, 100):
            greeted()
            await loop.sock_sendall(client, data)


async def call(acceptor: Acceptor, first: bytes = b"") -> socket.socket:
    stream = socket.socket()
    stream.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(stream, acceptor.listeners[0].getsockname())
    if first:
        await loop.sock_sendall(stream, first)
        assert await loop.sock_recv(stream, 100) == first
    return stream


async def closed(stream: socket.socket) -> bool:
    with stream:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(stream, 1), 5) == b""


def acceptor(*, clients: int, greeting: int) -> Acceptor:
    made = Acceptor(echo, "a test", clients=clients, greeting=greeting)
    made.listen(socket.create_server(("127.0.0.1", 0), backlog=64))
    return made


def test_the_silent_make_room_and_the_served_stay() -> None:
    async def main() -> None:
        door = acceptor(clients=20, greeting=3)
        served = await call(door, b"hello")
        silent = [await call(door) for _ in range(5)]
        assert [await closed(each) for each in silent[:2]] == [True, True]
        assert door.counts["pushed out"] == 2
        assert door.clients == 4
        door.stop()
        assert [await closed(each) for each in silent[2:]] == [True, True, True]
        assert not await door.settle(0.01)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(served, b"still")
        assert await loop.sock_recv(served, 100) == b"still"
        served.close()
        assert await door.settle(5)

    asyncio.run(main())


def test_nobody_is_let_in_where_all_places_are_taken() -> None:
    async def main() -> None:
        door = acceptor(clients=1, greeting=3)
        served = await call(door, b"x")
        assert await closed(await call(door))
        assert door.counts["no room"] == 1
        await door.close()
        assert await closed(served)

    asyncio.run(main())

"""Two sockets joined: bytes, half-close, back-pressure and resets pass as if there were one."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from hythe.via.base import Tally, Way
from hythe.via.splice import splice


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two ends of a TCP connection over loopback, non-blocking."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    one.setblocking(False)
    other.setblocking(False)
    return one, other


def joined(test: Callable[[socket.socket, socket.socket, Tally], Awaitable[None]]) -> OSError | None:
    """Run `test` with the outer ends of two spliced connections; what `splice` returned."""

    async def main() -> OSError | None:
        (client, near), (far, server) = pair(), pair()
        tally = Tally()
        splicing = asyncio.ensure_future(splice(near, far, tally))
        with client, server:
            await test(client, server, tally)
        error = await asyncio.wait_for(splicing, 10)
        assert near.fileno() == far.fileno() == -1
        return error

    return asyncio.run(main())


async def read_all(stream: socket.socket) -> bytes:
    loop, parts = asyncio.get_running_loop(), []
    while part := await loop.sock_recv(stream, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def test_bulk_both_ways_at_once_arrives_whole(rng: random.Random) -> None:
    up, down = rng.randbytes(3_000_000), rng.randbytes(5_000_000)

    async def test(client: socket.socket, server: socket.socket, tally: Tally) -> None:
        async def say(stream: socket.socket, data: bytes) -> None:
            await asyncio.get_running_loop().sock_sendall(stream, data)
            stream.shutdown(socket.SHUT_WR)

        _, _, at_client, at_server = await asyncio.gather(
            say(client, up), say(server, down), read_all(client), read_all(server)
        )
        assert at_server == up
        assert at_client == down
        assert (tally.up, tally.down) == (len(up), len(down))

    assert joined(test) is None


def test_one_direction_ends_and_the_other_goes_on() -> None:
    async def test(client: socket.socket, server: socket.socket, tally: Tally) -> None:
        loop = asyncio.get_running_loop()
        client.shutdown(socket.SHUT_WR)
        assert await loop.sock_recv(server, 100) == b""
        for word in (b"still", b"here"):
            await loop.sock_sendall(server, word)
            assert await loop.sock_recv(client, 100) == word
        server.shutdown(socket.SHUT_WR)
        assert await loop.sock_recv(client, 100) == b""

    assert joined(test) is None


def test_who_does_not_read_stops_who_writes() -> None:
    async def test(client: socket.socket, server: socket.socket, tally: Tally) -> None:
        loop = asyncio.get_running_loop()
        data = bytes(100 << 20)
        writing = asyncio.ensure_future(loop.sock_sendall(client, data))
        done, _ = await asyncio.wait([writing], timeout=0.3)
        assert not done, "nobody reads, and it is taken all the same"
        reading = asyncio.ensure_future(read_all(server))
        await writing
        client.shutdown(socket.SHUT_WR)
        assert await reading == data
        server.shutdown(socket.SHUT_WR)
        assert await loop.sock_recv(client, 100) == b""

    assert joined(test) is None


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_reset_passes_on_as_a_reset(side: str) -> None:
    async def test(client: socket.socket, server: socket.socket, tally: Tally) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"half of a stor")
        assert await loop.sock_recv(server, 100) == b"half of a stor"
        breaking, other = (client, server) if side == "client" else (server, client)
        breaking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        breaking.close()
        with pytest.raises(ConnectionResetError):
            await loop.sock_recv(other, 100)

    assert isinstance(joined(test), ConnectionResetError)


def test_cancelled_it_resets_both() -> None:
    async def main() -> None:
        (client, near), (far, server) = pair(), pair()
        splicing = asyncio.ensure_future(splice(near, far))
        await asyncio.sleep(0)
        splicing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await splicing
        for each in (client, server):
            with each, pytest.raises(ConnectionResetError):
                await asyncio.get_running_loop().sock_recv(each, 100)

    asyncio.run(main())


class Prepared(Way):
    """Gives the socket it was given."""

    name = "prepared"

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream

    async def open(self, host: str, port: int) -> socket.socket:
        return self.stream


def test_carry_sends_what_opened_returns_first() -> None:
    async def main() -> None:
        (client, near), (far, server) = pair(), pair()
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(server, b" world")
        carrying = asyncio.ensure_future(Prepared(far).carry(near, "x", 1, opened=lambda stream: b"hello"))
        with client, server:
            server.shutdown(socket.SHUT_WR)
            assert await read_all(client) == b"hello world"
        assert await carrying is None

    asyncio.run(main())


def test_a_pace_is_kept_by_pauses_and_a_quota_by_a_reset() -> None:
    taken: list[int] = []

    def pace(count: int) -> float:
        taken.append(count)
        if sum(taken) > 100_000:
            raise OSError(errno.EDQUOT, "enough")
        return 0.001

    async def main() -> OSError | None:
        (client, near), (far, server) = pair(), pair()
        loop = asyncio.get_running_loop()
        tally = Tally(pace)
        splicing = asyncio.ensure_future(splice(near, far, tally))
        with client, server:
            await loop.sock_sendall(client, bytes(90_000))
            got = 0
            while got < 90_000:
                got += len(await loop.sock_recv(server, 1 << 20))
            assert max(taken) <= 16_384
            await loop.sock_sendall(server, bytes(50_000))
            error = await asyncio.wait_for(splicing, 10)
            with pytest.raises(ConnectionResetError):
                await read_all(server)
        return error

    error = asyncio.run(main())
    assert error is not None
    assert error.errno == errno.EDQUOT

"""Many clients, and bad ones: others are served throughout, and everything is given back."""

from __future__ import annotations

import asyncio
import random
import re
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hythe.units import GIB
from tests import needs
from tests.house.source import ROOT
from tests.proxy.commands import Proxy, running
from tests.proxy.running import OPEN

HEADS = [
    b"GET http://127.0.0.1:1/ HTTP/1.1\nHost: a\r\n\r\n",
    b"POST http://127.0.0.1:1/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\x16\x03\x01\x00\x05hello\r\n\r\n",
    b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    b"A" * 20_000,
]


def descriptors(proxy: Proxy) -> int:
    return sum(1 for _ in Path(f"/proc/{proxy.process.pid}/fd").iterdir())


def resident(proxy: Proxy) -> int:
    """Bytes of memory that it has."""
    return int(Path(f"/proc/{proxy.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4_096)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def call(port: int, first: bytes = b"") -> socket.socket:
    loop = asyncio.get_running_loop()
    stream = socket.socket()
    stream.setblocking(False)
    try:
        await loop.sock_connect(stream, ("127.0.0.1", port))
        await loop.sock_sendall(stream, first)
    except BaseException:
        stream.close()
        raise
    return stream


async def echoed(stream: socket.socket, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(stream, data)
    left = len(data)
    while left:
        got = await asyncio.wait_for(loop.sock_recv(stream, left), 60)
        assert got
        left -= len(got)


async def answer(port: int, request: bytes) -> bytes:
    """What is said to it, to the end; a reset is an end."""
    loop = asyncio.get_running_loop()
    got = b""
    with await call(port) as stream:
        try:
            await loop.sock_sendall(stream, request)
            stream.shutdown(socket.SHUT_WR)
            while part := await asyncio.wait_for(loop.sock_recv(stream, 65_536), 60):
                got += part
        except ConnectionError:
            return got
    return got


async def back_to(proxy: Proxy, before: int) -> None:
    async with asyncio.timeout(60):
        while descriptors(proxy) > before:
            await asyncio.sleep(0.02)


async def many(proxy: Proxy, port: int, count: int, active: int, data: bytes) -> int:
    """So many idle clients, of whom some are active; the memory that the proxy has then."""
    before = descriptors(proxy)
    room = asyncio.Semaphore(200)

    async def one() -> socket.socket:
        async with room:
            stream = await call(port)
            await echoed(stream, b"x")
            return stream

    streams = await asyncio.gather(*(one() for _ in range(count)))
    assert descriptors(proxy) >= before + 2 * count
    await asyncio.gather(*(echoed(each, data) for each in streams[:active]))
    used = resident(proxy)
    for each in streams:
        each.close()
    await back_to(proxy, before)
    return used


def with_many(count: int, active: int, data: bytes) -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def main() -> int:
        async with echo_server() as port:
            with running("--map", f"127.0.0.1:0=127.0.0.1:{port}", "--log", "/dev/null") as proxy:
                place = int(proxy.said(r"map 127\.0\.0\.1:(\d+)")[1])
                return await many(proxy, place, count, active, data)

    return asyncio.run(main())


def test_a_few_hundred_clients(rng: random.Random) -> None:
    assert with_many(300, 100, rng.randbytes(20_000)) < GIB // 4


@pytest.mark.slow
@pytest.mark.alone
def test_eight_thousand_clients_of_whom_a_thousand_are_active(rng: random.Random) -> None:
    assert with_many(8_000, 1_000, rng.randbytes(100_000)) < GIB


async def besieged(file: Path, malformed: int) -> None:
    async with echo_server() as port:
        file.write_text(
            f'[[map]]\nlisten = "127.0.0.1:0"\nto = "127.0.0.1:{port}"\n'
            f'[[http]]\nlisten = "127.0.0.1:0"\n[log]\nfile = "/dev/null"\n{OPEN}'
        )
        with running(str(file)) as proxy:
            mapped = int(proxy.said(r"map 127\.0\.0\.1:(\d+)")[1])
            http = int(proxy.said(r"http 127\.0\.0\.1:(\d+)")[1])
            served = await call(mapped)
            await echoed(served, b"x")
            before = descriptors(proxy)
            start = resident(proxy)
            tunnel = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: a\r\n\r\n".encode()

            slow = [await call(http, b"GET http://127.0.0.1/ HT") for _ in range(1_200)]  # 200 more than may be silent
            loop = asyncio.get_running_loop()
            deaf = await call(mapped)
            sending = asyncio.ensure_future(loop.sock_sendall(deaf, bytes(200 << 20)))  # what comes back is never read
            flood = asyncio.ensure_future(flooding(http, 500))
            room = asyncio.Semaphore(50)

            async def bad(number: int) -> None:
                async with room:
                    said = await answer(http, HEADS[number % len(HEADS)])
                    assert said == b"" or said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 414 ")), said

            for done in range(0, malformed, 1_000):
                await asyncio.gather(*(bad(number) for number in range(done, min(done + 1_000, malformed))))
                await echoed(served, b"still here")
                assert b" 200 " in await answer(http, tunnel + b"me too")
            await flood
            assert resident(proxy) - start < GIB // 4
            sending.cancel()
            for each in (*slow, deaf):
                each.close()
            await back_to(proxy, before)
            served.close()


async def flooding(port: int, count: int) -> None:
    """Clients that go as soon as they have come."""
    for _ in range(count):
        (await call(port)).close()


def test_bad_clients_keep_nobody_from_being_served(tmp_path: Path) -> None:
    asyncio.run(besieged(tmp_path / "p.toml", 1_000))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_a_hundred_thousand_malformed_requests(tmp_path: Path) -> None:
    asyncio.run(besieged(tmp_path / "p.toml", 100_000))


@pytest.mark.parametrize("count", [3_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_a_flood_of_those_who_never_finish_their_handshake(count: int) -> None:
    """The kernel keeps some of them, and answers the rest by SYN cookies; who does finish is served."""
    needs.root()
    words = [needs.program("unshare"), "--net", sys.executable, "-m", "tests.proxy.flooded", str(count)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    found = re.fullmatch(r"(\d+) served, (\d+) half open\n", said.stdout)
    assert found is not None, said.stderr
    assert int(found[1]) >= 20
    assert int(found[2]) > 0

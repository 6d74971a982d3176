"""The SOCKS server, asked by real clients and by bad ones."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import resource
import socket
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hythe.config import SocksConfig
from hythe.units import KIB, MILLISECOND
from hythe.via.make import make
from hythe.via.spec import parse
from hythe.wire import dns
from tests import needs
from tests.gateway.nameserver import PLAIN, NameServer
from tests.gateway.servers import Content, closed_port, echo, file_server, tcp_server
from tests.tunnel.socks.serving import Serving, serving

SIZE = 3_000_017


def curl(proxy: str, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    words = [needs.program("curl"), "-sS", "-m", "20", "--noproxy", "", "-x", proxy, *(options or ("-o", "/dev/null")), url]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, env=needs.clean_environment())


@contextmanager
def files(rng: random.Random) -> Iterator[tuple[int, Callable[[int], str]]]:
    content = Content(rng)
    with file_server(content) as port:
        yield port, content.sha256


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
def test_curl(tmp_path: Path, rng: random.Random, scheme: str) -> None:
    with serving() as proxy, files(rng) as (port, sha256):
        target = tmp_path / "got"
        said = curl(f"{scheme}://127.0.0.1:{proxy.port}", f"http://localhost:{port}/{SIZE}", "-4", "-o", str(target))
        assert said.returncode == 0, said.stderr
        got = subprocess.run(["sha256sum", target], capture_output=True, text=True, check=True).stdout.split()[0]
        assert got == sha256(SIZE)
        put = curl(f"{scheme}://127.0.0.1:{proxy.port}", f"http://127.0.0.1:{port}/", "-T", str(target))
        assert sha256(SIZE) in put.stdout, put.stderr


def test_curl_over_ipv6(rng: random.Random) -> None:
    with serving() as proxy, files(rng) as (port, _):
        said = curl(
            f"socks5://127.0.0.1:{proxy.port}", f"http://[::1]:{port}/1000", "-w", "%{size_download}", "-o", "/dev/null"
        )
        assert said.stdout == "1000", said.stderr


async def only_me(user: str, password: str) -> bool:
    return (user, password) == ("me", "sécret")


def test_curl_with_a_password(rng: random.Random) -> None:
    with serving(only_me) as proxy, files(rng) as (port, _):
        url, at = f"http://127.0.0.1:{port}/5", f"127.0.0.1:{proxy.port}"
        assert curl(f"socks5h://me:s%C3%A9cret@{at}", url).returncode == 0
        for wrong in (f"socks5h://me:wrong@{at}", f"socks5h://{at}", f"socks4a://me@{at}"):
            assert curl(wrong, url).returncode == 97, wrong
        asyncio.run(gone(proxy))
        assert proxy.server.counts["unwelcome"] == 3


def test_what_fails_is_told() -> None:
    with serving() as proxy:
        at = f"socks5h://127.0.0.1:{proxy.port}"
        refused = curl(at, f"http://127.0.0.1:{closed_port()}/")
        assert refused.returncode == 97
        assert "(5)" in refused.stderr
        assert "(4)" in curl(at, "http://no-such-name.invalid/").stderr


def by_way(text: str, main: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(make(parse(text))), 20))


def test_nc_half_closes() -> None:
    with serving() as proxy, tcp_server(echo) as port:
        words = [needs.program("nc"), "-N", "-X", "5", "-x", f"127.0.0.1:{proxy.port}", "127.0.0.1", str(port)]
        said = subprocess.run(words, input=b"hello\n" * 50_000, capture_output=True, timeout=20, check=True)
        assert said.stdout == b"hello\n" * 50_000, "nc half-closes, and hears the rest"


@pytest.mark.parametrize("scheme", ["socks5", "socks4a"])
def test_bind(scheme: str) -> None:
    async def main(way: Any) -> None:
        door = await way.listen("127.0.0.1")
        reader, writer = await asyncio.open_connection(*door.address)
        stream, peer = await door.accept()
        assert peer == writer.get_extra_info("sockname")
        writer.write(b"data")
        writer.write_eof()
        with stream:
            assert await asyncio.get_running_loop().sock_recv(stream, 100) == b"data"
        assert await reader.read() == b""
        writer.close()

    with serving() as proxy:
        by_way(f"{scheme}://127.0.0.1:{proxy.port}", main)


def test_a_bind_that_nobody_answers_ends_with_its_client() -> None:
    async def main(way: Any) -> None:
        door = await way.listen("127.0.0.1")
        door.close()
        await gone(proxy)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*door.address)

    with serving() as proxy:
        by_way(f"socks5://127.0.0.1:{proxy.port}", main)


async def gone(proxy: Serving) -> None:
    async with asyncio.timeout(10):
        while proxy.server.clients:
            await asyncio.sleep(0.01)


def test_names_asked_through_an_association() -> None:
    query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + dns.build_name((b"plain", b"test")) + b"\0\1\0\1"

    async def main(way: Any) -> None:
        came: asyncio.Queue[bytes] = asyncio.Queue()
        ended = asyncio.get_running_loop().create_future()
        path = await way.datagrams(lambda data, host, port: came.put_nowait(data), ended.set_result)
        with NameServer() as server:
            for host in ("127.0.0.1", "localhost"):
                path.send(query, host, server.port)
                answer = await came.get()
                assert answer[:2] == b"\x12\x34"
                assert answer.endswith(PLAIN)
        assert proxy.server.clients == 1
        path.close()
        await gone(proxy)
        assert not ended.done()

    with serving() as proxy:
        by_way(f"socks5://127.0.0.1:{proxy.port}", main)


def test_a_relay_hears_its_client_alone() -> None:
    """Neither another address nor another port of the client's may use an association."""

    async def main(way: Any) -> None:
        loop = asyncio.get_running_loop()
        came: asyncio.Queue[bytes] = asyncio.Queue()
        path = await way.datagrams(lambda data, host, port: came.put_nowait(data), lambda error: None)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief,
        ):
            far.bind(("127.0.0.1", 0))
            far.setblocking(False)
            path.send(b"mine", *far.getsockname())
            assert (await loop.sock_recvfrom(far, 100))[0] == b"mine"
            for source in ("127.0.0.1", "127.0.0.2"):
                with contextlib.suppress(OSError):
                    thief.bind((source, 0))
                thief.sendto(b"\0\0\0\1\x7f\0\0\1" + far.getsockname()[1].to_bytes(2, "big") + b"stolen", path._address)
            path.send(b"mine again", *far.getsockname())
            assert (await loop.sock_recvfrom(far, 100))[0] == b"mine again"
        path.close()

    with serving() as proxy:
        by_way(f"socks5://127.0.0.1:{proxy.port}", main)


def test_who_says_nothing_keeps_nobody_from_being_served(rng: random.Random) -> None:
    config = SocksConfig(greeting=10, handshake=60_000 * MILLISECOND)
    with serving(config=config) as proxy, files(rng) as (port, _), contextlib.ExitStack() as silent:
        for number in range(50):
            each = silent.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
            each.send(b"\5\1\0\5\1"[: number % 5])
        assert curl(f"socks5h://127.0.0.1:{proxy.port}", f"http://127.0.0.1:{port}/5").returncode == 0
        assert proxy.server.counts["pushed out"] >= 40
        assert proxy.server.clients <= 11


def test_a_request_may_take_so_long_in_all() -> None:
    with serving(config=SocksConfig(handshake=200 * MILLISECOND)) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as slow:
            slow.settimeout(5)
            slow.send(b"\5")
            assert slow.recv(1) == b"", "it is closed although it never quite stops talking"
        assert proxy.server.counts["late"] == 1


def test_malformed_requests_cost_nothing_that_stays(rng: random.Random) -> None:
    good = [b"\5\1\0\5\1\0\1\x7f\0\0\1\0\0", b"\4\1\0\0\x7f\0\0\1me\0", b"\4\1\0\0\0\0\0\1me\0x\0", b"\5\1\0\5\3\0\3\1a\0\1"]
    with serving() as proxy:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(1_500):
            data = bytearray(rng.choice(good))
            data[rng.randrange(len(data))] = rng.randrange(256)
            del data[rng.randrange(len(data)) + 1 :]
            with socket.create_connection(("127.0.0.1", proxy.port)) as bad:
                bad.sendall(data)
        asyncio.run(gone(proxy))
        assert proxy.server.counts["malformed"] > 500
        assert len(os.listdir("/proc/self/fd")) <= before + 2  # the loop's own while it waited for them to go


def test_many_at_once() -> None:
    async def main(way: Any) -> None:
        async def one(number: int) -> None:
            reader, writer = await asyncio.open_connection(sock=await way.open("127.0.0.1", port))
            writer.write(number.to_bytes(4, "big"))
            assert await reader.readexactly(4) == number.to_bytes(4, "big")
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*map(one, range(200)))
        await gone(proxy)

    with serving() as proxy, tcp_server(echo) as port:
        by_way(f"socks5://127.0.0.1:{proxy.port}", main)


@pytest.mark.slow
def test_thousands_of_idle_clients() -> None:
    """Each holds two descriptors and some KiB; others are served meanwhile."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def main(way: Any) -> None:
        limit = asyncio.Semaphore(100)

        async def one() -> socket.socket:
            async with limit:
                stream: socket.socket = await way.open(*silent.getsockname())
                return stream

        before = resident()
        idle = await asyncio.gather(*(one() for _ in range(4_000)))
        assert proxy.server.clients == 4_000
        assert (resident() - before) / 4_000 < 32 * KIB  # with the clients' own ends, which live in this process, too
        reader, writer = await asyncio.open_connection(sock=await way.open("127.0.0.1", port))
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        silent.close()  # which resets them
        await gone(proxy)
        for each in idle:
            each.close()

    # A server that never accepts: the kernel has connected them all the same.
    with serving() as proxy, tcp_server(echo) as port, socket.create_server(("127.0.0.1", 0), backlog=4_096) as silent:
        by_way(f"socks5://127.0.0.1:{proxy.port}", main)


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_command_that_is_none() -> None:
    with serving() as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(5)
        client.sendall(b"\5\1\0" + b"\5\x09\0\1\x7f\0\0\1\0\x50")
        assert client.recv(2) == b"\5\0"
        assert client.recv(100)[:2] == b"\5\7"
        assert client.recv(100) == b""


def test_no_more_associations_than_allowed() -> None:
    async def main(way: Any) -> None:
        path = await way.datagrams(lambda *each: None, lambda error: None)
        with pytest.raises(OSError) as caught:
            await way.datagrams(lambda *each: None, lambda error: None)
        assert caught.value.errno == errno.ECONNABORTED
        path.close()

    with serving(config=SocksConfig(associations=1)) as proxy:
        by_way(f"socks5://127.0.0.1:{proxy.port}", main)

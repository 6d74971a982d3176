"""The way by SOCKS, through real servers: microsocks, Dante, OpenSSH's -D."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

import pytest

from hythe.via.base import Way
from hythe.via.make import make
from hythe.via.spec import parse
from tests.gateway.servers import closed_port, tcp_server
from tests.via.proxies import danted, microsocks, ssh_dynamic


async def echoed(way: Way, host: str, port: int, data: bytes) -> bytes:
    """What comes back from the echo. Ours ends last: not every proxy lets one direction end by itself."""
    reader, writer = await asyncio.open_connection(sock=await way.open(host, port))
    writer.write(data)
    said = await reader.readexactly(len(data))
    writer.close()
    await writer.wait_closed()
    return said


def reach(text: str, host: str, port: int, data: bytes = b"hello") -> bytes:
    return asyncio.run(echoed(make(parse(text)), host, port, data))


def failing(text: str, host: str, port: int) -> OSError:
    with pytest.raises(OSError) as caught:
        reach(text, host, port)
    return caught.value


def test_microsocks(tmp_path: Path, echo_port: int) -> None:
    with microsocks(tmp_path) as proxy:
        for host in ("127.0.0.1", "::1", "localhost"):
            assert reach(f"socks5://127.0.0.1:{proxy}", host, echo_port, bytes(300_000)) == bytes(300_000)
        error = failing(f"socks5h://127.0.0.1:{proxy}", "127.0.0.1", closed_port())
        assert error.errno == errno.ECONNREFUSED
        assert f"socks5h://127.0.0.1:{proxy} -> 127.0.0.1:" in str(error)
        assert "the proxy says: connection refused" in str(error)


def test_user_and_password(tmp_path: Path, echo_port: int) -> None:
    with microsocks(tmp_path, "-u", "me", "-P", "p@ss") as proxy:
        assert reach(f"socks5://me:p%40ss@127.0.0.1:{proxy}", "127.0.0.1", echo_port) == b"hello"
        error = failing(f"socks5://me:wrong@127.0.0.1:{proxy}", "127.0.0.1", echo_port)
        assert error.errno == errno.ENETUNREACH
        assert "does not accept user and password" in str(error)
        assert "wrong" not in str(error).partition("-> ")[0]
        assert "it wants a user" in str(failing(f"socks5://127.0.0.1:{proxy}", "127.0.0.1", echo_port))


@pytest.mark.parametrize("scheme", ["socks5", "socks4a"])
def test_dante(tmp_path: Path, echo_port: int, scheme: str) -> None:
    with danted(tmp_path) as proxy:
        text = f"{scheme}://127.0.0.1:{proxy}"
        # For SOCKS4 it takes only the first address of a name, which may be of IPv6: OpenSSH shows names, below.
        for host in ("127.0.0.1", "localhost")[: 2 if scheme == "socks5" else 1]:
            assert reach(text, host, echo_port) == b"hello"
        refused = failing(text, "127.0.0.9", echo_port)
        assert refused.errno == (errno.EACCES if scheme == "socks5" else errno.ECONNABORTED)


def test_datagrams_by_dante(tmp_path: Path) -> None:
    async def main(way: Way) -> None:
        came: asyncio.Queue[tuple[bytes, str, int]] = asyncio.Queue()
        ended = asyncio.get_running_loop().create_future()
        path = await way.datagrams(lambda *each: came.put_nowait(each), ended.set_result)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            far.setblocking(False)
            path.send(b"question", "127.0.0.1", far.getsockname()[1])
            data, address = await asyncio.get_running_loop().sock_recvfrom(far, 100)
            assert data == b"question"
            far.sendto(b"answer", address)
            assert await came.get() == (b"answer", *far.getsockname())
        assert not ended.done()
        path.close()

    with danted(tmp_path) as proxy:
        asyncio.run(asyncio.wait_for(main(make(parse(f"socks5://127.0.0.1:{proxy}"))), 10))


@pytest.mark.parametrize("scheme", ["socks5", "socks4a"])
def test_bind_by_dante(tmp_path: Path, scheme: str) -> None:
    async def main(way: Way) -> None:
        door = await way.listen("127.0.0.1")
        reader, writer = await asyncio.open_connection(*door.address)
        stream, peer = await door.accept()
        with stream:
            assert peer == writer.get_extra_info("sockname")
            await asyncio.get_running_loop().sock_sendall(stream, b"220 data")
        assert await reader.read() == b"220 data"
        writer.close()
        door.close()

    with danted(tmp_path) as proxy:
        asyncio.run(asyncio.wait_for(main(make(parse(f"{scheme}://127.0.0.1:{proxy}"))), 10))


def test_dynamic_forwarding_of_ssh(tmp_path: Path, echo_port: int) -> None:
    with ssh_dynamic(tmp_path) as proxy:
        for scheme in ("socks5", "socks4a"):
            assert reach(f"{scheme}://127.0.0.1:{proxy}", "localhost", echo_port, bytes(300_000)) == bytes(300_000)


def test_a_chain(tmp_path: Path, echo_port: int) -> None:
    with danted(tmp_path) as first, microsocks(tmp_path, "-u", "me", "-P", "secret") as second:
        text = f"socks4a://127.0.0.1:{first},socks5://me:secret@127.0.0.1:{second}"
        assert reach(text, "127.0.0.1", echo_port) == b"hello"
        error = failing(f"socks4a://127.0.0.1:{first},socks5://127.0.0.1:{closed_port()}", "localhost", echo_port)
        assert error.errno == errno.ENETUNREACH
        assert "secret" not in str(error)


def test_a_proxy_that_is_not_there() -> None:
    port = closed_port()
    error = failing(f"socks5://127.0.0.1:{port}", "example.com", 80)
    assert error.errno == errno.ENETUNREACH
    assert f"(socks5://127.0.0.1:{port} -> example.com:80): connection refused (direct -> 127.0.0.1:{port})" in str(error)


@pytest.mark.parametrize("scheme", ["socks5", "socks4a"])
def test_a_proxy_that_is_none(scheme: str) -> None:
    def web(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with tcp_server(web) as port:
        error = failing(f"{scheme}://127.0.0.1:{port}", "127.0.0.1", 80)
    assert error.errno == errno.ENETUNREACH
    assert "it does not speak SOCKS" in str(error)


def test_a_name_that_does_not_fit(tmp_path: Path) -> None:
    with microsocks(tmp_path) as proxy:
        error = failing(f"socks5://127.0.0.1:{proxy}", 256 * "a", 80)
        assert error.errno == errno.EHOSTUNREACH

"""Names that mean nothing, or of which nobody says what they mean: the one who asked is told, and others are served."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hythe.proxy.names import Names
from hythe.tunnel.socks.messages import CONNECT, HOST_UNREACHABLE, NAME, TTL_EXPIRED
from tests import needs
from tests.gateway.nameserver import NameServer
from tests.gateway.servers import echo, tcp_server
from tests.proxy.commands import Proxy, running
from tests.proxy.running import OPEN, read_all

#: A name server has port 53 in resolv.conf(5): this is nobody else's.
SERVER = "127.153.53.1"


@contextmanager
def resolving(folder: Path, text: str, options: str) -> Iterator[Proxy]:
    """A proxy whose machine has this one name server."""
    needs.root()
    (folder / "resolv.conf").write_text(f"nameserver {SERVER}\noptions {options}\n")
    (folder / "p.toml").write_text(f"{text}\n[log]\nfile = '{folder / 'log'}'\n")
    before = [needs.program("unshare"), "--mount", "sh", "-c"]
    before += [f'mount --bind {folder / "resolv.conf"} /etc/resolv.conf && exec "$@"', "sh"]
    with NameServer(bytes((127, 0, 0, 1)), SERVER, 53), running(str(folder / "p.toml"), before=before) as proxy:
        yield proxy


def connect(port: int, name: str, far: int, source: str = "127.0.0.1") -> socket.socket:
    """A client of HTTP that has asked for it."""
    stream = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
    stream.sendall(f"CONNECT {name}:{far} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return stream


def socks(port: int, name: str) -> int:
    """What SOCKS5 replies to a request for it."""
    with socket.create_connection(("127.0.0.1", port), timeout=20, source_address=("127.0.0.2", 0)) as stream:
        stream.sendall(b"\5\1\0")
        assert stream.recv(2) == b"\5\0"
        stream.sendall(bytes((5, CONNECT, 0, NAME, len(name))) + name.encode() + b"\0\x50")
        return stream.recv(100)[1]


def entries(kind: str) -> str:
    """One that is patient, and one that is not."""
    return "".join(f'[[{kind}]]\nlisten = "127.0.0.1:0"\nconnect = "{each}"\n' for each in ("30s", "200ms"))


def test_each_is_told_what_became_of_its_name_and_others_are_served(tmp_path: Path) -> None:
    text = entries("socks") + entries("http") + OPEN + '[[rule]]\naction = "allow"\n'
    with (
        tcp_server(echo) as far,
        resolving(tmp_path, text, "timeout:30 attempts:1") as proxy,
        contextlib.ExitStack() as stack,
    ):
        by_socks, by_hasty_socks = (int(proxy.said(r"socks 127\.0\.0\.1:(\d+)")[1]) for _ in range(2))
        by_http, by_hasty_http = (int(proxy.said(r"http 127\.0\.0\.1:(\d+)")[1]) for _ in range(2))
        waiting = [stack.enter_context(connect(by_http, f"{number}.silent.test", far)) for number in range(40)]
        with connect(by_http, "plain.test", far, "127.0.0.2") as stream:
            assert stream.recv(100).startswith(b"HTTP/1.1 200 ")
            assert not select.select(waiting, [], [], 0)[0]
        for port, name, status, words in (
            (by_http, "failing.test", 502, b"temporary failure"),
            (by_http, "nowhere.test", 502, b"name or service not known"),
            (by_hasty_http, "silent.test", 504, b"no answer within 0.2 s"),
        ):
            with connect(port, name, far, "127.0.0.2") as stream:
                answer = read_all(stream)
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert words in answer
        hopeless = ("failing.test", "nowhere.test", "a..test", f"{64 * 'a'}.test", ".test")
        assert [socks(by_socks, name) for name in hopeless] == [HOST_UNREACHABLE] * len(hopeless)
        assert socks(by_hasty_socks, "silent.test") == TTL_EXPIRED
        while "socks CONNECT silent.test:80 0 0 " not in (told := (tmp_path / "log").read_text()):
            continue
        proxy.process.kill()
    assert "http CONNECT nowhere.test:" in told


def test_who_asks_for_the_same_waits_together_and_a_client_has_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C library is told to wait here, as it would for a server that is not there."""
    asked: list[str] = []
    answer = threading.Event()

    def slow(host: bytes, *_: object) -> list[tuple[object, ...]]:
        asked.append(host.decode())
        answer.wait(20)
        return [(host.decode(),)]

    async def main() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        found = Names()
        one = [asyncio.ensure_future(found.find("one", f"{number}.test", 80, 1)) for number in range(20)]
        same = [asyncio.ensure_future(found.find(f"client {number}", "0.test", 80, 1)) for number in range(200)]
        other = asyncio.ensure_future(found.find("other", "other.test", 80, 1))
        while len(asked) < 17:
            await asyncio.sleep(0.001)
        assert sorted(asked) == sorted([*(f"{number}.test" for number in range(16)), "other.test"])
        one[3].cancel()  # it does not wait, but its look-up goes on
        await asyncio.sleep(0)
        assert len(found.busy) == 17
        answer.set()
        assert await asyncio.gather(*same) == [[("0.test",)]] * 200
        assert await other == [("other.test",)]
        await asyncio.gather(*one, return_exceptions=True)
        assert len(asked) == 21
        assert not found.busy
        found.close()

    asyncio.run(main())

"""Ways out of the proxy: OpenSSH, our own sshd, a WireGuard peer. What is asked of them, how they fall and come back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hythe
from hythe.errors import UsageError
from hythe.tunnel.socks.messages import ASSOCIATE, CONNECT, build_address, build_datagram, parse_datagram
from tests import needs
from tests.forward.forwarding import home
from tests.forward.wires import wire
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.gateway.ways.elsewhere import udp_echo
from tests.proxy.running import OPEN, Running, proxy, read_all, talk
from tests.tunnel.ssh.peers import Server, openssh
from tests.tunnel.ssh.test_server import sshd
from tests.via.proxies import microsocks, tinyproxy
from tests.via.test_wireguard import Echo, Names, far_end
from tests.via.test_wireguard import echo as echo_stream

ENTRIES = """
[[map]]
listen = "127.0.0.1:0"
to = "{host}:{port}"
via = "{via}"
[[socks]]
listen = "127.0.0.1:0"
via = "{via}"
[[http]]
listen = "127.0.0.1:0"
via = "{via}"
{more}
"""


@pytest.fixture(scope="module")
def asked() -> Iterator[list[Any]]:
    """Return the names that this machine's resolver has been asked for by this process."""
    found: list[Any] = []
    listening = True

    def hear(event: str, words: tuple[Any, ...]) -> None:  # a hook stays for ever
        if listening and event in ("socket.getaddrinfo", "socket.gethostbyname"):
            found.append(words[0])

    sys.addaudithook(hear)
    yield found
    listening = False


def ask(port: int, host: str, to: int) -> tuple[int, socket.socket]:
    """CONNECT by SOCKS5: the reply, and the stream."""
    stream = socket.create_connection(("127.0.0.1", port), timeout=20)
    stream.sendall(b"\x05\x01\x00")
    assert stream.recv(2) == b"\x05\x00"
    stream.sendall(bytes((5, CONNECT, 0)) + build_address(host, to))
    reply = stream.recv(4, socket.MSG_WAITALL)
    rest = {1: 4, 4: 16}[reply[3]] + 2  # not a byte of what is said behind it
    assert len(stream.recv(rest, socket.MSG_WAITALL)) == rest
    return reply[1], stream


def connect(port: int, host: str, to: int) -> tuple[int, socket.socket]:
    """CONNECT by HTTP."""
    stream = socket.create_connection(("127.0.0.1", port), timeout=20)
    stream.sendall(f"CONNECT {host}:{to} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += stream.recv(1)
    return int(head.split()[1]), stream


def associate(port: int, host: str, to: int, word: bytes) -> bytes:
    """What comes back of a datagram by UDP ASSOCIATE."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as control,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(20)
        control.sendall(b"\x05\x01\x00")
        assert control.recv(2) == b"\x05\x00"
        control.sendall(bytes((5, ASSOCIATE, 0)) + build_address("0.0.0.0", 0))
        said = control.recv(100)
        if said[1]:
            return said[1:2]
        client.sendto(build_datagram(host, to, word), ("127.0.0.1", int.from_bytes(said[-2:], "big")))
        return parse_datagram(client.recv(1_000))[1]


def patient(stream: socket.socket) -> None:
    """An echo that some are torn away from."""
    with contextlib.suppress(OSError):
        echo(stream)


def there_and_back(stream: socket.socket, data: bytes) -> bool:
    """Does everything come back whole, after a half-close?"""

    def send() -> None:
        with contextlib.suppress(OSError):  # which whoever reads meets as well
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)

    with stream:
        sending = threading.Thread(target=send)
        sending.start()
        found = hashlib.sha256(read_all(stream)).digest()
        sending.join(20)
    return found == hashlib.sha256(data).digest()


def at(it: Running, kind: str, *, udp: bool = False) -> int:
    """The port of an entry."""
    found = next(each for each in it.server.entries if (each.kind, each.listen.udp) == (kind, udp))
    return int(found.sockets[0].getsockname()[1])


def ways_in(it: Running, host: str, to: int) -> list[socket.socket]:
    """A stream through each entry."""
    streams = [socket.create_connection(("127.0.0.1", at(it, "map")), timeout=20)]
    for each, kind, fine in ((ask, "socks", 0), (connect, "http", 200)):
        code, stream = each(at(it, kind), host, to)
        assert code == fine
        streams.append(stream)
    return streams


def refused(it: Running, host: str, to: int) -> tuple[int, int]:
    """What SOCKS and HTTP say of a destination."""
    codes = []
    for each, kind in ((ask, "socks"), (connect, "http")):
        code, stream = each(at(it, kind), host, to)
        stream.close()
        codes.append(code)
    return codes[0], codes[1]


def test_ssh(tmp_path: Path, rng: random.Random, asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    data = rng.randbytes(3_000_000)
    closed = closed_port()
    with openssh(tmp_path) as server, wire(server.port) as between, tcp_server(patient) as port:
        server.write_config(f"HostKeyAlias [127.0.0.1]:{server.port}")
        server.config.write_text(server.config.read_text().replace(f"Port {server.port}", f"Port {between.port}"))
        monkeypatch.setenv("HOME", home(tmp_path, server)["HOME"])
        text = ENTRIES.format(host="localhost", port=port, via="ssh://box", more="") + OPEN
        with proxy(text, tmp_path) as it:
            asked.clear()
            for stream in ways_in(it, "localhost", port):
                assert there_and_back(stream, data)
            assert refused(it, "localhost", closed) == (5, 502)
            assert refused(it, "10.0.0.1", 80) == (2, 403)
            page = talk(at(it, "http"), f"GET http://localhost:{closed}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert b" 502 " in page
            assert associate(at(it, "socks"), "127.0.0.1", port, b"x") == b"\x07", "OpenSSH has no datagrams"
            assert "localhost" not in asked
            assert len(between._pairs) == 1, "all go by one connection"
            said = it.lines(3)
            size = len(data)
            for line, what in zip(said, ("map ->", "socks CONNECT", "http CONNECT"), strict=False):
                assert f"{what} localhost:{port} " in line
                assert f" {size} {size} " in line

            # The tunnel falls: what went through it is broken off, what comes is refused, and that is told once.
            waiting = ways_in(it, "localhost", port)
            for each in waiting:
                each.sendall(b"x")
                assert each.recv(1) == b"x"
            between.target, right = closed, between.target
            between.cut()
            for each in waiting:
                with each, pytest.raises(ConnectionResetError):
                    each.recv(1)
            for _ in range(2):
                assert refused(it, "localhost", port) == (3, 502)
            between.target = right
            for stream in ways_in(it, "localhost", port):
                assert there_and_back(stream, b"again")
            told = it.within(lambda: list(it.server.flows.notices))
            assert len(told) == 2, told
            assert told[0].startswith("a way out fails: network is unreachable (ssh://box -> localhost:")
            assert told[1] == "ssh://box works again"

            # A reload keeps the connection, and a way that cannot be changes nothing.
            held, other = ask(at(it, "socks"), "localhost", port)[1], between.port
            it.reload(text.replace("[[socks]]", '[[socks]]\nidle = "9h"'))
            assert there_and_back(ask(at(it, "socks"), "localhost", port)[1], b"fresh")
            with pytest.raises(hythe.MachineError, match=r"nowhere\.conf"):
                it.reload(text.replace("ssh://box", f"wg:{tmp_path}/nowhere.conf"))
            assert there_and_back(held, b"still")
            assert len(between._pairs) == 1
            assert between.port == other
            it.within(it.server.stop)
            assert it.wait_for(it.server.settle(20))


@pytest.mark.slow
def test_datagrams_and_a_pace_by_our_own_sshd(tmp_path: Path, rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    with sshd(tmp_path) as ours, tcp_server(patient) as port, udp_echo() as answering:
        server = Server(tmp_path, "box")
        server.port, server.user_key, server.known = ours.port, tmp_path / "user", tmp_path / "known"
        server.write_config()
        monkeypatch.setenv("HOME", home(tmp_path, server)["HOME"])
        more = f"""
[[map]]
listen = "127.0.0.1:0/udp"
to = "localhost:{answering}"
via = "ssh://box"
[per_client]
bytes = "1MB"
"""
        text = ENTRIES.format(host="localhost", port=port, via="ssh://box", more=more) + OPEN
        with proxy(text, tmp_path) as it, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            assert associate(at(it, "socks"), "127.0.0.1", answering, b"hello") == b"HELLO"
            client.settimeout(20)
            client.sendto(b"mapped", ("127.0.0.1", at(it, "map", udp=True)))
            assert client.recv(100) == b"MAPPED"
            sending = socket.create_connection(("127.0.0.1", at(it, "map")), timeout=20)
            with pytest.raises(OSError):  # a reset, or a pipe that is broken by one
                there_and_back(sending, rng.randbytes(1_500_000))
            assert any("EDQUOT" in line for line in it.lines(2)), "what is limited is limited by any way"


def test_wireguard(tmp_path: Path, rng: random.Random, asked: list[Any]) -> None:
    data = rng.randbytes(1_000_000)
    file = tmp_path / "client.conf"

    def use() -> None:
        more = f'[[map]]\nlisten = "127.0.0.1:0/udp"\nto = "far.test:7"\nvia = "wg:{file}"\n'
        with proxy(ENTRIES.format(host="far.test", port=7, via=f"wg:{file}", more=more), tmp_path) as it:
            asked.clear()
            for stream in ways_in(it, "far.test", 7):
                assert there_and_back(stream, data)
            assert refused(it, "10.7.0.1", 9) == (5, 502)
            assert refused(it, "nowhere.test", 9) == (4, 502)
            assert refused(it, "192.0.2.1", 9) == (3, 502)
            assert associate(at(it, "socks"), "far.test", 7, b"hello") == b"HELLO"
            assert not {"far.test", "nowhere.test"} & set(asked)
            assert len(it.server.pool.made) == 1
            # Its file may change though nothing else does.
            stream = ask(at(it, "socks"), "far.test", 7)[1]
            again = ENTRIES.format(host="far.test", port=7, via=f"wg:{file}", more=more)
            text, told = file.read_text(), list[str]()
            it.server.flows.observers.append(lambda kind, about: told.append(str(about)) if kind == "notice" else None)
            file.write_text(text.replace("fd07::/64", "fd07::/64, 10.9.0.0/24"))
            it.reload(again)
            until = time.monotonic() + 20
            while not any(f"wg:{file} read again: ~" in each for each in told):
                assert time.monotonic() < until, told
                time.sleep(0.01)
            assert there_and_back(stream, data)
            stream = ask(at(it, "socks"), "far.test", 7)[1]
            file.write_text(text.replace("Endpoint", "Endpint"))
            with pytest.raises(UsageError, match=r"client\.conf:9: Endpint is unknown"):
                it.reload(again)
            assert there_and_back(stream, data)

    async def main() -> None:
        async with far_end(rng, file, "DNS = 10.7.0.1") as (far, _):
            await far.start_server(echo_stream, port=7)
            await far.create_datagram_endpoint(Echo, local_addr=("10.7.0.1", 7))
            await far.create_datagram_endpoint(Names, local_addr=("10.7.0.1", 53))
            await asyncio.to_thread(use)

    asyncio.run(main())


@pytest.mark.parametrize("made", [microsocks, tinyproxy])
def test_another_proxy(tmp_path: Path, rng: random.Random, made: Callable[..., Any]) -> None:
    data, closed = rng.randbytes(1_000_000), closed_port()
    with made(tmp_path) as far, tcp_server(patient) as port:
        via = f"{'socks5' if made is microsocks else 'http'}://127.0.0.1:{far}"
        with proxy(ENTRIES.format(host="localhost", port=port, via=via, more="") + OPEN, tmp_path) as it:
            for stream in ways_in(it, "localhost", port):
                with stream:  # neither of them knows half-close
                    sending = threading.Thread(target=stream.sendall, args=(data,))
                    sending.start()
                    with stream.makefile("rb") as heard:
                        assert heard.read(len(data)) == data
                    sending.join(20)
            assert refused(it, "localhost", closed)[1] == 502


def test_an_interface_and_an_address_to_leave_from(tmp_path: Path) -> None:
    needs.root()

    def tell(stream: socket.socket) -> None:
        stream.sendall(stream.getpeername()[0].encode())

    with tcp_server(tell) as port:
        for source, said in (("127.0.0.9", b"127.0.0.9"), ("lo", b"127.0.0.1")):
            text = ENTRIES.format(host="127.0.0.1", port=port, via=source, more="").replace("via", "source") + OPEN
            with proxy(text, tmp_path) as it:
                for stream in ways_in(it, "127.0.0.1", port):
                    with stream:
                        assert read_all(stream) == said

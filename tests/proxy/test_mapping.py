"""Mapped TCP ports: what comes out at the other end, how it ends, and which destination it is."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hythe.proxy import server
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.proxy.running import proxy, talk

CHECK = 'check = "20ms"'


def mapped(to: str, more: str = "") -> str:
    return f'[[map]]\nlisten = "127.0.0.1:0"\nto = {to}\n{more}'


def say(stream: socket.socket, data: bytes) -> None:
    stream.sendall(data)
    stream.shutdown(socket.SHUT_WR)


@contextmanager
def saying(word: bytes) -> Iterator[int]:
    def serve(stream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            stream.sendall(word)
            stream.recv(100)

    with tcp_server(serve) as port:
        yield port


def test_bulk_comes_back_whole_and_half_close_passes(tmp_path: Path, rng: random.Random) -> None:
    data = rng.randbytes(3_000_000)
    with tcp_server(echo) as port, proxy(mapped(f'"127.0.0.1:{port}"'), tmp_path) as it:
        with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream:
            sending = threading.Thread(target=say, args=(stream, data))
            sending.start()
            got = b""
            while part := stream.recv(1 << 20):
                got += part
            sending.join()
        assert got == data
        (line,) = it.lines(1)
        assert f"map -> 127.0.0.1:{port} 3000000 3000000 " in line


def test_a_reset_is_passed_on_as_a_reset(tmp_path: Path) -> None:
    def reset(stream: socket.socket) -> None:
        stream.recv(1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()

    with tcp_server(reset) as port, proxy(mapped(f'"127.0.0.1:{port}"'), tmp_path) as it:
        with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream:
            stream.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                stream.recv(1)
        assert "ECONNRESET" in it.lines(1)[0]


def test_a_server_is_not_read_ahead_of_a_client_that_does_not_read(tmp_path: Path) -> None:
    stuck = threading.Event()

    def pour(stream: socket.socket) -> None:
        stream.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(1_000):
                stream.sendall(bytes(1 << 20))
        stuck.set()

    with (
        tcp_server(pour) as port,
        proxy(mapped(f'"127.0.0.1:{port}"'), tmp_path) as it,
        socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20),
    ):
        assert stuck.wait(20)
        (flow,) = it.within(lambda: list(it.server.flows.live.values()))
        assert flow.tally.down < 100 << 20


def test_nobody_there_is_a_reset(tmp_path: Path) -> None:
    with proxy(mapped(f'"127.0.0.1:{closed_port()}"'), tmp_path) as it:
        with pytest.raises(ConnectionResetError):
            talk(it.ports[0], b"x", end=False)
        assert "ECONNREFUSED: connection refused (direct -> 127.0.0.1:" in it.lines(1)[0]


def test_failover_takes_the_first_that_works_and_comes_back_to_it(tmp_path: Path) -> None:
    down = closed_port()
    with saying(b"second") as port, proxy(mapped(f'["127.0.0.1:{down}", "127.0.0.1:{port}"]', CHECK), tmp_path) as it:
        assert talk(it.ports[0], b"") == b"second"
        balance = it.server.entries[0].speaker.balance  # type: ignore[union-attr]
        with socket.create_server(("127.0.0.1", down)) as server:
            server.settimeout(20)
            while it.within(lambda: balance.targets[0].until):  # until a check has reached it
                server.accept()[0].close()
            assert it.within(lambda: balance.choose(())) is balance.targets[0]


def test_least_connections_goes_where_there_are_fewest(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        one, two = stack.enter_context(saying(b"one")), stack.enter_context(saying(b"two"))
        text = mapped(f'["127.0.0.1:{one}", "127.0.0.1:{two}"]', 'balance = "least-connections"')
        it = stack.enter_context(proxy(text, tmp_path))
        found = []
        for _ in range(4):
            stream = stack.enter_context(socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20))
            found.append(stream.recv(3))
        assert sorted(found) == [b"one", b"one", b"two", b"two"]


def test_what_is_idle_for_too_long_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SWEEP", 0.02)

    def patient(stream: socket.socket) -> None:
        with contextlib.suppress(ConnectionResetError):
            echo(stream)

    with tcp_server(patient) as port, proxy(mapped(f'"127.0.0.1:{port}"', 'idle = "200ms"'), tmp_path) as it:
        with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream:
            stream.sendall(b"x")
            assert stream.recv(1) == b"x"
            with pytest.raises(ConnectionResetError):
                stream.recv(1)
        assert "ETIMEDOUT" in it.lines(1)[0]


def test_rules_hold_for_mapped_ports(tmp_path: Path) -> None:
    refused = '[[rule]]\naction = "refuse"\nclients = "127.0.0.0/8"'
    with tcp_server(echo) as port, proxy(mapped(f'"127.0.0.1:{port}"', refused), tmp_path) as it:
        with pytest.raises(ConnectionResetError):
            talk(it.ports[0], b"x", end=False)
        assert f"EACCES: the rules of this proxy do not let 127.0.0.1 go to 127.0.0.1:{port}" in it.lines(1)[0]

"""Plain mapped ports, whose destinations do not answer at once: waited for, given up, or left behind by their clients."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hythe.proxy.config import LogConfig
from hythe.proxy.mapping import Mapping
from tests.gateway.servers import echo, tcp_server
from tests.proxy.running import OPEN, Running, proxy, talk


def mapped(to: list[int], more: str = "") -> str:
    return f'[[map]]\nlisten = "127.0.0.1:0"\nto = {[f"127.0.0.1:{port}" for port in to]}\n{more}\n'


def patient(stream: socket.socket) -> None:
    with contextlib.suppress(ConnectionResetError):
        echo(stream)


@contextmanager
def full() -> Iterator[tuple[socket.socket, set[int]]]:
    """Listens, and takes nobody more for the time being: SYNs are dropped (tcp(7)). The ports of those who wait already."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(socket.socket()) for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            assert each.connect_ex(listener.getsockname()) == errno.EINPROGRESS
        yield listener, {each.getsockname()[1] for each in waiting}


def connecting(it: Running) -> bool:
    """Does a client wait for its destination?"""
    return it.within(lambda: any(each.state == "SYN_SENT" for each in it.server.flows.live.values()))


def until_connecting(it: Running) -> None:
    pause = threading.Event()
    for _ in range(2_000):
        if connecting(it):
            return
        pause.wait(0.01)
    raise AssertionError("nobody waits for a destination")


def test_one_that_does_not_answer_in_time_is_left_for_the_next(tmp_path: Path) -> None:
    with full() as (busy, _), tcp_server(patient) as port:
        silent = busy.getsockname()[1]
        with proxy(mapped([silent, port], 'connect = "50ms"'), tmp_path) as it:
            speaker = it.server.entries[0].speaker
            assert isinstance(speaker, Mapping)
            assert speaker.plain
            assert talk(it.ports[0], b"x") == b"x"
            assert it.within(lambda: speaker.balance.targets[0].until)
            assert f"map -> 127.0.0.1:{port} 1 1 " in it.lines(1)[0]
        with proxy(mapped([silent], 'connect = "50ms"'), tmp_path) as it:
            with pytest.raises(ConnectionResetError):
                talk(it.ports[0], b"x", end=False)
            assert "ETIMEDOUT: connection timed out (direct -> 127.0.0.1:" in it.lines(2)[1]
            assert it.open_flows() == 0


def test_one_that_answers_after_a_while_is_waited_for(tmp_path: Path) -> None:
    with full() as (busy, others), contextlib.ExitStack() as stack:
        it = stack.enter_context(proxy(mapped([busy.getsockname()[1]]), tmp_path))
        with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as client:
            client.sendall(b"hello")
            until_connecting(it)
            busy.settimeout(20)
            said = b""
            while True:  # the kernel asks again within a second or two
                peer, (_, port) = busy.accept()
                with peer:
                    if port not in others:
                        peer.settimeout(20)
                        said = peer.recv(10)
                        break
            assert said == b"hello"


def test_the_end_of_the_proxy_is_one_for_whoever_waits(tmp_path: Path) -> None:
    with full() as (busy, _):
        with proxy(mapped([busy.getsockname()[1]]), tmp_path) as it:
            client = socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20)
            until_connecting(it)
        with client:
            assert client.recv(1) == b""
        assert "ECONNABORTED: ended from this side" in it.log.read_text()


def test_one_more_than_a_client_may_have_is_reset(tmp_path: Path) -> None:
    with tcp_server(patient) as port, proxy(mapped([port], "[per_client]\nconnections = 1"), tmp_path) as it:
        with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as first:
            first.sendall(b"x")
            assert first.recv(1) == b"x"
            with pytest.raises(ConnectionResetError):
                talk(it.ports[0], b"x", end=False)
            assert "EDQUOT" in it.lines(1)[0]
            flow = it.within(lambda: next(iter(it.server.flows.live.values())))
            kill = flow.kill
            assert kill is not None
            it.within(kill)
            with pytest.raises(ConnectionResetError):
                first.recv(1)
            it.within(kill)  # which means nothing any more
        assert "ECONNABORTED" in it.lines(2)[1]
        assert it.open_flows() == 0


def asked(port: int, request: bytes) -> bytes:
    """All that comes of a request to a proxy."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request)
        said = b""
        while more := client.recv(1_000):
            said += more
        return said


def test_who_asks_for_one_that_does_not_answer_is_told_so(tmp_path: Path) -> None:
    entries = "".join(f'[[{kind}]]\nlisten = "127.0.0.1:0"\nconnect = "50ms"\n' for kind in ("socks", "http"))
    with full() as (busy, _), proxy(entries + OPEN, tmp_path) as it:
        socks, http = it.ports
        host, port = busy.getsockname()
        there = socket.inet_aton(host) + port.to_bytes(2, "big")
        assert asked(socks, b"\5\1\0\5\1\0\1" + there) == b"\5\0\5\6\0\1" + bytes(6)  # it may say all at once
        assert asked(socks, b"\4\1" + there[4:] + there[:4] + b"me\0")[:2] == b"\0\x5b"
        head = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        assert asked(http, head).startswith(b"HTTP/1.1 504 ")
        lines = it.lines(3)
        assert all("ETIMEDOUT: connection timed out (direct -> 127.0.0.1:" in each for each in lines)
        assert " 504 0 0 " in lines[2]
        assert it.open_flows() == 0


def test_who_says_it_in_pieces_or_ends_in_the_middle(tmp_path: Path) -> None:
    entries = "".join(f'[[{kind}]]\nlisten = "127.0.0.1:0"\n' for kind in ("socks", "http"))
    with tcp_server(patient) as to, proxy(entries + OPEN, tmp_path) as it:
        there = socket.inet_aton("127.0.0.1") + to.to_bytes(2, "big")
        head = f"CONNECT 127.0.0.1:{to} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        for port, request in zip(it.ports, (b"\5\1\0\5\1\0\1" + there, head), strict=True):
            for cut in range(1, len(request)):
                with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    client.sendall(request[:cut])
                    client.sendall(request[cut:] + b"early")
                    client.shutdown(socket.SHUT_WR)
                    said = b""
                    while more := client.recv(1_000):
                        said += more
                    assert said.endswith(b"early"), (cut, said)
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                client.sendall(request[:5])
        assert it.lines(len(request) + 13)
        assert it.open_flows() == 0


def test_where_it_led_is_told_by_the_socket_however_it_was_spelled(tmp_path: Path) -> None:
    text = '[[http]]\nlisten = "127.0.0.1:0"\n[[rule]]\naction = "allow"\nto = "0.0.0.0"\n'
    with tcp_server(patient) as port, proxy(text, tmp_path) as it:
        it.within(lambda: it.server.passage.log.reopen(LogConfig(str(it.log), "json")))
        head = f"CONNECT 0.0.0.0:{port} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as client:
            client.sendall(head)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        told = json.loads(it.lines(1)[0])
        assert (told["host"], told["address"]) == ("0.0.0.0", "127.0.0.1")

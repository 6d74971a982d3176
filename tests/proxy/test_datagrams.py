"""Mapped UDP ports: associations, their end, and what is not let through."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests import needs
from tests.gateway.nameserver import PLAIN, NameServer
from tests.gateway.servers import closed_port
from tests.proxy.running import proxy


def mapped(to: str, more: str = "") -> str:
    return f'[[map]]\nlisten = "127.0.0.1:0/udp"\nto = "{to}"\n{more}'


def bound() -> socket.socket:
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.settimeout(20)
    stream.bind(("127.0.0.1", 0))
    return stream


def test_dig_through_a_mapped_port(tmp_path: Path) -> None:
    with NameServer() as names, proxy(mapped(f"localhost:{names.port}").replace("localhost", "127.0.0.1"), tmp_path) as it:
        dig = [needs.program("dig"), "+short", "+time=5", "+tries=1", "@127.0.0.1", "-p", str(it.ports[0]), "plain.test"]
        said = subprocess.run(dig, capture_output=True, text=True, timeout=30, check=True)
        assert said.stdout.strip() == socket.inet_ntoa(PLAIN)
        assert it.open_flows() == 1


def test_each_client_has_an_address_of_its_own_outside(tmp_path: Path) -> None:
    with (
        bound() as server,
        bound() as one,
        bound() as two,
        bound() as stranger,
        proxy(mapped(f"127.0.0.1:{server.getsockname()[1]}"), tmp_path) as it,
    ):
        place = ("127.0.0.1", it.ports[0])
        heard = []
        for client, word in ((one, b"one"), (two, b"two"), (one, b"more")):
            client.sendto(word, place)
            heard.append(server.recvfrom(100))
        assert [word for word, _ in heard] == [b"one", b"two", b"more"]
        assert heard[0][1] == heard[2][1] != heard[1][1]
        stranger.sendto(b"from elsewhere", heard[0][1])
        server.sendto(b"answer", heard[0][1])
        assert one.recvfrom(100) == (b"answer", place)
        assert it.open_flows() == 2
    assert "-> 127.0.0.1:" in it.log.read_text()
    assert "/udp 7 6 " in it.log.read_text()


def test_the_one_used_longest_ago_makes_room(tmp_path: Path) -> None:
    with (
        bound() as server,
        bound() as one,
        bound() as two,
        proxy(mapped(f"127.0.0.1:{server.getsockname()[1]}", "connections = 1"), tmp_path) as it,
    ):
        place = ("127.0.0.1", it.ports[0])
        one.sendto(b"one", place)
        _, first = server.recvfrom(100)
        two.sendto(b"two", place)
        _, second = server.recvfrom(100)
        assert it.open_flows() == 1
        server.sendto(b"late", first)
        server.sendto(b"answer", second)
        assert two.recv(100) == b"answer"
        assert "udp 3 0 " in it.lines(1)[0]


def test_an_association_ends_by_idleness(tmp_path: Path) -> None:
    with (
        bound() as server,
        bound() as one,
        proxy(mapped(f"127.0.0.1:{server.getsockname()[1]}", 'idle = "50ms"'), tmp_path) as it,
    ):
        one.sendto(b"one", ("127.0.0.1", it.ports[0]))
        server.recvfrom(100)
        it.lines(1)
        assert it.open_flows() == 0


def test_rules_hold(tmp_path: Path) -> None:
    refused = '[[rule]]\naction = "refuse"\n'
    with (
        bound() as server,
        bound() as one,
        proxy(mapped(f"127.0.0.1:{server.getsockname()[1]}", refused), tmp_path) as it,
    ):
        one.sendto(b"one", ("127.0.0.1", it.ports[0]))
        assert "EACCES" in it.lines(1)[0]
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.recv(100)


def test_no_datagram_goes_round(tmp_path: Path) -> None:
    with bound() as one:
        ports = [closed_port(), closed_port()]
        lead = '[[map]]\nlisten = "127.0.0.1:{}/udp"\nto = "localhost:{}"\n'
        text = lead.format(*ports) + lead.format(*reversed(ports))
        with proxy(text, tmp_path) as it:
            one.sendto(b"one", ("127.0.0.1", ports[0]))
            assert f":{ports[1]} is a port of this proxy itself" in it.lines(1)[0]
            assert it.open_flows() == 0

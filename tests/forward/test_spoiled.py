"""A wire that flips bits, is cut or falls silent: noticed, nothing wrong is delivered, and the forward is up again soon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import hythe
from hythe.tunnel.wireguard.config import parse
from hythe.tunnel.wireguard.keys import clamp, key_text, public_key
from hythe.tunnel.wireguard.link import WireguardLink
from tests import needs
from tests.forward.forwarding import Forwarding, forwarding, home
from tests.forward.test_cut import WITHIN, works
from tests.forward.wires import Wire, wire
from tests.gateway.servers import echo, tcp_server
from tests.tunnel.ssh.peers import openssh
from tests.tunnel.ssh.test_server import talked
from tests.via.test_wireguard import FILE, SERVER
from tests.via.test_wireguard import echo as echoing


@contextlib.contextmanager
def wired(place: Path, *words: str, options: tuple[str, ...] = ()) -> Iterator[tuple[Wire, Forwarding, int]]:
    """A forward to an echo through OpenSSH's server, by a wire."""
    with tcp_server(patient) as port, openssh(place, *options) as server, wire(server.port) as between:
        server.port = between.port
        server.know(server.host_key)
        server.write_config()
        given = ["-L", f"0:localhost:{port}", "--via", "ssh://box", "--name", "wired", *words]
        with forwarding(home(place, server), *given) as forward:
            yield between, forward, forward.port(f"localhost:{port}")


def patient(connection: socket.socket) -> None:
    """Echo, to one that may break off."""
    with contextlib.suppress(OSError):
        echo(connection)


def back(port: int, since: float) -> None:
    """A new stream works within seconds."""
    while not works(port, 2):
        assert time.monotonic() - since < WITHIN
    assert time.monotonic() - since < WITHIN


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_bit_flipped_under_ssh(tmp_path: Path, rng: random.Random, way: str) -> None:
    data = rng.randbytes(3_000_000)
    with wired(tmp_path) as (between, forward, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(10)
            armed, reset = threading.Event(), threading.Event()
            sending = threading.Thread(target=send, args=(client, data, armed, reset))
            sending.start()
            got = bytearray()
            with contextlib.suppress(ConnectionResetError):
                while piece := client.recv(65_536):
                    got += piece
                    if len(got) > 300_000 and not armed.is_set():
                        between.flip[way] = 1
                        armed.set()
                reset.wait(10)  # a socket tells of a reset once, so here it looks like an end if the sender was told
                assert reset.is_set(), "it looks like an end"
            spoiled = time.monotonic()
            sending.join(10)
        assert 300_000 < len(got) < len(data)
        assert data.startswith(got)
        forward.said("the connection was lost", told=True)
        back(port, spoiled)


def send(client: socket.socket, data: bytes, armed: threading.Event, reset: threading.Event) -> None:
    """So that there is something to be spoiled, not all leaves before a bit is going to flip."""
    half = len(data) // 2
    try:
        client.sendall(data[:half])
        assert armed.wait(20)
        client.sendall(data[half:])
    except ConnectionResetError:
        reset.set()
    except BrokenPipeError:
        return  # the reader was told


def test_bits_flipped_under_wireguard(rng: random.Random, tmp_path: Path) -> None:
    """What was spoiled is dropped, counted, and sent again."""
    data = rng.randbytes(1_000_000)
    keys = [clamp(rng.randbytes(32)) for _ in range(2)]
    texts = [(key_text(key.reveal()), key_text(public_key(key))) for key in keys]
    file = tmp_path / "client.conf"
    environment = needs.clean_environment(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path))

    def carried(between: Wire) -> bytes:
        with forwarding(environment, "-L", "0:10.7.0.1:7", "--via", f"wg:{file}") as forward:
            port = forward.port("10.7.0.1:7")
            forward.said("client.conf holds a private key and is open to others: chmod o-rwx ", told=True)
            assert works(port, 20)
            between.flip, between.every = {"up": 20, "down": 5}, 20
            return talked(port, data)

    async def main() -> tuple[bytes, int, dict[str, int]]:
        server = parse(SERVER.format(private=texts[0][0], peer=texts[1][1]), "server", ())
        link = WireguardLink(server)
        with wire(link.port, socket.SOCK_DGRAM) as between:
            file.write_text(FILE.format(private=texts[1][0], peer=texts[0][1], port=between.port, dns=""))
            file.chmod(0o644)
            async with hythe.Host(*map(str, server.addresses), link=link, allow_privileged_ports=True) as far:
                await far.start_server(echoing, port=7)
                got = await asyncio.to_thread(carried, between)
                return got, link.counters.forged, between.flip

    got, forged, left = asyncio.run(main())
    assert got == data
    assert forged == 20
    assert left == {"up": 0, "down": 0}


def test_a_connection_that_ends_while_we_are_suspended(tmp_path: Path) -> None:
    with wired(tmp_path) as (between, forward, port):
        assert works(port, 20)
        os.kill(forward.process.pid, signal.SIGSTOP)
        between.cut()
        os.kill(forward.process.pid, signal.SIGCONT)
        back(port, time.monotonic())
        forward.said("up again", told=True)


@pytest.mark.slow  # a server takes its time to notice
def test_a_server_that_gives_us_up_while_we_are_suspended(tmp_path: Path) -> None:
    with wired(tmp_path, options=("ClientAliveInterval=1", "ClientAliveCountMax=2")) as (_, forward, port):
        assert works(port, 20)
        os.kill(forward.process.pid, signal.SIGSTOP)
        time.sleep(25)  # longer than a sign of life and its answer may take
        os.kill(forward.process.pid, signal.SIGCONT)
        back(port, time.monotonic())


@pytest.mark.slow  # a sign of life is missed
def test_a_suspension_that_nobody_noticed_ends_no_stream(tmp_path: Path) -> None:
    with wired(tmp_path) as (_, forward, port), socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(10)
        client.sendall(b"hel")
        assert client.recv(3) == b"hel"
        os.kill(forward.process.pid, signal.SIGSTOP)
        time.sleep(25)
        os.kill(forward.process.pid, signal.SIGCONT)
        time.sleep(3)
        client.sendall(b"lo")
        assert client.recv(2) == b"lo"
        assert not any("lost" in each or "silent" in each for each in forward.err)


def test_three_signs_of_life_without_an_answer(tmp_path: Path) -> None:
    with wired(tmp_path, "--keepalive", "0.5") as (between, forward, port):
        assert works(port, 20)
        time.sleep(2)  # four signs of life, all answered
        assert not any("lost" in each for each in forward.err)
        between.silent = True
        began = time.monotonic()
        forward.said("the connection was lost", told=True)
        assert time.monotonic() - began > 0.9
        between.silent = False
        between.cut()
        back(port, time.monotonic())

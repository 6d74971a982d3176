"""The small services over TCP and UDP with real clients, and what they refuse."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

import pytest

from hythe.serve.small import PACE, QUOTE, RATE
from tests import needs
from tests.serve.serving import STACKS, serving

stacks = pytest.mark.parametrize("words", STACKS, ids=["kernel", "stack"])
DAYTIME = rb"\w+day, \w+ \d{1,2}, \d{4} \d\d:\d\d:\d\d-UTC\r\n"


def nc(port: int, sent: bytes) -> bytes:
    command = [needs.program("nc"), "-N", "-w", "10", "127.0.0.1", str(port)]
    return subprocess.run(command, input=sent, capture_output=True, timeout=30, check=True).stdout


@contextlib.contextmanager
def datagrams(port: int, source: int = 0) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", source))
        client.connect(("127.0.0.1", port))
        client.settimeout(10)
        yield client


@stacks
def test_echo(words: list[str]) -> None:
    with serving("--echo", *words) as served:
        sent = bytes(range(256)) * 1_500
        assert nc(served.port, sent) == sent
        with datagrams(served.port) as client:
            client.send(b"to and fro")
            assert client.recv(100) == b"to and fro"
        served.wait_for(rf"^\[.*\] - [\d.]+:\d+ - echo TCP {len(sent)}$")
        served.wait_for(r"^\[.*\] - [\d.]+:\d+ - echo UDP 10$")


def test_discard() -> None:
    with serving("--discard") as served:
        assert nc(served.port, b"gone" * 100) == b""
        served.wait_for("discard TCP 400$")
        with datagrams(served.port) as client:
            client.send(b"gone")
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(100)


@stacks
def test_daytime_and_quote(words: list[str]) -> None:
    with serving("--daytime", *words) as served:
        assert re.fullmatch(DAYTIME, nc(served.port, b""))
        with datagrams(served.port) as client:
            client.send(b"")
            assert re.fullmatch(DAYTIME, client.recv(100))
    with serving("--qotd", *words) as served:
        for _ in range(10):  # gone before it is said to them: no traceback
            socket.create_connection(("127.0.0.1", served.port)).close()
        assert nc(served.port, b"ignored") == f"{QUOTE}\r\n".encode()
    with serving("--qotd", "--text", "é" * 600, *words) as served, datagrams(served.port) as client:
        client.send(b"x")
        quote = client.recv(1_000)
        assert len(quote) < 512
        assert quote.decode().strip() == "é" * 254


def test_character_generator() -> None:
    with serving("--chargen") as served:
        with socket.create_connection(("127.0.0.1", served.port), 10) as client:
            began = time.monotonic()
            received = b""
            while len(received) < PACE // 2:
                received += client.recv(65_536)
            assert time.monotonic() - began > 0.3  # a quarter of it at once, the rest at its pace
        lines = received.split(b"\r\n")[:-1]
        printable = bytes(range(32, 127))
        assert all(line == (printable * 2)[number % 95 :][:72] for number, line in enumerate(lines))
        with datagrams(served.port) as client:
            client.send(b"x" * 20)
            assert (printable[:72]).startswith(client.recv(1_000))


def test_characters_come_until_the_client_closes() -> None:
    with serving("--chargen") as served, socket.create_connection(("127.0.0.1", served.port), 10) as client:
        client.shutdown(socket.SHUT_WR)
        received = 0
        while received <= PACE // 4:  # twice what it sends at once
            part = client.recv(65_536)
            assert part
            received += len(part)


def test_it_does_not_answer_itself() -> None:
    needs.root()  # to forge
    with serving("--echo") as served:
        udp = struct.pack("!HHHH", served.port, served.port, 16, 0) + b"for ever"
        local = socket.inet_aton("127.0.0.1")
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0, local, local)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger:
            forger.sendto(head + udp, ("127.0.0.1", 0))
        with datagrams(served.port) as client:
            client.send(b"once")
            assert client.recv(100) == b"once"
        served.wait_for("echo UDP 4$")
        assert "echo UDP 8" not in served.said()


def test_other_small_services_are_not_answered() -> None:
    needs.root()  # to send from their ports
    with serving("--echo") as served:
        for source in (7, 13, 17, 19, 53, 123):
            with contextlib.suppress(PermissionError), datagrams(served.port, source) as client:
                client.send(b"for ever")
                client.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    client.recv(100)
        with datagrams(served.port) as client:
            client.send(b"once")
            assert client.recv(100) == b"once"


def test_answers_are_rationed() -> None:
    with serving("--echo") as served, datagrams(served.port) as client:
        for number in range(10 * RATE):
            client.send(b"%d" % number)
        client.settimeout(0.3)
        answers = 0
        with contextlib.suppress(TimeoutError):
            while client.recv(100):
                answers += 1
        assert RATE <= answers <= 2 * RATE

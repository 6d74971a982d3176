"""`hythe run --summary=waterfall` of real programs, beside what their servers have seen."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from hythe.serve.certificate import made
from hythe.view.waterfall.gather import of_running
from tests import needs
from tests.gateway.servers import closed_port, tcp_server
from tests.gateway.sessions import session, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.gateway.conftest import Person

THINKS, PAUSES = 0.4, 0.5
#: How late a busy machine may be.
LATE = 1.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\nConnection: close\r\n\r\n"
CLIENT = """
import socket, sys
plain, closed, silent = map(int, sys.argv[1:4])
host = socket.gethostbyname("host.hythe.internal")
with socket.create_connection((host, plain)) as sock:
    sock.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
    while sock.recv(4096):
        pass
try:
    socket.create_connection((host, closed))
except ConnectionRefusedError:
    pass
try:
    socket.getaddrinfo("nowhere.invalid", 80)
except socket.gaierror:
    pass
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
    datagram.connect((host, silent))
    datagram.send(b"question")
    datagram.recv(100)
left = socket.create_connection((host, plain))
print("done", flush=True)
left.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
left.recv(4096)
sys.stdout.flush()
import os
os._exit(0)
"""


class Slow:
    """Thinks before it answers, pauses within its answer, and remembers when (by this machine's clock)."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.began: list[float] = []
        self.ended: list[float] = []

    def serve(self, connection: socket.socket) -> None:
        connection.recv(65_536)
        self.asked.append(time.time())
        time.sleep(THINKS)
        self.began.append(time.time())
        try:
            connection.sendall(ANSWER + bytes(1000))
            time.sleep(PAUSES)
            self.ended.append(time.time())
            connection.sendall(bytes(1000))
        except ConnectionError:
            return  # the one who left early


def echo_once(sock: socket.socket) -> None:
    _, peer = sock.recvfrom(100)
    time.sleep(0.1)
    sock.sendto(b"answer", peer)


def spans(line: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for each in line["spans"]:
        found.setdefault(each["kind"], []).append((each["start"], each["end"]))
    for one, other in pairwise(line["spans"]):
        assert one["end"] <= other["start"]
    return found


def test_moments_are_those_that_the_server_has_seen(nobody: Person) -> None:
    slow = Slow()
    with tcp_server(slow.serve) as plain, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        threading.Thread(target=echo_once, args=(silent,), daemon=True).start()
        ports = plain, closed_port(), silent.getsockname()[1]
        words = [nobody.python, "-I", "-c", CLIENT, *map(str, ports)]
        result = nobody.run("-4 --host-loopback --summary=waterfall-json", *words)
    assert result.stdout == "done\n", result.stderr
    found = json.loads(result.stderr)
    first, refused, name, datagrams, left = found["lines"]
    assert found["connections"] == 4
    assert re.fullmatch(r"python[\d.]*\[\d+\]", first["process"])
    assert {each["process"] for each in (refused, datagrams, left)} == {first["process"]}

    parts = spans(first)
    (wait,) = parts["wait"]
    (stall,) = parts["stall"]
    # hythe's clock and the server's are one, and what lies between them is two wakings.
    for ours, theirs in zip((*wait, stall[1]), (slow.asked[0], slow.began[0], slow.ended[0]), strict=True):
        assert abs(found["began"] + ours - theirs) < LATE
    assert wait[1] - wait[0] >= THINKS / 2
    assert stall[1] - stall[0] >= PAUSES / 2
    assert first["limits"]["remote"] >= (THINKS + PAUSES) / 2
    assert re.fullmatch(r"\d+% of the time waiting for host.hythe.internal to say something", first["limited"])
    assert (first["bytes_down"], first["open"]) == (len(ANSWER) + 2000, False)

    assert (refused["outcome"], refused["failed"], list(spans(refused))) == ("connection refused", True, ["connect"])
    assert (name["protocol"], name["name"], name["failed"]) == ("dns", "nowhere.invalid", True)
    (asked,) = spans(datagrams)["wait"]
    assert (datagrams["protocol"], datagrams["bytes_down"]) == ("udp", 6)
    assert asked[1] - asked[0] >= 0.05
    assert left["start"] >= datagrams["start"]


def https(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as inner:
                inner.recv(65_536)
                time.sleep(THINKS)
                inner.sendall(ANSWER + bytes(2000))
        except (ssl.SSLError, ConnectionError):
            return  # a browser that asks whether we speak at all

    return serve


@pytest.mark.parametrize(
    ("version", "offer", "spoken", "said"),
    [
        ("1.3", "--http2", ["h2", "http/1.1"], ["TLS 1.3", ["h2", "http/1.1"], None]),
        ("1.2", "--http1.1", ["http/1.1"], ["TLS 1.2", ["http/1.1"], "http/1.1"]),
    ],
)
def test_curls_tls_is_told(nobody: Person, version: str, offer: str, spoken: list[str], said: list[object]) -> None:
    context, _ = made(["127.0.0.1"])
    context.set_alpn_protocols(spoken[-1:])
    with tcp_server(https(context)) as port:
        url = f"https://host.hythe.internal:{port}/"
        options = f"-4 -sk {offer} --tls-max {version} -o /dev/null -w %{{http_code}}"
        words = [needs.program("curl"), *options.split(), url]
        result = nobody.run("-4 --host-loopback --delay 20ms --summary=waterfall-json", *words)
    assert result.stdout == "200", result.stderr
    (line,) = json.loads(result.stderr[result.stderr.index("{") :])["lines"]
    tls = line["tls"]
    assert [tls["version"], tls["offered"], tls["protocol"]] == said
    assert tls["name"] == "host.hythe.internal"
    assert line["process"].startswith("curl[")
    parts = spans(line)
    assert [each for each in parts if each != "idle"] == ["connect", "tls", "wait", "transfer"]
    # Round trips of 40 ms: one to connect, one for TLS, and the first byte has waited for the server to think.
    for kind, least in (("connect", 0.04), ("tls", 0.04), ("wait", THINKS / 2)):
        ((start, end),) = parts[kind]
        assert end - start >= least, (kind, line["spans"])


def test_a_page_of_a_program_is_written(nobody: Person, folder: Path) -> None:
    slow = Slow()
    page = folder / "run.html"
    with tcp_server(slow.serve) as port:
        words = [needs.program("curl"), "-4", "-s", "-o", "/dev/null", f"http://host.hythe.internal:{port}/"]
        result = nobody.run(f"--host-loopback --summary={page}", *words)
    assert (result.returncode, result.stderr) == (0, "")
    text = page.read_text()
    assert "curl -4 -s" in text
    assert '<span class="part stall"' in text


def test_what_cannot_be_written_is_said_before_the_command_runs(nobody: Person) -> None:
    result = nobody.run("--summary=/nowhere/at/all.html", "echo", "ran")
    assert (result.returncode, result.stdout) == (1, "")
    assert "the page '/nowhere/at/all.html' cannot be written" in result.stderr


SERVER = """
import socket, time
with socket.create_server(("", 8080)) as listener:
    connection, _ = listener.accept()
    with connection:
        connection.recv(100)
        time.sleep(0.3)
        connection.sendall(b"answer")
        connection.recv(100)
"""


def test_a_running_session_tells_moments_once_it_is_asked_and_who_answers_a_client(nobody: Person) -> None:
    with session(nobody, "-4 -p 127.0.0.1:0:8080", *nobody.script(SERVER)) as (running, asked):
        assert asked.connections(moments=True) == []
        (port,) = [each.outside.port for each in asked.listeners() if each.outside is not None]
        until(lambda: [each for each in asked.listeners() if each.outside is None], running, 20)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"question")
            assert client.recv(100) == b"answer"
            found = of_running(asked)
    (line,) = found.lines
    assert (line.inbound, line.open, line.address, line.bytes_up) == (True, True, "127.0.0.1", 6)
    assert re.fullmatch(r"python[\d.]*\[\d+\]", line.process)
    kinds = {each.kind: each.end - each.start for each in line.spans}
    assert list(kinds)[:2] == ["connect", "wait"]
    assert kinds["wait"] >= 0.3 / 2
    assert line.limits["command"] >= 0.3 / 2


def takes_slowly(connection: socket.socket) -> None:
    while connection.recv(16_384):
        time.sleep(0.01)
    connection.sendall(b"!")


def gives(connection: socket.socket) -> None:
    connection.recv(1)
    connection.sendall(bytes(4_000_000))


ENDS = """
import socket, sys, time
with socket.create_connection(("host.hythe.internal", int(sys.argv[1]))) as sock:
    sock.sendall(bytes(int(sys.argv[2])))
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        time.sleep(float(sys.argv[3]))
"""


def limits(
    nobody: Person, serve: Callable[[socket.socket], None], options: str, script: str, *words: str
) -> dict[str, float]:
    """Of the one connection of a command: shares of what it was waited for, none of which lies outside of its own time."""
    with tcp_server(serve) as port:
        result = nobody.run(
            f"-4 --host-loopback {options} --summary=waterfall-json", *nobody.script(script, str(port), *words)
        )
    (line,) = json.loads(result.stderr[result.stderr.index("{") :])["lines"]
    total = sum(line["limits"].values())
    assert total <= (line["end"] - line["start"]) * 1.01 + 0.01, line
    assert line["limited"]
    return {reason: spent / total for reason, spent in line["limits"].items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("serve", "size", "pause", "options", "limit"),
    [
        (takes_slowly, 3_000_000, 0, "", "remote full"),  # most of it has long gone into this machine's buffers
        (gives, 1, 0.01, "", "command full"),
        (gives, 1, 0, "--down-rate 40mbit", "command full"),
    ],
)
def test_what_limits_is_who_takes_no_more(
    nobody: Person, serve: Callable[[socket.socket], None], size: int, pause: float, options: str, limit: str
) -> None:
    shares = limits(nobody, serve, options, ENDS, str(size), str(pause))
    assert max(shares, key=lambda each: shares[each]) == limit, shares


SPEAKS = """
import socket, sys, time
with socket.create_connection(("host.hythe.internal", int(sys.argv[1]))) as sock:
    for turn in range(int(sys.argv[2])):
        time.sleep(float(sys.argv[4]) if turn else 0)
        sock.sendall(bytes(int(sys.argv[3])))
    sock.shutdown(socket.SHUT_WR)
    sock.recv(1)
"""


def takes(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass
    connection.sendall(b"!")


@pytest.mark.parametrize(
    ("count", "size", "pause", "options", "limit"),
    [
        (5, 3_000, 0.3, "", "command more"),
        pytest.param(1, 1_000_000, 0, "--up-rate 8mbit", "command more", marks=pytest.mark.slow),
        pytest.param(1, 2_000_000, 0, "--delay 10ms --up-loss nth:1000@tcp", "command more", marks=pytest.mark.slow),
        # Those behind it arrive, and wait for it; what is sent in its place is lost as well.
        pytest.param(1, 12_000, 0, "--delay 20ms --up-loss nth:4,12,13,14@tcp", "loss", marks=pytest.mark.slow),
        # hythe's SYN/ACK is sent again before its answer can have come.
        pytest.param(1, 1_000, 0, "--delay 600ms", "wire", marks=pytest.mark.slow),
        pytest.param(1, 2_000_000, 0, "--delay 10ms --up-reorder 2%,3ms", "command more", marks=pytest.mark.slow),
    ],
)
def test_who_listens_is_not_blamed_for_what_does_not_come(
    nobody: Person, count: int, size: int, pause: float, options: str, limit: str
) -> None:
    """The server takes all, at once: what takes time is the command, or its wire."""
    shares = limits(nobody, takes, options, SPEAKS, str(count), str(size), str(pause))
    assert max(shares, key=lambda each: shares[each]) == limit, shares

"""UDP of real programs inside `hythe run`."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.nameserver import PLAIN, NameServer
from tests.gateway.relay import outside, port_of

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

ECHO = """
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
for family in (socket.AF_INET, socket.AF_INET6):
    address = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)[0][4]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(address)
        for size in (0, 1, 512, 1472, 1473, 9000, 65491, 65492, 65507):
            block = bytes(index * 7 & 255 for index in range(size))
            sock.send(block)
            assert sock.recv(70000) == block, (family, size)
print("all")
"""
REFUSED = """
import socket, sys, time
for host in ("10.83.64.2", "fd68:7974:6865::2"):
    host = socket.getaddrinfo(sys.argv[1], 1, socket.AF_INET6 if ":" in host else socket.AF_INET)[0][4][0]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((host, int(sys.argv[2])))
        began = time.monotonic()
        sock.send(b"x")
        try:
            sock.recv(10)
        except ConnectionRefusedError:
            print("refused", time.monotonic() - began < 1)
"""


@contextmanager
def echo_server() -> Iterator[int]:
    """Answer each datagram with itself, on 127.0.0.1 and ::1, while the `with` lasts. Yields the port."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", 0))

    def serve() -> None:
        while True:
            data, peer = server.recvfrom(70_000)
            if data == b"end of test" and peer[0] == "::1" and peer[1] == port_of(stopper):
                return
            server.sendto(data, peer)

    with server, outside("::1") as stopper:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port_of(server)
        finally:
            stopper.sendto(b"end of test", ("::1", port_of(server)))
            thread.join()


@pytest.mark.parametrize("mtu", [1500, 65520])
def test_datagrams_of_every_size(person: Person, mtu: int) -> None:
    with echo_server() as port:
        result = person.run(f"--host-loopback --summary --mtu {mtu}", *person.script(ECHO, "host.hythe.internal", str(port)))
    assert (result.returncode, result.stdout) == (0, "all\n"), result.stderr
    rows = [line.split() for line in result.stderr.splitlines() if " udp " in line]
    assert [row[-1] for row in rows] == ["ASSURED", "ASSURED"]


def test_a_closed_port_is_refused_at_once(nobody: Person) -> None:
    with outside() as server, outside("::1", port_of(server)):
        port = port_of(server)
    result = nobody.run("--host-loopback", *nobody.script(REFUSED, "host.hythe.internal", str(port)))
    assert result.stdout.split() == ["refused", "True"] * 2, result.stderr


def test_dig_asks_a_server_outside(nobody: Person) -> None:
    dig = needs.program("dig")
    with NameServer() as server:
        result = nobody.run(
            "--host-loopback",
            dig,
            "-4",
            "+short",
            "+tries=1",
            "+time=5",
            "-p",
            str(server.port),
            "@host.hythe.internal",
            "plain.test",
        )
    assert result.stdout.split() == [socket.inet_ntoa(PLAIN)], result.stdout + result.stderr
    assert {protocol for protocol, _, _ in server.asked} == {"udp"}


@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["up", "down"])
def test_iperf3(nobody: Person, direction: list[str]) -> None:
    iperf3 = needs.program("iperf3")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(port_of(probe))
    server = subprocess.Popen([iperf3, "-s", "-1", "-B", "127.0.0.1", "-p", port], stdout=subprocess.DEVNULL)
    try:
        wait_for_listener(int(port))
        result = nobody.run(
            "--host-loopback",
            iperf3,
            "-4",
            "-c",
            "host.hythe.internal",
            "-p",
            port,
            "-u",
            "-b",
            "50M",
            "-l",
            "1400",
            "-t",
            "1",
            "-J",
            *direction,
        )
    finally:
        server.terminate()
        server.wait(10)
    report = json.loads(result.stdout)
    assert "error" not in report, report
    total = report["end"]["sum"]
    assert total["packets"] > 1000
    assert total["lost_percent"] < 20


def wait_for_listener(port: int) -> None:
    """Wait until something listens at the port, without connecting to it: iperf3 takes one client only."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    for _ in range(500):
        with open("/proc/net/tcp", encoding="ascii") as table:
            if wanted in table.read():
                return
        time.sleep(0.01)
    raise AssertionError(f"nothing listens at port {port}")

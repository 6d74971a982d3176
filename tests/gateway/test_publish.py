"""Published ports: clients outside, real servers inside."""

from __future__ import annotations

import errno
import hashlib
import socket
import struct
import subprocess
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from hythe.errors import UsageError
from hythe.gateway.egress.kernel import mark_of, tell_marks
from hythe.gateway.layout import Family
from hythe.gateway.namespace import machine_networks, pick_prefix6, pick_subnet4
from hythe.gateway.publish.clients import Target, pack, targets
from hythe.gateway.publish.listening import bound
from hythe.gateway.publish.publications import LOOPBACK, parse
from tests import needs

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

INSIDE4, INSIDE6 = Family(*pick_subnet4(machine_networks())), Family(*pick_prefix6(machine_networks()))
BOTH = pytest.mark.parametrize("host", LOOPBACK)
RESET = struct.pack("ii", 1, 0)

#: Listens on port 7000 of the address given, says so, and serves one client by the code that is put in its place.
SERVER = """
import hashlib, socket, struct, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 7000), family=family) as server:
    print("ready", flush=True)
    client, peer = server.accept()
    with client:
        CODE
"""

#: Answers each datagram with where it came from and its length, and the traffic class that it bore.
ECHO = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.socket(family, socket.SOCK_DGRAM)
if family == socket.AF_INET6: server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
server.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
if family == socket.AF_INET6: server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
server.bind((sys.argv[1], 7000))
print("ready", flush=True)
while True:
    data, ancillary, _, peer = server.recvmsg(65535, 100)
    answer = f"{peer[0]} {peer[1]} {len(data)}".encode()
    server.sendmsg([answer], [(level, kind, value[:1] + bytes(3)) for level, kind, value in ancillary], 0, peer)
"""


def server(person: Person, code: str, address: str = "0.0.0.0") -> list[str]:
    return person.script(SERVER.replace("CODE", code.replace("\n", "\n        ")), address)


def stand_in(host: str) -> bytes:
    """Return the address by which the command sees a client on this machine, in the family of `host`."""
    return INSIDE6.host if ":" in host else INSIDE4.host


# --- TCP


@BOTH
def test_what_is_accepted_is_without_nagle(host: str) -> None:
    """asyncio only sees to sockets that were made with the number of TCP, which accepted ones do not have from us."""
    with (
        closing(bound(host, 0, udp=False)) as listener,
        socket.create_connection(listener.getsockname()[:2], 10),
        closing(listener.accept()[0]) as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@BOTH
def test_curl_fetches_from_a_server_inside(person: Person, host: str) -> None:
    curl = needs.program("curl")
    with person.running("-p 0:8000", person.python, "-u", "-m", "http.server", "-d", str(person.folder), "8000") as run:
        port = run.picked_port()
        run.line()
        url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        found = subprocess.run([curl, "-sS", url], capture_output=True, text=True, timeout=20, check=True)
    assert '<a href="venv/">' in found.stdout


@BOTH
@pytest.mark.parametrize("listening", ["0.0.0.0", "::"], ids=["inside4", "inside6"])
def test_the_family_the_command_listens_in_is_found(nobody: Person, host: str, listening: str) -> None:
    code = "print(peer[0], peer[1], flush=True); client.sendall(b'here')"
    with nobody.running("-p 0:7000", *server(nobody, code, listening)) as run:
        port = run.picked_port()
        assert run.line() == "ready\n"
        with socket.create_connection((host, port), 5) as client:
            assert client.makefile("rb").read() == b"here"
            mine = client.getsockname()[1]
        inside, inside_port = run.line().split()
    assert pack(inside) == stand_in(listening)
    assert int(inside_port) == mine


def test_a_client_is_reset_at_once_where_the_command_does_not_listen(nobody: Person) -> None:
    with nobody.running("-p 0:7000", "sleep", "60") as run:
        port = run.picked_port()
        with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", port), 10) as client:
            client.recv(1)  # unless the reset was quicker than connect


def test_half_closes_stay_half_closes(nobody: Person) -> None:
    """The client has sent its last byte before the command answers; then the same the other way round."""
    code = """
data = client.makefile('rb').read()
client.sendall(hashlib.sha256(data).hexdigest().encode())
client.shutdown(socket.SHUT_WR)
"""
    with nobody.running("-p 0:7000", *server(nobody, code)) as run:
        port = run.picked_port()
        run.line()
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(b"question" * 10_000)
            client.shutdown(socket.SHUT_WR)
            assert client.makefile("rb").read().decode() == hashlib.sha256(b"question" * 10_000).hexdigest()
    code = """
client.sendall(b'greeting'); client.shutdown(socket.SHUT_WR)
print(client.makefile('rb').read().decode(), flush=True)
"""
    with nobody.running("-p 0:7000", *server(nobody, code)) as run:
        port = run.picked_port()
        run.line()
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            assert client.makefile("rb").read() == b"greeting"
            client.sendall(b"thanks")
            client.shutdown(socket.SHUT_WR)
            assert run.line() == "thanks\n"


def test_a_reset_by_the_client_is_a_reset_inside(nobody: Person) -> None:
    code = """
client.sendall(b'x')
try: print(client.recv(1), flush=True)
except ConnectionResetError: print('reset', flush=True)
"""
    with nobody.running("-p 0:7000", *server(nobody, code)) as run:
        port = run.picked_port()
        run.line()
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            assert client.recv(1) == b"x"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        assert run.line() == "reset\n"


def test_a_reset_by_the_command_is_a_reset_outside(nobody: Person) -> None:
    code = "client.recv(1); client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))"
    with nobody.running("-p 0:7000", *server(nobody, code)) as run:
        port = run.picked_port()
        run.line()
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_a_slow_server_gets_every_byte(nobody: Person, rng: Random) -> None:
    """20 MB into a command that reads haltingly, and does not read at all at first."""
    data = rng.randbytes(20_000_000)
    code = """
time.sleep(0.5)
found = hashlib.sha256()
while piece := client.recv(150_000):
    found.update(piece)
    time.sleep(0.001)
client.sendall(found.digest())
"""
    with nobody.running("-p 0:7000", *server(nobody, code)) as run:
        port = run.picked_port()
        run.line()
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert client.makefile("rb").read() == hashlib.sha256(data).digest()


def test_a_slow_client_gets_every_byte(nobody: Person) -> None:
    code = """
import random
data = random.Random(7).randbytes(20_000_000)
client.sendall(data)
"""
    with nobody.running("-p 0:7000", *server(nobody, code)) as run:
        port = run.picked_port()
        run.line()
        found = hashlib.sha256()
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            time.sleep(0.5)
            while piece := client.recv(150_000):
                found.update(piece)
                time.sleep(0.001)
    assert found.digest() == hashlib.sha256(Random(7).randbytes(20_000_000)).digest()


def test_nginx_inside_and_wrk_outside(root: Person, tmp_path: Path) -> None:
    """As root: its workers change their user. The last connection must go as well as the first."""
    nginx, wrk = needs.program("nginx"), needs.program("wrk")
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr crit; worker_processes 1;\n"
        "events { worker_connections 512; }\n"
        "http { access_log off; server { listen 80; location / { return 200 'hello'; } } }\n"
    )
    with root.running("-p 0:http", nginx, "-c", str(conf)) as run:
        port = run.picked_port()
        _until_answered(port)
        close = ["-H", "Connection: close"]
        for words in ([], close):
            result = subprocess.run(
                [wrk, "-t1", "-c16", "-d1", *words, f"http://127.0.0.1:{port}/"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
            assert "Non-2xx" not in result.stdout, result.stdout
            assert "Socket errors" not in result.stdout, result.stdout
            assert int(result.stdout.partition(" requests in ")[0].split()[-1]) > 100, result.stdout


def _until_answered(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 20) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if client.recv(1):
                    return
        except ConnectionResetError:  # at once, or by one of these calls
            time.sleep(0.02)  # it does not listen yet
    pytest.fail("the server inside did not begin to listen")


def test_a_range_and_a_second_option(nobody: Person) -> None:
    """Each port outside leads to its own inside."""
    first = _free_ports(3)
    program = """
import select, socket
servers = [socket.create_server(("", port)) for port in (7001, 7002, 7003, 7010)]
print("ready", flush=True)
while True:
    for each in select.select(servers, [], [])[0]:
        with each.accept()[0] as client: client.sendall(str(each.getsockname()[1]).encode())
"""
    with nobody.running(f"-p {first}-{first + 2}:7001-7003 -p 0:7010", *nobody.script(program)) as run:
        ports = [first, first + 1, first + 2, run.picked_port()]
        run.line()
        for port, inside in zip(ports, (7001, 7002, 7003, 7010), strict=True):
            with socket.create_connection(("127.0.0.1", port), 5) as client:
                assert client.makefile("rb").read() == str(inside).encode()


def _free_ports(count: int) -> int:
    """Return the first of so many ports in a row that nobody uses on the loopbacks."""
    for first in range(21_000, 29_000, 17):
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
                socket.create_server(("::1", port), family=socket.AF_INET6).close()
        except OSError:
            continue
        return first
    pytest.fail("no free ports in a row")


# --- UDP


@BOTH
@pytest.mark.parametrize("listening", ["0.0.0.0", "::"], ids=["inside4", "inside6"])
def test_datagrams_reach_the_command_and_come_back(person: Person, host: str, listening: str) -> None:
    """Two clients at a time, small datagrams and one that is fragmented on any other link."""
    with person.running("-p 0:7000/udp", *person.script(ECHO, listening)) as run:
        port = run.picked_port()
        assert run.line() == "ready\n"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as two:
            for client in (one, two):
                client.settimeout(5)
                client.connect((host, port))
            for size in (0, 1, 60_000):
                one.send(bytes(size))
                two.send(bytes(size))
                for client in (two, one):
                    inside, inside_port, found = client.recv(100).decode().split()
                    assert (pack(inside), int(found)) == (stand_in(listening), size)
                    assert int(inside_port) == client.getsockname()[1]
            for ecn in (1, 2, 3):
                mark(one, ecn)
                one.send(b"x")
                _, ancillary, _, _ = one.recvmsg(100, 100)
                assert [mark_of(value) for _, _, value in ancillary] == [ecn]


def mark(sock: socket.socket, ecn: int) -> None:
    """From now on send with this ECN codepoint, and be told that of what comes."""
    level, kind = (
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, socket.IP_TOS)
    )
    sock.setsockopt(level, kind, ecn)
    tell_marks(sock)


# --- How a client appears


@pytest.mark.parametrize(
    ("client", "first", "second"),
    [
        ("127.0.0.1", INSIDE4.host, INSIDE6.host),
        ("::1", INSIDE6.host, INSIDE4.host),
        ("203.0.113.9", pack("203.0.113.9"), INSIDE6.gateway),
        ("2001:db8::9", pack("2001:db8::9"), INSIDE4.gateway),
        ("fe80::9%eth0", INSIDE6.gateway, INSIDE4.gateway),
    ],
)
def test_a_client_is_told_apart(client: str, first: bytes, second: bytes) -> None:
    found = targets(client, [INSIDE4, INSIDE6])
    assert [each.local for each in found] == [first, second]
    assert {each.remote for each in found} == {INSIDE4.command, INSIDE6.command}
    assert all(len(each.local) == len(each.remote) for each in found)


def test_a_client_of_the_missing_family() -> None:
    assert targets("::1", [INSIDE4]) == [Target(INSIDE4.host, INSIDE4.command)]


# --- What is written


@pytest.mark.parametrize(
    ("written", "addresses", "outside", "inside", "udp"),
    [
        ("8080:80", LOOPBACK, [8080], [80], False),
        ("8080:80/tcp", LOOPBACK, [8080], [80], False),
        ("0:80", LOOPBACK, [0], [80], False),
        ("5353:domain/udp", LOOPBACK, [5353], [53], True),
        ("http-alt:http", LOOPBACK, [8080], [80], False),
        ("0.0.0.0:8080:80", ("0.0.0.0",), [8080], [80], False),
        ("[::1]:8080:80", ("::1",), [8080], [80], False),
        ("[fe80::1%lo]:8080:80", ("fe80::1%lo",), [8080], [80], False),
        ("http-alt-8082:x11-6002", LOOPBACK, [8080, 8081, 8082], [6000, 6001, 6002], False),
        ("8000-8002:9000-9002", LOOPBACK, [8000, 8001, 8002], [9000, 9001, 9002], False),
    ],
)
def test_publications(written: str, addresses: tuple[str, ...], outside: list[int], inside: list[int], *, udp: bool) -> None:
    found = parse(written)
    assert [each.outside for each in found] == outside
    assert [each.inside for each in found] == inside
    assert {(each.addresses, each.udp) for each in found} == {(addresses, udp)}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("8080", "does not say which port leads where"),
        ("", "does not say which port leads where"),
        (":80", "does not say which port leads where"),
        ("8080:", "does not say which port leads where"),
        ("8080:80/sctp", "'sctp' is not a protocol"),
        ("localhost:8080:80", "'localhost' is not an address"),
        ("::1:8080:80", "'::1' is not an address"),
        ("[127.0.0.1]:8080:80", "'\\[127.0.0.1\\]' is not an address"),
        ("8080:no-such-service", "'no-such-service' is neither a port nor a tcp service"),
        ("8000-8001:80", "2 ports cannot lead to 1"),
        ("8001-8000:80-81", "8001-8000 is not a port or a range"),
        ("65536:80", "65536 is not a port or a range"),
        ("8080:0", "0 is not a port"),
        ("0-1:80-81", "0 is not a port"),
    ],
)
def test_bad_publications(written: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=f"^-p {written.replace('[', '.').replace(']', '.')}.*{sentence}"):
        parse(written)


def test_a_bad_publication_is_one_sentence(nobody: Person) -> None:
    result = nobody.run("-p 8080", "true")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("hythe: -p 8080 does not say which port leads where: write for example 8080:80")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_in_use(nobody: Person, protocol: str) -> None:
    """Nothing is run then, and nothing stays behind."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with closing(socket.socket(socket.AF_INET, kind)) as user:
        user.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            user.listen()
        port = user.getsockname()[1]
        result = nobody.run(f"-p {port}:80/{protocol}", "echo", "ran")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"hythe: -p {port}:80/{protocol}: {protocol.upper()} port {port} of 127.0.0.1 or ::1 is in "
        "use: end what listens there, or publish on another port\n"
    )


def test_a_privileged_port(nobody: Person) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 7:
        needs.lack("needs privileged ports: net.ipv4.ip_unprivileged_port_start is very low here")
    result = nobody.run("-p 7:7", "echo", "ran")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "hythe: -p 7:7: TCP port 7 is privileged: publish on a port from 1024 on, or as root, run: "
        "sysctl net.ipv4.ip_unprivileged_port_start=7\n"
    )


def test_an_address_that_is_not_ours(nobody: Person) -> None:
    result = nobody.run("-p 203.0.113.1:0:80", "echo", "ran")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "hythe: -p 203.0.113.1:0:80: this machine does not have the address 203.0.113.1: write one "
        "that `ip address` shows, or 0.0.0.0 or [::] for all\n"
    )


def test_the_end_of_the_run_ends_the_listening(nobody: Person) -> None:
    with nobody.running("-p 0:7000", "sleep", "60") as run:
        port = run.picked_port()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED

"""A slow reader on one side of `hythe run` stops the other within a bounded buffer, and nothing is lost."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import TYPE_CHECKING

from hythe.units import KIB, MIB
from tests import needs
from tests.gateway.clients import CONNECT, FAMILIES, inside
from tests.gateway.servers import echo, listen_on_both, tcp_server

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

#: What the kernels on both sides hold of one connection (tcp_wmem and tcp_rmem at their largest) and we ourselves.
STALLED_AT_MOST = 40 * MIB
RSS_GROWTH_AT_MOST = 6 * MIB


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) * KIB


def test_a_server_that_does_not_read_stops_the_command(nobody: Person) -> None:
    """Bounded on the way, nothing lost when it reads on after all."""
    program = """
connection = connect()
print("open", flush=True)
sent, seed = 0, bytes(range(256)) * 256
connection.settimeout(1)
try:
    while sent < 200 << 20: sent += connection.send(seed[sent % 256:])
except TimeoutError: pass
print(sent, flush=True)
sys.stdin.readline()
connection.settimeout(20)
connection.shutdown(socket.SHUT_WR)
connection.recv(1)
"""
    listeners = listen_on_both()
    port = listeners[0].getsockname()[1]
    words = nobody.words("--host-loopback", *nobody.script(CONNECT + program, "4", str(port)))
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=nobody.folder, env=needs.clean_environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        connection, _ = listeners[0].accept()
        assert process.stdout.readline() == b"open\n"
        before = resident(process.pid)
        sent = int(process.stdout.readline())
        assert 0 < sent < STALLED_AT_MOST
        assert resident(process.pid) - before < RSS_GROWTH_AT_MOST
        process.stdin.write(b"\n")
        process.stdin.flush()
        heard = b"".join(iter(lambda: connection.recv(MIB), b""))
        connection.close()
        assert process.wait(20) == 0
    for each in listeners:
        each.close()
    assert heard == (bytes(range(256)) * (sent // 256 + 1))[:sent]


def test_commands_that_do_not_read_stop_the_servers(nobody: Person) -> None:
    """Sixteen at once: what is kept of each is bounded."""
    sent: list[int] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(1)
        total = 0
        try:
            while total < 100 * MIB:
                total += connection.send(bytes(64 * KIB))
        except TimeoutError:
            sent.append(total)
        connection.settimeout(20)
        connection.recv(1)
        connection.shutdown(socket.SHUT_WR)

    program = """
connections = [connect() for _ in range(16)]
print("open", flush=True)
sys.stdin.readline()
total = 0
for each in connections:
    each.send(b".")
    while data := each.recv(1 << 20): total += len(data)
print(total)
"""
    with tcp_server(serve) as port:
        words = nobody.words("--host-loopback", *nobody.script(CONNECT + program, "4", str(port)))
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=nobody.folder, env=needs.clean_environment()
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            before = resident(process.pid)
            deadline = time.monotonic() + 20
            while len(sent) < 16 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(sent) == 16
            growth = resident(process.pid) - before
            total, _ = process.communicate(b"\n", timeout=40)
    assert max(sent) < STALLED_AT_MOST
    assert growth < 16 * RSS_GROWTH_AT_MOST
    assert int(total) == sum(sent)


@FAMILIES
def test_both_directions_at_once(nobody: Person, family: str) -> None:
    """Full duplex: an echo of 32 MiB, sent by one thread and read by another."""
    program = """
import threading
connection = connect()
block = bytes(range(256)) * 4096
def send():
    for _ in range(32): connection.sendall(block)
    connection.shutdown(socket.SHUT_WR)
thread = threading.Thread(target=send)
thread.start()
heard = hashlib.sha256()
while data := connection.recv(1 << 20): heard.update(data)
thread.join()
print(heard.hexdigest() == hashlib.sha256(block * 32).hexdigest())
"""
    with tcp_server(echo) as port:
        assert inside(nobody, program, family, port) == "True\n"

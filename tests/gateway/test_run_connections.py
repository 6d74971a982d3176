"""What the command sees of the world through `hythe run`, and the world of it: refusals, half-closes, resets."""

from __future__ import annotations

import hashlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hythe.units import KIB, MIB
from tests import needs
from tests.gateway.clients import CONNECT, FAMILIES, inside
from tests.gateway.servers import closed_port, tcp_server

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

RESET = struct.pack("ii", 1, 0)


# --- Refused, unreachable, silent


@FAMILIES
def test_a_refused_port_fails_at_once(person: Person, family: str) -> None:
    needs.program("curl")
    url = f"http://host.hythe.internal:{closed_port()}/"
    result = person.run("--host-loopback", "curl", "-sS", f"-{family}", "-w", "%{time_total}", url)
    assert result.returncode == 7, result.stderr  # curl's CURLE_COULDNT_CONNECT
    assert float(result.stdout) < 5, "nobody waits for an answer"


@FAMILIES
def test_refused_is_what_the_command_is_told(nobody: Person, family: str) -> None:
    program = "try: connect()\nexcept ConnectionRefusedError: print('refused')"
    assert inside(nobody, program, family, closed_port()) == "refused\n"


@pytest.mark.parametrize(("address", "reason"), [("192.0.2.1", "ENETUNREACH"), ("2001:db8::1", "ENETUNREACH")])
def test_a_machine_without_a_route(person: Person, folder: Path, address: str, reason: str) -> None:
    """Told at once, in the words that the machine itself uses."""
    shutil.chown(folder, person.name)  # for its socket: who seems to be root cannot use the folder of the real one
    program = """
import errno, socket, sys, time
began = time.monotonic()
try: socket.create_connection((sys.argv[1], 80), 10)
except OSError as error: print(errno.errorcode[error.errno], time.monotonic() - began < 5)
"""
    words = [
        needs.program("unshare"),
        "--map-root-user",
        "--net",
        "sh",
        "-c",
        'PATH=$PATH:/sbin; ip link set lo up; exec "$@"',
        "sh",
    ]
    command = person.words("", *person.script(program, address))[len(person.prefix) :]
    result = subprocess.run(
        [*person.prefix, *words, *command],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=person.folder,
        env=needs.clean_environment(XDG_RUNTIME_DIR=str(folder)),
    )
    assert (result.stdout, result.stderr) == (f"{reason} True\n", "")


def test_a_server_that_does_not_answer_does_not_answer(nobody: Person) -> None:
    """Its queue is full, so its kernel drops every SYN: neither accepted nor refused inside."""
    needs.program("curl")
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        began = time.monotonic()
        for _ in range(2):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        result = nobody.run(
            "--host-loopback", "curl", "-4sS", "--connect-timeout", "2", f"http://host.hythe.internal:{port}/"
        )
        for each in waiting:
            each.close()
    assert result.returncode == 28, result.stderr  # curl's CURLE_OPERATION_TIMEDOUT
    assert time.monotonic() - began < 10, "nobody waits for what the command has given up"


# --- Ends and resets


@FAMILIES
def test_half_close_by_the_command(person: Person, family: str) -> None:
    """It says everything, ends, and still hears the answer."""

    def serve(connection: socket.socket) -> None:
        heard = hashlib.sha256()
        while data := connection.recv(64 * KIB):
            heard.update(data)
        for _ in range(64):
            connection.sendall(heard.digest() * 2_048)

    program = """
connection = connect()
said = b"x" * 3_000_000
connection.sendall(said)
connection.shutdown(socket.SHUT_WR)
expected = hashlib.sha256(said).digest() * 2048 * 64
heard = b"".join(iter(lambda: connection.recv(65536), b""))
print(heard == expected)
"""
    with tcp_server(serve) as port:
        assert inside(person, program, family, port) == "True\n"


@FAMILIES
def test_half_close_by_the_server(person: Person, family: str) -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"that was all")
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while data := connection.recv(64 * KIB):
            found += data
        heard.append(found)

    program = """
connection = connect()
print(b"".join(iter(lambda: connection.recv(65536), b"")))
connection.sendall(b"y" * 3_000_000)
connection.close()
"""
    with tcp_server(serve) as port:
        assert inside(person, program, family, port) == "b'that was all'\n"
    assert heard == [b"y" * 3_000_000]


@FAMILIES
def test_reset_by_the_server(person: Person, family: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(5)
        connection.sendall(b"no more")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    program = """
connection = connect()
connection.sendall(b"hello")
print(connection.recv(100))
try: print(connection.recv(1))
except ConnectionResetError: print("reset")
"""
    with tcp_server(serve) as port:
        assert inside(person, program, family, port) == "b'no more'\nreset\n", "what was said before that has arrived"


@FAMILIES
def test_reset_by_the_command(person: Person, family: str) -> None:
    seen: list[str] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(20)
        try:
            while connection.recv(100):
                pass
            seen.append("end")
        except ConnectionResetError:
            seen.append("reset")

    program = """
connection = connect()
connection.sendall(b"hello")
time.sleep(0.1)
connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
connection.close()
time.sleep(0.2)
"""
    with tcp_server(serve) as port:
        inside(person, program, family, port)
    assert seen == ["reset"]


@FAMILIES
def test_urgent_data_before_the_end(person: Person, family: str) -> None:
    """A read stops short at the urgent mark, and that is not the end though FIN is here."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"ab")
        connection.send(b"!", socket.MSG_OOB)
        connection.sendall(b"cd")

    program = """
connection = connect()
time.sleep(0.05)
received = b""
while data := connection.recv(100):
    received += data
print(received.decode())
"""
    with tcp_server(serve) as port:
        assert inside(person, program, family, port) == "abcd\n"


def test_a_command_that_ends_in_the_middle(nobody: Person) -> None:
    """Killed with unread data: its kernel resets, and so do we. What it had sent arrives all the same."""
    seen: list[str] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(20)
        connection.sendall(b"never read")
        try:
            while connection.recv(100):
                pass
            seen.append("end")
        except ConnectionResetError:
            seen.append("reset")

    program = """
connection = connect()
connection.sendall(b"hello")
connection.recv(1, socket.MSG_PEEK)
import os; os.kill(os.getpid(), 9)
"""
    with tcp_server(serve) as port:
        result = nobody.run("--host-loopback", *nobody.script(CONNECT + program, "4", str(port)))
    assert (result.returncode, result.stderr, seen) == (137, "", ["reset"])


def test_what_the_command_wrote_before_it_ended_arrives(nobody: Person) -> None:
    """It writes 8 MiB to a server that reads slowly, closes, and is gone: the kernel inside still has most of it."""
    heard: list[int] = []

    def serve(connection: socket.socket) -> None:
        total = 0
        time.sleep(0.5)
        while data := connection.recv(256 * KIB):
            total += len(data)
            time.sleep(0.005)
        heard.append(total)

    program = "connection = connect(); connection.sendall(bytes(8 << 20))"
    with tcp_server(serve) as port:
        inside(nobody, program, "4", port)
    assert heard == [8 * MIB]


def test_a_server_that_does_not_read_can_be_given_up(nobody: Person) -> None:
    """The command has written and gone, its rest is stuck: hythe waits a while, and not at all once it is told to end."""
    go_on = threading.Event()

    def serve(connection: socket.socket) -> None:
        go_on.wait(30)

    program = """
connection = connect()
connection.settimeout(1)
try:
    while True: connection.send(bytes(65536))
except TimeoutError: print("stuck")
"""
    with tcp_server(serve) as port:
        with nobody.running("--host-loopback", *nobody.script(CONNECT + program, "4", str(port))) as command:
            assert command.line() == "stuck\n"
            children = Path(f"/proc/{command.process.pid}/task/{command.process.pid}/children")
            while children.read_text():
                time.sleep(0.01)
            with pytest.raises(subprocess.TimeoutExpired):
                command.process.wait(0.5)
            command.process.send_signal(signal.SIGTERM)
            assert command.process.wait(10) == 0, "the command's own status"
        go_on.set()


def test_a_server_that_vanishes(nobody: Person) -> None:
    """It is killed with 50 connections open and unread data: each is reset, and hythe goes on."""
    server = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
print(listener.getsockname()[1], flush=True)
kept = [listener.accept()[0] for _ in range(50)]
for each in kept: each.recv(1, socket.MSG_PEEK)
print("all", flush=True)
time.sleep(60)
"""
    program = """
connections = [connect() for _ in range(50)]
for each in connections: each.sendall(bytes(1000))
print("open", flush=True)
ends = set()
for each in connections:
    try: ends.add(each.recv(1))
    except OSError as error: ends.add(errno.errorcode[error.errno])
print(ends)
try: connect()
except ConnectionRefusedError: print("refused")
"""
    words = [nobody.python, "-I", "-c", server]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        with nobody.running("--host-loopback", *nobody.script(CONNECT + program, "4", port)) as command:
            assert command.line() == "open\n"
            assert process.stdout.readline() == "all\n"
            process.kill()
            assert command.line() == "{'ECONNRESET'}\n"
            assert command.line() == "refused\n"
            _, stderr = command.process.communicate(timeout=20)
    assert (command.process.returncode, stderr) == (0, b"")


def test_datagrams_that_the_command_sent_before_it_ended_arrive(nobody: Person) -> None:
    needs.program("bash")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        server.bind(("127.0.0.1", 0))
        server.settimeout(2)
        port = server.getsockname()[1]
        script = f"exec 3>/dev/udp/host.hythe.internal/{port}; for i in $(seq 300); do echo $i >&3; done"
        for _ in range(5):
            assert nobody.run("-4 --host-loopback", "bash", "-c", script).returncode == 0
            assert [server.recv(100) for _ in range(300)] == [b"%d\n" % number for number in range(1, 301)]

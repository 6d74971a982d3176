"""`hythe why` on what `hythe run --capture` writes: the prepared situations with Linux at one end, in real time.

The command's kernel is the sender where the way up suffers, the receiver where the way down does; each situation runs with
its fault and without.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hythe.units import KIB, MIB
from hythe.view.analysis.conversation import Conversation, Conversations
from hythe.view.analysis.findings import Cause, findings
from hythe.view.analysis.words import report
from hythe.view.captures import read_capture
from tests import needs
from tests.gateway.servers import closed_port, tcp_server

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

#: port buffer host script: what the command does: `send N`, `wait SECONDS`, `read N` (0: to the end), `slowly N`, `end`.
CLIENT = """
import socket, sys, time
port, size, host, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
sock = socket.socket()
if size:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
sock.settimeout(8)
try:
    sock.connect((socket.gethostbyname(host), port))
    while words:
        word = words.pop(0)
        count = float(words.pop(0)) if word != "end" else 0
        if word == "send":
            sock.sendall(bytes(int(count)))
        elif word == "wait":
            time.sleep(count)
        elif word == "end":
            sock.shutdown(socket.SHUT_WR)
        else:
            left = int(count) or 1 << 60
            while left and (got := len(sock.recv(min(left, 16384 if word == "slowly" else 1 << 20)))):
                left -= got
                if word == "slowly":
                    time.sleep(0.05)
except (ConnectionError, TimeoutError) as error:
    print(type(error).__name__)
"""
Serve = Callable[[socket.socket], None]


def takes(connection: socket.socket) -> None:
    """Reads to the end, and answers with a byte."""
    try:
        while connection.recv(1 << 20):
            pass
        connection.sendall(b"!")
    except ConnectionError:
        return


def gives(size: int) -> Serve:
    def serve(connection: socket.socket) -> None:
        try:
            connection.sendall(bytes(size))
        except ConnectionError:
            return

    return serve


def answers(connection: socket.socket) -> None:
    """A byte for each 200 that came."""
    taken = 0
    while got := len(connection.recv(200)):
        taken += got
        if taken % 200 == 0:
            connection.sendall(b"!")


def resets(connection: socket.socket) -> None:
    taken = 0
    while taken < 200_000:
        taken += len(connection.recv(65_536))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sixty(connection: socket.socket) -> None:
    """Takes 12,000 bytes, and gives 60."""
    taken = 0
    while taken < 12_000:
        taken += len(connection.recv(65_536))
    connection.sendall(bytes(60))


@dataclass(frozen=True)
class Situation:
    """`fault`: options of `hythe run`; `buffer`: of the command's socket. `serve`: None where nobody listens."""

    cause: Cause
    way: int
    client: str
    serve: Serve | None
    fault: str = ""
    buffer: int = 0
    #: Without the fault: what the command does, and which server, where these make it.
    calm_client: str = ""
    calm_serve: Serve | None = None


UPLOAD = f"send {2 * MIB} end read 0"
DOWNLOAD = "read 0"
SITUATIONS = (
    Situation(Cause.SMALL_WINDOW, 1, DOWNLOAD, gives(500 * KIB), buffer=4_096),
    Situation(Cause.SLOW_READER, 1, "slowly 0", gives(700 * KIB), buffer=64 * KIB, calm_client=DOWNLOAD),
    Situation(Cause.SLOW_SENDER, 0, "send 3000 wait 0.15 " * 8 + "end read 0", takes, calm_client="send 24000 end read 0"),
    Situation(Cause.LOSS, 0, UPLOAD, takes, "--up-loss 1%"),
    Situation(Cause.TAIL_LOSS, 0, "send 12000 read 60", sixty, "--up-loss nth:10,11@tcp"),
    Situation(Cause.REORDERING, 0, UPLOAD, takes, "--up-reorder 1%,3ms"),
    Situation(Cause.BUFFERBLOAT, 1, DOWNLOAD, gives(5 * MIB // 2), "--down-rate 8mbit --down-queue 4MiB"),
    Situation(Cause.NAGLE, 0, "send 100 send 100 read 1 " * 40, answers, calm_client="send 200 read 1 " * 40),
    Situation(Cause.BLACK_HOLE, 0, "send 300 wait 0.05 send 10000 end read 0", takes, "--up-path-mtu 1400"),
    Situation(Cause.SYN_LOSS, 0, "send 1000 end read 0", takes, "--up-loss nth:1@tcp"),
    Situation(Cause.REFUSED, 0, "end read 0", None, calm_serve=takes),
    Situation(Cause.RESET, 1, UPLOAD, resets, calm_serve=takes),
)
#: The others are slow.
QUICK = frozenset({Cause.REFUSED, Cause.TAIL_LOSS})


def captured(person: Person, folder: Path, serve: Serve | None, client: str, fault: str, buffer: int) -> Conversation:
    file = folder / f"{time.monotonic_ns()}.pcapng"
    options = f"--host-loopback --seed 5 --delay 10ms {fault} --capture {file}"

    def run(port: int) -> None:
        words = (str(port), str(buffer), "host.hythe.internal", *client.split())
        ran = person.run(options, *person.script(CLIENT, *words))
        assert ran.returncode == 0, ran.stderr
        assert "lacks" not in ran.stderr

    if serve is None:
        run(closed_port())
    else:
        with tcp_server(serve) as port:
            run(port)
    (found,) = Conversations().read(read_capture(str(file))).all
    return found


def each(*, slow: bool) -> list[Situation]:
    return [one for one in SITUATIONS if (one.cause in QUICK) != slow]


def name(situation: Situation) -> str:
    return situation.cause.name.lower()


def check(person: Person, folder: Path, one: Situation) -> None:
    """The cause is named and no other; and without the fault none is."""
    found = captured(person, folder, one.serve, one.client, one.fault, one.buffer)
    assert [(it.cause, it.way) for it in findings(found) if it.problem] == [(one.cause, one.way)], list(report(found))
    calm = captured(person, folder, one.calm_serve or one.serve, one.calm_client or one.client, "", 0)
    assert not [it for it in findings(calm) if it.problem], list(report(calm))


@pytest.mark.parametrize("situation", each(slow=False), ids=name)
def test_the_right_cause_and_no_other(person: Person, folder: Path, situation: Situation) -> None:
    needs.network()
    check(person, folder, situation)


@pytest.mark.slow
@pytest.mark.alone  # what it measures is time
@pytest.mark.parametrize("situation", each(slow=True), ids=name)
def test_the_right_cause_and_no_other_at_length(nobody: Person, folder: Path, situation: Situation) -> None:
    needs.network()
    check(nobody, folder, situation)


#: Where nobody is: the address of host.hythe.internal, which is none without --host-loopback.
NOWHERE = """
import errno
import socket
with open("/etc/resolv.conf") as file:
    gateway = file.read().split("nameserver ")[1].split()[0]
try:
    socket.create_connection((gateway.rpartition(".")[0] + ".2", 80), 8)
except OSError as error:
    print(error.errno)
"""


def test_an_icmp_error_is_why_an_attempt_came_to_nothing(nobody: Person, folder: Path) -> None:
    needs.network()
    file = folder / "nowhere.pcapng"
    ran = nobody.run(f"-4 --capture {file}", *nobody.script(NOWHERE))
    assert ran.stdout == f"{errno.EHOSTUNREACH}\n", ran.stderr
    (found,) = Conversations().read(read_capture(str(file))).all
    assert [(it.cause, it.way, it.packets) for it in findings(found) if it.problem] == [(Cause.UNREACHABLE, 0, (1, 2))]
    assert "the machine it was for does not answer on the last link (ICMP type 3, code 1)" in "\n".join(report(found))

"""`hythe dump --session`: the packets of a running `hythe run`, for root and for a user without rights."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hythe.view.captures import read_capture
from hythe.wire import pcapng
from hythe.wire.pcapng import INBOUND
from tests import needs
from tests.gateway.servers import tcp_server
from tests.gateway.sessions import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Person

#: Three datagrams when it is told to, then as many again, and the end.
CLIENT = """
import signal, socket
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("ready", flush=True)
for _ in range(2):
    signal.sigwait({signal.SIGUSR1})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for size in (1, 2, 3):
            one.sendto(bytes(size), ("198.51.100.1", 4000 + size))
"""
#: More than a session, the pipes and the kernel keep for one reader together; later a little, again and again.
FLOOD = """
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
with socket.create_connection(("host.hythe.internal", int(sys.argv[1]))) as one:
    one.sendall(bytes(48 << 20))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    while not signal.sigtimedwait({signal.SIGUSR1}, 0.01):
        one.sendto(b".", ("198.51.100.1", 4000))
"""
#: A megabyte on an old connection, and one on a new one.
ASKER = """
import signal, socket, sys
def fetch(one):
    one.sendall(b".")
    left = 1 << 20
    while left:
        left -= len(one.recv(left))
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
place = "host.hythe.internal", int(sys.argv[1])
with socket.create_connection(place) as old:
    print("ready", flush=True)
    signal.sigwait({signal.SIGUSR1})
    fetch(old)
    with socket.create_connection(place) as new:
        fetch(new)
"""
SENT = [f"IP 10.83.64.100 > 198.51.100.1: UDP {size}\n" for size in (1, 2, 3)]


@contextmanager
def dump(person: Person, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run it into a pipe, and wait until it listens."""
    process = subprocess.Popen(
        [*person.prefix, person.python, "-m", "hythe", "dump", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=person.folder,
        env=needs.clean_environment(),
    )
    with process:
        try:
            assert process.stderr is not None
            assert "link-type RAW (Raw IP)" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """Return so many lines as they come, without ports."""
    assert process.stdout is not None
    found = [process.stdout.readline() for _ in range(count)]
    return [re.sub(r"\.\d+ > (.*)\.\d+: UDP, length", r" > \1: UDP", each) for each in found]


def test_lines_come_with_the_packets_until_the_session_ends(person: Person) -> None:
    with session(person, "-4", *person.script(CLIENT)) as (running, asked):
        assert running.line() == "ready\n"
        with dump(person, "-n", "-t", "--session", asked.name, "udp and portrange 4001-4003") as process:
            running.process.send_signal(signal.SIGUSR1)
            assert lines(process, 3) == SENT
            running.process.send_signal(signal.SIGUSR1)
            out, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert len(out.splitlines()) == 3
    counts = re.fullmatch(r"6 packets captured\n(\d+) packets received by filter\n0 packets dropped by session\n", said)
    assert counts, said
    assert int(counts[1]) >= 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_counts(nobody: Person, number: signal.Signals) -> None:
    with session(nobody, "-4", *nobody.script(CLIENT)) as (running, asked):
        assert running.line() == "ready\n"
        with dump(nobody, "-n", "-t", "--session", asked.name, "udp") as process:
            running.process.send_signal(signal.SIGUSR1)
            assert lines(process, 3) == SENT
            process.send_signal(number)
            out, said = process.communicate(timeout=10)
            assert running.process.poll() is None, "the session goes on"
    assert (process.returncode, out) == (0, "")
    assert said.startswith("3 packets captured\n")


def test_so_many_and_so_much_of_each(nobody: Person) -> None:
    with session(nobody, "-4", *nobody.script(CLIENT)) as (running, asked):
        assert running.line() == "ready\n"
        with dump(nobody, "--session", asked.name, "-c", "2", "-s", "24", "-w", "-", "udp") as process:  # no ICMP of routers
            running.process.send_signal(signal.SIGUSR1)
            reader = subprocess.run(
                [nobody.python, "-m", "hythe", "dump", "-n", "-r", "-", "-t"],
                stdin=process.stdout,
                capture_output=True,
                timeout=20,
                check=True,
                text=True,
                cwd=nobody.folder,
            )
            assert process.wait(10) == 0
    assert re.fullmatch(r"(IP 10\.83\.64\.100\.\d+ > 198\.51\.100\.1\.400[12]:  \[\|udp\]\n){2}", reader.stdout), (
        reader.stdout
    )


def test_a_file_has_what_the_session_says_of_its_packets(root: Person, tmp_path: object) -> None:
    path = f"{tmp_path}/a.pcapng"
    with session(root, "-4", *root.script(CLIENT)) as (running, asked):
        assert running.line() == "ready\n"
        with dump(root, "--session", asked.name, "-c", "3", "-w", path, "udp") as process:
            running.process.send_signal(signal.SIGUSR1)
            assert process.wait(10) == 0
    found = list(read_capture(path))
    assert [packet.length for packet in found] == [29, 30, 31]
    assert {packet.interface.name for packet in found} == {"hythe0"}
    assert all(packet.flags and packet.flags != INBOUND for packet in found)


def test_what_was_missed_is_told(nobody: Person) -> None:
    """Whoever stops reading misses what the session has no room for, and learns of it with the next packet."""

    def discard(connection: socket.socket) -> None:
        while connection.recv(1 << 20):
            continue
        through.set()

    through = threading.Event()
    told = re.compile(r"(\d+) packets before this one were not captured")
    with tcp_server(discard) as port:
        command = nobody.script(FLOOD, str(port))
        with session(nobody, "-4 --host-loopback", *command) as (running, asked):
            assert running.line() == "ready\n"
            words = [*nobody.prefix, nobody.python, "-m", "hythe", "dump", "--session", asked.name, "-w", "-"]
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=nobody.folder) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                assert b"link-type RAW" in process.stderr.readline()
                running.process.send_signal(signal.SIGUSR1)
                assert through.wait(60)  # before anybody reads
                reader, missed = pcapng.Reader(), 0
                while piece := os.read(process.stdout.fileno(), 1 << 20):
                    for packet in reader.feed(piece):
                        found = told.search(packet.comment)
                        missed += int(found[1]) if found else 0
                    if missed:
                        running.process.send_signal(signal.SIGUSR1)
                said = process.stderr.read().decode()
    counts = re.fullmatch(r"(\d+) packets captured\n\1 packets received by filter\n(\d+) packets dropped by session\n", said)
    assert counts, said
    assert int(counts[1]) > 0
    assert int(counts[2]) >= missed > 0


def test_what_is_sent_again_is_told_with_the_reason(nobody: Person, tmp_path: object) -> None:
    """On a connection that was there before anybody listened, and on a new one."""

    def send(connection: socket.socket) -> None:
        while connection.recv(1):
            connection.sendall(bytes(1 << 20))

    with (
        tcp_server(send) as port,
        session(
            nobody, f"-4 --host-loopback --down-loss nth:40,80@tcp:{port} --delay 1ms", *nobody.script(ASKER, str(port))
        ) as (running, asked),
    ):
        assert running.line() == "ready\n"
        words = [*nobody.prefix, nobody.python, "-m", "hythe", "dump", "--session", asked.name, "-w", "-"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=nobody.folder) as process:
            assert process.stderr is not None
            assert b"link-type RAW" in process.stderr.readline()
            running.process.send_signal(signal.SIGUSR1)
            written, _ = process.communicate(timeout=20)
    said = [each.comment for each in pcapng.read(written) if each.comment]
    assert len([each for each in said if "retransmission: lost (" in each and "RFC " in each]) >= 2, said
    assert len({each.splitlines()[0] for each in said if each.startswith("python")}) == 1, said


def test_a_wrong_name_is_told_which_there_are(nobody: Person) -> None:
    ran = subprocess.run(
        [*nobody.prefix, nobody.python, "-m", "hythe", "dump", "--session", "nobody-is-called-so"],
        capture_output=True,
        timeout=20,
        check=False,
        text=True,
        cwd=nobody.folder,
        env=needs.clean_environment(),
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("hythe: no session is called 'nobody-is-called-so': ")

"""Many connections through one `hythe run`, and fewer descriptors than that."""

from __future__ import annotations

import resource
import select
import socket
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hythe.units import KIB
from tests import needs
from tests.gateway.clients import CONNECT, inside
from tests.gateway.servers import listen_on_both

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Person

#: Takes the descriptors that the command may have, and opens argv[3] connections that stay.
MANY = (
    CONNECT
    + """
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
def talk(connection, words):
    connection.sendall(words)
    heard = b""
    while len(heard) < len(words):
        piece = connection.recv(65536)
        if not piece: break
        heard += piece
    return heard == words
"""
)


@contextmanager
def echo_server() -> Iterator[int]:
    """Yield the port of a server that echoes to thousands at once, in one thread."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listeners = listen_on_both(4_096)
    stop, stopped = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(listeners, stopped))
    thread.start()
    try:
        yield listeners[0].getsockname()[1]
    finally:
        stop.close()
        thread.join(10)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _serve(listeners: list[socket.socket], stopped: socket.socket) -> None:
    poll = select.epoll()
    known = {each.fileno(): each for each in (*listeners, stopped)}
    for fd in known:
        poll.register(fd, select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            each = known[fd]
            if each is stopped:
                poll.close()
                for connection in known.values():
                    connection.close()
                return
            if each in listeners:
                connection, _ = each.accept()
                known[connection.fileno()] = connection
                poll.register(connection.fileno(), select.EPOLLIN)
            elif not _echo(each):
                del known[fd]
                each.close()


def _echo(connection: socket.socket) -> bool:
    try:
        data = connection.recv(64 * KIB)
        connection.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        return False
    return bool(data)


def test_2000_connections_at_once(person: Person) -> None:
    """They idle while another carries data, and each still works afterwards."""
    program = """
connections = [connect() for _ in range(2000)]
busy = connect()
print(all(talk(busy, bytes([n]) * 100_000) for n in range(100)))
print(all(talk(each, b"%d" % number) for number, each in enumerate(connections)))
"""
    with echo_server() as port:
        result = person.run("--host-loopback", *person.script(MANY + program, "4", str(port)), timeout=60)
    assert (result.stdout, result.stderr) == ("True\nTrue\n", "")


def test_1000_connections_that_open_together(nobody: Person) -> None:
    """No backlog of ours drops a SYN (which would take a second to repeat)."""
    program = """
import select
address = socket.getaddrinfo("host.hythe.internal", int(sys.argv[2]), family, socket.SOCK_STREAM)[0][4]
began = time.monotonic()
opening = []
for _ in range(1000):
    opening.append(socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
    opening[-1].connect_ex(address)
poll = select.poll()
for each in opening: poll.register(each, select.POLLOUT)
left = 1000
while left:
    for fd, events in poll.poll(10_000):
        poll.unregister(fd)
        left -= 1
print({each.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for each in opening})
print(time.monotonic() - began < 5)
"""
    with echo_server() as port:
        result = nobody.run("--host-loopback", *nobody.script(MANY + program, "4", str(port)), timeout=60)
    assert (result.stdout, result.stderr) == ("{0}\nTrue\n", "")


def test_connections_one_after_another(nobody: Person) -> None:
    """Nothing runs out: neither ports nor descriptors nor what is kept of those that ended."""
    program = "print(sum(talk(connect(), b'short') for _ in range(3000)))"
    with echo_server() as port:
        assert inside(nobody, MANY.removeprefix(CONNECT) + program, "4", port) == "3000\n"


#: Three processes of 150 connections each: some are refused, the others work, and at the end it works again.
CROWD = """
import os
def crowd():
    made, refused = [], 0
    for _ in range(150):
        try: made.append(connect())
        except (ConnectionRefusedError, OSError): refused += 1
    return made, refused
gate, done, children = os.pipe(), os.pipe(), []
for _ in range(3):
    if not (child := os.fork()):
        made, refused = crowd()
        works = all(talk(each, b"hello") for each in made)
        os.write(1, b"%d %d %d\\n" % (len(made), refused, works))
        os.write(done[1], b".")
        os.close(gate[1])
        os.read(gate[0], 1)
        os._exit(0)
    children.append(child)
for _ in range(3): os.read(done[0], 1)
os.close(gate[1])
for child in children: os.waitpid(child, 0)
again = None
while again is None:
    try: again = connect()
    except OSError: time.sleep(0.05)
print("again", talk(again, b"hello"))
"""


def test_a_low_limit_of_descriptors(nobody: Person) -> None:
    """One sentence about it, refusals while it lasts, and no harm to the connections that there are."""
    limited = [needs.program("prlimit"), "--nofile=256:256"]
    with echo_server() as port:
        words = nobody.words("--host-loopback", *nobody.script(MANY + CROWD, "4", str(port)))
        result = subprocess.run(
            [*limited, *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=nobody.folder,
            env=needs.clean_environment(),
        )
    crowds = [[int(word) for word in line.split()] for line in result.stdout.splitlines() if line[0].isdigit()]
    assert result.stdout.endswith("again True\n"), result.stdout + result.stderr
    assert len(crowds) == 3
    assert all(works for _, _, works in crowds)
    made, refused = sum(crowd[0] for crowd in crowds), sum(crowd[1] for crowd in crowds)
    assert made + refused == 450
    assert 180 < made < 256
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("hythe: no more descriptors after ")


def test_hardly_any_descriptors(nobody: Person) -> None:
    """Too few for hythe itself: it says so before it begins, or works."""
    statuses = set()
    for limit in (8, 16, 24, 32, 35, 36, 37, 48):
        words = [needs.program("prlimit"), f"--nofile={limit}:{limit}", *nobody.words("", "true")]
        result = subprocess.run(
            words, capture_output=True, text=True, timeout=30, check=False, cwd=nobody.folder, env=needs.clean_environment()
        )
        assert "Traceback" not in result.stderr, f"with {limit}: {result.stderr}"
        if result.returncode:
            assert (result.returncode, result.stderr.count("\n")) == (1, 1), f"with {limit}: {result.stderr}"
            assert "raise the limit (ulimit -n" in result.stderr
        statuses.add(result.returncode)
    assert statuses == {0, 1}

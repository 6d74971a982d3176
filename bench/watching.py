"""`python -m bench.watching`: what `hythe live` costs with 5,000 connections, and how soon it shows what happens.

One `hythe run` whose command holds the connections to a server of this machine's loopback; `hythe live` on a pty.
Processor time is that of the gateway and of the view, read from /proc, without the view and with it. A bulk flow beside the
connections has the view stopped and going on, in turn. How soon: one connection more is opened, and the pty read until the
view counts it.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import pty
import re
import resource
import select
import selectors
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import IO, Final

CONNECTIONS: Final = 5_000
SECONDS: Final = 10.0
ROUNDS: Final = 12
#: Messages a second over all connections, in turn, where they are not idle.
MESSAGES: Final = 1_000
_PATIENCE: Final = 60.0
#: Seconds that the first second's work may take: who holds what is asked for.
_SETTLED: Final = 3.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")

#: The command: opens so many, then does what it is told: one more, so many messages a second, as much as it can for a time.
CLIENT: Final = r"""
import resource, select, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
port, sink, count = map(int, sys.argv[1:])
host = socket.getaddrinfo("host.hythe.internal", port, socket.AF_INET)[0][4][0]
held = [socket.create_connection((host, port)) for _ in range(count)]
print("open", flush=True)
told, rate, place = open(0, "rb", buffering=0), 0, 0  # a line that waits in a buffer is not seen by select
while True:
    if select.select([told], [], [], 0.1)[0]:
        word, _, number = told.readline().decode().strip().partition(" ")
        if word == "more":
            held.append(socket.create_connection((host, port)))
            print("more", flush=True)
        elif word == "rate":
            rate = int(number)
        elif word == "bulk":
            data, sent, until = bytes(1 << 20), 0, time.monotonic() + float(number)
            with socket.create_connection((host, sink)) as stream:
                while time.monotonic() < until:
                    sent += stream.send(data)
            print("bulk", sent, flush=True)
        else:
            break
    for _ in range(rate // 10):
        held[place % len(held)].sendall(b"x" * 200)
        place += 1
"""


class Far:
    """The server: takes whatever comes on two ports, in a process of its own, which nothing else is to slow."""

    def __init__(self) -> None:
        listeners = [socket.create_server(("127.0.0.1", 0), backlog=4_096) for _ in range(2)]
        self.ports = [each.getsockname()[1] for each in listeners]
        # A child that has begun to serve before there is any thread; it ends with us.
        self._process = multiprocessing.get_context("fork").Process(target=_serve, args=(listeners,), daemon=True)
        self._process.start()
        for each in listeners:
            each.close()


def _serve(listeners: list[socket.socket]) -> None:
    room = bytearray(1 << 20)
    with selectors.DefaultSelector() as selector:
        for each in listeners:
            each.setblocking(False)
            selector.register(each, selectors.EVENT_READ, "listener")
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                if key.data == "listener":
                    stream = key.fileobj.accept()[0]
                    selector.register(stream, selectors.EVENT_READ, None)
                elif not key.fileobj.recv_into(room):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


class Run:
    """`hythe run` with its command."""

    def __init__(self, far: Far, connections: int) -> None:
        self.name = f"bench-{os.getpid()}"
        words = [sys.executable, "-m", "hythe", "run", "--name", self.name, "--host-loopback", "-q", "--"]
        words += [sys.executable, "-c", CLIENT, *map(str, far.ports), str(connections)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.answer()

    def tell(self, word: str) -> None:
        """To the command."""
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def answer(self) -> list[str]:
        """Of the command."""
        out: IO[str] | None = self._process.stdout
        assert out is not None
        return out.readline().split()

    def bulk(self, seconds: float) -> float:
        """Gbit/s."""
        self.tell(f"bulk {seconds}")
        return int(self.answer()[1]) * 8 / seconds / 1e9

    def close(self) -> None:
        """End it."""
        self.tell("end")
        self._process.communicate(timeout=_PATIENCE)


class Live:
    """`hythe live` on a pty, whose output is read so that it never waits."""

    def __init__(self, name: str) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        words = [sys.executable, "-m", "hythe", "live", name]
        environment = {**os.environ, "TERM": "xterm-256color"}
        self._process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self.pid = self._process.pid
        self._seen = ""
        self._poll = select.poll()  # descriptors are many
        self._poll.register(self._master, select.POLLIN)
        if not self.read(_PATIENCE, r"\d open"):
            raise TimeoutError("the view shows nothing")
        self.read(_SETTLED)

    def read(self, seconds: float, pattern: str | None = None) -> bool:
        """For so long, or until the pattern is seen. Was it?"""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._poll.poll(1_000 * left):
                self._seen = self._seen[-65_536:] + os.read(self._master, 65_536).decode(errors="replace")
                if pattern is not None and re.search(pattern, self._seen):
                    self._seen = ""
                    return True
        return False

    def close(self) -> None:
        """By its key."""
        os.write(self._master, b"q")
        with contextlib.suppress(OSError):  # EIO: it has gone
            self.read(_PATIENCE)
        self._process.wait(_PATIENCE)
        os.close(self._master)


@contextlib.contextmanager
def live(name: str) -> Iterator[Live]:
    """Watch it."""
    watching = Live(name)
    try:
        yield watching
    finally:
        watching.close()


def used(pid: int) -> float:
    """Seconds of processor time so far."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def share(pid: int, seconds: float, watching: Live | None = None) -> tuple[float, float]:
    """Percent of a core: of the gateway, and of the view."""
    begun, gateway, view = time.monotonic(), used(pid), used(watching.pid) if watching else 0.0
    if watching is not None:
        watching.read(seconds)
    else:
        time.sleep(seconds)
    took = time.monotonic() - begun
    return 100 * (used(pid) - gateway) / took, 100 * (used(watching.pid) - view) / took if watching else 0.0


def costs(run: Run, messages: int, seconds: float) -> str:
    """Without and with the view."""
    run.tell(f"rate {messages}")
    time.sleep(1)
    alone, _ = share(run.pid, seconds)
    with live(run.name) as watching:
        gateway, view = share(run.pid, seconds, watching)
    run.tell("rate 0")
    more = max(0.0, gateway - alone)
    return f"{messages} messages a second: gateway {alone:.1f} % alone, {more:.1f} % more for the view; view {view:.1f} %"


def beside(run: Run, rounds: int, seconds: float) -> str:
    """Bulk with the view stopped, and with it going on, so that both have what else the machine does."""
    with live(run.name) as watching:
        return f"bulk with it, {pairs(run, [watching.pid], watching, rounds, seconds)}"


def pairs(run: Run, views: Sequence[int], watching: Live, rounds: int, seconds: float) -> str:
    """Bulk with the views going on to bulk with them stopped, one after the other, every second time in the other order."""
    ratios = []
    for number in range(rounds):
        found = {}
        for signum in (signal.SIGSTOP, signal.SIGCONT) if number % 2 else (signal.SIGCONT, signal.SIGSTOP):
            for pid in views:
                os.kill(pid, signum)
            reading = threading.Thread(target=watching.read, args=(seconds if signum == signal.SIGCONT else 0,))
            reading.start()
            found[signum] = run.bulk(seconds)
            reading.join()
        ratios.append(found[signal.SIGCONT] / found[signal.SIGSTOP])
    for pid in views:
        os.kill(pid, signal.SIGCONT)
    watching.read(1)  # a key at once would be lost: who goes on forgets what was typed meanwhile
    ratios.sort()
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return f"to bulk without: median of {rounds} pairs {median(ratios):.3f}, half of them {low:.2f} to {high:.2f}"


def delays(run: Run, connections: int, times: int) -> list[float]:
    """Seconds from a connection that is open to its number on the screen."""
    found = []
    with live(run.name) as watching:
        for number in range(times):
            watching.read(0.37)  # so that ticks are met at different times
            run.tell("more")
            run.answer()
            begun = time.monotonic()
            if not watching.read(_PATIENCE, rf"{connections + number + 1} open"):
                raise TimeoutError("the view does not show what happens")
            found.append(time.monotonic() - begun)
    return found


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.watching", description=__doc__.split("\n")[0])
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--messages", type=int, default=MESSAGES, help="a second, over all connections in turn")
    options, _ = parser.parse_known_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    run = Run(Far(), options.connections)
    try:
        for messages in (0, options.messages):
            print(costs(run, messages, options.seconds), flush=True)
        print(beside(run, options.rounds, options.seconds / 4), flush=True)
        found = delays(run, options.connections, 8)
        print(f"shown after {median(found):.2f} s, at most {max(found):.2f} s", flush=True)
    finally:
        run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""One dashboard and one browser for all tests, and sessions to look at."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hythe.session.client import Session, running
from tests import needs
from tests.dashboard.browser import PATIENCE, Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What is looked at: connections that stay, one of which talks; a port inside; more of both when a line comes.
TALKER = """
import socket, sys, threading, time
host, port, count = "host.hythe.internal", int(sys.argv[1]), int(sys.argv[2])
listener = socket.create_server(("0.0.0.0", 8000))
kept = [socket.create_connection((host, port)) for _ in range(count)]
def talk(one):
    while True:
        try:
            one.sendall(b"x" * 3000)
            left = 3000
            while left:
                left -= len(one.recv(left)) or sys.exit()
        except OSError:
            return
        time.sleep(0.2)
threading.Thread(target=talk, args=(kept[0],), daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    kept.append(socket.create_connection((host, port)))
    kept[-1].sendall(b"hello")
    threading.Thread(target=talk, args=(kept[-1],), daemon=True).start()
    print("opened", flush=True)
"""


class Dashboard:
    """`hythe dashboard` at a terminal."""

    def __init__(self, *words: str) -> None:
        self._terminal, inside = os.openpty()
        environment = {name: text for name, text in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hythe", "dashboard", *words], stdin=inside, stdout=subprocess.PIPE, env=environment
        )
        os.close(inside)
        self._first: str | None = self._line()
        self.origin = self._first.partition("/enter")[0]

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        found = re.search(r"http://\S+", line)
        assert found, line
        return found[0]

    def address(self) -> str:
        """A new one."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        os.write(self._terminal, b"\n")
        return self._line()

    def close(self) -> int:
        """End it; its status."""
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.communicate()
            os.close(self._terminal)
        return status


class Talking:
    """A session with a talker in it. `session`: how to ask it."""

    def __init__(self, process: subprocess.Popen[bytes], session: Session) -> None:
        self.process = process
        self.session = session

    def open(self) -> None:
        """One more connection."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"opened\n"


@contextmanager
def talking(name: str, port: int, count: int = 3, *options: str) -> Iterator[Talking]:
    """Such a session, to its end."""
    words = [sys.executable, "-m", "hythe", "run", "--name", name, "--host-loopback", "-4", *options, "--"]
    folder = tempfile.TemporaryDirectory(prefix="hythe-test-")
    Path(folder.name, "talker.py").write_text(TALKER)
    process = subprocess.Popen(
        [*words, "python3", "talker.py", str(port), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder.name,
    )
    with folder, process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield Talking(process, next(each for each in running() if each.name == name))
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture
def name() -> str:
    """Return a name that no other session has."""
    return f"look-{os.getpid()}-{time.monotonic_ns() % 1_000_000_000}"


@pytest.fixture(scope="session")
def dashboard() -> Iterator[Dashboard]:
    """Return a dashboard of all sessions."""
    found = Dashboard("--no-open")
    yield found
    assert found.close() == 0


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser."""
    profile: Path = tmp_path_factory.mktemp("profile")
    found = Browser(needs.program("chromium"), profile)
    yield found
    found.close()


@pytest.fixture(scope="session")
def echo() -> Iterator[int]:
    """Return the port of a server that says everything back."""
    process = subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE)
    assert process.stdout is not None
    yield int(process.stdout.readline())
    process.kill()
    process.communicate()


_ECHO = """
import asyncio
async def serve(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

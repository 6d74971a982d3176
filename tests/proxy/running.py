"""A proxy in a thread of its own, made from text as its configuration has it."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hythe.aio.readiness import ReadyLoop
from hythe.proxy.reading import parse
from hythe.proxy.server import Server

T = TypeVar("T")

#: Lets clients go to where the servers of tests are.
OPEN = """
[[rule]]
action = "allow"
to = ["127.0.0.0/8", "::1"]
[[rule]]
action = "allow"
to = "localhost"
"""


class Running:
    """`server` lives in a loop of a thread; `ports` are its entries' in turn."""

    def __init__(self, text: str, folder: Path) -> None:
        self.log = folder / "access.log"
        self.errors: list[Any] = []
        self.server: Server
        self._text = text
        self._begun = threading.Event()
        self._loop = ReadyLoop()
        self._thread = threading.Thread(target=self._run)

    def configuration(self, text: str) -> str:
        return f"{text}\n[log]\nfile = '{self.log}'\n"

    def _run(self) -> None:
        self._loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self.over = asyncio.Event()
        try:
            self.server = Server(parse(self.configuration(self._text), "proxy.toml"))
            self.server.open()
        finally:
            self._begun.set()
        await self.over.wait()
        await self.server.close()

    def begin(self) -> None:
        self._thread.start()
        assert self._begun.wait(20)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self.over.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert not self.errors, self.errors

    @property
    def ports(self) -> list[int]:
        return [each.sockets[0].getsockname()[1] for each in self.server.entries]

    def within(self, call: Callable[[], T]) -> T:
        """What `call` returns in the loop's thread."""

        async def called() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(20)

    def wait_for(self, what: Coroutine[Any, Any, T]) -> T:
        """What comes of it in the loop's thread."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    def reload(self, text: str) -> None:
        self.within(lambda: self.server.reload(parse(self.configuration(text), "proxy.toml")))

    def lines(self, count: int) -> list[str]:
        """The first lines of the log, once there are so many."""
        deadline = time.monotonic() + 20
        while True:
            self.within(self.server.passage.log.flush)
            found = self.log.read_text().splitlines()
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.01)

    def open_flows(self) -> int:
        return self.within(lambda: len(self.server.flows.live))


@contextmanager
def proxy(text: str, folder: Path) -> Iterator[Running]:
    it = Running(text, folder)
    it.begin()
    try:
        yield it
    finally:
        it.end()


def talk(port: int, data: bytes, *, end: bool = True, host: str = "127.0.0.1") -> bytes:
    """Say something, and hear everything until the end."""
    with socket.create_connection((host, port), timeout=20) as stream:
        stream.sendall(data)
        if end:
            try:
                stream.shutdown(socket.SHUT_WR)
            except OSError as error:  # it has been reset, which is told where it is read
                if error.errno != errno.ENOTCONN:
                    raise
        return read_all(stream)


def read_all(stream: socket.socket) -> bytes:
    """Everything to the end."""
    parts = []
    while part := stream.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)

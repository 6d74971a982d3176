"""A port of this machine whose clients are carried by a way that follows FTP, in a loop and thread of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hythe.config import FtpConfig
from hythe.via.direct import Direct
from hythe.via.ftp import FollowingFtp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hythe.via.base import Way


class Followed:
    """`port`: where clients come. `said`: what was told to whoever runs it. `ended`: what `carry` returned."""

    def __init__(self, make: Callable[[], Way], host: str, port: int, near: str, config: FtpConfig) -> None:
        self.said: list[str] = []
        self.ended: list[OSError | None] = []
        self.left = (-1, -1)  # channels and descriptors, at the end
        self._far = (host, port)
        family = socket.AF_INET6 if ":" in near else socket.AF_INET
        self._listener = socket.create_server((near, 0), family=family)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._make = make
        self._config = config
        self._stop: Callable[[], Any] = lambda: None
        self._ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        inner = self._make()
        way = FollowingFtp(inner, self._config, self.said.append)
        before = descriptors()
        clients: set[asyncio.Task[None]] = set()

        async def accept() -> None:
            while True:
                client, _ = await loop.sock_accept(self._listener)
                clients.add(loop.create_task(self._carry(way, client)))

        accepting = loop.create_task(accept())
        self._ready.set()
        await stopped.wait()
        accepting.cancel()
        self._listener.close()
        done, running = await asyncio.wait(clients, timeout=5) if clients else (set(), set())
        for each in running:
            each.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await inner.close()
        await asyncio.sleep(0)
        self.left = len(running), descriptors() - before + 1
        for each in done:
            each.result()

    async def _carry(self, way: FollowingFtp, client: socket.socket) -> None:
        client.setblocking(False)
        with client:
            try:
                self.ended.append(await way.carry(client, *self._far))
            except OSError as error:
                self.ended.append(error)

    def begin(self) -> None:
        self.thread.start()
        self._ready.wait(10)

    def end(self) -> None:
        self._stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def followed(
    port: int,
    host: str = "127.0.0.1",
    near: str = "127.0.0.1",
    make: Callable[[], Way] = Direct,
    config: FtpConfig = FtpConfig(),  # noqa: B008 - frozen
) -> Iterator[Followed]:
    """Follow what comes until the `with` ends. No channel and no descriptor is left then."""
    following = Followed(make, host, port, near, config)
    following.begin()
    try:
        yield following
    finally:
        following.end()

"""The SOCKS server in a thread of its own, for tests whose clients are programs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hythe.config import SocksConfig
from hythe.tunnel.socks.listening import Check, SocksServer
from hythe.via.base import Way
from hythe.via.direct import Direct
from hythe.via.outlet import WayOutlet


class Serving:
    """A server in a thread of its own. `port`: of 127.0.0.1."""

    def __init__(self, way: Way, check: Check | None, config: SocksConfig | None) -> None:
        self.port = 0
        self._way = way
        self.server: SocksServer
        self.errors: list[Any] = []
        self._begun = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(check, config))

    def _run(self, check: Check | None, config: SocksConfig | None) -> None:
        self._loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self._loop.run_until_complete(self._serve(check, config))
        self._loop.close()

    async def _serve(self, check: Check | None, config: SocksConfig | None) -> None:
        self.server = SocksServer(WayOutlet(self._way), check=check, config=config)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
        self.port = listener.getsockname()[1]
        self.server.listen(listener)
        self.over = asyncio.Event()
        self._begun.set()
        await self.over.wait()
        await self.server.close()

    def begin(self) -> None:
        self._thread.start()
        self._begun.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self.over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        assert not self.errors


@contextmanager
def serving(check: Check | None = None, config: SocksConfig | None = None, way: Way | None = None) -> Iterator[Serving]:
    """Serve until the `with` ends; the clients go by `way`, directly unless given."""
    it = Serving(way or Direct(), check, config)
    it.begin()
    try:
        yield it
    finally:
        it.end()

"""The web server of the dashboard: that of `hythe serve`, on loopback alone, with a way in instead of a log."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Final

from hythe.dashboard.admission import Admission
from hythe.dashboard.app import application
from hythe.dashboard.guard import ENTRANCE, Guard
from hythe.dashboard.watching import Hub
from hythe.serve.grounds import Ground, Wanted, kernel
from hythe.serve.web import WebServer

#: Bytes read of a line that somebody types.
_LINE: Final = 4_096


async def serve(name: str | None, port: int, begun: Callable[[Callable[[], str]], object], typed: int | None) -> None:
    """Until SIGTERM or SIGINT. `name`: of the session to show first; `port`: 0 picks one.

    `begun` is given what makes an address to open, each good for one browser, once browsers can come; and again whenever
    somebody types a line at the descriptor `typed`. Raises `MachineError` for a port that cannot be had.
    """
    async with kernel(Wanted((), port, str(port))) as ground:
        port = ground.places[0].port
        hosts = [*map(str, ground.places), f"localhost:{port}"]
        admission = Admission()
        hub = Hub()
        guard = Guard(application(hub), admission, hosts, f"hythe-{port}", name)

        def address() -> str:
            return f"http://{ground.places[0]}{ENTRANCE}?token={admission.invite()}"

        async with hub:
            with _typing(typed, lambda: begun(address)):
                await _Server(guard, ground, hub, lambda: begun(address)).serve()


class _Server(WebServer):
    """Streams end with the server, not the server with the streams."""

    def __init__(self, guard: Guard, ground: Ground, hub: Hub, begun: Callable[[], object]) -> None:
        super().__init__(guard, ground, None, lambda _line: None, begun, coding=False)
        self._hub = hub

    async def shutdown(self, sockets: object = None) -> None:
        """End."""
        self._hub.finish()
        await super().shutdown()


@contextlib.contextmanager
def _typing(typed: int | None, act: Callable[[], object]) -> Iterator[None]:
    """Act on each line that is typed at a terminal."""
    if typed is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def line() -> None:
        if os.read(typed, _LINE):
            act()
        else:
            loop.remove_reader(typed)  # ^D

    loop.add_reader(typed, line)
    try:
        yield
    finally:
        loop.remove_reader(typed)

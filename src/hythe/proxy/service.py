"""The proxy as a service: from its configuration until it is asked to end.

SIGHUP reads the configuration again and keeps connections; a mistake in it is told, and the one before stays. SIGTERM and
SIGINT end the listening at once and the rest when the last client has gone, or `drain` is over; a second one does not wait.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from hythe.errors import HytheError
from hythe.proxy.config import ProxyConfig
from hythe.proxy.server import Server
from hythe.units import SECOND

#: Tells the person who runs this.
Say = Callable[[str], None]


async def serve(read: Callable[[], ProxyConfig], say: Say) -> None:
    """Serve until a signal says otherwise. UsageError, MachineError before anything is served."""
    server = Server(read())
    try:
        server.open()
        for each in server.places():
            say(each)
        await _run(server, read, say)
    finally:
        await server.close()


async def _run(server: Server, read: Callable[[], ProxyConfig], say: Say) -> None:
    loop = asyncio.get_running_loop()
    asked, again = asyncio.Event(), asyncio.Event()

    def end() -> None:
        (again if asked.is_set() else asked).set()

    def reload() -> None:
        try:
            server.reload(read())
        except HytheError as error:
            say(f"not reloaded: {error}")
            return
        say("reloaded")

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        await asked.wait()
        draining = loop.create_task(server.drain(server.config.drain / SECOND))
        impatient = loop.create_task(again.wait())
        await asyncio.wait((draining, impatient), return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, impatient):
            task.cancel()
        await asyncio.wait((draining, impatient))
    finally:
        for number in (*signals, signal.SIGHUP):
            loop.remove_signal_handler(number)

"""The proxy as a service: from its configuration until it is asked to end, for init systems too.

SIGHUP reads the configuration again and keeps connections; a mistake in it is told, and the one before stays. SIGTERM and
SIGINT end the listening at once and the rest when the last client has gone, or `drain` is over; a second one does not wait.
Sockets that an init system hands over take the place of those that their entries would open (sd_listen_fds(3)).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hythe.aio.readiness import ReadyLoop
from hythe.errors import HytheError, MachineError
from hythe.forward.service import given, notify
from hythe.gateway.api.door import Door
from hythe.proxy import workers
from hythe.proxy.config import ProxyConfig
from hythe.proxy.server import Server, open_all
from hythe.session import places
from hythe.units import SECOND


@dataclass(frozen=True, slots=True)
class Options:
    """`read`: the configuration, as it is now. `words`: of the command line. `say` tells the person who runs this.

    `worker`: which of several it is that share the ports, from 1 on; 0 where it is alone.
    """

    read: Callable[[], ProxyConfig]
    words: Sequence[str]
    say: Callable[[str], None]
    worker: int = 0


def run(options: Options) -> int:
    """The whole of it, by as many processes as the configuration says; the exit status. UsageError, MachineError."""
    config = options.read()
    if config.workers == 1:
        _run_alone(options)
        return 0
    for opened in open_all(config, {}, given(), shares=False):  # nobody else is there, whom we would share with
        for one in opened:
            one.close()
    return workers.run(config.workers, lambda number: _work(replace(options, worker=number)))


def _work(options: Options) -> int:
    try:
        _run_alone(options)
    except HytheError as error:
        options.say(str(error))
        return 1
    return 0


def _run_alone(options: Options) -> None:
    with asyncio.Runner(loop_factory=ReadyLoop) as runner:
        runner.run(serve(options))


async def serve(options: Options) -> None:
    """Serve until a signal says otherwise. UsageError, MachineError before anything is served."""
    server = Server(options.read(), shares=options.worker > 0)
    claim = _claim(server, options)
    door = _open_door(claim, server, options) if claim is not None else None
    try:
        server.open(given())
        if options.worker <= 1:
            for each in server.places():
                options.say(each)
        await _run(server, options)
    finally:
        notify("STOPPING=1")
        if door is not None:
            await door.close()
        if claim is not None:
            claim.close()
        await server.close()


def _claim(server: Server, options: Options) -> places.Claim | None:
    """A name for the session; without one the proxy serves all the same."""
    try:
        return places.claim(server.config.name)
    except MachineError as error:
        options.say(str(error))
        return None


def _open_door(claim: places.Claim, server: Server, options: Options) -> Door:
    from hythe.forward.session import PARTS
    from hythe.proxy.session import ProxyResources, Shown

    shown = Shown(claim.name, options.words, server)
    return Door(claim.listener, lambda: ProxyResources(shown, server), server.flows.notice, PARTS)


async def _run(server: Server, options: Options) -> None:
    loop = asyncio.get_running_loop()
    asked, again = asyncio.Event(), asyncio.Event()

    def end() -> None:
        (again if asked.is_set() else asked).set()

    def reload() -> None:
        notify("RELOADING=1")
        try:
            server.reload(options.read())
        except HytheError as error:
            server.flows.notice(f"not reloaded: {error}")
            options.say(f"not reloaded: {error}")
        else:
            options.say("reloaded")
        notify("READY=1")

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, reload)
    notify(f"READY=1\nSTATUS={len(server.entries)} ports")
    try:
        await asked.wait()
        notify("STOPPING=1")
        server.stop()
        options.say(f"listening no more, {len(server.flows.live)} connections go on")
        draining = loop.create_task(server.settle(server.config.drain / SECOND))
        impatient = loop.create_task(again.wait())
        await asyncio.wait((draining, impatient), return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, impatient):
            task.cancel()
        await asyncio.wait((draining, impatient))
    finally:
        for number in (*signals, signal.SIGHUP):
            loop.remove_signal_handler(number)

"""The proxy as a service: from its configuration until it is asked to end, for init systems too.

SIGHUP reads the configuration again and keeps connections; a mistake in it is told, and the one before stays. SIGTERM and
SIGINT end the listening at once and the rest when the last client has gone, or `drain` is over; a second one does not wait.
Sockets that an init system hands over take the place of those that their entries would open (sd_listen_fds(3)).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hythe.aio.readiness import ReadyLoop
from hythe.errors import HytheError, MachineError
from hythe.forward.service import given, notify
from hythe.gateway.api.door import Callers, Door
from hythe.proxy import workers
from hythe.proxy.config import ProxyConfig
from hythe.proxy.ledger import Ledger
from hythe.proxy.server import Server, open_all
from hythe.session import places
from hythe.units import SECOND


@dataclass(frozen=True, slots=True)
class Options:
    """`read`: the configuration, as it is now. `words`: of the command line. `say` tells the person who runs this."""

    read: Callable[[], ProxyConfig]
    words: Sequence[str]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Worker:
    """One of several processes. `control`: to the first one; `ledger`: what all have had; `given`: handed to all."""

    number: int
    control: socket.socket
    ledger: Ledger
    given: Sequence[socket.socket]


def run(options: Options) -> int:
    """The whole of it, by as many processes as the configuration says; the exit status. UsageError, MachineError."""
    config = options.read()
    if config.workers == 1:
        _run_alone(options)
        return 0
    handed = given()
    for opened in open_all(config, {}, handed, shares=False):  # nobody else is there, whom we would share with
        for one in opened:
            if one not in handed:
                one.close()
    ledger = Ledger(shared=True)
    return workers.run(
        config.workers,
        lambda number, control: _work(options, Worker(number, control, ledger, handed)),
        lambda controls: _shown(config.name, options, controls),
    )


def _work(options: Options, worker: Worker) -> int:
    try:
        _run_alone(options, worker)
    except HytheError as error:
        options.say(str(error))
        return 1
    return 0


def _run_alone(options: Options, worker: Worker | None = None) -> None:
    gc.freeze()  # modules are not worth looking through for garbage, ever
    with asyncio.Runner(loop_factory=ReadyLoop) as runner:
        runner.run(serve(options, worker))


@asynccontextmanager
async def _shown(name: str, options: Options, controls: Sequence[socket.socket]) -> AsyncIterator[None]:
    """The session of all workers together."""
    claim = _claim(name, options)
    if claim is None:
        yield
        return
    from hythe.forward.session import PARTS
    from hythe.proxy.whole import Told, WholeResources

    told = Told(claim.name, options.words)
    door = Door(claim.listener, lambda: WholeResources(told, controls), options.say, (*PARTS, "hythe.proxy.whole"))
    try:
        yield
    finally:
        await door.close()
        claim.close()


async def serve(options: Options, worker: Worker | None = None) -> None:
    """Serve until a signal says otherwise. UsageError, MachineError before anything is served."""
    if worker is None:
        server = Server(options.read())
    else:
        server = Server(options.read(), number=worker.number, ledger=worker.ledger)
    server.flows.observers.append(lambda kind, about: options.say(str(about)) if kind == "notice" else None)
    service = _Service(server, options, worker)
    claim = _claim(server.config.name, options) if worker is None else None
    listener = claim.listener if claim is not None else service.callers
    door = _open_door(listener, claim.name if claim is not None else "", server, options) if listener is not None else None
    try:
        server.open(given() if worker is None else worker.given)
        if service.speaks:
            for each in server.places():
                options.say(each)
        await service.run()
    finally:
        service.tell("STOPPING=1")
        if door is not None:
            await door.close()
        if claim is not None:
            claim.close()
        await server.close()


def _claim(name: str, options: Options) -> places.Claim | None:
    """A name for the session; without one the proxy serves all the same."""
    try:
        return places.claim(name)
    except MachineError as error:
        options.say(str(error))
        return None


def _open_door(listener: Callers, name: str, server: Server, options: Options) -> Door:
    from hythe.forward.session import PARTS
    from hythe.proxy.session import ProxyResources, Shown

    shown = Shown(name, options.words, server)
    return Door(listener, lambda: ProxyResources(shown, server), server.flows.notice, PARTS)


class _Service:
    """One process, from its signals to its end. `speaks`: it tells people what all of them do."""

    def __init__(self, server: Server, options: Options, worker: Worker | None) -> None:
        self._server = server
        self._options = options
        self._worker = worker
        self._workers = server.config.workers
        self._asked, self._again = asyncio.Event(), asyncio.Event()
        self.speaks = worker is None or worker.number == 1
        self.callers = workers.Callers(worker.control, self._asked.set) if worker is not None else None

    def tell(self, text: str) -> None:
        """Tell the init system, or the first process, which tells it of all."""
        if self._worker is None:
            notify(text)
        elif text.startswith("READY=1"):
            with contextlib.suppress(OSError):  # it has gone, and so do we
                self._worker.control.send(workers.READY)

    def _end(self) -> None:
        (self._again if self._asked.is_set() else self._asked).set()

    def _reload(self) -> None:
        server, options = self._server, self._options
        self.tell("RELOADING=1")
        try:
            server.reload(options.read())
        except HytheError as error:
            server.flows.notice(f"not reloaded: {error}")
        else:
            if self.speaks:
                options.say("reloaded")
                if server.config.workers != self._workers:
                    options.say(f"workers is {server.config.workers} now: for as many processes, end this and begin anew")
        self.tell("READY=1")

    async def run(self) -> None:
        """Serve until it is over."""
        loop = asyncio.get_running_loop()
        server = self._server
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        self.tell(f"READY=1\nSTATUS={len(server.entries)} ports")
        try:
            await self._asked.wait()
            self.tell("STOPPING=1")
            server.stop()
            whose = f"process {self._worker.number}: " if self._worker is not None else ""
            self._options.say(f"{whose}listening no more, {len(server.flows.live)} connections go on")
            draining = loop.create_task(server.settle(server.config.drain / SECOND))
            impatient = loop.create_task(self._again.wait())
            await asyncio.wait((draining, impatient), return_when=asyncio.FIRST_COMPLETED)
            for task in (draining, impatient):
                task.cancel()
            await asyncio.wait((draining, impatient))
        finally:
            for number in (*signals, signal.SIGHUP):
                loop.remove_signal_handler(number)

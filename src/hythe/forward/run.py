"""`hythe forward` from its words to its end: tunnels set up, their session shown, a file read anew on SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hythe.aio.readiness import ReadyLoop
from hythe.errors import HytheError, MachineError, UsageError
from hythe.forward import service
from hythe.forward.flows import Flows
from hythe.forward.tunnel import Tunnel, TunnelSpec
from hythe.gateway.api.door import Door
from hythe.session import places

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Options:
    """`specs`: the tunnels, or with `reread` what it gives. `words`: of the command line, for views.

    `said`: gets what leads where, once it does; `told`: notices. `begun`: called once all tunnels are up.
    """

    specs: tuple[TunnelSpec, ...]
    words: tuple[str, ...]
    said: Callable[[str], None]
    told: Callable[[str], None]
    begun: Callable[[], None]
    name: str | None = None
    exits: bool = False
    reread: Callable[[], tuple[TunnelSpec, ...]] | None = None


def forward(options: Options) -> int:
    """Until it is told to end, or fails for good. Raises `UsageError`, `MachineError`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # each stream is a descriptor or two
    try:
        claim: places.Claim | str = places.claim("forward", options.name)
    except MachineError as error:
        if options.name is not None:
            raise
        claim = str(error)
    try:
        with asyncio.Runner(loop_factory=ReadyLoop) as runner:
            runner.run(Forwarding(options, claim).run())
    finally:
        if not isinstance(claim, str):
            claim.close()
    return 0


class Forwarding:
    """All tunnels of one command."""

    def __init__(self, options: Options, claim: places.Claim | str) -> None:
        self.flows = Flows()
        self.tunnels: Sequence[Tunnel] = []
        self.name = claim if isinstance(claim, str) else claim.name
        self.words: Sequence[str] = options.words
        self._options = options
        self._claim = claim
        self._running: dict[Tunnel, asyncio.Task[None]] = {}
        self._ending = asyncio.Event()
        self._failure: BaseException | None = None
        self._has_begun = self._hung_up = False

    async def run(self) -> None:
        """Until the end. Raises what ended it."""
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self._ending.set)
        if self._options.reread is not None:
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        door = self._open_door()
        self.flows.observers.append(self._observe)
        try:
            await self._begin_all(self._options.specs, service.given())
            if not self._ending.is_set():
                self._say_all(self.tunnels)
                service.notify(f"READY=1\nSTATUS={len(self._running)} up")
                self._options.begun()
                self._has_begun = True
                if self._hung_up:
                    self._reload()
                await self._ending.wait()
        finally:
            service.notify("STOPPING=1")
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            for tunnel in self.tunnels:
                await tunnel.close()
            if door is not None:
                await door.close()
        if self._failure is not None:
            raise self._failure

    def _open_door(self) -> Door | None:
        if isinstance(self._claim, str):
            self.flows.notice(self._claim)
            return None
        from hythe.forward.session import PARTS, ForwardResources

        return Door(self._claim.listener, lambda: ForwardResources(self), self.flows.notice, PARTS)

    async def _begin_all(self, specs: Sequence[TunnelSpec], sockets: list[socket.socket]) -> None:
        """Set all up, and wait until each is."""
        forwards = [each for spec in specs for each in spec.forwards]
        given = service.assigned(sockets, [each.place for each in forwards if each.option != "-R"], "-L's and no -D's")
        begun = [self._begin(Tunnel(spec, self.flows, given, exits=self._options.exits)) for spec in specs]
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            for one in begun:
                waiting: list[asyncio.Future[Any]] = [one, ending]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if self._ending.is_set():
                    return
        finally:
            ending.cancel()

    def _begin(self, tunnel: Tunnel) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[None] = loop.create_future()
        self.tunnels = [*self.tunnels, tunnel]
        tunnel.listen()

        def up() -> None:
            if not begun.done():
                begun.set_result(None)

        def over(task: asyncio.Task[None]) -> None:
            up()  # nobody waits for it any longer
            self._ended(tunnel, task)

        task = loop.create_task(tunnel.run(up))
        self._running[tunnel] = task
        task.add_done_callback(over)
        return begun

    def _ended(self, tunnel: Tunnel, task: asyncio.Task[None]) -> None:
        """A tunnel has failed for good: that is the end, unless others go on."""
        self._running.pop(tunnel, None)
        if task.cancelled():
            return
        error = task.exception()
        others = [each for each in self._running if each is not tunnel]
        if error is None or (isinstance(error, HytheError) and others and not self._options.exits):
            tunnel.fail(str(error))
            self.flows.notice(f"{tunnel.spec.name}: {error}")
            return
        self._failure = error
        self._ending.set()

    def _hang_up(self) -> None:
        """SIGHUP: the file is read anew, once what it said at first is done."""
        self._hung_up = True
        if self._has_begun:
            self._reload()

    def _reload(self) -> None:
        """Keep what has stayed the same, end what has gone, begin what is new."""
        assert self._options.reread is not None
        service.notify("RELOADING=1")
        try:
            specs = self._options.reread()
        except HytheError as error:
            self.flows.notice(f"nothing was changed: {error}")
            service.notify("READY=1")
            return
        asyncio.get_running_loop().create_task(self._change(specs)).add_done_callback(self._changed)

    async def _change(self, specs: Sequence[TunnelSpec]) -> None:
        kept = [each for each in self.tunnels if each.spec in specs and each in self._running]
        missing = [each for each in specs if not any(tunnel.spec == each for tunnel in kept)]
        try:  # all that can be wrong with a way is found before anything ends
            new = [Tunnel(each, self.flows, {}, exits=self._options.exits, asks=False) for each in missing]
        except (UsageError, MachineError) as error:
            self.flows.notice(f"nothing was changed: {error}")
            return
        for tunnel in [each for each in self.tunnels if each not in kept]:
            task = self._running.pop(tunnel, None)
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await tunnel.close()
            self.flows.notice(f"{tunnel.spec.name}: ended")
        self.tunnels = kept
        for tunnel in kept:
            await tunnel.reread()
        for tunnel in new:
            try:
                self._begin(tunnel)
            except (UsageError, MachineError) as error:
                tunnel.fail(str(error))
                self.flows.notice(f"{tunnel.spec.name}: {error}")
                continue
            self.flows.notice(f"{tunnel.spec.name}: begun")

    def _changed(self, task: asyncio.Task[None]) -> None:
        service.notify(f"READY=1\nSTATUS={len(self.tunnels)} tunnels")
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._ending.set()

    def _say_all(self, tunnels: Sequence[Tunnel]) -> None:
        for tunnel in tunnels:
            for line in tunnel.lines():
                self._options.said(line)

    def _observe(self, kind: str, about: object) -> None:
        if kind == "notice":
            self._options.told(str(about))
            service.notify(f"STATUS={about}")


def to_background() -> Callable[[], None]:
    """Fork: the parent ends when the child says that it is up, or with the child's status if it ends before.

    Returns, in the child, what says so.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        up = os.read(reading, 1) == b"1"
        os._exit(0 if up else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.close(reading)

    def begun() -> None:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(nothing, fd)
        os.close(nothing)
        with contextlib.suppress(OSError):
            os.write(writing, b"1")
        os.close(writing)

    return begun

"""A forward as a session: what `hythe ps` and every other client of the API is told of it, and what they may change."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from hythe.errors import MachineError, UnknownError
from hythe.forward.flows import Flow, Flows
from hythe.forward.following import Following, described, totals
from hythe.forward.places import port_of
from hythe.gateway.api import metrics
from hythe.gateway.api.broadcast import Broadcast
from hythe.gateway.api.changes import Ledger
from hythe.gateway.api.door import Door
from hythe.gateway.api.figures import peer
from hythe.session import model, places
from hythe.session.plain import plain
from hythe.session.routes import API

if TYPE_CHECKING:
    from hythe.forward.tunnel import Tunnel

#: What the first request imports (`hythe.gateway.api.door`).
PARTS: Final = ("json", "h11", "hythe.session.model", "hythe.session.routes", "hythe.gateway.api.serving")
#: Seconds that those who listen have to hear the rest.
_FAREWELL: Final = 0.3
_STEP: Final = 0.005
_NO_PACKETS: Final = "this session carries streams, which are no packets of its own: hythe dump shows those of an interface"


class Shown(Protocol):
    """What there is to tell of. `words`: of its command."""

    name: str
    words: Sequence[str]
    flows: Flows
    tunnels: Sequence[Tunnel]


class ForwardResources:
    """`hythe.session.routes`, one method for each operation."""

    def __init__(self, forwarding: Shown) -> None:
        self._forwarding = forwarding
        self._flows: Flows = forwarding.flows
        self._broadcast = Broadcast(self._flows, self._event)
        self._ledger = Ledger(self._flows, Following(self._flows))

    async def finish(self) -> None:
        """As `Answering.finish`."""
        self._broadcast.finish()
        until = time.monotonic() + _FAREWELL
        while self._broadcast.busy and time.monotonic() < until:
            await asyncio.sleep(_STEP)

    async def about(self) -> model.About:
        """Who this is."""
        flows = self._flows
        tunnels = [
            model.Tunnel(each.spec.name, each.way.name, each.state, each.since, each.reason, each.lines())
            for each in self._forwarding.tunnels
        ]
        return model.About(
            name=self._forwarding.name,
            pid=os.getpid(),
            command=list(self._forwarding.words),
            since=flows.began,
            api=API,
            mtu=0,
            addresses=[],
            gateways=[],
            faults={},
            notices=list(flows.notices),
            totals=totals(flows),
            tunnels=tunnels,
        )

    async def connections(
        self, *, ended: int = 0, processes: bool = False, moments: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """A JSON array. There are neither processes nor moments of a tunnel's connections."""
        past = list(self._flows.past)[max(0, len(self._flows.past) - ended) :]
        rows = [json.dumps(plain(described(each))) for each in [*past, *self._flows.live.values()]]

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield ("[" + ",\n".join(rows) + "]\n").encode()

        return pieces()

    async def changes(self, *, since: int = 0) -> AsyncGenerator[bytes, None]:
        """`model.Changes`."""
        return await self._ledger.changes(since)

    async def holders(self, *, after: int = 0) -> list[model.Holding]:
        """Its clients may be anywhere."""
        return []

    async def connection(self, number: int) -> model.Detail:
        """One of them."""
        return model.Detail(described(self._find(number)), None)

    async def kill(self, number: int) -> model.Connection:
        """End it."""
        flow = self._flows.live.get(number)
        if flow is None:
            raise UnknownError(f"no connection {number} goes on")
        if flow.kill is not None:
            flow.kill()
        return described(flow)

    def _find(self, number: int) -> Flow:
        flow = self._flows.live.get(number) or next((each for each in self._flows.past if each.number == number), None)
        if flow is None:
            raise UnknownError(f"there is no connection {number}, or it ended long ago")
        return flow

    async def listeners(self, *, processes: bool = False) -> list[model.Listener]:
        """Ports of this machine, and those at the far end (outside null), with what they lead to (inside)."""
        found = []
        for tunnel in self._forwarding.tunnels:
            for local in tunnel.locals:
                forward = local.forward
                inside = model.End(forward.target.path or forward.target.host, forward.target.port)
                for one in local.listeners:
                    name: Any = one.getsockname()
                    address = name[0] if isinstance(name, tuple) else name
                    outside = model.End(address, port_of([one]))
                    found.append(model.Listener("udp" if forward.udp else "tcp", outside, inside, None))
            for remote in tunnel.remotes:
                forward = remote.forward
                inside = model.End(f"{forward.place.path or forward.bind or '*'} of {tunnel.way.name}", remote.port)
                found.append(model.Listener("udp" if forward.udp else "tcp", None, inside, None))
        return found

    async def publish(self, wanted: model.Publish) -> list[model.Listener]:
        """Not here."""
        raise MachineError(f"a forward publishes nothing ({wanted.publish}): change its file, and send it SIGHUP")

    async def unpublish(self, number: int) -> model.Listener:
        """Not here."""
        raise UnknownError(f"no published port has the number {number}")

    async def faults(self) -> model.Faults:
        """It has no wire."""
        return model.Faults({}, None, None, None)

    async def set_faults(self, words: dict[str, str | None]) -> model.Faults:
        """Not here."""
        raise MachineError(_NO_PACKETS)

    async def queries(self) -> list[model.Query]:
        """The far end looks names up."""
        return []

    async def peers(self) -> list[model.Peer]:
        """The far sides of its WireGuard tunnels."""
        now = time.time_ns()
        return [peer(report, now) for tunnel in self._forwarding.tunnels for report in tunnel.peers()]

    async def capture(self, *, snaplen: int = 0) -> AsyncGenerator[bytes, None]:
        """Not here."""
        raise MachineError(_NO_PACKETS)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events."""
        return self._broadcast.listen()

    async def metrics(self) -> str:
        """For Prometheus."""
        return metrics.text(self._forwarding.name, self._flows.began, totals(self._flows), await self.faults(), {})

    async def openapi(self) -> dict[str, Any]:
        """What there is."""
        from hythe.session.openapi import document  # few ask

        return document()

    def _event(self, kind: str, about: object) -> model.Event | None:
        at = time.time()
        if isinstance(about, Flow):
            return model.Event(kind, at, connection=described(about))
        return model.Event(kind, at, notice=str(about))


class _Server:
    """A session that has no tunnels of its own."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self.name = name
        self.words = words
        self.flows = Flows()
        self.tunnels: Sequence[Tunnel] = ()


@contextlib.asynccontextmanager
async def shown(command: str, words: Sequence[str], say: Callable[[str], None]) -> AsyncIterator[Flows]:
    """Have a server's streams shown as a session; why there can be none is said."""
    try:
        claim = places.claim(command)
    except MachineError as error:
        say(str(error))
        yield Flows()
        return
    server = _Server(claim.name, ("hythe", *words))
    door = Door(claim.listener, lambda: ForwardResources(server), server.flows.notice, PARTS)
    try:
        yield server.flows
    finally:
        await door.close()
        claim.close()

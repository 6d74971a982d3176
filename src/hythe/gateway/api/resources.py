"""What each route of the API does: one method for each `operation` of `session.routes`.

Whatever takes long gives the loop its turn between pieces: traffic goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from hythe.errors import UnknownError
from hythe.gateway.api import figures, metrics
from hythe.gateway.api.broadcast import Broadcast
from hythe.gateway.api.capturing import Capturing, Place
from hythe.gateway.api.changes import Ledger
from hythe.gateway.api.following import Following, holdings
from hythe.gateway.api.inside import Inside, Pair, is_listener, pairs
from hythe.gateway.api.lookups import name_of, query, read_names
from hythe.gateway.capture.reasons import Reasons
from hythe.gateway.publish.publications import parse as parse_publication
from hythe.gateway.pumps import Splice
from hythe.gateway.session import Answer, FlowRecord
from hythe.session import model
from hythe.session.plain import plain
from hythe.session.routes import API
from hythe.units import SECOND
from hythe.wire.inetdiag import TCP

if TYPE_CHECKING:
    from hythe.gateway.capture.recorder import Recorder
    from hythe.gateway.gateway import Gateway
    from hythe.gateway.layout import Layout
    from hythe.gateway.namespace import Room
    from hythe.gateway.options import RunOptions
    from hythe.gateway.publish.publisher import Published
    from hythe.gateway.wiring import Wiring

#: Objects made, or flows looked at, between two turns of the loop: less than a millisecond's worth.
_BATCH: Final = 10
_GLANCES: Final = 200
#: Connections whose sockets are asked for one by one; of more, all sockets are.
_FEW: Final = 64
#: Seconds that those who listen have to hear the rest.
_FAREWELL: Final = 0.3
_STEP: Final = 0.005


class Resources:
    """One session. `name`: what it is called. `room`: the command's, if that is on this machine."""

    def __init__(
        self,
        name: str,
        gateway: Gateway,
        wiring: Wiring,
        room: Room | None,
        layout: Layout,
        options: RunOptions,
        recorder: Recorder | None,
    ) -> None:
        self.name = name
        self.gateway = gateway
        self.wiring = wiring
        self.session = gateway.session
        self.layout = layout
        self.options = options
        self.epoch = time.time_ns() - gateway.driver.clock()
        self._room = room
        self._inside = Inside(room.diag_fd, room.pid) if room is not None else Inside(-1, 0)
        self._broadcast = Broadcast(self.session, self._event)
        self._following = Following(self.session, wiring, self.epoch, self._connection)
        self._ledger = Ledger(self.session, self._following)
        place = Place(room.pid if room is not None else 0, layout.hosts, self.epoch)
        reasons = recorder.reasons if recorder is not None else Reasons(gateway)
        self._capturing = Capturing(wiring, self.session, reasons, recorder, place)

    async def finish(self) -> None:
        """The session is about to end: let those who listen hear the rest, if they do not take long."""
        streams = (self._broadcast, self._capturing)
        for each in streams:
            each.finish()
        until = time.monotonic() + _FAREWELL
        while any(each.busy for each in streams) and time.monotonic() < until:
            await asyncio.sleep(_STEP)

    # --- The session

    async def about(self) -> model.About:
        """Who this is."""
        families = self.layout.families
        return model.About(
            name=self.name,
            pid=os.getpid(),
            command=list(self.options.argv),
            since=figures.moment(self.session.began, self.epoch),
            api=API,
            mtu=self.options.mtu,
            addresses=[figures.address(each) for each in self.layout.commands],
            gateways=[figures.address(each.gateway) for each in families],
            faults=(await self.faults()).words,
            notices=list(self.session.notices),
            totals=await self._totals(),
        )

    async def _totals(self) -> model.Totals:
        up = down = 0
        for number, flow in enumerate(list(self.session.live.values())):
            if number % _GLANCES == _GLANCES - 1:
                await asyncio.sleep(0)
            flow.refresh()
            up += flow.record.bytes_up
            down += flow.record.bytes_down
        return self._following.totals(up, down)

    async def metrics(self) -> str:
        """For Prometheus."""
        counters = self.gateway.host.counters
        host = {name: getattr(counters, name) for name in counters.__slots__}
        since = figures.moment(self.session.began, self.epoch)
        return metrics.text(self.name, since, await self._totals(), await self.faults(), host)

    async def openapi(self) -> dict[str, Any]:
        """What there is."""
        from hythe.session.openapi import document  # few ask

        return document()

    # --- Connections

    async def connections(
        self, *, ended: int = 0, processes: bool = False, moments: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """A JSON array, made as it is read."""
        if moments and self.session.noting is None:
            from hythe.gateway.moments.noting import begin  # few ask

            begin(self.session, self._room)
        await read_names(self.session)
        held = pairs(await self._inside.sockets(processes=True)) if processes else {}
        past = self.session.past
        records = [past[number] for number in range(max(0, len(past) - ended), len(past))]
        records += [flow.record for flow in self.session.live.values()]
        return _rows(records, lambda record: self._connection(record, held))

    async def changes(self, *, since: int = 0) -> AsyncGenerator[bytes, None]:
        """`model.Changes`, made as it is read."""
        await read_names(self.session)
        return await self._ledger.changes(since)

    async def holders(self, *, after: int = 0) -> list[model.Holding]:
        """Who holds the connections that go on and have a number above `after`."""
        records = [flow.record for number, flow in self.session.live.items() if number > after]
        if len(records) > _FEW:
            held = pairs(await self._inside.sockets(processes=True))
        else:
            held = await self._inside.holders([pair for pair in map(figures.pair, records) if pair is not None])
        return holdings(records, held)

    async def connection(self, number: int) -> model.Detail:
        """One of them."""
        await read_names(self.session)
        flow = self.session.live.get(number)
        if flow is None:
            record = next((each for each in self.session.past if each.number == number), None)
            if record is None:
                raise UnknownError(f"there is no connection {number}, or it ended long ago")
            return model.Detail(self._connection(record), None)
        info = figures.info(flow.connection) if isinstance(flow, Splice) else None
        return model.Detail(self._connection(flow.record), info)

    async def kill(self, number: int) -> model.Connection:
        """Reset it."""
        await read_names(self.session)
        flow = self.session.live.get(number)
        if flow is None:
            raise UnknownError(f"no connection {number} goes on")
        driver = self.gateway.driver
        flow.kill(driver.clock())
        driver.wake()
        return self._connection(flow.record)

    def _connection(self, record: FlowRecord, held: Mapping[Pair, model.Process] | None = None) -> model.Connection:
        name_of(self.session, record)
        process = figures.holder(record, held) if held else None
        return figures.connection(record, self.session.live.get(record.number), self.epoch, process)

    # --- Ports

    async def listeners(self, *, processes: bool = False) -> list[model.Listener]:
        """Published ones, and those inside."""
        published = self.gateway.published
        found = [self._published(each) for each in published.ports] if published is not None else []
        for each, process in await self._inside.sockets(processes=processes):
            if is_listener(each):
                protocol = "tcp" if each.protocol == TCP else "udp"
                found.append(
                    model.Listener(protocol, None, model.End(figures.address(each.local), each.local_port), process)
                )
        return found

    async def publish(self, wanted: model.Publish) -> list[model.Listener]:
        """Publish, and tell what was opened."""
        opened = [self._published(each) for each in self.gateway.publish(parse_publication(wanted.publish))]
        for each in opened:
            self.session.tell("published", each)
        return opened

    async def unpublish(self, number: int) -> model.Listener:
        """Take it away again."""
        taken = self.gateway.unpublish(number)
        if taken is None:
            raise UnknownError(f"no published port has the number {number}")
        listener = self._published(taken)
        self.session.tell("unpublished", listener)
        return listener

    def _published(self, port: Published) -> model.Listener:
        outside, inside = model.End(port.address, port.outside), model.End(figures.address(port.target), port.inside)
        return model.Listener(port.protocol, outside, inside, None, port.number)

    # --- The wire, and what has been looked up

    async def faults(self) -> model.Faults:
        """Of the wire."""
        wire = self.gateway.wire
        return model.Faults(
            words=dict(self.wiring.words),
            seed=self.wiring.seed,
            up=figures.tally(wire.up.tally) if wire is not None else None,
            down=figures.tally(wire.down.tally) if wire is not None else None,
        )

    async def set_faults(self, words: dict[str, str | None]) -> model.Faults:
        """Change them."""
        self.wiring.change(words)
        changed = await self.faults()
        self.session.tell("faults", changed)
        return changed

    async def queries(self) -> AsyncGenerator[bytes, None]:
        """A JSON array, made as it is read."""
        return _rows(list(self.session.answers), lambda answer: query(answer, self.epoch))

    async def peers(self) -> list[model.Peer]:
        """Of its tunnel."""
        ask = self.session.peers
        now = time.time_ns()
        return [figures.peer(each, now) for each in ask()] if ask is not None else []

    # --- What happens

    async def capture(self, *, snaplen: int = 0) -> AsyncGenerator[bytes, None]:
        """All packets from now on."""
        return self._capturing.stream(snaplen)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events."""
        await read_names(self.session)
        return self._broadcast.listen()

    def _event(self, kind: str, about: object) -> model.Event | None:
        at = time.time_ns() / SECOND
        if isinstance(about, FlowRecord):
            return model.Event(kind, at, connection=self._connection(about))
        if isinstance(about, Answer):
            found = query(about, self.epoch)
            return model.Event(kind, at, query=found) if found is not None else None
        if isinstance(about, model.Faults):
            return model.Event(kind, at, faults=about)
        if isinstance(about, model.Listener):
            return model.Event(kind, at, listener=about)
        return model.Event(kind, at, notice=str(about))


async def _rows(items: Iterable[Any], make: Callable[[Any], Any]) -> AsyncGenerator[bytes, None]:
    """A JSON array of what `make` makes of each; None is left out."""
    rows: list[str] = []
    separator = "["
    for item in items:
        made = make(item)
        if made is not None:
            rows.append(separator + json.dumps(plain(made)))
            separator = ",\n"
        if len(rows) >= _BATCH:
            yield "".join(rows).encode()
            rows.clear()
    yield "".join((*rows, "[" if separator == "[" else "", "]\n")).encode()

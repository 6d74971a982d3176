"""The session of a proxy of several processes: each question goes to its workers, and their answers are put together.

Connections of worker N have the numbers N, N + count, N + 2·count …, so a number tells whose it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import h11

from hythe.errors import MachineError, UnknownError, UsageError
from hythe.forward.flows import Flows
from hythe.forward.session import ForwardResources
from hythe.forward.tunnel import Tunnel
from hythe.gateway.api import metrics
from hythe.proxy.session import nothing_published
from hythe.proxy.workers import call
from hythe.session import model
from hythe.session.plain import build, plain

#: Seconds that a worker may take to answer.
_PATIENCE: Final = 10.0
_READ: Final = 65_536
#: Answers to `GET /changes` that may be asked on from.
_ASKING: Final = 256


class Told:
    """As `hythe.forward.session.Shown`. `words`: of the command line; nothing is carried here."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self.name = name
        self.words = words
        self.flows = Flows()
        self.tunnels: Sequence[Tunnel] = ()


class WholeResources(ForwardResources):
    """`controls`: the sockets to the workers, in the order of their numbers."""

    def __init__(self, told: Told, controls: Sequence[socket.socket]) -> None:
        super().__init__(told)
        self._told = told
        self._workers = [_Worker(each) for each in controls]
        self._serials: OrderedDict[int, list[int]] = OrderedDict()  # ours -> those of the workers
        self._serial = time.time_ns() // 1_000  # no other process has given it out before

    async def about(self) -> model.About:
        """As the route; notices that several have are one."""
        found = [build(model.About, each) for each in await self._all("GET", "/")]
        about: model.About = found[0]
        about.pid = os.getpid()
        about.name, about.command = self._told.name, list(self._told.words)
        about.since = min(each.since for each in found)
        about.notices = list(dict.fromkeys(sentence for each in found for sentence in each.notices))
        about.totals = _sum([each.totals for each in found])
        return about

    async def connections(
        self, *, ended: int = 0, processes: bool = False, moments: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """As the route."""
        rows = [each for answer in await self._all("GET", f"/connections?ended={ended}") for each in answer]
        past = sorted((each for each in rows if each["ended"] is not None), key=lambda each: each["ended"])
        live = sorted((each for each in rows if each["ended"] is None), key=lambda each: each["began"])
        text = ",\n".join(json.dumps(each) for each in [*past[max(0, len(past) - ended) :], *live])

        return _text(f"[{text}]\n")

    async def changes(self, *, since: int = 0) -> AsyncGenerator[bytes, None]:
        """As the route. Where one worker has to tell everything anew, all have to."""
        nothing = [0] * len(self._workers)
        found = await self._changes(self._serials.get(since, nothing))
        if len({each["complete"] for each in found}) > 1:
            found = await self._changes(nothing)
        self._serial += 1
        self._serials[self._serial] = [each["serial"] for each in found]
        if len(self._serials) > _ASKING:
            self._serials.popitem(last=False)
        whole: dict[str, Any] = {
            name: [row for each in found for row in each[name]] for name in ("queries", "connections", "figures")
        }
        whole |= {
            "serial": self._serial,
            "complete": found[0]["complete"],
            "totals": plain(_sum([build(model.Totals, each["totals"]) for each in found])),
            "faults": {},
            "notices": list(dict.fromkeys(sentence for each in found for sentence in each["notices"])),
            "left_out": sum(each["left_out"] for each in found),
        }
        return _text(json.dumps(whole) + "\n")

    async def _changes(self, serials: Sequence[int]) -> list[Any]:
        asked = (each.ask("GET", f"/changes?since={serial}") for each, serial in zip(self._workers, serials, strict=True))
        return await asyncio.gather(*asked)

    async def connection(self, number: int) -> model.Detail:
        """As the route."""
        detail: model.Detail = build(model.Detail, await self._of(number).ask("GET", f"/connections/{number}"))
        return detail

    async def kill(self, number: int) -> model.Connection:
        """As the route."""
        killed: model.Connection = build(model.Connection, await self._of(number).ask("DELETE", f"/connections/{number}"))
        return killed

    async def listeners(self, *, processes: bool = False) -> list[model.Listener]:
        """As the route: every worker listens to the same."""
        return [build(model.Listener, each) for each in await self._workers[0].ask("GET", "/listeners")]

    async def publish(self, wanted: model.Publish) -> list[model.Listener]:
        """Not here."""
        raise nothing_published(wanted)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """As the route, until the last worker has ended."""
        return _merged([each.stream("/events") for each in self._workers])

    async def metrics(self) -> str:
        """As the route."""
        about = await self.about()
        return metrics.text(self._told.name, about.since, about.totals, await self.faults(), {})

    async def _all(self, method: str, path: str) -> list[Any]:
        return await asyncio.gather(*(each.ask(method, path) for each in self._workers))

    def _of(self, number: int) -> _Worker:
        return self._workers[(number - 1) % len(self._workers)]


class _Worker:
    """One, asked over HTTP as its session would be."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    async def ask(self, method: str, path: str) -> Any:
        """Its answer. MachineError where it gives none; UsageError, MachineError are its own."""
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = b"".join([piece async for piece in self.stream(path, method)])
        except (OSError, h11.RemoteProtocolError) as error:
            raise MachineError(f"a worker of this proxy does not answer ({error}): try again") from error
        return json.loads(answer)

    async def stream(self, path: str, method: str = "GET") -> AsyncGenerator[bytes, None]:
        """The pieces of its answer as they come. OSError."""
        loop = asyncio.get_running_loop()
        machine = h11.Connection(h11.CLIENT)
        request = machine.send(h11.Request(method=method, target=path, headers=[("Host", "hythe")]))
        with call(self._control) as caller:
            await loop.sock_sendall(caller, (request or b"") + (machine.send(h11.EndOfMessage()) or b""))
            status, wrong = 0, b""
            while True:
                while (event := machine.next_event()) is h11.NEED_DATA:
                    machine.receive_data(await loop.sock_recv(caller, _READ))
                if isinstance(event, h11.Response):
                    status = event.status_code
                elif not isinstance(event, h11.Data):
                    break
                elif status == HTTPStatus.OK:
                    yield bytes(event.data)
                else:
                    wrong += event.data
            if status != HTTPStatus.OK:
                raise _problem(status, wrong)


def _problem(status: int, body: bytes) -> Exception:
    sentence = str(json.loads(body)["error"])
    known = {HTTPStatus.NOT_FOUND: UnknownError, HTTPStatus.BAD_REQUEST: UsageError, HTTPStatus.CONFLICT: MachineError}
    return known.get(HTTPStatus(status), RuntimeError)(sentence)


async def _merged(streams: Sequence[AsyncIterator[bytes]]) -> AsyncGenerator[bytes, None]:
    """Whole server-sent events of all streams as they come."""
    come: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=len(streams))

    async def pump(stream: AsyncIterator[bytes]) -> None:
        waiting = b""
        with contextlib.suppress(OSError, h11.RemoteProtocolError):  # a worker that has ended says no more
            async for piece in stream:
                whole, end, waiting = (waiting + piece).rpartition(b"\n\n")
                if end:
                    await come.put(whole + end)
        await come.put(None)

    pumps = [asyncio.ensure_future(pump(each)) for each in streams]
    try:
        going = len(pumps)
        while going:
            piece = await come.get()
            if piece is None:
                going -= 1
            else:
                yield piece
    finally:
        for each in pumps:
            each.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _text(text: str) -> AsyncGenerator[bytes, None]:
    yield text.encode()


def _sum(totals: Sequence[model.Totals]) -> model.Totals:
    return model.Totals(
        connections=sum(each.connections for each in totals),
        open=sum(each.open for each in totals),
        refused=sum(each.refused for each in totals),
        bytes_up=sum(each.bytes_up for each in totals),
        bytes_down=sum(each.bytes_down for each in totals),
        queries=0,
    )

"""The way out, for every entry alike: may it, has it room, how it goes, and what is told of it afterwards.

    with passage.flow(client, host, port) as flow:      limits, the session's record, the line of the log
        far = await passage.open(flow, host, port)      rules, the entry's way, the address that was checked
        await passage.join(flow, far, b"first")         until both directions have ended

A connection between them passes through stages: the accepting side of an entry has its own (`Entry.stages`: PROXY protocol,
TLS, server names), and so may the far side, between `open` and `join`.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final

from hythe.forward.flows import Flows
from hythe.proxy.access import Access, canonical
from hythe.proxy.circles import Circles
from hythe.proxy.clients import Client, Flow
from hythe.proxy.limits import Limits, client_key
from hythe.proxy.log import Log
from hythe.proxy.names import Names
from hythe.proxy.users import Users
from hythe.units import SECOND
from hythe.via.base import Opened, Way, failure
from hythe.via.direct import Direct, Find
from hythe.via.splice import join

#: Seconds between two looks at what has been idle for too long.
SWEEP: Final = 1.0


class Passing:
    """What `Passage.flow` returns, for `with`."""

    __slots__ = ("_flow", "_passage")

    def __init__(self, passage: Passage, flow: Flow) -> None:
        self._passage = passage
        self._flow = flow

    def __enter__(self) -> Flow:
        try:
            self._passage.begin(self._flow)
        except OSError as error:
            self._flow.fail(error)
            self._passage.end(self._flow)
            raise
        return self._flow

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        flow = self._flow
        if isinstance(error, OSError):
            flow.fail(error)
        elif isinstance(error, asyncio.CancelledError) and flow.error is None:
            flow.fail(OSError(errno.ECONNABORTED, "ended from this side"))
        self._passage.end(flow)


class Passage:
    """What all entries share. A reload replaces `access`, `per_client` and `per_user`; who is there keeps what he has."""

    def __init__(
        self,
        flows: Flows,
        log: Log,
        access: Access,
        per_client: Limits,
        per_user: Limits,
        clock: Callable[[], int],
    ) -> None:
        self.flows = flows
        self._live: dict[int, Flow] = {}
        self.log = log
        self.access = access
        self.per_client = per_client
        self.per_user = per_user
        self.clock = clock
        self.names = Names()
        self.circles = Circles()

    def flow(self, client: Client, host: str, port: int, what: str, protocol: str = "tcp") -> Passing:
        """A connection of a client to somewhere: counted, limited, and told of at its end. OSError (EDQUOT)."""
        return Passing(self, self.make(client, host, port, what, protocol))

    def make(self, client: Client, host: str, port: int, what: str, protocol: str = "tcp") -> Flow:
        """The same, for whoever calls `begin` and `end` itself."""
        record = self.flows.begin(protocol, (client.host, client.port), (host, port), client.entry.way.name)
        return Flow(client, record, what)

    def begin(self, flow: Flow) -> None:
        """Let it have its share. OSError (EDQUOT)."""
        client = flow.client
        for limits, who in ((self.per_client, client_key(client.host)), (self.per_user, client.user)):
            share = limits.begin(who) if who else None
            if share is not None:
                flow.shares.append(share)
        flow.limit()
        self._live[flow.record.number] = flow

    def end(self, flow: Flow) -> None:
        """It has ended, well or not."""
        for each in flow.shares:
            each.end()
        self._live.pop(flow.record.number, None)
        if flow.led is not None:
            self.circles.forget(flow.led)
        self.flows.end(flow.record, flow.error)
        self.log.tell(flow)

    def reached(self, flow: Flow, far: socket.socket | None) -> None:
        """The far end is there, or, of datagrams, the way. OSError."""
        name = far.getpeername() if far is not None else None
        if far is not None and isinstance(name, tuple):
            flow.address = name[0]
            if name[1] in self.circles.ports:
                self.circles.led(flow, far)
        self.flows.opened(flow.record)

    async def open(self, flow: Flow, host: str, port: int, *, mapped: bool = False) -> socket.socket:
        """A socket to there. OSError."""
        client = flow.client
        host = canonical(host)
        way = client.entry.way.choose(host, port)
        seconds = client.entry.connect / SECOND
        if mapped and port in self.circles.ports:
            await self.circles.wait()
        try:
            if isinstance(way, Direct):
                permit = partial(self.permit, client, mapped=mapped)
                far = await way.reach(host, port, permit, seconds, self.find(client))
            else:
                self.permit(client, host, "", port, mapped=mapped)
                async with asyncio.timeout(seconds):
                    far = await way.open(host, port)
        except socket.gaierror as error:
            raise _unknown(error, way, host, port) from error
        except TimeoutError as error:
            if error.errno is not None:
                raise
            raise _late(way, host, port, seconds) from error
        try:
            self.reached(flow, far)
        except BaseException:
            far.close()
            raise
        return far

    async def carry(self, flow: Flow, host: str, port: int, opened: Opened, *, mapped: bool = False) -> None:
        """Join the client to there, until both directions have ended; `opened` as in `Way.carry`.

        By a way without kernel sockets what moves moves once, not twice. OSError: `opened` was not called.
        """
        client = flow.client
        host = canonical(host)
        way = client.entry.way.choose(host, port)
        if isinstance(way, Direct):
            far = await self.open(flow, host, port, mapped=mapped)
            await self.join(flow, far, opened(far))
            return
        self.permit(client, host, "", port, mapped=mapped)
        seconds = client.entry.connect / SECOND

        def ready(far: socket.socket | None) -> bytes:
            limit.reschedule(None)
            self.reached(flow, far)
            return opened(far)

        try:
            async with asyncio.timeout(seconds) as limit:
                error = await way.carry(client.stream, host, port, opened=ready, tally=flow.tally)
        except socket.gaierror as failed:
            raise _unknown(failed, way, host, port) from failed
        except TimeoutError as failed:
            if failed.errno is not None:
                raise
            raise _late(way, host, port, seconds) from failed
        if error is not None:
            flow.fail(error)

    def way(self, client: Client, host: str, port: int, *, mapped: bool = False) -> Way:
        """The way there, which asks for permission where it looks names up. OSError (EACCES)."""
        way = client.entry.way.choose(host, port)
        permit = partial(self.permit, client, mapped=mapped)
        if isinstance(way, Direct):
            return way.permitting(permit, self.find(client))
        permit(host, "", port)
        return way

    def find(self, client: Client) -> Find:
        """What looks names up for a client."""
        return partial(self.names.find, client_key(client.host))

    async def log_in(self, users: Users, client: Client, user: str, password: str) -> bool:
        """Is it who it says it is?"""
        proven = await users.check(client_key(client.host), user, password)
        if not proven:
            self.log.tell_login(client, user)
        return proven

    def permit(self, client: Client, host: str, address: str, port: int, *, mapped: bool = False) -> None:
        """May a client go there? OSError (EACCES)."""
        if mapped and address:
            self.circles.check(client, address, port)
        self.access.permit(client.host, client.user, host, address, port, mapped=mapped)

    async def join(self, flow: Flow, far: socket.socket, first: bytes = b"") -> None:
        """Join the client to it, until both directions have ended; the client gets `first` before all else."""
        error = await join(flow.client.stream, far, first, flow.tally)
        if error is not None:
            flow.fail(error)

    def sweep(self) -> None:
        """End what nothing has moved on for too long."""
        now = time.time()
        for flow in list(self._live.values()):
            tally, config = flow.tally, flow.client.entry.config
            if not (config.idle or tally.ended or tally.waiting):
                continue
            if flow.record.protocol != "tcp" and flow.client.entry.kind != "socks":
                continue  # others see to datagrams of their own
            state = (tally.up + tally.down, tally.ended, tally.waiting > 0)
            if state != flow.moved[0] or flow.others:
                flow.moved = (state, now)
                continue
            for limit, counts, words in (
                (config.unread, tally.waiting, "somebody has taken nothing of what it is sent for"),
                (config.half_closed, tally.ended, "one direction has ended, and in the other nothing has moved for"),
                (config.idle, True, "nothing has moved for"),
            ):
                if counts and limit and now - flow.moved[1] > limit / SECOND:
                    flow.end(errno.ETIMEDOUT, f"{words} {limit / SECOND:g} s")
                    break


def _unknown(error: socket.gaierror, way: Way, host: str, port: int) -> OSError:
    return failure(errno.EHOSTUNREACH, way.name, host, port, str(error.strerror).lower())


def _late(way: Way, host: str, port: int, seconds: float) -> OSError:
    return failure(errno.ETIMEDOUT, way.name, host, port, f"no answer within {seconds:g} s")

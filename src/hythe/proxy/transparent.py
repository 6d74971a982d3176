"""Connections that never hear of a proxy and go by its rules all the same: of `hythe run --proxy`, `hythe gateway --proxy`.

Theory of operation. The gateway asks about each connection once (`hythe.gateway.ways.policy`), before anything goes out; its
bytes then go from its own stack to the socket of the way, and none of them comes here. What a connection has moved, and how
it has ended, stands in the gateway's record; when the session tells of its end, that is put into the proxy's own, and the
log has its line.

A name is what the command was told an address for. One that goes by a way, and one that no rule lets anybody connect to, is
told a stand-in, so it is known for certain. Of others it is the name that the address was last told for, and the rules see
both, name and address.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from hythe.errors import FAILURES, HytheError
from hythe.forward.flows import Flows
from hythe.proxy.access import Access
from hythe.proxy.clients import Client, Flow, Guest
from hythe.proxy.config import TransparentConfig
from hythe.proxy.kinds import Listen
from hythe.proxy.limits import Limits
from hythe.proxy.log import Log
from hythe.proxy.passage import SWEEP, Passage
from hythe.proxy.reading import read
from hythe.via.direct import leaving
from hythe.via.patterns import endpoint, is_address
from hythe.via.pool import Pool
from hythe.wire.segment import split_key

if TYPE_CHECKING:
    from hythe.gateway.egress.base import Destination
    from hythe.gateway.session import FlowRecord, Session
    from hythe.via.base import Pace
    from hythe.via.spec import Route

_STANDARD_ERROR: Final = 2


class Plan:
    """The configuration in `path`. `kind`: what the log calls the entry. UsageError, MachineError."""

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        self.kind = kind
        self.config = read(path)
        self.transparent = self.config.transparent or TransparentConfig()

    @property
    def routes(self) -> tuple[Route, ...]:
        """By which ways it leads out; none is directly."""
        return self.transparent.via

    def begin(self, session: Session, clock: Callable[[], int]) -> Transparent:
        """As `PolicyPlan.begin`."""
        return Transparent(self, session, clock)


class Transparent:
    """As `hythe.gateway.ways.policy.Policy`; and as the one entry that its clients come by."""

    def __init__(self, plan: Plan, session: Session, clock: Callable[[], int]) -> None:
        config = plan.config
        self.kind = plan.kind
        self.text = "transparent"
        self.connect = 0
        self.listen = Listen(self.text, "", 0, udp=False)
        self.config = plan.transparent
        self.resting: set[Client] = set()
        self._plan = plan
        self._session = session
        self._clock = clock
        self._pool = Pool(session.notice)
        self.way = self._pool.take(plan.routes) if plan.routes else leaving(plan.transparent.source)
        self._passage = Passage(
            Flows(),
            Log(config.log, _STANDARD_ERROR),
            Access(config.rule, self.is_at),
            Limits(config.per_client, "this client", clock),
            Limits(config.per_user, "this user", clock),
            clock,
        )
        self._held: dict[int, tuple[Flow, ExitStack]] = {}  # by the number of the session's record
        self._refused: set[int] = set()  # told of already
        session.observers.append(self._observe)
        self._sweeping: asyncio.TimerHandle | None = None
        if self.config.idle:
            self._sweep()

    def is_at(self, address: str, port: int) -> bool:
        """As `Entrance.is_at`: it listens nowhere."""
        return False

    # --- What the gateway asks

    def knows(self, name: str) -> bool:
        """As `Policy.knows`."""
        return self._passage.access.knows(name)

    def admit(self, record: FlowRecord, destination: Destination) -> None:
        """As `Policy.admit`."""
        address = destination.host if is_address(destination.host) else ""
        host = (self._name(record) if address else "") or destination.host
        try:
            with ExitStack() as stack:
                flow = self._enter(stack, record, host, destination.port)
                flow.address = address
                self._passage.permit(flow.client, host, address, destination.port)
                self._held[record.number] = flow, stack.pop_all()
        except OSError:
            self._refused.add(record.number)
            raise

    def permit(self, record: FlowRecord, name: str, address: str, port: int) -> None:
        """As `Policy.permit`."""
        flow, _ = self._held[record.number]
        self._passage.permit(flow.client, name, address, port)
        flow.address = address

    def permit_ping(self, source: bytes, destination: Destination) -> None:
        """As `Policy.permit_ping`: rules with ports are about others."""
        client = socket.inet_ntop(socket.AF_INET if len(source) == 4 else socket.AF_INET6, source)
        self._passage.access.permit(client, "", destination.host, destination.host, 0)

    def pace(self, record: FlowRecord) -> Pace | None:
        """As `Policy.pace`."""
        held = self._held.get(record.number)
        if held is None or held[0].tally.pace is None:
            return None
        return partial(_paced, held[0])

    def _enter(self, stack: ExitStack, record: FlowRecord, host: str, port: int) -> Flow:
        """OSError: it is over a limit. What goes wrong in `stack` is its end."""
        client = Guest(self, record.inside, record.destination, lambda: self._kill(record))
        what = f"-> {endpoint(host, port)}{'/udp' if record.protocol == 'udp' else ''}"
        flow = stack.enter_context(self._passage.flow(client, host, port, what, record.protocol))
        if record.via:
            flow.record.via = record.via
        return flow

    def _name(self, record: FlowRecord) -> str:
        """By which the command knows the address, as far as it was told one."""
        while self._session.read_answers():
            continue
        _, _, address, _ = split_key(record.key)
        return self._session.known_names.at(address, sys.maxsize)

    # --- What becomes of it

    def _kill(self, record: FlowRecord) -> None:
        live = self._session.live.get(record.number)
        if live is not None:
            live.kill(self._clock())

    def _observe(self, kind: str, about: object) -> None:
        """As `hythe.gateway.session.Observer`."""
        if kind in ("closed", "refused"):
            record: FlowRecord = about  # type: ignore[assignment]  # what comes with these
            held = self._held.pop(record.number, None)
            if held is not None:
                self._end(record, *held)
            elif record.number in self._refused:
                self._refused.remove(record.number)
            elif record.protocol != "icmp" and record.outside is None:
                self._tell_closed(record)

    def _end(self, record: FlowRecord, flow: Flow, stack: ExitStack) -> None:
        """It has ended as `record` says."""
        flow.tally.up, flow.tally.down = record.bytes_up, record.bytes_down
        if record.error and flow.error is None:
            flow.fail(OSError(record.error, FAILURES.get(record.error) or os.strerror(record.error).lower()))
        stack.close()

    def _tell_closed(self, record: FlowRecord) -> None:
        """The gateway itself lets nobody go there."""
        words = f"{endpoint(*record.destination)} is this machine, or nobody"
        with contextlib.suppress(OSError), ExitStack() as stack:
            self._enter(stack, record, *record.destination)
            raise OSError(record.error or errno.EACCES, words)

    def _sweep(self) -> None:
        for number, (flow, _) in self._held.items():
            live = self._session.live.get(number)
            if live is not None:
                live.refresh()
                flow.tally.up, flow.tally.down = live.record.bytes_up, live.record.bytes_down
        self._passage.sweep()
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    # --- Changes, and the end

    def reload(self) -> None:
        """As `Policy.reload`."""
        try:
            config = read(self._plan.path)
            self._passage.log.reopen(config.log)
        except HytheError as error:
            self._session.notice(f"not reloaded: {error}")
            return
        passage = self._passage
        passage.access = Access(config.rule, self.is_at)
        passage.per_client = passage.per_client.changed(config.per_client)
        passage.per_user = passage.per_user.changed(config.per_user)
        if (config.transparent or TransparentConfig()) != self._plan.transparent:
            self._session.notice(f"{self._plan.path}: what has changed of [transparent] counts from the next start on")
        self._session.notice(f"{self._plan.path} read again")
        self._pool.rereading.ask()

    async def close(self) -> None:
        """As `Policy.close`."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._session.observers.remove(self._observe)
        self._pool.rereading.close()
        for number, (flow, stack) in list(self._held.items()):
            live = self._session.live.get(number)
            if live is not None:
                live.refresh()
                flow.tally.up, flow.tally.down = live.record.bytes_up, live.record.bytes_down
            stack.close()
        self._passage.log.close()


def _paced(flow: Flow, count: int) -> float:
    """As `Pace`; the log gets the words that the gateway's record has no place for."""
    try:
        return flow.pace(count)
    except OSError as error:
        flow.fail(error)
        raise

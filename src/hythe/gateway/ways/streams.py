"""The gate for streams that go by ways: a SYN is held until its way has opened, which may take turns of the loop.

What then comes of it is what the direct gate knows, too: a socket is spliced, refused is RST, unreachable is ICMP, a
time-out is silence. A rule may send a name directly: it is looked up by this machine, and every address it has is looked at
as if the command had asked for that.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from hythe.aio.driver import Driver
from hythe.gateway.destinations import Leads
from hythe.gateway.egress.base import Destination, Stream
from hythe.gateway.egress.direct import Direct as DirectEgress
from hythe.gateway.flows import StreamFlow
from hythe.gateway.session import FlowRecord, Session
from hythe.gateway.streams import StreamGate
from hythe.host.host import Host
from hythe.tcp.connection import Connection
from hythe.tcp.states import CLOSED, LABELS
from hythe.via.base import Way
from hythe.via.direct import Direct
from hythe.via.patterns import is_address

if TYPE_CHECKING:
    from hythe.gateway.ways.policy import Policy

_NO_DESCRIPTORS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Held:
    """A SYN whose way is being opened; owner of the connection until then."""

    __slots__ = ("connection", "gate", "record", "task")

    def __init__(self, gate: WayStreamGate, connection: Connection, record: FlowRecord, destination: Destination) -> None:
        self.gate = gate
        self.connection = connection
        self.record = record
        connection.owner = self
        self.task = asyncio.get_running_loop().create_task(gate.open(self, destination))

    def visit(self, connection: Connection, now: int) -> None:
        """The command has given up, or says the same again."""
        connection.news = 0
        if connection.state == CLOSED:
            self.record.error = self.record.error or connection.error
            self.refresh()
            self.gate.forget(self, now)

    def refresh(self) -> None:
        """Nothing has moved yet."""
        self.record.state = LABELS[self.connection.state]

    def fileno(self) -> int:
        """There is no socket yet."""
        return -1

    def kill(self, now: int) -> None:
        """As `LiveFlow.kill`: it is turned down."""
        self.gate.fail(self, errno.ECONNABORTED)


class WayStreamGate(StreamGate):
    """`local`: where addresses lead that this machine has found for a name."""

    def __init__(
        self,
        host: Host,
        driver: Driver,
        way: Way,
        destinations: Leads,
        local: Leads,
        session: Session,
        policy: Policy | None = None,
    ) -> None:
        super().__init__(host, driver, DirectEgress(), destinations, session)
        self._way = way
        self._policy = policy
        self._local = local
        self._held: set[Held] = set()
        self._told: set[str] = set()  # ways whose failure the person knows of

    def reach(self, connection: Connection, record: FlowRecord, destination: Destination, now: int) -> None:
        """As `StreamGate.reach`: addresses that go directly, or are this machine's, do so at once."""
        if self._policy is not None:
            try:
                self._policy.admit(record, destination)
            except OSError as error:
                self.turn_down(connection, record, error.errno or errno.EACCES, now)
                return
        if not destination.via or self._is_plain(destination):
            super().reach(connection, record, destination, now)
            return
        held = Held(self, connection, record, destination)
        self._held.add(held)
        self.session.enter(held)

    def _is_plain(self, destination: Destination) -> bool:
        """Does a socket of this machine lead there, without more ado?"""
        way = self._way.choose(destination.host, destination.port) if is_address(destination.host) else None
        return isinstance(way, Direct) and way.plain

    def flow(self, connection: Connection, stream: Stream, record: FlowRecord, *, connected: bool) -> StreamFlow:
        """As `StreamGate.flow`."""
        pace = self._policy.pace(record) if self._policy is not None else None
        if pace is None:
            return super().flow(connection, stream, record, connected=connected)
        from hythe.gateway.ways.admitted import PacedFlow

        return PacedFlow(connection, stream, self, record, pace=pace, connected=connected)

    async def open(self, held: Held, destination: Destination) -> None:
        """Open the way to `destination`, and let the command know what came of it."""
        way = self._way.choose(destination.host, destination.port)
        try:
            if isinstance(way, Direct):
                stream = await self._open_directly(way, destination, held.record)
            else:
                stream = await way.open(destination.host, destination.port)
        except OSError as error:
            self._tell(way, error)
            self.fail(held, _number(error))
            return
        self._told.discard(way.name)
        self._begin_flow(held, stream)

    async def _open_directly(self, way: Direct, destination: Destination, record: FlowRecord) -> socket.socket:
        """To the first address of a name that the command may go to. OSError."""
        if is_address(destination.host):
            return await way.open(destination.host, destination.port)
        found = await asyncio.get_running_loop().getaddrinfo(destination.host, None, type=socket.SOCK_STREAM)
        failure = OSError(errno.EACCES, "none of its addresses is for the command")
        for family, _, _, _, address in found:
            local = self._local.stream(socket.inet_pton(family, str(address[0]).partition("%")[0]), destination.port)
            if local is not None:
                try:
                    if self._policy is not None:
                        self._policy.permit(record, destination.host, local.host, local.port)
                    return await way.open(local.host, local.port)
                except OSError as error:
                    failure = error
        raise failure

    def _begin_flow(self, held: Held, stream: socket.socket) -> None:
        connection = held.connection
        self._held.discard(held)
        flow = self.flow(connection, stream, held.record, connected=True)
        self.flows.add(flow)
        self.session.replace(flow)
        connection.accept()
        self.driver.register(flow.fd, flow, flow.events)
        connection.note(0)
        self.driver.wake()

    def _tell(self, way: Way, error: OSError) -> None:
        if error.errno in _NO_DESCRIPTORS:
            self.say_exhausted()
        elif error.errno == errno.ENETUNREACH and way.name not in self._told:
            self._told.add(way.name)
            self.session.notice(f"a way out fails: {error.strerror}")

    def fail(self, held: Held, number: int) -> None:
        """Nothing has come of it."""
        self._held.discard(held)
        held.connection.owner = None
        if held.task is not asyncio.current_task():
            held.task.cancel()
        self.turn_down(held.connection, held.record, number, self.driver.clock())
        self.driver.wake()

    def forget(self, held: Held, now: int) -> None:
        """The command no longer waits."""
        self._held.discard(held)
        held.connection.owner = None
        held.task.cancel()
        self.session.end(held.record, now)

    def close(self) -> None:
        """As `StreamGate.close`."""
        for held in self._held:
            held.task.cancel()
        super().close()

    async def wait_closed(self) -> None:
        """Until what was being opened is let go of."""
        await asyncio.gather(*(held.task for held in self._held), return_exceptions=True)


def _number(error: OSError) -> int:
    if isinstance(error, TimeoutError):
        return errno.ETIMEDOUT
    return error.errno if error.errno and error.errno > 0 else errno.EHOSTUNREACH

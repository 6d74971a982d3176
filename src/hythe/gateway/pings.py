"""Pings through the gateway: echo requests of the command to anybody, asked again outside (RFC 5508).

A flow is one identifier of the command's and one destination, with a socket of its own outside; what comes back there goes
in under the identifier that the command chose. ICMP errors come back as such, quoting the command's own request. Flows end
by idleness; the least recently used makes room. The gateway's own addresses are answered by the host itself.
"""

from __future__ import annotations

import errno
import select
import struct
from collections import OrderedDict
from typing import Final

from hythe.aio.driver import Driver
from hythe.config import RelayConfig
from hythe.gateway.destinations import Leads
from hythe.gateway.egress.base import EchoEgress, Echoer
from hythe.gateway.line import Line, Watched
from hythe.gateway.session import FlowRecord, Session
from hythe.host.echoes import Echoes, EchoRequest
from hythe.host.host import Host
from hythe.host.reasons import icmp_of
from hythe.units import NEVER, SECOND
from hythe.wire import icmp, icmpv6, ipv4, ipv6
from hythe.wire.segment import make_key

_SWEEP: Final = 10 * SECOND
_FORBIDDEN: Final = (
    "ping is not allowed to this user, so the command cannot ping anybody but the gateway: as root run "
    "sysctl -w net.ipv4.ping_group_range='0 2147483647'"
)

#: The command's end and its identifier, and the destination as it knows it.
Key = tuple[bytes, int, bytes]


class PingFlow(Watched):
    """The pings of one identifier to one destination."""

    __slots__ = ("expires", "gate", "key", "outside", "record")

    def __init__(self, gate: PingGate, key: Key, outside: Echoer, record: FlowRecord) -> None:
        super().__init__(outside.fileno(), gate.line)
        self.gate = gate
        self.key = key
        self.outside = outside
        self.record = record
        self.expires = NEVER

    def refresh(self) -> None:
        """The record's figures are always fresh."""

    def fileno(self) -> int:
        """Of its own socket."""
        return self.fd

    def kill(self, now: int) -> None:
        """As `LiveFlow.kill`; the next request begins a flow anew."""
        self.record.error = errno.ECONNABORTED
        self.gate.end(self, now)


class PingGate:
    """Owner of the host's queue of echo requests to others."""

    def __init__(
        self,
        host: Host,
        driver: Driver,
        egress: EchoEgress,
        destinations: Leads,
        session: Session,
        config: RelayConfig,
    ) -> None:
        self.host = host
        self.driver = driver
        self.egress = egress
        self.destinations = destinations
        self.session = session
        self.config = config
        self.flows: OrderedDict[Key, PingFlow] = OrderedDict()  # the least recently used first
        self.line = Line(self._answer, host.pings.note)
        self.deadline = NEVER
        self.filed = NEVER
        self._forbidden = False
        host.pings.owner = self

    def visit(self, echoes: Echoes, now: int) -> None:
        """Requests have come from the command, replies from outside."""
        echoes.news = 0
        for request in echoes.take():
            self._ask(request, now)
        self.line.serve(now)

    # --- From the command outwards

    def _ask(self, request: EchoRequest, now: int) -> None:
        key = request.source, request.identifier, request.destination
        flow = self.flows.get(key)
        try:
            if flow is None:
                flow = self._open(key, now)
            else:
                self.flows.move_to_end(key)
            flow.expires = now + self.config.ping_idle
            flow.outside.send(request.sequence, request.data)
        except BlockingIOError:
            return  # no room: lost, as pings may be
        except OSError as error:
            self._refuse(request, error.errno or errno.EHOSTUNREACH, now)
            return
        flow.record.bytes_up += len(request.data)

    def _open(self, key: Key, now: int) -> PingFlow:
        """A new flow. OSError where there can be none."""
        source, identifier, address = key
        destination = self.destinations.datagram(address, 0)
        if destination is None:
            raise OSError(self.destinations.reason(address) or errno.EACCES, "not allowed")
        try:
            outside = self.egress.open_echo(destination, self.host.random.getrandbits(16))
        except PermissionError:
            if not self._forbidden:
                self._forbidden = True
                self.session.notice(_FORBIDDEN)
            raise
        record = self.session.begin("icmp", make_key(source, identifier, address, 0), (destination.host, 0), now)
        record.state = "UNREPLIED"
        flow = self.flows[key] = PingFlow(self, key, outside, record)
        self.session.enter(flow)
        self.driver.register(flow.fd, flow, select.EPOLLIN)
        if len(self.flows) > self.config.ping_mappings:
            self.end(next(iter(self.flows.values())), now)
        if self.deadline == NEVER:
            self.deadline = now + _SWEEP
            self.host.around.timers.file(self)
        return flow

    def _refuse(self, request: EchoRequest, number: int, now: int) -> None:
        kind, code = icmp_of(4 if len(request.source) == 4 else 6, number)
        self.host.control.report(request.packet, kind, code, now)

    # --- From outside to the command

    def _answer(self, flow: PingFlow, now: int) -> None:
        if flow.key not in self.flows:
            return  # it ended in this very turn
        source, identifier, destination = flow.key
        if flow.troubled:
            flow.troubled = False
            for sequence, (kind, code), by in flow.outside.errors():
                flow.record.error = errno.EHOSTUNREACH
                told_by = self.destinations.inside(by) if by is not None else None
                self.host.control.report(_request(flow.key, sequence or 0), kind, code, now, source=told_by)
        for sequence, data in flow.outside.receive():
            flow.record.state = "ASSURED"
            flow.record.error = 0
            flow.record.bytes_down += len(data)
            flow.expires = now + self.config.ping_idle
            self.host.control.echo_reply(destination, source, identifier, sequence, data, now)

    # --- The end

    def fire(self, now: int) -> None:
        """End what has been idle for long enough."""
        for flow in [each for each in self.flows.values() if each.expires <= now]:
            self.end(flow, now)
        self.deadline = now + _SWEEP if self.flows else NEVER

    def end(self, flow: PingFlow, now: int) -> None:
        """Forget a flow."""
        del self.flows[flow.key]
        self.session.end(flow.record, now)
        self.driver.unregister(flow.fd)
        flow.outside.close()

    def close(self) -> None:
        """Close every socket; the records stay as they are."""
        for flow in self.flows.values():
            self.driver.unregister(flow.fd)
            flow.outside.close()
        self.flows.clear()


def _request(key: Key, sequence: int) -> bytes:
    """The headers of the command's request, as an ICMP error would quote them."""
    source, identifier, destination = key
    kind, protocol, build = (
        (icmp.ECHO, icmp.PROTOCOL, ipv4.build) if len(source) == 4 else (icmpv6.ECHO, icmpv6.PROTOCOL, ipv6.build)
    )
    message = struct.pack(">BBHHH", kind, 0, 0, identifier, sequence)
    return build(source, destination, protocol, len(message)) + message

"""What a policy lets out: streams that are to be slow, datagrams, and pings.

A stream that has a pace is left alone for a while after each read, in both directions; its sender feels that as
back-pressure. Of datagrams those that are faster are lost, as on any line.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from hythe.gateway.datagrams import DatagramFlow, DatagramGate, Mapping
from hythe.gateway.flows import StreamFlow
from hythe.gateway.pings import Key, PingFlow, PingGate
from hythe.units import NEVER, SECOND

if TYPE_CHECKING:
    from hythe.gateway.egress.base import Destination, Peer
    from hythe.gateway.ways.policy import Policy
    from hythe.tcp.connection import Connection
    from hythe.via.base import Pace


class PacedFlow(StreamFlow):
    """A flow with a pace. `deadline`: until when it rests."""

    __slots__ = ("_pace", "deadline", "filed")

    def __init__(self, *words: Any, pace: Pace, connected: bool) -> None:
        super().__init__(*words, connected=connected)
        self._pace = pace
        self.deadline = NEVER
        self.filed = NEVER

    def _pump_up(self, connection: Connection) -> None:
        if self.deadline == NEVER:
            before = sum(map(len, connection.recvq.views))
            super()._pump_up(connection)
            self._rest(before - sum(map(len, connection.recvq.views)))

    def _pump_down(self, connection: Connection) -> bool:
        if self.deadline != NEVER:
            return False
        before = connection.sendq.end
        more = super()._pump_down(connection)
        self._rest(connection.sendq.end - before)
        return more and self.deadline == NEVER

    def _rest(self, moved: int) -> None:
        """Wait as long as so many bytes cost. OSError where they were too many."""
        pause = self._pace(moved) if moved else 0.0
        if pause:
            driver = self.gate.driver
            self.deadline = driver.clock() + round(pause * SECOND)
            driver.host.around.timers.file(self)

    def fire(self, now: int) -> None:
        """Go on."""
        self.deadline = NEVER
        self.connection.note(0)

    def let_go(self) -> None:
        """As `Splice.let_go`."""
        self.gate.driver.host.around.timers.cancel(self)
        super().let_go()


class AdmittedDatagrams(DatagramGate):
    """Only who was spoken to is heard: nobody else was asked about."""

    def __init__(self, *words: Any, policy: Policy) -> None:
        super().__init__(*words)
        self._policy = policy

    def _begin(self, key: bytes, mapping: Mapping, peer: Peer, destination: Destination, now: int) -> DatagramFlow:
        flow = super()._begin(key, mapping, peer, destination, now)
        try:
            self._policy.admit(flow.record, destination)
        except OSError as error:
            self.turn_down(flow, error.errno or errno.EACCES, now)
        return flow

    def _send(self, key: bytes, pieces: list[memoryview], size: int, gso_size: int, ecn: int, now: int) -> None:
        flow = self.flows.get(key)
        if flow is not None and flow.mapping is not None and (pace := self._policy.pace(flow.record)) is not None:
            try:
                late = pace(size) > 0
            except OSError as error:
                self.turn_down(flow, error.errno or errno.EDQUOT, now)
            else:
                if late:
                    self.dropped += 1
                    return
        super()._send(key, pieces, size, gso_size, ecn, now)

    def _stranger(self, mapping: Mapping, peer: Peer, now: int) -> None:
        return None


class AdmittedPings(PingGate):
    """Each identifier and destination is asked about once."""

    def __init__(self, *words: Any, policy: Policy) -> None:
        super().__init__(*words)
        self._policy = policy

    def _open(self, key: Key, now: int) -> PingFlow:
        destination = self.destinations.datagram(key[2], 0)
        if destination is not None:
            self._policy.permit_ping(key[0], destination)
        return super()._open(key, now)

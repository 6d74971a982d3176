"""Why hythe sends something again: what its connections decide, told to whoever writes packets down.

Nobody listens to a connection's decisions normally, and then they cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hythe.gateway.capture.flows import announcement
from hythe.gateway.pumps import Splice
from hythe.gateway.session import FlowRecord
from hythe.tcp.trace import Decision, RecoveryEntered, Retransmitted, TimedOut

if TYPE_CHECKING:
    from hythe.gateway.gateway import Gateway

#: Is told of each retransmission: when it was decided, and an `announcement` of it.
Hearer = Callable[[int, bytes], None]


class Reasons:
    """Of one gateway. `listen` and `leave` as often as one likes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._hearers: list[Hearer] = []

    def listen(self, hearer: Hearer) -> None:
        """Tell `hearer` from now on, of connections that go on as well."""
        if not self._hearers:
            self._gateway.session.observers.append(self._observe)
            for number in list(self._gateway.session.live):
                self._trace(number)
        self._hearers.append(hearer)

    def leave(self, hearer: Hearer) -> None:
        """No more."""
        self._hearers.remove(hearer)
        if not self._hearers:
            self._gateway.session.observers.remove(self._observe)
            for flow in self._gateway.session.live.values():
                if isinstance(flow, Splice):
                    flow.connection.trace = None

    def _observe(self, kind: str, about: object) -> None:
        if kind == "opened" and isinstance(about, FlowRecord):
            self._trace(about.number)

    def _trace(self, number: int) -> None:
        flow = self._gateway.session.live.get(number)
        if isinstance(flow, Splice):
            flow.connection.trace = _Trace(flow.connection.key, self._announce)

    def _announce(self, key: bytes, decision: Retransmitted, why: str) -> None:
        """It comes by the wire, and may take its time there."""
        wire = self._gateway.wire
        earliest = decision.now + (wire.down.plan.delay if wire is not None else 0)
        body = announcement(key, decision.start, decision.end, earliest, why)
        for hearer in self._hearers:
            hearer(decision.now, body)


class _Trace:
    """What a connection decides: remembers why something counts as lost, for when it is sent again."""

    __slots__ = ("_announce", "_key", "_loss")

    def __init__(self, key: bytes, announce: Callable[[bytes, Retransmitted, str], None]) -> None:
        self._key = key
        self._announce = announce
        self._loss = ""

    def __call__(self, decision: Decision) -> None:
        """As `ControlBlock.trace`."""
        if isinstance(decision, RecoveryEntered):
            self._loss = f"{decision.reason}, {decision.section}"
        elif isinstance(decision, TimedOut):
            self._loss = f"time-out {decision.tries}, {decision.section}"
        elif isinstance(decision, Retransmitted):
            why = self._loss if decision.reason == "lost" and self._loss else decision.section
            self._announce(self._key, decision, f"retransmission: {decision.reason} ({why})")

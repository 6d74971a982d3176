"""Carried streams in the words of the API, and what the ledger of changes is told of them (`gateway.api.changes.Speech`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hythe.gateway.api.figures import error_name
from hythe.session import model

if TYPE_CHECKING:
    from hythe.forward.flows import Flow, Flows
    from hythe.gateway.api.changes import Glance


class Following:
    """Of the streams of one forward, or proxy."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    def glance(self, flow: Flow) -> Glance:
        """As `Speech.glance`: called for every flow in every sweep."""
        return flow.far, flow.state, flow.error, flow.tally.up, flow.tally.down, 0, 0, 0, 0

    def record(self, flow: Flow) -> Flow:
        """As `Speech.record`."""
        return flow

    def last(self, record: Flow) -> tuple[Glance, float]:
        """As `Speech.last`."""
        return self.glance(record), record.ended

    def connection(self, record: Flow) -> model.Connection:
        """As `Speech.connection`."""
        return described(record)

    def totals(self, up: int, down: int) -> model.Totals:
        """As `Speech.totals`."""
        return totals(self._flows)

    def faults(self) -> dict[str, str]:
        """It has no wire."""
        return {}

    def queries(self, count: int) -> Iterable[model.Query]:
        """The far end looks names up."""
        return ()


def totals(flows: Flows) -> model.Totals:
    """Of all."""
    return model.Totals(flows.count, len(flows.live), flows.refused, flows.bytes_up, flows.bytes_down, 0)


def described(flow: Flow) -> model.Connection:
    """One of them for the API."""
    return model.Connection(
        id=flow.number,
        protocol=flow.protocol,
        inbound=flow.inbound,
        inside=model.End(*(flow.far if flow.inbound else flow.near)),
        remote=model.End(*(flow.near if flow.inbound else flow.far)),
        outside_local=None,
        outside=None,
        name=None,
        via=flow.via,
        state=flow.state,
        error=error_name(flow.error),
        began=flow.began,
        ended=flow.ended or None,
        bytes_up=flow.tally.up,
        bytes_down=flow.tally.down,
        held_up=0,
        held_down=0,
        rtt=None,
        retransmits=0,
        process=None,
    )

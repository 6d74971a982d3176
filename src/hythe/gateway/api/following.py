"""What the ledger of changes is told of a gateway (`changes.Speech`), and which process inside holds which connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from hythe.gateway.api import figures
from hythe.gateway.api.lookups import query
from hythe.gateway.pumps import Splice
from hythe.session import model

if TYPE_CHECKING:
    from hythe.gateway.api.changes import Glance
    from hythe.gateway.api.inside import Pair
    from hythe.gateway.session import FlowRecord, LiveFlow, Session
    from hythe.gateway.wiring import Wiring


class Following:
    """`describe`: a whole connection, of its record. `epoch`: as in `figures.moment`."""

    def __init__(
        self, session: Session, wiring: Wiring, epoch: int, describe: Callable[[FlowRecord], model.Connection]
    ) -> None:
        self._session = session
        self._wiring = wiring
        self._epoch = epoch
        self.connection = describe

    def glance(self, flow: LiveFlow) -> Glance:
        """As `Speech.glance`: called for every flow in every sweep."""
        flow.refresh()
        record = flow.record
        held_up = held_down = 0
        if isinstance(flow, Splice):
            connection = flow.connection
            held_up = connection.recvq.held
            held_down = max(0, connection.sendq.end - connection.snd_una)
        return (
            type(flow),  # of a way that opens, the splice has ends that it had not
            record.state,
            record.error,
            record.bytes_up,
            record.bytes_down,
            held_up,
            held_down,
            record.rtt,
            record.retransmits,
        )

    def record(self, flow: LiveFlow) -> FlowRecord:
        """As `Speech.record`."""
        return flow.record

    def last(self, record: FlowRecord) -> tuple[Glance, float]:
        """As `Speech.last`."""
        glance = (
            None,
            record.state,
            record.error,
            record.bytes_up,
            record.bytes_down,
            0,
            0,
            record.rtt,
            record.retransmits,
        )
        return glance, figures.moment(record.ended, self._epoch)

    def totals(self, up: int, down: int) -> model.Totals:
        """As `Speech.totals`."""
        session = self._session
        return model.Totals(
            connections=session.count,
            open=len(session.live),
            refused=session.refused,
            bytes_up=session.bytes_up + up,
            bytes_down=session.bytes_down + down,
            queries=session.answered,
        )

    def faults(self) -> dict[str, str]:
        """As `Speech.faults`."""
        return dict(self._wiring.words)

    def queries(self, count: int) -> Iterable[model.Query]:
        """As `Speech.queries`."""
        answers = list(self._session.answers)
        made = (query(each, self._epoch) for each in answers[max(0, len(answers) - count) :])
        return (each for each in made if each is not None)


def holdings(records: Iterable[FlowRecord], held: Mapping[Pair, model.Process]) -> list[model.Holding]:
    """The processes that hold these connections."""
    found: dict[int, model.Holding] = {}
    for record in records:
        process = figures.holder(record, held)
        if process is not None:
            holding = found.setdefault(process.pid, model.Holding(process.pid, process.program, process.user, []))
            holding.connections.append(record.number)
    return list(found.values())

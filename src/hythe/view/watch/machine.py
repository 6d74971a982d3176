"""This machine's sockets as a source: what `hythe netstat` reads, told as a session tells its connections.

The kernel knows no serials, so what changed is found by comparing with the time before, and there is one who asks. A socket
is known by its protocol and ends, and its inode, which a later one of the same ends has not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hythe.errors import MachineError
from hythe.session.client import Session
from hythe.session.model import Changes, Connection, End, Figures, Holding, Totals
from hythe.view.netstat.processes import holders
from hythe.view.netstat.sockets import Row, Wanted, of_machine
from hythe.view.netstat.table import address_text

_WANTED: Final = Wanted(frozenset({"tcp", "udp"}), frozenset({4, 6}), listening=False, connected=True)
_MICROSECONDS: Final = 1_000_000
#: The kernel's words as a session has them.
_WORDS: Final[Mapping[str, str]] = MappingProxyType({"FIN_WAIT1": "FIN_WAIT_1", "FIN_WAIT2": "FIN_WAIT_2"})

_Key = tuple[str, bytes, int, bytes, int, int]


class Machine:
    """As `source.Source`. There is nothing to change here."""

    def __init__(self) -> None:
        self.name = "this machine"
        self.session: Session | None = None
        self.trouble = ""
        self._serial = 0
        self._count = 0
        self._known: dict[_Key, Connection] = {}
        self._inodes: dict[int, int] = {}

    def changes(self, since: int) -> Changes | None:
        """As `Source.changes`."""
        now = time.time()
        try:
            rows = of_machine(_WANTED, counters=True)
        except MachineError as error:  # it does not tell
            self.trouble = str(error)
            return None
        complete = not since or since != self._serial
        if complete:
            self._known.clear()
        found: dict[_Key, Connection] = {}
        self._inodes.clear()
        new: list[Connection] = []
        figures: list[Figures] = []
        for row in rows:
            key = (row.protocol, row.local, row.local_port, row.remote, row.remote_port, row.inode)
            told = self._known.get(key)
            number = told.id if told is not None else self._next()
            found[key] = connection = _connection(row, number, told.began if told is not None else now)
            if row.inode:
                self._inodes[row.inode] = number
            if told is None:
                new.append(connection)
            elif told != connection:
                figures.append(_figures(connection))
        for key in self._known.keys() - found.keys():
            gone = self._known[key]
            gone.state, gone.ended = "CLOSED", now
            figures.append(_figures(gone))
        self._known = found
        self._serial += 1
        up, down = (sum(getattr(each, name) for each in found.values()) for name in ("bytes_up", "bytes_down"))
        totals = Totals(self._count, len(found), 0, up, down, 0)
        return Changes(self._serial, complete, totals, {}, [], [], new, figures, 0)

    def holders(self, after: int = 0) -> Sequence[Holding]:
        """As `Source.holders`: of those that /proc shows us."""
        holdings: dict[int, Holding] = {}
        for inode, held_by in holders().items():
            number = self._inodes.get(inode, 0)
            if number > after:
                first = held_by[0]
                holding = holdings.setdefault(first.pid, Holding(first.pid, first.program, 0, []))
                holding.connections.append(number)
        return list(holdings.values())

    def _next(self) -> int:
        self._count += 1
        return self._count


def _connection(row: Row, number: int, began: float) -> Connection:
    """Without `tcp_info` only queues are known."""
    counters = row.counters
    return Connection(
        id=number,
        protocol=row.protocol,
        inbound=False,
        inside=End(address_text(row.local, row.mapped), row.local_port),
        remote=End(address_text(row.remote, row.mapped), row.remote_port),
        outside_local=None,
        outside=None,
        name=None,
        via=None,
        state=_WORDS.get(row.state, row.state),
        error=None,
        began=began,
        ended=None,
        bytes_up=counters.sent if counters is not None else 0,
        bytes_down=counters.received if counters is not None else 0,
        held_up=row.send_queue,
        held_down=row.receive_queue,
        rtt=counters.rtt / _MICROSECONDS if counters is not None and counters.rtt else None,
        retransmits=counters.retransmits if counters is not None else 0,
        process=None,
    )


def _figures(each: Connection) -> Figures:
    return Figures(
        each.id,
        each.state,
        each.error,
        each.ended,
        each.bytes_up,
        each.bytes_down,
        each.held_up,
        each.held_down,
        each.rtt,
        each.retransmits,
    )

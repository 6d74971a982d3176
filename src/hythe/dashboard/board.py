"""What is known of one session (`view/watch`), as the messages that pages are sent: all of it, or what changed.

A row is an array: whole (`COLUMNS`) when a connection is new, a short one (`FIGURES`) when only its figures changed; the
page reads them by these names. A connection that comes to rest is told of once more, with rates of nothing; what rests is
not looked at. Like the watch it has no clock and asks nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from hythe.session.model import Changes, Holding, Query, Totals
from hythe.units import SECOND
from hythe.view.watch.model import Watch, Watched
from hythe.view.watch.series import TICKS

COLUMNS: Final = (
    "id",
    "protocol",
    "inbound",
    "inside",
    "remote",
    "name",
    "via",
    "began",
    "owner",
    "rates",
    "state",
    "error",
    "ended",
    "up",
    "down",
    "rtt",
    "resent",
    "up_rate",
    "down_rate",
)
FIGURES: Final = ("id", *COLUMNS[COLUMNS.index("state") :])
#: Moments of the whole session's rates that are remembered: some minutes.
MOMENTS: Final = 300


class Moment(NamedTuple):
    """Of the whole session. `at`: seconds since 1970; rates in bytes a second."""

    at: float
    up_rate: int
    down_rate: int
    open: int


class Board:
    """One session's, from its first answer on."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.moments: deque[Moment] = deque(maxlen=MOMENTS)
        self._told: set[int] = set()
        self._moving: set[int] = set()

    def take(self, changes: Changes, at: float) -> dict[str, Any]:
        """What the session answered at `at`, seconds since 1970; what is to be told of it."""
        watch = self.watch
        watch.feed(round(at * SECOND), changes)
        moment = watch.moments[-1]
        self.moments.append(Moment(round(at, 3), round(moment.up), round(moment.down), moment.open))
        new = [each.id for each in changes.connections if each.id in watch.connections]
        changed = {each.id for each in changes.figures} | self._moving
        changed.difference_update(new)
        told = [watch.connections[number] for number in changed if number in watch.connections]
        touched = [*(each.id for each in changes.figures), *new]
        self._moving = {number for number in touched if self._moves(number)}
        gone = [] if changes.complete else list(self._told - watch.connections.keys())
        self._told = set(watch.connections)
        return self._message(
            reset=changes.complete,
            rows=[_row(watch.connections[number], watch.tick) for number in new],
            figures=[_figures(each) for each in told],
            gone=gone,
            queries=[_query(each) for each in changes.queries],
            notices=changes.notices,
        )

    def whole(self) -> dict[str, Any]:
        """All that is known, for a page that knows nothing."""
        watch = self.watch
        return self._message(
            reset=True,
            rows=[_row(each, watch.tick) for each in watch.connections.values()],
            figures=[],
            gone=[],
            queries=[_query(each) for each in watch.queries],
            notices=[each.text for each in watch.happenings if each.kind == "notice"],
            history=self.moments,
        )

    def hold(self, holdings: Collection[Holding]) -> list[tuple[int, str]]:
        """Who holds which connection; (id, owner) of those that are news."""
        told = [number for holding in holdings for number in holding.connections]
        connections = [(number, watched) for number in told if (watched := self.watch.connections.get(number)) is not None]
        before = [watched.owner for _, watched in connections]
        self.watch.hold(holdings)
        news = zip(connections, before, strict=True)
        return [(number, _owner(watched)) for (number, watched), owner in news if watched.owner != owner]

    def _moves(self, number: int) -> bool:
        watched = self.watch.connections.get(number)
        return watched is not None and bool(watched.up or watched.down)

    def _message(self, **news: Any) -> dict[str, Any]:
        watch = self.watch
        return {
            "moment": self.moments[-1] if self.moments else None,
            "totals": {name: getattr(watch.totals, name) for name in Totals.__slots__},
            "faults": watch.faults,
            "missed": watch.left_out,
            **{name: list(value) if isinstance(value, deque) else value for name, value in news.items()},
        }


def _row(watched: Watched, tick: int) -> list[Any]:
    connection = watched.connection
    inside, remote = connection.inside, connection.remote
    history = watched.history
    return [
        connection.id,
        connection.protocol,
        connection.inbound,
        [inside.address, inside.port],
        [remote.address, remote.port],
        connection.name,
        connection.via,
        connection.began,
        _owner(watched) or None,
        [round(up + down) for up, down in history.last(tick, TICKS)] if history is not None else None,
        *_figures(watched)[1:],
    ]


def _figures(watched: Watched) -> list[Any]:
    connection = watched.connection
    return [
        connection.id,
        connection.state,
        connection.error,
        connection.ended,
        connection.bytes_up,
        connection.bytes_down,
        connection.rtt,
        connection.retransmits,
        round(watched.up),
        round(watched.down),
    ]


def _owner(watched: Watched) -> str:
    if watched.owner is not None:
        return f"{watched.owner.program} ({watched.owner.pid})"
    process = watched.connection.process
    return f"{process.program} ({process.pid})" if process is not None else ""


def _query(query: Query) -> list[Any]:
    return [query.at, query.name, query.type, query.rcode, query.answers, query.took]

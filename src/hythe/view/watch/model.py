"""A session as it goes on: connections with rates and histories, totals, and what happened.

Theory of operation. `feed` is given each answer to `GET /changes`; one is a *tick*. What the answer does not name has not
changed, and is not looked at: only the connections of this tick and of the one before are (whose rates are 0 again). Each
has the `Connection` that was told, kept up to date in place. Those that have ended stay for a while.

Memory is bounded: by the connections that go on, `ENDED_MAX` that have ended, `TICKS` of rates, and so many of each log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hythe.session.model import Changes, Connection, Figures, Holding, Query, Totals
from hythe.units import SECOND
from hythe.view.watch.series import TICKS, History

#: Ended connections are kept for so long, and no more than so many of them.
ENDED_FOR: Final = 60 * SECOND
ENDED_MAX: Final = 1_000
#: Of each log.
LOGGED_MAX: Final = 1_000


@dataclass(slots=True, eq=False)
class Watched:
    """One connection. `up`, `down`: bytes a second in the last tick. `owner`: the process that holds it, where known.

    `gone`: the tick's `now` when it was told to have ended, or 0.
    """

    connection: Connection
    up: float = 0.0
    down: float = 0.0
    history: History | None = None
    owner: Holding | None = None
    gone: int = 0


class Moment(NamedTuple):
    """Of the whole session at one tick: bytes a second, and connections that went on."""

    now: int
    up: float
    down: float
    open: int


class Happening(NamedTuple):
    """`kind`: opened, closed, refused, notice, faults, left out. `at`: seconds since 1970, or 0 where nobody has said."""

    kind: str
    at: float
    text: str
    connection: Connection | None = None


@dataclass(slots=True)
class Watch:
    """One session. `tick` counts the answers; `now` is that of the last, in nanoseconds of any clock that only grows."""

    tick: int = 0
    now: int = 0
    serial: int = 0
    totals: Totals = field(default_factory=lambda: Totals(0, 0, 0, 0, 0, 0))
    faults: dict[str, str] = field(default_factory=dict)
    connections: dict[int, Watched] = field(default_factory=dict)
    moments: deque[Moment] = field(default_factory=lambda: deque(maxlen=TICKS))
    queries: deque[Query] = field(default_factory=lambda: deque(maxlen=LOGGED_MAX))
    happenings: deque[Happening] = field(default_factory=lambda: deque(maxlen=LOGGED_MAX))
    left_out: int = 0
    #: Connections of which it was not asked yet who holds them.
    unowned: set[int] = field(default_factory=set)
    _active: set[int] = field(default_factory=set)
    _ended: deque[tuple[int, int]] = field(default_factory=deque)
    _moved: int = -TICKS  # the last tick in which anything did

    def feed(self, now: int, changes: Changes) -> bool:
        """What was told at `now`, when asked with our `serial`. Is there anything new to draw?"""
        self.tick += 1
        elapsed = (now - self.now) / SECOND if self.tick > 1 and not changes.complete else 0.0
        before = (self.totals, self.faults)
        if changes.complete:
            self._forget()
        still, self._active = self._active, set()
        self._log(changes)
        for connection in changes.connections:
            self._whole(connection, elapsed, now, told=changes.complete)
        for figures in changes.figures:
            self._figures(figures, elapsed, now)
        for number in still - self._active:
            watched = self.connections.get(number)
            if watched is not None:
                watched.up = watched.down = 0.0
        up, down = _rates(self.totals, changes.totals, elapsed)
        self.moments.append(Moment(now, up, down, changes.totals.open))
        self.now, self.serial = now, changes.serial
        self.totals, self.faults = changes.totals, changes.faults
        removed = self._remove(now)
        changed = (self.totals, self.faults) != before or bool(changes.queries or changes.notices)
        if changed or changes.complete or changes.connections or changes.figures:
            self._moved = self.tick
        return removed or self.tick - self._moved <= TICKS  # until then histories move

    def hold(self, holdings: Iterable[Holding], asked: Set[int] | None = None) -> None:
        """Who holds which, as `GET /holders` told; `asked`: what was in `unowned` before, if not what is in it now."""
        for holding in holdings:
            for number in holding.connections:
                watched = self.connections.get(number)
                if watched is not None:
                    watched.owner = holding
        self.unowned -= self.unowned if asked is None else asked
        self._moved = self.tick

    def _forget(self) -> None:
        """Everything is told anew, but not what has happened."""
        for kept in (self.connections, self._ended, self.queries, self.unowned):
            kept.clear()
        left = [each for each in self.happenings if each.kind != "notice"]
        self.happenings.clear()
        self.happenings.extend(left)

    def _log(self, changes: Changes) -> None:
        self.queries.extend(changes.queries)
        self.happenings.extend(Happening("notice", 0.0, each) for each in changes.notices)
        if changes.faults != self.faults and not changes.complete:
            words = " ".join(f"{name.replace('_', '-')}={text}" for name, text in changes.faults.items())
            self.happenings.append(Happening("faults", 0.0, words or "none"))
        if changes.left_out:
            self.left_out += changes.left_out
            self.happenings.append(Happening("left out", 0.0, f"{changes.left_out} connections came and went"))

    def _whole(self, connection: Connection, elapsed: float, now: int, *, told: bool) -> None:
        """One that is new to us, or leads elsewhere. `told`: it may be old all the same."""
        watched = self.connections.get(connection.id)
        if watched is None:
            watched = self.connections[connection.id] = Watched(connection)
            self.unowned.add(connection.id)
            if not told:
                self._count(watched, connection.bytes_up, connection.bytes_down, elapsed)
                self.happenings.append(Happening("opened", connection.began, "", connection))
        else:
            old, watched.connection = watched.connection, connection
            self._count(watched, connection.bytes_up - old.bytes_up, connection.bytes_down - old.bytes_down, elapsed)
        if connection.ended is not None:
            self._end(watched, now)

    def _figures(self, figures: Figures, elapsed: float, now: int) -> None:
        watched = self.connections.get(figures.id)
        if watched is None:
            return
        connection = watched.connection
        self._count(watched, figures.bytes_up - connection.bytes_up, figures.bytes_down - connection.bytes_down, elapsed)
        connection.state, connection.error, connection.ended = figures.state, figures.error, figures.ended
        connection.bytes_up, connection.bytes_down = figures.bytes_up, figures.bytes_down
        connection.held_up, connection.held_down = figures.held_up, figures.held_down
        connection.rtt, connection.retransmits = figures.rtt, figures.retransmits
        if connection.ended is not None:
            self._end(watched, now)

    def _count(self, watched: Watched, up: int, down: int, elapsed: float) -> None:
        watched.up = up / elapsed if elapsed else 0.0
        watched.down = down / elapsed if elapsed else 0.0
        if watched.up or watched.down:
            if watched.history is None:
                watched.history = History()
            watched.history.note(self.tick, watched.up, watched.down)
        self._active.add(watched.connection.id)

    def _end(self, watched: Watched, now: int) -> None:
        connection = watched.connection
        if not watched.gone:
            watched.gone = now
            self._ended.append((now, connection.id))
            self.unowned.discard(connection.id)
            refused = connection.outside is None and not connection.bytes_up
            kind = "refused" if refused and connection.error else "closed"
            self.happenings.append(Happening(kind, connection.ended or 0.0, "", connection))

    def _remove(self, now: int) -> bool:
        """Forget what has ended long enough ago."""
        some = False
        while self._ended and (now - self._ended[0][0] > ENDED_FOR or len(self._ended) > ENDED_MAX):
            self.connections.pop(self._ended.popleft()[1], None)
            some = True
        return some


def _rates(old: Totals, new: Totals, elapsed: float) -> tuple[float, float]:
    if not elapsed:
        return 0.0, 0.0
    return max(0, new.bytes_up - old.bytes_up) / elapsed, max(0, new.bytes_down - old.bytes_down) / elapsed

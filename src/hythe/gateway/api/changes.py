"""What has changed in a session since somebody asked the last time: for views that look every second.

Theory of operation. Flows count for themselves and tell nobody, since that would be paid by every packet. So each question
begins with a *sweep*: every flow that goes on is looked at, one short tuple (its *glance*) compared with the one before;
that is a microsecond a flow, with the loop's turn in between. Answers are numbered; a flow remembers by which it was first
told, and by which it was last found changed. The number goes to the caller, who brings it back: what is newer than that is
news to him, however many ask and however often. Only what is news is made into objects.

Of several who ask at once the first has a sweep made, and the others, who have not heard of it, are told what that found.

Of what has ended nothing is kept here. A `_Mark` for each answer has the counts of that time, and the session's own memory
has the rest; a caller whose mark, or whose past, is no longer there is told everything. Numbers begin with the time in
microseconds, so that one of another session of the same name is nobody's here.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from hythe.gateway.api.figures import error_name
from hythe.session.model import Connection, Figures, Query, Totals
from hythe.session.plain import plain
from hythe.units import SECOND

#: Flows looked at between two turns of the loop, and objects or rows made: less than a millisecond's worth.
_GLANCES: Final = 200
_OBJECTS: Final = 10
_ROWS: Final = 100
#: Seconds: views ask at the same instants, but not all machines are fast.
_FRESH: Final = 0.2
#: Answers that are remembered: at one a second, an hour.
_MARKS: Final = 3_600
#: Connections told of at once that came and went in between.
_PASSED_MAX: Final = 200
#: Where the bytes stand in a glance.
_UP: Final = 3
_DOWN: Final = 4

#: Something that changes when the whole connection is to be told anew; then state, errno, bytes up and down, held up and
#: down, round trip (0 for unknown), retransmissions.
Glance = tuple[object, str, int, int, int, int, int, int, int]


class Record(Protocol):
    """Of a flow, while it goes on and after that."""

    @property
    def number(self) -> int:
        """Later ones have higher numbers."""


class Followed(Protocol):
    """A session, as far as it is followed: `live` by number, in `past` the last of the `ended`, of `count` altogether."""

    notices: list[str]
    count: int

    @property
    def live(self) -> Mapping[int, Any]:
        """The flows that go on."""

    @property
    def past(self) -> deque[Any]:
        """The records of those that ended last."""

    @property
    def ended(self) -> int:
        """How many have ended."""

    @property
    def answered(self) -> int:
        """How many DNS queries were answered."""


class Speech(Protocol):
    """How a kind of session says what is found."""

    def glance(self, flow: Any) -> Glance:
        """Of a flow that goes on."""

    def record(self, flow: Any) -> Record:
        """Of a flow that goes on."""

    def last(self, record: Any) -> tuple[Glance, float]:
        """Of one that has ended, and when."""

    def connection(self, record: Any) -> Connection:
        """Of either, whole."""

    def totals(self, up: int, down: int) -> Totals:
        """Of the session; `up`, `down`: bytes of the flows that go on."""

    def faults(self) -> dict[str, str]:
        """Of its wire."""

    def queries(self, count: int) -> Iterable[Query]:
        """The last `count` answers to DNS queries, as far as they are remembered."""


class _Mark(NamedTuple):
    """Counts at an answer; `begun`: at the beginning of the last sweep."""

    begun: int
    ended: int
    answered: int
    notices: int


class _Seen:
    __slots__ = ("changed", "glance", "told")

    def __init__(self, glance: Glance, serial: int) -> None:
        self.glance = glance
        self.told = self.changed = serial


class _News(NamedTuple):
    """What there is to say to one caller."""

    serial: int
    complete: bool
    totals: Totals
    faults: dict[str, str]
    notices: list[str]
    queries: Iterable[Query]
    whole: list[Record]
    figures: list[Callable[[], Figures]]
    left_out: int


class Ledger:
    """What was found by the sweeps of one session. Without callers it does nothing.

    `fresh`: seconds for which a sweep is news to who has not heard of it.
    """

    def __init__(self, session: Followed, speech: Speech, fresh: float = _FRESH) -> None:
        self._session = session
        self._speech = speech
        self._turn = asyncio.Lock()
        self._seen: dict[int, _Seen] = {}
        self._serial = self._swept = time.time_ns() // 1_000  # the last that was given, and that of the last sweep
        self._fresh = fresh
        self._fresh_until = 0.0
        self._marks: deque[_Mark] = deque(maxlen=_MARKS)  # the last is that of `_serial`

    async def changes(self, since: int) -> AsyncGenerator[bytes, None]:
        """`model.Changes` as JSON, in pieces."""
        async with self._turn:  # two sweeps at once would hide changes from each other
            if 0 < since < self._swept and time.monotonic() < self._fresh_until:
                self._count(self._marks[-1].begun)  # what began after the sweep was not seen
            else:
                await self._sweep()
            news = self._news(since)
        return self._pieces(news)

    async def _sweep(self) -> None:
        """Look at everything once."""
        session, seen, glance_of = self._session, self._seen, self._speech.glance
        serial = self._serial + 1
        begun = session.count  # those that begin while we look may be missed
        for number, (key, flow) in enumerate(list(session.live.items())):
            if number % _GLANCES == _GLANCES - 1:
                await asyncio.sleep(0)
            glance = glance_of(flow)
            known = seen.get(key)
            if known is None or known.glance[0] != glance[0]:
                seen[key] = _Seen(glance, serial)
            elif known.glance != glance:
                known.glance = glance
                known.changed = serial
        self._count(begun)
        self._swept = serial
        self._fresh_until = time.monotonic() + self._fresh

    def _count(self, begun: int) -> None:
        """The next serial, with the counts of now."""
        session = self._session
        for gone in self._seen.keys() - session.live.keys():
            del self._seen[gone]
        self._serial += 1
        self._marks.append(_Mark(begun, session.ended, session.answered, len(session.notices)))

    def _mark(self, since: int) -> _Mark | None:
        """None where it is not remembered, or its past is not."""
        place = since - self._serial - 1
        if not -len(self._marks) <= place < 0:
            return None
        mark = self._marks[place]
        return mark if self._session.ended - mark.ended <= len(self._session.past) else None

    def _news(self, since: int) -> _News:
        session, seen, speech = self._session, self._seen, self._speech
        mark = self._mark(since)
        old = mark or _Mark(0, 0, 0, 0)
        new = [key for key, each in seen.items() if mark is None or each.told > since]
        whole: list[Record] = [speech.record(session.live[key]) for key in new]
        figures: list[Callable[[], Figures]] = []
        passed: list[Any] = []
        if mark is not None:
            changed = [(key, each.glance) for key, each in seen.items() if each.changed > since >= each.told]
            figures = [partial(_figures, key, glance, None) for key, glance in changed]
            for record in islice(reversed(session.past), session.ended - mark.ended):
                if record.number > mark.begun:
                    passed.append(record)
                else:
                    figures.append(partial(_figures, record.number, *speech.last(record)))
        glances = [each.glance for each in seen.values()]
        return _News(
            self._serial,
            mark is None,
            speech.totals(sum(each[_UP] for each in glances), sum(each[_DOWN] for each in glances)),
            speech.faults(),
            session.notices[old.notices :],
            speech.queries(session.answered - old.answered),
            whole + passed[:_PASSED_MAX],
            figures,
            max(0, len(passed) - _PASSED_MAX),
        )

    async def _pieces(self, news: _News) -> AsyncGenerator[bytes, None]:
        head = {
            "serial": news.serial,
            "complete": news.complete,
            "totals": plain(news.totals),
            "faults": news.faults,
            "notices": news.notices,
            "left_out": news.left_out,
        }
        yield json.dumps(head)[:-1].encode()
        made: tuple[tuple[str, Iterable[Any], int], ...] = (
            ("queries", map(plain, news.queries), _OBJECTS),
            ("connections", (plain(self._speech.connection(each)) for each in news.whole), _OBJECTS),
            ("figures", (each() for each in news.figures), _ROWS),
        )
        for name, items, size in made:
            yield f', "{name}": ['.encode()
            separator = ""
            rows = iter(items)
            while batch := list(islice(rows, size)):
                yield (separator + json.dumps(batch)[1:-1]).encode()
                separator = ",\n"
            yield b"]"
        yield b"}\n"


def _figures(number: int, glance: Glance, ended: float | None) -> Figures:
    _, state, error, up, down, held_up, held_down, rtt, retransmits = glance
    return Figures(
        number, state, error_name(error), ended, up, down, held_up, held_down, rtt / SECOND if rtt else None, retransmits
    )

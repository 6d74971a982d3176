"""The session: what a running gateway knows of its connections. Views read it, and it alone.

A flow that is going on is read from its connection when somebody asks; one that has ended leaves its figures in its
`FlowRecord`. The number of records kept of ended flows is bounded; `count` and the byte totals are not. Answers to DNS
queries are kept as they came, the last few, to be read for their names when somebody asks; one that nobody has read is read
when it has to make room.

Observers are told what happens as it does. There are none normally, and then that costs nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from hythe.wire.segment import split_key

if TYPE_CHECKING:
    from hythe.gateway.moments.noting import Noting
    from hythe.gateway.moments.record import Moments
    from hythe.gateway.names.known import KnownNames
    from hythe.tunnel.wireguard.report import PeerReport

#: Ended flows remembered.
KEPT: Final = 20_000
#: Answers to DNS queries remembered.
ANSWERS_KEPT: Final = 1_000


@dataclass(slots=True)
class FlowRecord:
    """One flow. `key`: its socket pair as the gateway's host receives it (the command is the remote end).

    `outside`: where it goes on the way out, as (address or name, port); None where it was refused before that. `inbound`:
    it was opened by `outside`, towards a published port. `via`: by which way it goes, where there are such. Times are
    nanoseconds of the driver's clock, sizes bytes, `up` is away from the command. `error`: errno of what ended it, or 0.
    `moments`: what happened meanwhile, where that is noted.
    """

    number: int
    protocol: str
    key: bytes
    outside: tuple[str, int] | None
    began: int
    name: str = ""
    via: str = ""
    inbound: bool = False
    ended: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    rtt: int = 0
    retransmits: int = 0
    state: str = ""
    error: int = 0
    moments: Moments | None = None

    @property
    def inside(self) -> tuple[str, int]:
        """The command's end: (address, port)."""
        address, port, _, _ = split_key(self.key)
        return _text(address), port

    @property
    def destination(self) -> tuple[str, int]:
        """What the command asked for: (address, port)."""
        _, _, address, port = split_key(self.key)
        return _text(address), port


class LiveFlow(Protocol):
    """A flow that is going on."""

    record: FlowRecord

    def refresh(self) -> None:
        """Bring the figures in `record` up to date."""

    def fileno(self) -> int:
        """The descriptor of its socket outside, -1 for none."""

    def kill(self, now: int) -> None:
        """End it, as far as both sides can be told: by resets. Its error is ECONNABORTED."""


class Answer(NamedTuple):
    """A DNS message that went to the command at `now`. `took`: ns since it was asked, 0 where nobody else was."""

    now: int
    took: int
    message: bytes


#: What observers are told: "opened", "closed" or "refused" with a `FlowRecord`, "query" with an `Answer`, others with
#: what their name says. They must not change anything, nor take long.
Observer = Callable[[str, object], None]


class Session:
    """All flows of one gateway, by number."""

    def __init__(self, began: int) -> None:
        self.began = began
        self.live: dict[int, LiveFlow] = {}
        self.past: deque[FlowRecord] = deque(maxlen=KEPT)
        self.notices: list[str] = []  # sentences for the person who runs this
        self.answers: deque[Answer] = deque(maxlen=ANSWERS_KEPT)
        self.observers: list[Observer] = []
        #: Notes the moments of flows, where somebody wants them.
        self.noting: Noting | None = None
        #: What the peers of its tunnel are asked by, where it has one.
        self.peers: Callable[[], Sequence[PeerReport]] | None = None
        self.count = 0
        self.ended = 0
        self.refused = 0
        self.answered = 0
        self._read = 0  # of those, for their names
        self._known: KnownNames | None = None
        self.bytes_up = 0
        self.bytes_down = 0

    def begin(self, protocol: str, key: bytes, outside: tuple[str, int] | None, now: int) -> FlowRecord:
        """A flow more; its owner calls `enter` if it goes on."""
        self.count += 1
        record = FlowRecord(self.count, protocol, key, outside, now)
        if self.noting is not None:
            self.noting.begin(record)
        return record

    def enter(self, flow: LiveFlow) -> None:
        """It goes on."""
        self.live[flow.record.number] = flow
        if self.noting is not None:
            self.noting.enter(flow)
        if self.observers:
            self.tell("opened", flow.record)

    def replace(self, flow: LiveFlow) -> None:
        """It goes on as another object."""
        self.live[flow.record.number] = flow
        if self.noting is not None:
            self.noting.enter(flow)

    def end(self, record: FlowRecord, now: int, *, refused: bool = False) -> None:
        """It has ended, or come to nothing; its figures are final."""
        self.live.pop(record.number, None)
        record.ended = now
        self.bytes_up += record.bytes_up
        self.bytes_down += record.bytes_down
        self.ended += 1
        self.refused += refused
        self.past.append(record)
        if self.observers:
            self.tell("refused" if refused else "closed", record)

    def note(self, noting: Noting) -> None:
        """From now on have moments noted, and remember answers for as long as flows, which they are part of."""
        self.noting = noting
        self.answers = deque(self.answers, maxlen=KEPT)

    def answer(self, now: int, took: int, message: bytes) -> None:
        """The command has got an answer to a DNS query."""
        if self.answered - self._read >= ANSWERS_KEPT:
            self.read_answers(1)
        self.answered += 1
        answer = Answer(now, took, message)
        self.answers.append(answer)
        if self.observers:
            self.tell("query", answer)

    def read_answers(self, count: int = ANSWERS_KEPT) -> bool:
        """Learn the names in `count` answers at most, the oldest first; is there more to read?"""
        fresh = self.answered - self._read
        for answer in [self.answers[place] for place in range(-fresh, min(0, count - fresh))]:
            self.known_names.learn(answer.now, answer.message)
            self._read += 1
        return self._read < self.answered

    @property
    def known_names(self) -> KnownNames:
        """What has been read."""
        if self._known is None:
            from hythe.gateway.names.known import KnownNames  # start-up pays for what is used

            self._known = KnownNames()
        return self._known

    def notice(self, sentence: str) -> None:
        """For the person who runs this."""
        self.notices.append(sentence)
        if self.observers:
            self.tell("notice", sentence)

    def tell(self, kind: str, about: object) -> None:
        """Tell the observers."""
        for observer in self.observers:
            observer(kind, about)

    def records(self) -> Iterator[FlowRecord]:
        """Every flow known, ended ones first, figures fresh."""
        yield from self.past
        for flow in list(self.live.values()):
            flow.refresh()
            yield flow.record

    def forgotten(self) -> tuple[int, int, int]:
        """What `records` has no more, of very many: flows, and the bytes that they had from the command and to it."""
        count = self.ended - len(self.past)
        if not count:
            return 0, 0, 0
        kept_up, kept_down = sum(each.bytes_up for each in self.past), sum(each.bytes_down for each in self.past)
        return count, self.bytes_up - kept_up, self.bytes_down - kept_down


def _text(address: bytes) -> str:
    return inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)

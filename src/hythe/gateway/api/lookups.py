"""What the command has asked DNS: its queries, and the names by which it knows addresses.

Answers are kept as bytes and read here when somebody asks, each once for its addresses.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from hythe.errors import ParseError
from hythe.gateway.api.figures import moment
from hythe.gateway.session import Answer, FlowRecord, Session
from hythe.session import model
from hythe.units import SECOND
from hythe.wire import dns
from hythe.wire.dnsmessage import Message, parse_message
from hythe.wire.dnstext import data_text, name_text, rcode_name, type_name
from hythe.wire.segment import split_key

#: Addresses whose names are remembered, and names of each.
_ADDRESSES: Final = 4_096
_NAMES: Final = 8
#: Answers read between two turns of the loop.
_BATCH: Final = 20


class Lookups:
    """`refresh` reads what has come since the last time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._read = 0
        self._names: OrderedDict[bytes, list[tuple[int, str]]] = OrderedDict()

    async def refresh(self) -> None:
        """Learn the names of all addresses that the command has been told."""
        for _ in self._batches():
            await asyncio.sleep(0)

    def _batches(self) -> Iterator[None]:
        """Learn, with pauses."""
        fresh = min(self._session.answered - self._read, len(self._session.answers))
        self._read = self._session.answered
        answers = list(self._session.answers)[len(self._session.answers) - fresh :]
        for number, answer in enumerate(answers):
            self._learn(answer)
            if number % _BATCH == _BATCH - 1:
                yield

    def _learn(self, answer: Answer) -> None:
        for address, name in addresses(answer.message):
            known = self._names.setdefault(address, [])
            known.append((answer.now, name))
            del known[:-_NAMES]
            self._names.move_to_end(address)
        while len(self._names) > _ADDRESSES:
            self._names.popitem(last=False)

    def name_all(self) -> None:
        """Give every record of the session its name, at its end, when nothing has to wait."""
        for _ in self._batches():
            continue
        for record in self._session.records():
            self.name(record)

    def name(self, record: FlowRecord) -> str:
        """The name that the command had looked up last when this flow began; empty for none. The record remembers it."""
        if not record.name and not record.inbound:
            _, _, address, _ = split_key(record.key)
            before = [name for at, name in self._names.get(address, ()) if at <= record.began]
            record.name = before[-1] if before else ""
        return record.name


def addresses(message: bytes) -> list[tuple[bytes, str]]:
    """What a DNS answer tells: (address, name that was asked for); nothing where it cannot be read."""
    parsed = _parse(message)
    if parsed is None or parsed.question is None:
        return []
    name = name_text(parsed.question.name).rstrip(".")
    return [(record.data, name) for record in parsed.answers if record.kind in (dns.A, dns.AAAA)]


class Told:
    """What the reader of a capture knows of names: each pair of address and name once, unless it was long ago."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs: OrderedDict[tuple[bytes, str], None] = OrderedDict()

    def fresh(self, message: bytes) -> list[tuple[bytes, str]]:
        """What a DNS answer adds to that."""
        found = [pair for pair in addresses(message) if pair not in self._pairs]
        self._pairs.update(dict.fromkeys(found))
        while len(self._pairs) > _ADDRESSES:
            self._pairs.popitem(last=False)
        return found


def query(answer: Answer, epoch: int) -> model.Query | None:
    """One answer for people; None for one that cannot be read."""
    message = _parse(answer.message)
    if message is None or message.question is None:
        return None
    return model.Query(
        at=moment(answer.now, epoch),
        name=name_text(message.question.name),
        type=type_name(message.question.kind),
        rcode=rcode_name(message.rcode),
        answers=[f"{type_name(record.kind)} {data_text(record)}" for record in message.answers],
        took=answer.took / SECOND if answer.took else None,
    )


def _parse(message: bytes) -> Message | None:
    try:
        return parse_message(message, len(message))
    except ParseError:
        return None

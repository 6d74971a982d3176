"""What the command has asked DNS: its queries, and the names by which it knows addresses.

Answers are kept as bytes and read when somebody asks, each once for its addresses.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from hythe.gateway.api.figures import moment
from hythe.gateway.names.known import addresses, parsed_answer
from hythe.gateway.session import Answer, FlowRecord, Session
from hythe.session import model
from hythe.units import SECOND
from hythe.wire.dnstext import data_text, name_text, rcode_name, type_name
from hythe.wire.segment import split_key

#: Pairs of address and name that the reader of a capture is known to have.
_PAIRS: Final = 4_096
#: Answers read between two turns of the loop.
_BATCH: Final = 20


async def read_names(session: Session) -> None:
    """Read the answers that have come since the last time, with pauses: then naming flows takes no time."""
    while session.read_answers(_BATCH):
        await asyncio.sleep(0)


def name_of(session: Session, record: FlowRecord) -> str:
    """The name that the command had looked up last when this flow began; empty for none. The record remembers it."""
    if not record.name and not record.inbound:
        session.read_answers()
        _, _, address, _ = split_key(record.key)
        record.name = session.known_names.at(address, record.began)
    return record.name


def name_all(session: Session) -> None:
    """Give every record of the session its name, at its end, when nothing has to wait."""
    for record in session.records():
        name_of(session, record)


class Told:
    """What the reader of a capture knows of names: each pair of address and name once, unless it was long ago."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs: OrderedDict[tuple[bytes, str], None] = OrderedDict()

    def fresh(self, message: bytes) -> list[tuple[bytes, str]]:
        """What a DNS answer adds to that."""
        found = [pair for pair in addresses(message) if pair not in self._pairs]
        self._pairs.update(dict.fromkeys(found))
        while len(self._pairs) > _PAIRS:
            self._pairs.popitem(last=False)
        return found


def query(answer: Answer, epoch: int) -> model.Query | None:
    """One answer for people; None for one that cannot be read."""
    message = parsed_answer(answer.message)
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

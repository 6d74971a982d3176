"""Flows are called by the name that was looked up for them, however many were at the same time."""

from __future__ import annotations

import asyncio

from hythe.gateway.api.lookups import name_all, name_of, read_names
from hythe.gateway.names import known
from hythe.gateway.names.known import KnownNames
from hythe.gateway.session import ANSWERS_KEPT, FlowRecord, Session
from hythe.wire import dns
from hythe.wire.dnsmessage import Question, build_query
from hythe.wire.dnstext import parse_name_text
from hythe.wire.segment import make_key

COMMAND = bytes((10, 0, 0, 2))


def answer(name: str, address: bytes) -> bytes:
    """Return what DNS says of a name."""
    query = build_query(7, Question(parse_name_text(name), dns.A))
    return dns.build_answer(dns.parse_query(query, len(query)), [address])


def address(number: int) -> bytes:
    return (0x0A01_0000 + number).to_bytes(4, "big")


def begin(session: Session, remote: bytes, now: int) -> FlowRecord:
    return session.begin("tcp", make_key(COMMAND, 1024 + now % 60_000, remote, 80), None, now)


def test_all_connections_to_one_name_bear_it() -> None:
    """Each looks the name up for itself, before the first is asked for."""
    session = Session(0)
    records = []
    for now in range(0, 600, 2):
        session.answer(now, 1, answer("web.example", address(1)))
        records.append(begin(session, address(1), now + 1))
    assert {name_of(session, each) for each in records} == {"web.example"}


def test_of_two_names_of_one_address_each_flow_has_its_own() -> None:
    session = Session(0)
    records = []
    for now in range(0, 600, 2):
        session.answer(now, 1, answer(f"site{now}.example", address(1)))
        records.append(begin(session, address(1), now + 1))
    assert [name_of(session, each) for each in records] == [f"site{now}.example" for now in range(0, 600, 2)]


def test_more_names_than_answers_are_kept() -> None:
    """Nobody has asked for any before the last: what was pushed out has been read."""
    session = Session(0)
    count = 3 * ANSWERS_KEPT
    records = []
    for number in range(count):
        session.answer(number, 1, answer(f"host{number}.example", address(number)))
        records.append(begin(session, address(number), number))
    for each in records:
        session.end(each, count)
    assert len(session.answers) == ANSWERS_KEPT
    name_all(session)
    assert [each.name for each in records] == [f"host{number}.example" for number in range(count)]


def test_two_who_ask_at_the_same_time_both_know() -> None:
    """One finds the other reading, and more comes meanwhile."""
    session = Session(0)
    count = ANSWERS_KEPT
    for number in range(count):
        session.answer(number, 1, answer(f"host{number}.example", address(number)))

    async def ask() -> str:
        await read_names(session)
        return name_of(session, begin(session, address(count - 1), count))

    async def more() -> str:
        await asyncio.sleep(0)
        session.answer(count, 1, answer("late.example", address(count)))
        return name_of(session, begin(session, address(count), count))

    async def main() -> list[str]:
        return list(await asyncio.gather(ask(), ask(), more()))

    last = f"host{count - 1}.example"
    assert asyncio.run(main()) == [last, last, "late.example"]


def test_a_name_counts_from_its_answer_on() -> None:
    names = KnownNames()
    names.learn(10, answer("a.example", address(1)))
    names.learn(20, answer("b.example", address(1)))
    expected = {9: "", 10: "a.example", 19: "a.example", 20: "b.example", 99: "b.example"}
    assert {now: names.at(address(1), now) for now in expected} == expected
    assert names.at(address(2), 99) == ""
    names.learn(30, b"garbage")
    assert names.at(address(1), 30) == "b.example"


def test_the_oldest_are_forgotten() -> None:
    names = KnownNames()
    for number in range(known.CHANGES + 10):
        names.learn(number, answer(f"host{number}.example", address(number)))
    assert names.at(address(9), known.CHANGES + 10) == ""
    assert names.at(address(10), known.CHANGES + 10) == "host10.example"

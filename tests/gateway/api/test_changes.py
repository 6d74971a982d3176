"""The ledger of changes: whoever asks again hears what is new to him, each thing once, and can follow from there."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING

import pytest

from hythe.forward.flows import Flows
from hythe.forward.following import Following as Forwarded
from hythe.gateway.api import changes
from hythe.gateway.api.changes import _PASSED_MAX, Followed, Ledger, Speech
from hythe.gateway.api.figures import connection
from hythe.gateway.api.following import Following
from hythe.gateway.session import FlowRecord, Session
from hythe.session.model import Changes
from hythe.session.plain import build
from hythe.wire.segment import make_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


class Wiring:
    def __init__(self) -> None:
        self.words: dict[str, str] = {}


class Flow:
    """A flow whose figures are the record's."""

    def __init__(self, record: FlowRecord) -> None:
        self.record = record

    def refresh(self) -> None:
        return

    def fileno(self) -> int:
        return -1

    def kill(self, now: int) -> None:
        return


class Opened(Flow):
    """The same, when it leads elsewhere."""


def begin(session: Session, now: int = 1) -> Flow:
    key = make_key(b"\x0a\0\0\1", 40_000, b"\x0a\0\0\2", 80)
    flow = Flow(session.begin("tcp", key, ("192.0.2.1", 80), now))
    session.enter(flow)
    return flow


def ledger_of(session: Session, fresh: float) -> Ledger:
    speech = Following(session, Wiring(), 0, lambda record: connection(record, session.live.get(record.number), 0))  # type: ignore[arg-type]
    return Ledger(session, speech, fresh)


async def ask(ledger: Ledger, since: int = 0) -> Changes:
    pieces = [piece async for piece in await ledger.changes(since)]
    return build(Changes, json.loads(b"".join(pieces)))


def numbers(found: Changes) -> tuple[list[int], list[int]]:
    return sorted(each.id for each in found.connections), sorted(each.id for each in found.figures)


def run(test: Callable[[Session, Ledger], object], fresh: float = 0.0) -> None:
    async def main() -> None:
        session = Session(0)
        await test(session, ledger_of(session, fresh))  # type: ignore[misc]

    asyncio.run(main())


def test_each_caller_hears_what_is_new_to_him_once() -> None:
    async def test(session: Session, ledger: Ledger) -> None:
        first, second = begin(session), begin(session)
        early = await ask(ledger)
        assert early.complete
        assert numbers(early) == ([1, 2], [])
        second.record.bytes_up = 7
        second.record.rtt = 20_000_000
        third = begin(session)
        late = await ask(ledger, early.serial)
        assert not late.complete
        assert numbers(late) == ([3], [2])
        (figures,) = late.figures
        assert (figures.bytes_up, figures.rtt, figures.ended) == (7, 0.02, None)
        assert (late.totals.bytes_up, late.totals.open, late.totals.connections) == (7, 3, 3)
        assert numbers(await ask(ledger, late.serial)) == ([], [])
        third.record.state = "ESTABLISHED"
        assert numbers(await ask(ledger, early.serial)) == ([3], [2])  # he who comes late hears all of it
        assert numbers(await ask(ledger, late.serial)) == ([], [3])
        session.replace(Opened(first.record))
        assert numbers(await ask(ledger, late.serial)) == ([1], [3])

    run(test)


def test_what_has_ended_is_told_as_far_as_the_caller_knows_it() -> None:
    async def test(session: Session, ledger: Ledger) -> None:
        known = begin(session)
        early = await ask(ledger)
        known.record.bytes_down = 9
        known.record.error = 104
        session.end(known.record, 5_000_000_000)
        session.end(begin(session, 2).record, 3)
        found = await ask(ledger, early.serial)
        assert numbers(found) == ([2], [1])
        (figures,) = found.figures
        assert (figures.ended, figures.bytes_down, figures.error) == (5.0, 9, "ECONNRESET")
        assert found.connections[0].ended == 3 / 1e9
        assert (found.totals.open, found.totals.bytes_down) == (0, 9)
        assert numbers(await ask(ledger, found.serial)) == ([], [])
        for _ in range(_PASSED_MAX + 5):
            session.end(begin(session).record, 4)
        assert (await ask(ledger, found.serial)).left_out == 5

    run(test)


def test_a_serial_that_means_nothing_here_is_told_everything() -> None:
    async def test(session: Session, ledger: Ledger) -> None:
        session.past = deque(maxlen=3)
        begin(session)
        session.notice("a")
        found = await ask(ledger)
        assert found.notices == ["a"]
        session.notice("b")
        assert (await ask(ledger, found.serial)).notices == ["b"]
        for strange in (1, found.serial - 1, found.serial + 100, found.serial << 20):
            assert (await ask(ledger, strange)).complete
        for _ in range(4):
            session.end(begin(session).record, 4)  # one more than is remembered
        again = await ask(ledger, found.serial)
        assert again.complete
        assert (numbers(again), again.notices) == (([1], []), ["a", "b"])

    run(test)


def test_callers_at_the_same_time_are_told_by_one_sweep() -> None:
    async def test(session: Session, ledger: Ledger) -> None:
        first, second = begin(session), begin(session)
        one = two = (await ask(ledger)).serial
        first.record.bytes_up = 1
        found = await ask(ledger, one)
        assert numbers(found) == ([], [1])
        first.record.bytes_up = 2
        session.end(second.record, 3)
        late = begin(session)
        found = await ask(ledger, two)  # what has ended is known without a sweep, what began is not
        assert numbers(found) == ([], [1, 2])
        assert found.figures[0].bytes_up == 1
        assert numbers(await ask(ledger, found.serial)) == ([late.record.number], [1])  # he has heard of that sweep

    run(test, fresh=3_600.0)


@pytest.mark.parametrize("fresh", [0.0, 3_600.0])
def test_who_follows_knows_what_is(fresh: float, rng: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers at their own pace, with flows that come, count and go, also in the middle of a sweep."""
    monkeypatch.setattr(changes, "_GLANCES", 5)

    async def test(session: Session, ledger: Ledger) -> None:
        callers: list[dict[int, tuple[int, bool]]] = [{} for _ in range(3)]
        serials = [0, 0, 0]
        for _ in range(30):
            for _ in range(rng.randrange(60)):
                live = list(session.live.values())
                if not live or rng.random() < 0.3:
                    begin(session)
                elif rng.random() < 0.7:
                    rng.choice(live).record.bytes_up += 1
                else:
                    session.end(rng.choice(live).record, 9)
            number = rng.randrange(3)
            known = callers[number]
            asking = asyncio.create_task(ask(ledger, serials[number]))
            while not asking.done():
                await asyncio.sleep(0)
                if session.live and rng.random() < 0.5:
                    session.end(rng.choice(list(session.live.values())).record, 9)
                    begin(session)
            found = await asking
            if found.complete:
                known.clear()
            for each in found.connections:
                known[each.id] = (each.bytes_up, each.ended is None)
            for row in found.figures:
                known[row.id] = (row.bytes_up, row.ended is None)
            serials[number] = found.serial
        for number, known in enumerate(callers * 2):  # twice: the second time is after the last sweep
            found = await ask(ledger, serials[number % 3])
            serials[number % 3] = found.serial
            for whole in found.connections:
                known[whole.id] = (whole.bytes_up, whole.ended is None)
            for row in found.figures:
                known[row.id] = (row.bytes_up, row.ended is None)
            there = {key: (flow.record.bytes_up, True) for key, flow in session.live.items()}
            assert number < 3 or {key: each for key, each in known.items() if each[1]} == there

    run(test, fresh)


def test_a_forward_is_followed_the_same_way() -> None:
    async def main() -> None:
        flows = Flows()
        session: Followed = flows
        speech: Speech = Forwarded(flows)
        ledger = Ledger(session, speech)
        flow = flows.begin("udp", ("127.0.0.1", 5000), ("", 0), "ssh")
        found = await ask(ledger)
        assert [each.remote.port for each in found.connections] == [0]
        flow.far = ("example.com", 53)
        flow.tally.up += 3
        found = await ask(ledger, found.serial)
        assert [(each.remote.address, each.bytes_up) for each in found.connections] == [("example.com", 3)]
        flows.end(flow, None)
        found = await ask(ledger, found.serial)
        assert numbers(found) == ([], [1])
        assert found.figures[0].ended

    asyncio.run(main())

"""Whatever is in a capture, the analysis comes to its end: bits flipped, packets cut, lost, doubled, out of order."""

from __future__ import annotations

import copy
from contextlib import suppress
from random import Random

import pytest

from hythe.errors import UsageError
from hythe.view.analysis.conversation import Conversations
from hythe.view.analysis.findings import Cause
from hythe.view.analysis.plain import plain
from hythe.view.analysis.words import report
from hythe.view.plot.graph import KINDS, graph
from hythe.wire.pcapng import CapturedPacket
from tests.view.analysis.situations import SITUATIONS
from tests.view.analysis.stage import packets

#: Which captures are spoilt: those with most kinds of segments in few packets.
SPOILT = frozenset({Cause.TAIL_LOSS, Cause.BLACK_HOLE, Cause.NAGLE, Cause.LOSS, Cause.SYN_LOSS})


@pytest.fixture(scope="module")
def captures() -> list[list[CapturedPacket]]:
    return [list(packets(each.play.run(1)[0]))[:250] for each in SITUATIONS if each.cause in SPOILT]


def spoilt(whole: list[CapturedPacket], rng: Random) -> list[CapturedPacket]:
    found = []
    for packet in whole:
        packet, turn = copy.copy(packet), rng.random()
        if turn < 0.05:
            continue
        if turn < 0.2:
            data = bytearray(packet.data)
            data[rng.randrange(20, len(data))] ^= 1 << rng.randrange(8)
            packet.data = bytes(data)
        elif turn < 0.25:
            packet.data = packet.data[: rng.randrange(len(packet.data) + 1)]
        elif turn < 0.28:
            packet.timestamp -= rng.randrange(10**9)
        found += [packet] * (2 if turn > 0.97 else 1)
    if not rng.randrange(3):
        rng.shuffle(found)
    return found


@pytest.mark.parametrize("rounds", [60, pytest.param(3_000, marks=pytest.mark.slow)])
def test_it_comes_to_its_end(captures: list[list[CapturedPacket]], rng: Random, rounds: int) -> None:
    drawn = 0
    for _ in range(rounds):
        found = Conversations(range(1 << 20)).read(spoilt(rng.choice(captures), rng)).all
        for conversation in found:
            assert list(report(conversation))
            assert plain(conversation)["packets"] == conversation.packets
            for kind in KINDS:
                for index in (0, 1):
                    with suppress(UsageError):  # nothing to draw
                        drawn += len(graph(conversation, index, kind).layers)
    assert drawn > rounds

"""`hythe why` names the right cause in each of the prepared situations and the wrong one in none; without the fault, none.

Both ends are hythe, on virtual time; each situation is captured at both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from hythe.link.faults import NthLoss, Plan
from hythe.units import MILLISECOND
from hythe.view.analysis.conversation import Conversation, Conversations
from hythe.view.analysis.findings import Cause, Finding, findings
from hythe.view.analysis.plain import plain
from hythe.view.analysis.waits import Reason
from hythe.view.analysis.words import report
from tests.view.analysis.situations import BULK, LITTLE, SITUATIONS, Situation, reads, sends
from tests.view.analysis.stage import Play, packets

#: Seeds of the fault link and the hosts for each situation: luck must not decide.
SEEDS = range(1, 13)


def only(file: bytes) -> Conversation:
    found = Conversations().read(packets(file)).all
    assert len(found) == 1
    return found[0]


def problems(conversation: Conversation) -> list[Finding]:
    return [each for each in findings(conversation) if each.problem]


def played(play: Play, seeds: Sequence[int]) -> list[tuple[Conversation, Conversation]]:
    runs = [play.run(seed) for seed in seeds]
    return [(only(near), only(far)) for near, far in runs]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.cause.name.lower())
def test_the_cause_is_named_and_no_other(situation: Situation) -> None:
    check(situation, SEEDS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.cause.name.lower())
def test_luck_does_not_decide(situation: Situation) -> None:
    check(situation, SEEDS[1:])


def check(situation: Situation, seeds: Sequence[int]) -> None:
    for captures in played(situation.play, seeds):
        for where, conversation in enumerate(captures):
            expected = [(situation.cause, situation.way)] if where in situation.seen else []
            found = problems(conversation)
            assert [(each.cause, each.way) for each in found] == expected, list(report(conversation))


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.cause.name.lower())
def test_without_the_fault_there_is_no_alarm(situation: Situation) -> None:
    for captures in played(situation.calm, SEEDS[:1]):
        for conversation in captures:
            assert not problems(conversation), list(report(conversation))


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.cause.name.lower())
def test_the_proof_is_in_the_capture_and_the_words_name_it(situation: Situation) -> None:
    near = situation.play.run(SEEDS[0])[0]
    conversation = only(near)
    (found,) = problems(conversation)
    count = sum(1 for _ in packets(near))
    assert len(found.packets) >= 2
    assert all(0 < number <= count for number in found.packets)
    text = "\n".join(report(conversation))
    assert f"! {situation.cause.value}: " in text
    assert ", ".join(map(str, found.packets)) in text
    assert "{" not in text
    told = json.loads(json.dumps(plain(conversation)))
    assert [each["cause"] for each in told["findings"] if each["problem"]] == [situation.cause.value]
    assert told["findings"][0]["packets"] == list(found.packets)


def test_a_path_longer_than_the_timer_loses_nothing() -> None:
    """The SYN and its answer are sent again before their answers can have come, and what a full segment is stays known."""
    far = Plan(delay=600 * MILLISECOND)
    for captures in played(Play(sends(BULK), reads, far, far), SEEDS[:2]):
        for conversation in captures:
            assert len(conversation.opening.syns) > 1
            assert not problems(conversation), list(report(conversation))
            up = conversation.ways[0]
            assert up.full == 1_448
            assert up.waits.spent[Reason.APPLICATION] * 20 < up.waits.spent[Reason.PATH]


def test_a_syn_that_was_lost_on_a_long_path_is_told() -> None:
    far = Plan(delay=600 * MILLISECOND)
    first = replace(far, loss=NthLoss(frozenset({1})))
    for play, way in ((Play(sends(LITTLE), reads, first, far), 0), (Play(sends(LITTLE), reads, far, first), 1)):
        found = problems(only(play.run(1)[0]))
        assert [each.cause for each in found] == [Cause.SYN_LOSS], way


def test_the_table_has_all_twelve() -> None:
    other = {Cause.CONGESTION, Cause.NO_ANSWER, Cause.SILENCE, Cause.UNREACHABLE, Cause.PATH_MTU}
    assert {each.cause for each in SITUATIONS} == set(Cause) - other

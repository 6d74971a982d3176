"""Retransmissions for nothing are told as that, whatever shows it; those that were needed stay losses.

The captures are written by hand, after what two Linux kernels said over a path that reorders.
"""

from __future__ import annotations

import pytest

from hythe.view.analysis.conversation import Conversation
from hythe.view.analysis.findings import Cause, findings, lost
from hythe.view.analysis.ranges import Ranges
from hythe.view.analysis.resent import Proof
from hythe.view.analysis.words import report
from tests.view.analysis.talk import Talk


def proofs(conversation: Conversation) -> list[Proof | None]:
    return [each.proof for each in conversation.ways[0].resent]


def causes(conversation: Conversation) -> set[Cause]:
    return {each.cause for each in findings(conversation)}


def overtaken(trip: int = 20) -> Talk:
    """Segments 10 and 11 are overtaken by 12 to 15, and sent again at 80 ms, just before their acknowledgment comes."""
    talk = Talk(trip)
    talk.flow(25, 0, 10)
    talk.send(60, 10, stamp=200, count=6)
    for block in (13, 14, 15, 16):
        talk.hear(60 + trip, 10, 109, (12, block))
    talk.send(60 + trip, 10, stamp=220, count=2)
    talk.hear(62 + trip, 16, 200)
    return talk


def test_one_report_of_what_came_twice_may_speak_of_several() -> None:
    """Two that came together, and were joined before TCP saw them, are one block: neither of them was lost."""
    talk = overtaken()
    talk.hear(100, 16, 200, (10, 12))
    found = talk.read()
    assert proofs(found) == [Proof.TWICE, Proof.TWICE]
    assert causes(found) == {Cause.REORDERING}
    text = "\n".join(report(found))
    number = len(talk.packets)
    assert text.count(f"needless, as packet {number} shows: the receiver had it twice (RFC 2883, 4)") == 2
    assert "packets that had seemed lost were sent again" in text


def test_what_was_acknowledged_too_soon_for_an_answer_had_come() -> None:
    """Without a D-SACK: no path answers in 2 ms that needs 20."""
    found = overtaken().read()
    assert proofs(found) == [Proof.SOON, Proof.SOON]
    assert causes(found) == {Cause.REORDERING}


@pytest.mark.parametrize(("echo", "proof"), [(200, Proof.ECHO), (220, None)])
def test_an_echo_tells_which_of_two_was_acknowledged(echo: int, proof: Proof | None) -> None:
    talk = Talk()
    talk.flow(25, 0, 10)
    talk.send(60, 10, stamp=200)
    talk.send(310, 10, stamp=220)  # by its timer
    talk.hear(335, 11, echo)
    found = talk.read()
    assert proofs(found) == [proof]
    assert causes(found) == (set() if proof else {Cause.TAIL_LOSS})


def test_what_was_lost_stays_lost() -> None:
    talk = Talk()
    talk.flow(25, 0, 10)
    talk.send(60, 10, stamp=200, count=6)
    for block in (13, 14, 15, 16):
        talk.hear(80, 10, 109, (12, block))
    talk.send(80, 10, stamp=220, count=2)
    talk.hear(100, 11, 220, (12, 16))
    talk.hear(100, 16, 220)
    found = talk.read()
    assert (len(lost(found.ways[0])), proofs(found)) == (2, [None, None])
    assert causes(found) == {Cause.LOSS}


def test_of_three_that_were_sent_a_report_of_two_leaves_one_that_was_needed() -> None:
    talk = Talk()
    talk.flow(25, 0, 10)
    talk.send(60, 10, stamp=200, count=6)
    talk.hear(80, 10, 109, (11, 16))
    talk.send(80, 10, stamp=220)
    talk.send(300, 10, stamp=440)
    talk.hear(301, 16, 220)
    talk.hear(320, 16, 440, (10, 11))
    found = talk.read()
    assert proofs(found) == [None, Proof.TWICE]
    assert causes(found) == {Cause.LOSS}


def at_the_receiver() -> Talk:
    talk = Talk(trip=0)
    talk.flow(25, 0, 10)
    talk.send(60, 12, stamp=200, count=4)
    for block in (13, 14, 15, 16):
        talk.hear(60, 10, 109, (12, block))
    return talk


def test_at_the_receiver_it_came_behind_its_acknowledgment() -> None:
    """Its sender had not heard of that yet: it is no time-out, though nobody asks for it any more."""
    talk = at_the_receiver()
    talk.send(63, 10, stamp=200, count=2)
    talk.hear(63, 16, 200)
    talk.send(79, 16, stamp=219)
    talk.hear(79, 17, 219)
    talk.send(80, 10, stamp=220, count=2)
    found = talk.read()
    assert proofs(found) == [Proof.BEFORE, Proof.BEFORE]
    assert {each.kind.label for each in found.ways[0].resent} == {"fast"}
    assert found.ways[0].late_count == 2
    assert causes(found) == {Cause.REORDERING}
    assert "time-out" not in "\n".join(report(found))


def test_at_the_receiver_what_had_been_reported_already_was_needless_whatever_is_missing_below() -> None:
    """Of two that come twice before the next acknowledgment, Linux reports the second alone."""
    talk = at_the_receiver()
    talk.send(62, 11, stamp=200)  # 10 is still on its way
    talk.hear(62, 10, 109, (11, 16))
    talk.send(80, 11, stamp=220)
    talk.send(80, 10, stamp=220)
    talk.hear(81, 16, 220)
    talk.send(82, 10, stamp=200)
    talk.hear(82, 16, 220, (10, 11))
    found = talk.read()
    assert [each.proof for each in found.ways[0].resent] == [Proof.BEFORE, Proof.TWICE]
    assert causes(found) == {Cause.REORDERING}


def test_at_the_receiver_what_was_stamped_with_those_that_overtook_it_was_sent_with_them() -> None:
    """However late it is, once later stamps have come by."""
    talk = at_the_receiver()
    talk.send(75, 16, stamp=215)
    talk.send(76, 10, stamp=200, count=2)
    talk.hear(76, 17, 215)
    found = talk.read()
    assert (found.ways[0].resent_count, found.ways[0].late_count) == (0, 2)


def test_at_the_receiver_what_was_sent_first_may_come_last() -> None:
    talk = at_the_receiver()
    talk.send(80, 10, stamp=220, count=2)
    talk.hear(80, 16, 220)
    talk.send(90, 10, stamp=200, count=2)  # both had been on a longer way
    talk.hear(90, 16, 220, (10, 12))
    found = talk.read()
    assert found.ways[0].resent_count == 2
    assert proofs(found) == [Proof.TWICE, Proof.TWICE]
    assert causes(found) == {Cause.REORDERING}


def test_ranges_are_taken_out_of_ranges() -> None:
    found = Ranges()
    for start in (0, 20, 40):
        found.add(start, start + 10)
    assert found.covers(20, 30)
    assert found.covers(22, 25)
    assert not found.covers(5, 25)
    assert not found.covers(60, 70)
    found.remove(10, 20)
    assert len(found) == 3
    found.remove(5, 42)
    assert not found.touches(5, 42)
    assert (found.covers(0, 5), found.covers(42, 50), len(found)) == (True, True, 2)
    found.remove(43, 44)
    assert len(found) == 3
    found.remove(0, 100)
    assert not found

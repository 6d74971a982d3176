"""What a sender waited for, where it is easily mistaken."""

from __future__ import annotations

import pytest

from hythe.view.analysis.findings import Cause, findings
from hythe.view.analysis.waits import Reason
from tests.view.analysis.talk import FULL, Talk


@pytest.mark.parametrize(("size", "cause"), [(1_280, Cause.SLOW_READER), (300, Cause.SLOW_SENDER)])
def test_what_fills_a_window_too_small_for_a_segment_had_waited_for_it(size: int, cause: Cause) -> None:
    """A sender leaves such room unused for a while (RFC 9293, 3.8.6.2.1). What does not fill it was written late."""
    talk = Talk()
    for turn in range(5):  # nobody reads: the window's edge hardly moves
        talk.trickle(25 + 25 * turn, turn * FULL, FULL, 50 - 10 * turn, stamp=25 + 25 * turn)
    for turn in range(6):
        talk.trickle(430 + 280 * turn, 5 * FULL + size * turn, size, 10, stamp=430 + 280 * turn)
    found = talk.read()
    assert [each.cause for each in findings(found) if each.problem] == [cause]
    spent = found.ways[0].waits.spent
    assert spent[Reason.APPLICATION if cause is Cause.SLOW_READER else Reason.READER] == 0


@pytest.mark.parametrize(("late", "cause"), [(6, Cause.SLOW_READER), (250, Cause.SLOW_SENDER)])
def test_until_there_is_room_the_window_is_waited_for(late: int, cause: Cause) -> None:
    """A window that opens after 100 ms, and is used 6 ms later, was what was waited for; 250 ms later the program was."""
    talk, at = Talk(), 150
    for turn in range(5):
        talk.trickle(25 + 25 * turn, turn * FULL, FULL, 50 - 10 * turn, stamp=25 + 25 * turn)
    for turn in range(6):
        start = (5 + turn) * FULL
        talk.update(at + 100, start, 20, echo=125)
        talk.trickle(at + 100 + late, start, FULL, 10, stamp=at + 100 + late)
        at += 120 + late
    assert [each.cause for each in findings(talk.read()) if each.problem] == [cause]

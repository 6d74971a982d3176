"""`hythe why` on captures of Linux speaking with Linux, at either end: the twelve situations, and each without its fault.

The wire between them is the fault link's, in real time.
"""

from __future__ import annotations

import pytest

from hythe.view.analysis.conversation import Conversation
from hythe.view.analysis.findings import Cause, findings
from hythe.view.analysis.words import report
from tests import needs
from tests.gateway.test_run_why import SITUATIONS, Situation, name, takes
from tests.view.analysis.linux import run
from tests.view.analysis.situations import SITUATIONS as OURS

#: What the server's capture cannot show, what was lost before it came there; or not whole: that it was the last.
NEAR_ALONE = frozenset(each.cause for each in OURS if each.seen == (0,))
IN_PART = {Cause.TAIL_LOSS: Cause.LOSS}
QUICK = frozenset({Cause.REFUSED})


def problems(conversation: Conversation) -> list[tuple[Cause, int]]:
    return [(each.cause, each.way) for each in findings(conversation) if each.problem]


def check(one: Situation) -> None:
    # The machine's own congestion control may look at delay, and fill no queue: BBR, CUBIC's HyStart.
    congestion = "reno" if one.cause is Cause.BUFFERBLOAT else ""
    for place, found in enumerate(run(one.serve, one.client, one.fault, buffer=one.buffer, congestion=congestion)):
        told = problems(found)
        if place and one.cause in NEAR_ALONE:
            assert told in ([], [(IN_PART.get(one.cause), one.way)]), list(report(found))
        else:
            assert told == [(one.cause, one.way)], (place, list(report(found)))
    for found in run(one.calm_serve or one.serve, one.calm_client or one.client):
        assert not problems(found), list(report(found))


@pytest.mark.parametrize("situation", [each for each in SITUATIONS if each.cause in QUICK], ids=name)
def test_the_right_cause_between_two_kernels(situation: Situation) -> None:
    needs.root()
    check(situation)


@pytest.mark.slow
@pytest.mark.alone  # what it measures is time
@pytest.mark.parametrize("situation", [each for each in SITUATIONS if each.cause not in QUICK], ids=name)
def test_the_right_cause_between_two_kernels_at_length(situation: Situation) -> None:
    needs.root()
    check(situation)


@pytest.mark.slow
def test_a_router_that_says_what_its_link_takes_is_heard_and_nothing_is_wrong() -> None:
    needs.root()
    near, _ = run(takes, "send 200000 end read 0", path_mtu=1_400)
    told = findings(near)
    assert [(each.cause, each.way, each.problem, each.figures[0]) for each in told if each.cause is Cause.PATH_MTU] == [
        (Cause.PATH_MTU, 0, False, 1_400)
    ], list(report(near))
    assert not problems(near), list(report(near))
    assert "198.51.100.7 says of packet" in "\n".join(report(near))

"""The scoreboard against a model that keeps a note for every octet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hythe.tcp.recovery import Scoreboard

MSS = 10


def board(*ends: int) -> Scoreboard:
    """Records from 0 to each end in turn, sent at 1, 2, 3 …"""
    scoreboard = Scoreboard()
    start = 0
    for index, end in enumerate(ends):
        scoreboard.sent(start, end, index + 1)
        start = end
    return scoreboard


def spans(scoreboard: Scoreboard) -> list[tuple[int, int, bool]]:
    return [(record.start, record.end, record.sacked) for record in scoreboard.records]


def test_acked_gives_the_newest_send_time() -> None:
    assert board(10, 20, 30).acked(20) == 2
    assert board(10, 20, 30).acked(25) == 3


def test_acked_gives_none_when_anything_was_resent() -> None:
    scoreboard = board(10, 20)
    scoreboard.declare_head(MSS)
    lost = scoreboard.next_lost()
    assert lost is not None
    scoreboard.take(lost, 10, 50)
    assert scoreboard.acked(20) == -1
    assert (scoreboard.lost, scoreboard.resent) == (0, 0)


def test_sacked_runs_melt() -> None:
    scoreboard = board(10, 20, 30, 40, 50)
    assert scoreboard.mark_sacked([(12, 18), (25, 35)]) == (16, 4)
    assert spans(scoreboard) == [
        (0, 10, False), (10, 12, False), (12, 18, True), (18, 20, False), (20, 25, False), (25, 35, True),
        (35, 40, False), (40, 50, False),
    ]  # fmt: skip
    assert scoreboard.mark_sacked([(18, 25)]) == (7, 3)
    assert spans(scoreboard)[2] == (12, 35, True)
    assert scoreboard.mark_sacked([(14, 30)]) == (0, -1)


def test_detect_by_octets_and_by_runs() -> None:
    scoreboard = board(100)
    scoreboard.mark_sacked([(10, 30)])
    assert scoreboard.detect(MSS, 3) == 0
    scoreboard.mark_sacked([(30, 31)])
    assert scoreboard.detect(MSS, 3) == 10
    assert scoreboard.detect(MSS, 3) == 0
    scoreboard = board(100)
    scoreboard.mark_sacked([(10, 12), (20, 22), (30, 32)])
    assert scoreboard.detect(MSS, 3) == 10


def test_take_splits_and_the_rest_waits() -> None:
    scoreboard = board(100)
    scoreboard.declare_all()
    first = scoreboard.next_lost()
    assert first is not None
    scoreboard.take(first, 30, 7)
    second = scoreboard.next_lost()
    assert second is not None
    assert (first.start, first.end, second.start, second.end) == (0, 30, 30, 100)
    assert scoreboard.pipe(100) == 30


def test_declare_all_believes_sack_unless_it_was_broken() -> None:
    scoreboard = board(100)
    scoreboard.mark_sacked([(50, 60)])
    scoreboard.declare_all()
    assert (scoreboard.lost, scoreboard.sacked) == (90, 10)
    scoreboard.acked(50)
    scoreboard.declare_all()
    assert (scoreboard.lost, scoreboard.sacked) == (50, 0)


def test_presumed_never_exceeds_what_is_out() -> None:
    scoreboard = board(50)
    for _ in range(20):
        scoreboard.presume(MSS, 50)
    assert scoreboard.sacked == 40
    scoreboard.acked(30)
    scoreboard.unpresume(30, MSS, 20)
    assert scoreboard.sacked == 20


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 60), st.just(0)),
        st.tuples(st.just("ack"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("sack"), st.integers(0, 150), st.integers(1, 40)),
        st.tuples(st.just("resend"), st.integers(1, 30), st.just(0)),
        st.tuples(st.just("timeout"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_counters_agree_with_a_note_for_every_octet(steps: list[tuple[str, int, int]]) -> None:
    scoreboard = Scoreboard()
    una = nxt = 0
    sacked: set[int] = set()
    for now, (what, first, second) in enumerate(steps):
        if what == "send":
            scoreboard.sent(nxt, nxt + first, now)
            nxt += first
        elif what == "ack" and nxt > una:
            una = min(una + first, nxt)
            scoreboard.acked(una)
        elif what == "sack" and nxt > una:
            left = una + 1 + first
            right = min(left + second, nxt)
            if left < right:
                new = set(range(left, right)) - sacked
                assert scoreboard.mark_sacked([(left, right)])[0] == len(new)
                sacked |= new
                scoreboard.detect(MSS, 3)
        elif what == "resend" and (lost := scoreboard.next_lost()) is not None:
            scoreboard.take(lost, min(first, lost.end - lost.start), now)
        elif what == "timeout":
            if scoreboard.records and scoreboard.records[0].sacked:
                sacked.clear()
            scoreboard.declare_all()
        sacked = {at for at in sacked if at >= una}
        _agree(scoreboard, una, nxt, sacked)


def _agree(scoreboard: Scoreboard, una: int, nxt: int, sacked: set[int]) -> None:
    records = scoreboard.records
    assert [record.start for record in records] == ([una] + [record.end for record in records])[: len(records)]
    assert not records or records[-1].end == nxt
    assert {at for record in records if record.sacked for at in range(record.start, record.end)} == sacked
    assert scoreboard.sacked == len(sacked)
    assert scoreboard.lost == sum(record.end - record.start for record in records if record.lost)
    assert scoreboard.resent == sum(record.end - record.start for record in records if record.in_flight_again)
    waiting = [record for record in records if record.lost and not record.in_flight_again]
    assert scoreboard.next_lost() is (waiting[0] if waiting else None)
    # RFC 6675, IsLost, by definition.
    for record in records:
        above = [other for other in records if other.sacked and other.start >= record.end]
        size = sum(other.end - other.start for other in above)
        if not record.sacked and not record.resent and above and (size > 2 * MSS or len(above) >= 3):
            assert record.lost

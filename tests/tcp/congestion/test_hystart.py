"""RFC 9406: HyStart++, round by round."""

from __future__ import annotations

from hythe.tcp.congestion.cubic import Cubic
from hythe.tcp.congestion.hystart import HyStart
from hythe.units import MILLISECOND

MSS = 1_000


def play(hystart: HyStart, rtts: list[float], samples: int = 8, apart: float = 3, *, bursts: bool = True) -> None:
    """A round trip each of so many milliseconds, its ACKs so many milliseconds `apart`."""
    for rtt in rtts:
        start = max(hystart._end, 0)
        now = hystart._train_at + 100 * MILLISECOND
        for index in range(samples):
            at = now + int(index * apart * MILLISECOND)
            hystart.sample(int(rtt * MILLISECOND), start + 1 + index, start + 1_000, at, bursts=bursts)


def test_4_2_a_longer_round_trip_makes_careful() -> None:
    hystart = HyStart()
    play(hystart, [50, 50])
    assert not hystart.conservative
    play(hystart, [56.25])  # the threshold is an eighth, between 4 and 16 ms
    assert hystart.conservative


def test_4_2_a_little_longer_does_not() -> None:
    hystart = HyStart()
    play(hystart, [50, 56.2])
    assert not hystart.conservative
    hystart = HyStart()
    play(hystart, [1, 4.9])
    assert not hystart.conservative


def test_4_2_nor_do_too_few_samples() -> None:
    hystart = HyStart()
    play(hystart, [50, 50])
    play(hystart, [200], samples=7)
    assert not hystart.conservative


def test_4_2_a_false_alarm_is_forgotten() -> None:
    hystart = HyStart()
    play(hystart, [50, 80])
    assert hystart.conservative
    play(hystart, [60])
    assert not hystart.conservative


def test_4_2_after_five_careful_rounds_slow_start_is_over() -> None:
    hystart = HyStart()
    play(hystart, [50, 80, 81, 82, 83, 84])
    assert not hystart.over
    play(hystart, [85])
    assert hystart.over


def test_rfc9438_4_10_a_train_of_acks_half_a_round_trip_long_makes_careful() -> None:
    hystart = HyStart()
    play(hystart, [50, 50], samples=26, apart=1)
    assert not hystart.conservative
    play(hystart, [50], samples=27, apart=1)
    assert hystart.conservative


def test_a_train_and_then_a_longer_round_trip_are_the_end() -> None:
    hystart = HyStart()
    play(hystart, [50, 50, 50], samples=27, apart=1)
    play(hystart, [56.2])
    assert hystart.conservative
    assert not hystart.over
    play(hystart, [56.25])
    assert hystart.over


def test_4_2_two_longer_round_trips_are_not() -> None:
    hystart = HyStart()
    play(hystart, [50, 57, 64, 80])
    assert hystart.conservative
    assert not hystart.over


def test_acks_that_are_not_close_are_no_train() -> None:
    hystart = HyStart()
    play(hystart, [50, 50], samples=60, apart=2.1)
    assert not hystart.conservative


def test_a_paced_sender_sees_its_own_trains() -> None:
    hystart = HyStart()
    play(hystart, [50, 50], samples=60, apart=1, bursts=False)
    assert not hystart.conservative


def test_a_short_path_has_no_use_for_trains() -> None:
    hystart = HyStart()
    play(hystart, [3, 3], samples=60, apart=1)
    assert not hystart.conservative


def test_rfc9438_4_9_what_was_needless_did_not_end_the_watch() -> None:
    cubic = Cubic(MSS, 10)
    watch = cubic.hystart
    cubic.lost(0, 10 * MSS)
    cubic.undo()
    assert cubic.hystart is watch


def test_a_controller_grows_a_quarter_as_fast_and_then_leaves_slow_start() -> None:
    cubic = Cubic(MSS, 10)
    una = 0
    for rtt in (50, 50, 80, 80, 80, 80, 80, 80):
        nxt = una + 1_000
        for _ in range(8):
            una += 125
            cubic.watch(rtt * MILLISECOND, una, nxt, una * MILLISECOND, bursts=True)
        before = cubic.cwnd
        hystart = cubic.hystart
        cubic.acked(4_000, 0, 50 * MILLISECOND)
        if hystart is not None and hystart.conservative:
            assert cubic.cwnd - before == 1_000
    nxt = una + 1_000
    cubic.watch(80 * MILLISECOND, una + 1, nxt, una * MILLISECOND, bursts=True)
    assert cubic.hystart is None
    assert cubic.ssthresh <= cubic.cwnd


def test_4_3_a_loss_ends_the_watch() -> None:
    cubic = Cubic(MSS, 10)
    cubic.lost(0, 10 * MSS)
    assert cubic.hystart is None

"""How long to wait before the next attempt."""

from __future__ import annotations

from random import Random

from hythe.forward.watch import CAP, CAP_LONG, FIRST, LONG, Backoff


def test_delays_double_to_a_cap_with_jitter(rng: Random) -> None:
    backoff = Backoff(rng)
    delays = [backoff.next() for _ in range(20)]
    for number, delay in enumerate(delays):
        whole = min(CAP, FIRST * 2**number)
        assert whole / 2 <= delay <= whole
    assert len(set(delays)) == len(delays)


def test_after_a_long_time_it_is_tried_less_often(rng: Random) -> None:
    backoff = Backoff(rng)
    for _ in range(int(LONG / CAP) + 10):
        backoff.next()
    assert all(CAP_LONG / 2 <= backoff.next() <= CAP_LONG for _ in range(20))

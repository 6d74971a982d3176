"""The challenge ACKs of a whole host (RFC 5961, 7)."""

from __future__ import annotations

from random import Random

from hythe.tcp.challenges import ChallengeLimit
from hythe.units import SECOND


def sent(limit: ChallengeLimit, second: int) -> int:
    return sum(limit.allows(second * SECOND + step) for step in range(5_000))


def test_a_second_has_about_its_limit_and_nobody_knows_exactly(rng: Random) -> None:
    limit = ChallengeLimit(1_000, rng)
    counts = [sent(limit, second) for second in range(50)]
    assert all(500 <= count <= 1_500 for count in counts)
    assert len(set(counts)) > 40
    assert 800 < sum(counts) / 50 < 1_200


def test_no_limit_of_zero_means_none_at_all(rng: Random) -> None:
    assert sent(ChallengeLimit(0, rng), 1) == 0

"""Round ticks, and lengths of time in three figures."""

from __future__ import annotations

from random import Random

import pytest

from hythe.view.waterfall.axis import spell, ticks


@pytest.mark.parametrize(
    ("seconds", "most", "marks"),
    [
        (0.4279, 3, "0, 200 ms, 400 ms"),
        (0.4279, 6, "0, 100 ms, 200 ms, 300 ms, 400 ms"),
        (10.0, 5, "0, 2 s, 4 s, 6 s, 8 s, 10 s"),
        (1.3334, 4, "0, 500 ms, 1 s"),
        (0.001, 4, "0, 500 µs, 1 ms"),
        (7200.0, 3, "0, 2000 s, 4000 s, 6000 s"),
    ],
)
def test_ticks_are_round(seconds: float, most: int, marks: str) -> None:
    assert ", ".join(map(spell, ticks(seconds, most))) == marks


def test_there_is_more_than_one_and_none_too_many(rng: Random) -> None:
    for _ in range(500):
        seconds, most = 10 ** rng.uniform(-3, 5), rng.randrange(3, 12)
        found = ticks(seconds, most)
        assert 2 <= len(found) <= most + 1
        assert 0 == found[0] < found[-1] <= seconds * (1 + 1e-6)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (87e-6, "87 µs"),
        (0.3e-6, "0.3 µs"),
        (0.00142, "1.42 ms"),
        (0.35, "350 ms"),
        (0.1002, "100 ms"),
        (0.99961, "1 s"),
        (3.1, "3.1 s"),
        (12.34, "12.3 s"),
        (99.96, "100 s"),
        (1234.5, "1234 s"),
    ],
)
def test_lengths_have_three_figures(seconds: float, text: str) -> None:
    assert spell(seconds) == text

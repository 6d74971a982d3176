"""The waterfall for a terminal."""

from __future__ import annotations

import os
import re
from itertools import pairwise

import pytest

from hythe.view.waterfall.model import waterfall
from hythe.view.waterfall.text import drawn, terminal
from tests.view.waterfall.sessions import ALL, BEGAN, FULL, NOW, QUERIES, called

FOUND = waterfall(ALL, QUERIES, BEGAN, NOW)


def test_bars_stand_where_things_happened() -> None:
    lines = drawn(waterfall([FULL], QUERIES[:2], BEGAN, NOW), 80).splitlines()
    bar = lines[1][len("www.example:443  ") :]
    room = 80 - len("www.example:443") - 2
    for kind, at in (("d", 0.8), ("s", 1.35), ("w", 1.75), ("!", 2.7), ("#", 3.35), (".", 3.8)):
        assert bar[int(at / 4 * room)] == kind, (kind, bar)
    assert "wait 500 ms" in "\n".join(lines)
    assert "TLS 1.3 for www.example, h2 or http/1.1 offered" in "\n".join(lines)


@pytest.mark.parametrize("width", [64, 80, 132])
def test_it_fits_and_tells_the_same_without_colour(width: int) -> None:
    plain, coloured = drawn(FOUND, width), drawn(FOUND, width, colour=True)
    assert all(len(line) <= width for line in plain.splitlines())
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain
    assert "\x1b[31m" in coloured
    for part in ("connection refused", "no such name", "udp www", "<- 127", "> still open", "curl[4321]"):
        assert part in plain
    assert plain.splitlines()[-1].startswith("4 connections in 10 s, ")


@pytest.mark.parametrize("width", [50, 80, 132, 200])
def test_the_axis_has_round_marks_where_they_belong(width: int) -> None:
    first, second = drawn(FOUND, width).splitlines()[:2]
    left = len(first) - len(first.lstrip())
    marks = [(each.start() - left, each[1]) for each in re.finditer(r"\|(\d+)(?: s)?(?= |$)", first)]
    assert marks[0] == (0, "0")
    room = width - left
    for column, seconds in marks:
        assert column == int(int(seconds) / FOUND.seconds * room)
    steps = {int(after) - int(before) for (_, before), (_, after) in pairwise(marks)}
    assert len(marks) >= 2
    assert len(steps) == 1
    assert steps <= {1, 2, 5}
    assert second.startswith("www.example:443")


def test_long_names_lack_their_middle_and_strange_ones_move_no_cursor() -> None:
    long = called(FULL, "a-very-long-name-of-some-service.eu-central-1.provider.example")
    first = drawn(waterfall([long], (), BEGAN, NOW), 80).splitlines()[1].split()[0]
    assert re.fullmatch(r"a-very.*….*rovider\.example:443", first)
    assert "\x1b" not in drawn(waterfall([called(FULL, "\x1b[2Jx")], (), BEGAN, NOW), 80)


def test_nothing_is_said_in_a_sentence() -> None:
    assert drawn(waterfall((), (), BEGAN, NOW)) == "no connections\n"


def test_what_is_no_terminal_has_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = os.openpty()
    try:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert terminal(far)[1]
        monkeypatch.setenv("NO_COLOR", "1")
        assert not terminal(far)[1]
        reading, writing = os.pipe()
        assert not terminal(writing)[1]
        os.close(reading)
        os.close(writing)
    finally:
        os.close(near)
        os.close(far)

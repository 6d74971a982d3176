"""The pictures of docs/plot.md are what hythe draws today; HYTHE_PICTURES=1 draws them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hythe.link.faults import NthLoss, Plan
from hythe.units import KIB, MILLISECOND
from hythe.view.analysis.conversation import Conversations
from hythe.view.plot.graph import graph
from hythe.view.plot.image import draw
from tests.view.analysis.stage import Play, Program, packets

DOCS = Path(__file__).parents[3] / "docs"
#: 60 KiB over a path of 8 Mbit/s that loses the twentieth packet.
PLAY = Play(
    lambda: Program([(0, 60 * KIB)]),
    lambda: Program(ends=False),
    Plan(delay=10 * MILLISECOND, rate=8_000_000, loss=NthLoss(frozenset({20}))),
    Plan(delay=10 * MILLISECOND),
)


@pytest.mark.parametrize("name", ["sequence", "flight"])
def test_a_picture_is_as_it_would_be_drawn(name: str, tmp_path: Path) -> None:
    conversation = Conversations({0}).read(packets(PLAY.run(1)[0])).all[0]
    target = DOCS / f"plot-{name}.svg"
    if os.environ.get("HYTHE_PICTURES"):
        draw([graph(conversation, 0, name)], str(target), "svg")
    draw([graph(conversation, 0, name)], str(tmp_path / "now.svg"), "svg")
    assert (tmp_path / "now.svg").read_bytes() == target.read_bytes()

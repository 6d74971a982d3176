"""How high a picture reaches, and what its key says of what is above it."""

from __future__ import annotations

import pytest

from hythe.view.plot.graph import BARS, STEPS, Graph, Layer, legend, top

DATA = Layer("data", BARS, "data", [(0.0, 0, 20_000), (1.0, 20_000, 40_000)])


@pytest.mark.parametrize(
    ("window", "height", "key"),
    [
        (100_000, 105_000, "window"),
        (500_000, 52_000, "window (up to 500,000, above)"),
    ],
)
def test_a_window_that_is_far_above_does_not_press_the_rest_flat(window: int, height: float, key: str) -> None:
    edge = Layer("window", STEPS, "window", [(0.0, window / 2), (1.0, window)])
    drawn = Graph("", "", [edge, DATA])
    assert top(drawn) == pytest.approx(height)
    assert (legend(drawn, edge), legend(drawn, DATA)) == (key, "data")


def test_a_window_alone_is_seen() -> None:
    edge = Layer("window", STEPS, "window", [(0.0, 65_535)])
    assert top(Graph("", "", [edge])) > 65_535
    assert legend(Graph("", "", [edge]), edge) == "window"

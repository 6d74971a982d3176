"""The page of `hythe plot` in a browser: it fetches nothing, has no error, draws, and zooms by keys."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from hythe.view.analysis.conversation import Conversations
from hythe.view.analysis.findings import Cause
from hythe.view.plot.graph import KINDS, Graph, graph
from hythe.view.plot.page import page
from tests import needs
from tests.view.analysis.situations import SITUATIONS
from tests.view.analysis.stage import packets

#: Presses keys in the page once all is drawn, and puts what came of it where the test finds it.
WATCH = """
window.addEventListener('error', event => document.body.setAttribute('data-error', event.message));
window.addEventListener('load', function press() {
  const inked = canvas => {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum = (sum * 31 + data[at] * 7 + data[at + 1] * 3 + data[at + 3]) % 1000003;
    return sum;
  };
  const canvases = [...document.querySelectorAll('canvas')];
  if (!canvases.every(inked)) return setTimeout(press, 20);
  const found = canvases.map(canvas => {
    const key = name => canvas.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
    const before = inked(canvas); key('+'); const nearer = inked(canvas); key('0');
    return [before, nearer, inked(canvas)];
  });
  document.body.setAttribute('data-found', JSON.stringify(found));
});
"""


def graphs(kinds: tuple[str, ...] = tuple(KINDS)) -> list[Graph]:
    file = next(each.play for each in SITUATIONS if each.cause is Cause.TAIL_LOSS).run(1)[0]
    conversation = Conversations({0}).read(packets(file)).all[0]
    return [graph(conversation, 0, kind) for kind in kinds]


def watched(text: str) -> str:
    """The page with that script in it, which its policy would not allow."""
    return text.replace("script-src 'sha256-", "script-src 'unsafe-inline' 'x-", 1).replace(
        "<head>", f"<head><script>{WATCH}</script>", 1
    )


def test_a_browser_draws_it_and_zooms(tmp_path: Path) -> None:
    (tmp_path / "plot.html").write_text(watched(page(graphs())))
    command = [
        needs.program("chromium"),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/profile",
        "--virtual-time-budget=4000",
        "--dump-dom",
        f"file://{tmp_path}/plot.html",
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    assert not re.search(r"<body[^>]*data-error", dom), dom[:2_000]
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found is not None, dom[:2_000]
    drawn = json.loads(found[1])
    assert len(drawn) == len(KINDS)
    for before, nearer, again in drawn:
        assert before != nearer
        assert again == before


def test_it_fetches_nothing() -> None:
    text = page(graphs())
    assert "default-src 'none'" in text
    assert not re.search(r"(?:src|href)=|https?:|@import|url\(", text)


def test_names_of_a_capture_cannot_leave_the_data() -> None:
    (one,) = graphs(("sequence",))
    one.layers[0].name = "</script><b>"
    assert "</script><b>" not in page([one])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_marks_in_the_order_of_time(kind: str) -> None:
    (one,) = graphs((kind,))
    for layer in one.layers:
        times = [each[0] for each in layer.marks]
        assert times == sorted(times)
        assert min(times) >= 0

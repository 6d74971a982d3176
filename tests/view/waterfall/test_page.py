"""The waterfall as a page, in a browser: bars where they belong, zoomed by keys, filtered, opened, without an error."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from hythe.view.waterfall.model import waterfall
from hythe.view.waterfall.page import page
from tests import needs
from tests.view.waterfall.sessions import ALL, BEGAN, FULL, NOW, QUERIES, called

if TYPE_CHECKING:
    from pathlib import Path

#: Before the page's own script: errors are kept, and later the page is used as its reader would.
WATCH = """
const note = (name, value) => document.documentElement.setAttribute('data-' + name, value);
addEventListener('error', event => note('error', event.message));
addEventListener('securitypolicyviolation', event => note('error', event.violatedDirective));
addEventListener('load', () => {
  const rows = [...document.querySelectorAll('tbody tr')], found = {};
  const place = kind => {
    const track = rows[0].querySelector('.track').getBoundingClientRect(), part = rows[0].querySelector('.part.' + kind);
    const box = part.getBoundingClientRect();
    return [(box.left - track.left) / track.width, (box.right - track.left) / track.width];
  };
  const key = name => document.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
  found.whole = place('stall');
  const marks = () => [...document.querySelectorAll('.axis span')].map(each => each.textContent);
  found.marks = marks();
  key('+'); found.nearer = place('stall'); found.nearerMarks = marks();
  key('ArrowRight'); found.moved = place('stall');
  key('0'); found.again = place('stall');
  const filter = document.querySelector('input');
  filter.value = 'nowhere'; filter.dispatchEvent(new Event('input'));
  found.filtered = rows.filter(row => !row.hidden).length;
  found.told = document.querySelector('output').textContent;
  filter.value = ''; filter.dispatchEvent(new Event('input'));
  rows[0].querySelector('summary').click();
  found.opened = rows[0].querySelector('details').open && rows[0].querySelector('ol').innerText;
  found.unnamed = document.querySelectorAll('button:empty, th:empty').length;
  note('found', JSON.stringify(found));
});
"""


def test_a_browser_draws_zooms_and_filters_it(tmp_path: Path) -> None:
    text = page(waterfall(ALL, QUERIES, BEGAN, NOW), "hythe run: curl https://www.example/")
    text = text.replace("script-src 'sha256-", "script-src 'unsafe-inline' 'x-", 1)
    (tmp_path / "waterfall.html").write_text(text.replace("<head>", f"<head><script>{WATCH}</script>", 1))
    options = "--headless --no-sandbox --disable-gpu --window-size=1200,800 --virtual-time-budget=4000 --dump-dom"
    command = [needs.program("chromium"), *options.split(), f"--user-data-dir={tmp_path}/profile"]
    ran = subprocess.run(
        [*command, f"file://{tmp_path}/waterfall.html"], capture_output=True, text=True, timeout=100, check=True
    )
    assert "data-error" not in ran.stdout.partition("<head")[0]
    told = re.search(r'data-found="([^"]*)"', ran.stdout)
    assert told is not None, ran.stdout[:2_000]
    found = json.loads(told[1].replace("&quot;", '"'))
    assert found["whole"] == pytest.approx([0.22, 0.32], abs=0.01)  # the stall, from 2.2 to 3.2 of ten
    assert found["nearer"] == pytest.approx([-0.06, 0.14], abs=0.01)  # of 2.5 to 7.5
    assert found["marks"] == ["0", "2 s", "4 s", "6 s", "8 s", "10 s"]
    assert found["nearerMarks"] == ["3 s", "4 s", "5 s", "6 s", "7 s"]
    assert found["moved"][0] < found["nearer"][0]
    assert found["again"] == found["whole"]
    assert (found["filtered"], found["told"]) == (1, "1 of 5 lines")
    assert "waiting for the first byte of www.example" in found["opened"]
    assert found["unnamed"] == 0


def test_it_fetches_nothing_and_names_cannot_leave_their_place() -> None:
    text = page(waterfall([called(FULL, '"><script>alert(1)</script>')], (), BEGAN, NOW), "hythe run: <b>")
    assert "default-src 'none'" in text
    assert not re.search(r"(?:src|href)=|https?:|@import|url\(", text)
    assert "<script>alert" not in text
    assert "<b>" not in text

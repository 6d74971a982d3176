"""The pictures of docs/dashboard.md are made here, of a session that goes on: HYTHE_PICTURES=docs writes them anew.

HYTHE_PICTURES=docs .venv/bin/python -m pytest tests/dashboard/test_pictures.py
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests import needs
from tests.dashboard.conftest import talking

if TYPE_CHECKING:
    from tests.dashboard.browser import Browser, Page
    from tests.dashboard.conftest import Dashboard

SIZE = (1320, 800)
#: Colours of a picture: enough for text and lines, and a quarter of the bytes.
COLOURS = 96
BYTES_MAX = 80_000


def keep(page: Page, name: str) -> None:
    """Take a picture; it shows something, in few bytes."""
    page.browser.hear(0.5)
    made = Image.open(io.BytesIO(page.picture())).convert("RGB")
    assert made.size == SIZE
    small = made.quantize(COLOURS, Image.Quantize.FASTOCTREE)
    assert len(small.getcolors() or ()) > 8, "it is blank"
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    assert len(out.getvalue()) < BYTES_MAX
    folder = os.environ.get("HYTHE_PICTURES")
    if folder:
        (Path(folder) / f"dashboard-{name}.png").write_bytes(out.getvalue())


@pytest.mark.slow
def test_pictures(browser: Browser, dashboard: Dashboard, echo: int) -> None:
    needs.network()
    options = ("--delay", "10ms", "--down-loss", "3%", "--seed", "7")
    with talking("shop", echo, 14, *options) as talker, browser.page(dashboard.address(), *SIZE) as page:
        page.scheme("light")
        page.run("location.hash = '#/s/shop/waterfall'")  # the first look, so that what comes is noted
        page.until("document.querySelectorAll('#falls [role=option]').length >= 14")
        page.run("location.hash = '#/s/shop/connections'")
        page.until("document.querySelectorAll('.grid .row:not([hidden])').length >= 14")
        page.click("#record")
        page.until("document.querySelector('#shown').textContent.endsWith('packets are recorded')")
        for _ in range(6):
            talker.open()
            page.browser.hear(0.7)
        page.browser.hear(8.0)
        page.click('[data-sort="up_rate"]')
        keep(page, "connections-light")
        page.scheme("dark")
        # Some lost their first packets: the next then.
        for number in range(15, 21):
            page.run(f"location.hash = '#/s/shop/connections/{number}'")
            page.until(f"document.querySelector('h1').textContent === 'Connection {number}'")
            page.until("document.querySelector('#packet-3')")
            if "SYN ACK" in page.text("#packet-2"):
                break
        page.run("document.getElementById('diagram').focus()")
        page.key("ArrowDown")
        page.key("ArrowDown")
        page.until("document.querySelector('#layers h2').textContent.startsWith('2. SYN/ACK')")
        page.run("window.scrollTo(0, 0)")
        keep(page, "connection-dark")
        page.scheme("light")
        page.click("#tab-graph")
        page.until("document.querySelector('#graph canvas').width > 0")
        page.run("window.scrollTo(0, 0)")
        keep(page, "graph-light")
        page.run("location.hash = '#/s/shop/waterfall'")
        page.until("document.querySelectorAll('#falls [role=option]').length >= 20")
        page.run("document.getElementById('falls').focus()")
        page.key("End")
        page.scheme("dark")
        keep(page, "waterfall-dark")
        page.scheme("light")
        page.run("location.hash = '#/s/shop/faults'")
        page.until("document.querySelector('#words').textContent.includes('loss')")
        keep(page, "faults-light")
        page.scheme("dark")
        page.run("location.hash = '#/s/shop'")
        page.until("document.querySelector('.chart canvas').width > 0")
        keep(page, "overview-dark")
        assert not page.complaints

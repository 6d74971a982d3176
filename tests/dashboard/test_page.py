"""The page in a browser: every view opened, clicked through, and compared with what the session's API says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests import needs
from tests.dashboard.conftest import talking

if TYPE_CHECKING:
    from tests.dashboard.browser import Browser, Page
    from tests.dashboard.conftest import Dashboard


def cells(page: Page, number: int) -> list[str]:
    """What the table's row of a connection says."""
    row = f"""[...document.querySelectorAll('.grid .row:not([hidden])')].find((each) => each.dataset.id === "{number}")"""
    found: list[str] = page.until(f"[...{row}.children].map((each) => each.textContent)")
    return found


def go(page: Page, name: str, *rest: str) -> None:
    """To a view."""
    page.run(f"location.hash = {json.dumps('#/s/' + '/'.join((name, *rest)))}")


def test_a_session_is_looked_at_and_changed(browser: Browser, dashboard: Dashboard, echo: int, name: str) -> None:
    needs.network()
    with browser.page(dashboard.address()) as page:
        page.until("document.querySelector('h1').textContent === 'Sessions'")
        with talking(name, echo) as talker:
            session = talker.session
            # The list, and the session by a click; the key has gone from the address.
            page.click(f'a[href="#/s/{name}"]')
            page.until("document.querySelector('#total-open').textContent === '3'")
            assert "key" not in page.run("location.href")
            about = session.about()
            assert str(about.pid) in page.text("#state")
            assert page.text("#total-connections") == str(about.totals.connections)
            page.until("document.querySelector('.chart canvas').width > 0")

            # The table: each connection as the API has it.
            page.click(f'a[href="#/s/{name}/connections"]')
            page.until("document.querySelectorAll('.grid .row:not([hidden])').length === 3")
            for each in session.connections(processes=True):
                told = cells(page, each.id)
                assert told[1] == each.protocol
                assert told[2] == f"{each.inside.address}:{each.inside.port} →"
                assert told[3] == f"host.hythe.internal ({each.remote.address}:{each.remote.port})"
                assert told[5] == each.state
                assert each.process is not None
                page.until(
                    f"document.querySelector('[data-id=\"{each.id}\"]').children[4].textContent.includes('({each.process.pid})')"
                )
            page.until("document.querySelector('[data-id=\"1\"]').children[6].textContent.endsWith('/s')")

            # With packets recorded, a new connection has its handshake, and each packet its layers.
            page.click("#record")
            new = recorded(page, name, talker.open)
            page.until("document.querySelector('#packet-1')?.textContent.includes('1. SYN')")
            page.until("document.querySelector('#packet-3')?.textContent.includes('3. ACK 1')")
            page.until("document.querySelector('#packet-4').ariaLabel.includes('data 1-5')")
            page.run("document.getElementById('diagram').focus()")
            page.key("ArrowDown")
            page.until("document.querySelector('#layers').textContent.includes('3-way handshake (SYN)')")
            page.key("ArrowDown")
            page.until("document.querySelector('#layers h2').textContent.startsWith('2. SYN/ACK')")

            # It is reset, after a question.
            page.click("#kill")
            page.click("#yes")
            page.until("document.querySelector('#kill').disabled")
            assert session.connection(new).connection.ended is not None
            assert not page.complaints
        page.until("document.querySelector('#state').dataset.state === 'ended'")
        assert "has ended" in page.text("#state")
        # Another of the same name is shown as soon as it is there.
        with talking(name, echo, 2):
            page.until("document.querySelector('#state').dataset.state === 'running'")
            go(page, name)
            page.until("document.querySelector('#total-open').textContent === '2'")
        assert not page.complaints
        assert all(each.startswith(dashboard.origin) for each in page.requests), page.requests


def recorded(page: Page, name: str, begin: object) -> int:
    """Begin a connection once packets are recorded, and open it in the page; its number."""
    assert callable(begin)
    page.until("document.querySelector('#record').checked")
    page.browser.hear(1.0)
    begin()
    rows = "[...document.querySelectorAll('.grid .row:not([hidden])')]"
    number: int = page.until(f"{rows}.map((each) => Number(each.dataset.id)).find((each) => each > 3)")
    page.click(f'[data-id="{number}"]')
    page.until(f"document.querySelector('h1').textContent === 'Connection {number}'")
    return number

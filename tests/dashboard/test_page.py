"""The page in a browser: every view opened, clicked through, and compared with what the session's API says."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.dashboard.conftest import Dashboard as DashboardProcess
from tests.dashboard.conftest import talking

if TYPE_CHECKING:
    from hythe.session.client import Session
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
    talks, looks = ExitStack(), ExitStack()
    with looks, talks:
        talker = talks.enter_context(talking(name, echo))
        page = looks.enter_context(browser.page(dashboard.address()))
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
            assert told[3] == f"host.hythe.internal:{each.remote.port}"
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
        talks.close()
        page.until("document.querySelector('#state').dataset.state === 'ended'")
        assert "has ended" in page.text("#state")
        # Another of the same name is shown as soon as it is there.
        with talking(name, echo, 2):
            page.until("document.querySelector('#state').dataset.state === 'running'")
            go(page, name)
            page.until("document.querySelector('#total-open').textContent === '2'")
        assert not page.complaints
        assert all(each.startswith(dashboard.origin) for each in page.requests), page.requests


@pytest.mark.slow
def test_every_other_view_says_what_the_api_says(browser: Browser, dashboard: Dashboard, echo: int, name: str) -> None:
    needs.network()
    with talking(name, echo) as talker, browser.page(dashboard.address()) as page:
        session = talker.session
        go(page, name, "dns")
        page.until("document.querySelectorAll('#queries tbody tr').length > 0")
        queries = session.queries()
        assert page.run("document.querySelectorAll('#queries tbody tr').length") == len(queries)
        first = page.run("[...document.querySelector('#queries tbody tr').children].map((each) => each.textContent)")
        last = queries[-1]
        assert first[1:5] == [last.name, last.type, last.rcode, ", ".join(last.answers) or "\u2013"]
        page.type("#dns-filter", "nowhere")
        page.until("document.querySelector('#queries').textContent === 'None of them is like that.'")

        go(page, name, "ports")
        page.until("document.querySelector('#listeners tbody tr')")
        assert ":8000" in page.text("#listeners")
        page.type("#publication", "nonsense")
        page.click("#publish")
        page.until("document.querySelector('#publish-problem').textContent.includes('nonsense')")
        page.type("#publication", "127.0.0.1:0:8000")
        page.click("#publish")
        port = page.until("document.querySelector('#listeners button[data-id]').closest('tr').children[1].textContent")
        (published,) = [each for each in session.listeners() if each.id is not None]
        assert published.outside is not None
        assert port == f"127.0.0.1:{published.outside.port}"
        assert page.text("#publish-problem") == ""
        page.click(f'#listeners button[data-id="{published.id}"]')
        page.until("!document.querySelector('#listeners button[data-id]')")
        assert all(each.id is None for each in session.listeners())

        faults(page, name, session)
        # 400: a publication that cannot be, and a fault; the browser logs each of them.
        assert all("400" in each for each in page.complaints), page.complaints


def faults(page: Page, name: str, session: Session) -> None:
    """Sliders by keyboard, words, a wrong word, and all away."""
    go(page, name, "faults")
    page.until("document.querySelector('#words').textContent === 'no faults'")
    page.run("document.getElementById('slider-delay').focus()")
    page.key("ArrowRight")
    page.until("document.querySelector('#words').textContent === 'delay=1ms'")
    assert session.faults().words == {"delay": "1ms"}
    assert page.run("document.getElementById('slider-delay').getAttribute('aria-valuetext')") == "1ms"
    page.click('input[value="down_"]')
    page.type("#word-loss", "3.5%")
    page.key("Enter")
    page.until("document.querySelector('#words').textContent === 'delay=1ms down-loss=3.5%'")
    assert session.faults().words == {"delay": "1ms", "down_loss": "3.5%"}
    page.type("#word-rate", "soon")
    page.key("Enter")
    page.until("document.querySelector('#faults-problem').textContent.includes('soon')")
    tally = session.faults().up
    assert tally is not None
    page.until(f"Number(document.querySelectorAll('#tallies tbody td')[1].textContent) >= {tally.arrived}")
    go(page, name)
    page.until("document.querySelector('#overview-faults').textContent === 'Faults of the wire: delay=1ms down-loss=3.5%.'")
    go(page, name, "faults")
    page.click("#no-faults")
    page.until("document.querySelector('#words').textContent === 'no faults'")
    assert session.faults().words == {}


@pytest.mark.slow
def test_a_connection_is_drawn_and_explained(browser: Browser, dashboard: Dashboard, echo: int, name: str) -> None:
    needs.network()
    with talking(name, echo, 3, "--delay", "5ms") as talker, browser.page(dashboard.address()) as page:
        go(page, name, "connections", "1")
        page.until("document.querySelectorAll('#diagram [role=option]').length > 3")
        assert "The handshake was before anybody looked" in page.text("#standing")
        page.click("#tab-graph")
        for kind, words in (("sequence", "sequence numbers"), ("rtt", "round-trip time"), ("throughput", "throughput")):
            page.run(f"document.getElementById('graph-kind').value = '{kind}'")
            page.run("document.getElementById('graph-kind').dispatchEvent(new Event('change'))")
            page.until(f"document.querySelector('#graph-title').textContent.includes(', {words} (')")
            page.until("document.querySelector('#graph canvas').width > 0")
            page.until("/[1-9][0-9]* of /.test(document.querySelector('#graph').ariaLabel)")
        page.run("document.getElementById('graph-kind').value = 'flight'")
        page.run("document.getElementById('graph-way').value = 'back'")
        page.run("document.getElementById('graph-way').dispatchEvent(new Event('change'))")
        page.until("/[1-9][0-9]* of congestion window/.test(document.querySelector('#graph').ariaLabel)")
        page.run("document.getElementById('graph').focus()")
        page.key("ArrowRight")
        page.click("#tab-why")
        page.until("document.querySelector('#why').textContent.includes('Where the time of')")
        page.key("ArrowRight")  # from tab to tab
        detail = talker.session.connection(1)
        assert detail.info is not None
        page.until("document.querySelector('#tab-details').ariaSelected === 'true'")
        page.until(f"document.querySelector('#panel-details').textContent.includes('{detail.info.congestion}')")
        assert f"{detail.connection.inside.address} port {detail.connection.inside.port}" in page.text("#panel-details")

        # The table: sorted by a click, filtered by words, walked by keys.
        go(page, name, "connections")
        rows = "[...document.querySelectorAll('.grid .row:not([hidden])')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)"
        page.until(f"{rows}.map((each) => each.dataset.id).join() === '3,2,1'")
        page.click('[data-sort="id"]')
        page.until(f"{rows}.map((each) => each.dataset.id).join() === '1,2,3'")
        page.click('[data-sort="up"]')
        page.until(f"{rows}[0].dataset.id === '1'")
        assert page.run("document.querySelector('[data-sort=\"up\"]').parentElement.ariaSort") == "descending"
        port = detail.connection.inside.port
        page.type("#filter", f"tcp {port}")
        page.until(f"{rows}.map((each) => each.dataset.id).join() === '1'")
        page.run("document.getElementById('rows').focus()")
        page.key("ArrowDown")
        page.until("document.querySelector('.grid .row.chosen').dataset.id === '1'")
        page.key("Enter")
        page.until("document.querySelector('h1').textContent === 'Connection 1'")
        assert not page.complaints


@pytest.mark.slow
def test_without_a_session_the_page_says_so(browser: Browser, dashboard: Dashboard, name: str) -> None:
    with browser.page(dashboard.address()) as page:
        page.until("document.querySelector('h1').textContent === 'Sessions'")
        go(page, name)
        page.until("document.querySelector('#state').dataset.state === 'absent'")
        assert f"no session is called '{name}'" in page.text("#state")
        assert not page.complaints
    with browser.page() as page:  # when the dashboard itself goes
        other = DashboardProcess("--no-open")
        page.open(other.address())
        page.until("document.querySelector('h1').textContent === 'Sessions'")
        go(page, name)
        page.until("document.querySelector('#state').dataset.state === 'absent'")
        assert other.close() == 0
        page.until("document.querySelector('#state').dataset.state === 'cut'")
        assert "ended" in page.text("#state")


def recorded(page: Page, name: str, begin: object) -> int:
    """Begin a connection once packets are recorded, and open it in the page; its number."""
    assert callable(begin)
    page.until("document.querySelector('#shown').textContent.endsWith('packets are recorded')")
    begin()
    rows = "[...document.querySelectorAll('.grid .row:not([hidden])')]"
    number: int = page.until(f"{rows}.map((each) => Number(each.dataset.id)).find((each) => each > 3)")
    page.click(f'[data-id="{number}"]')
    page.until(f"document.querySelector('h1').textContent === 'Connection {number}'")
    return number


@pytest.mark.slow
def test_a_waterfall_has_every_connection(browser: Browser, dashboard: Dashboard, echo: int, name: str) -> None:
    needs.network()
    with talking(name, echo) as talker, browser.page(dashboard.address()) as page:
        go(page, name, "waterfall")
        page.until("document.querySelectorAll('#falls [role=option]').length >= 3")
        talker.open()
        line = "[...document.querySelectorAll('#falls [role=option]')].find((each) => each.dataset.line === '4')"
        page.until(f"{line} && {line}.querySelector('.connect')")
        (last,) = [each for each in talker.session.connections(moments=True) if each.id == 4]
        assert last.moments is not None
        assert page.run(f"{line}.textContent").startswith(f"host.hythe.internal:{last.remote.port}python")
        page.run("document.getElementById('falls').focus()")
        page.key("End")
        page.until("document.querySelector('#parts').textContent.includes('connecting to host.hythe.internal')")
        page.type("#fall-filter", "nothing like it")
        page.until("document.querySelector('#fall-notes').textContent.startsWith('0 of 4 lines')")
        page.click('#parts a[href$="/connections/4"]')
        page.until("document.querySelector('h1').textContent === 'Connection 4'")
        assert not page.complaints


@pytest.mark.slow
def test_many_rows_are_made_only_in_sight(browser: Browser, dashboard: Dashboard, echo: int, name: str) -> None:
    needs.network()
    with talking(name, echo, 300), browser.page(dashboard.address()) as page:
        go(page, name, "connections")
        page.until("document.querySelector('#shown').textContent === '300 of 300 connections'")
        assert page.run("document.querySelectorAll('.grid .row').length") < 60
        assert page.run("document.querySelector('.grid').ariaRowCount") == "301"
        page.run("document.getElementById('rows').focus()")
        page.key("End")
        page.until("document.querySelector('.grid .row.chosen').dataset.id === '1'")
        assert page.run("document.querySelector('.grid .row.chosen').ariaRowIndex") == "301"
        active = page.run("document.getElementById('rows').getAttribute('aria-activedescendant')")
        assert page.run("document.querySelector('.grid .row.chosen').id") == active
        page.type("#filter", "")
        page.key("Tab")
        assert not page.complaints


@pytest.mark.slow
def test_everything_has_a_name_and_both_colours(browser: Browser, dashboard: Dashboard, echo: int, name: str) -> None:
    needs.network()
    with talking(name, echo) as talker, browser.page(dashboard.address()) as page:
        assert page.nameless() == []
        go(page, name, "connections")
        page.until("document.querySelectorAll('.grid .row:not([hidden])').length === 3")
        for view in ("", "connections", "waterfall", "dns", "ports", "faults", "connections/1"):
            go(page, name, *filter(None, view.split("/")))
            page.until("document.activeElement.id === 'main'")
            page.browser.hear(0.5)
            assert page.nameless() == [], view
        for tab in ("graph", "why", "details"):
            page.click(f"#tab-{tab}")
            page.browser.hear(0.5)
            assert page.nameless() == [], tab
        paper = "getComputedStyle(document.body).backgroundColor"
        page.scheme("dark")
        page.until(f"{paper} === 'rgb(13, 17, 23)'")
        page.scheme("light")
        page.until(f"{paper} === 'rgb(255, 255, 255)'")
        page.click("#theme")  # dark, whatever the system says
        page.until(f"{paper} === 'rgb(13, 17, 23)'")
        page.click("#theme")
        page.click("#theme")
        assert page.text("#theme") == "Theme: system"
        assert talker.session.about().name == name
        assert not page.complaints

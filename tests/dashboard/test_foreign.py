"""Pages of other origins, in a browser that was let in: they can neither read the dashboard nor change anything."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dashboard.browser import Browser
    from tests.dashboard.conftest import Dashboard

#: All that a page can try; each tells what it came to, and where it got nothing to read: "nothing".
TRIES = """(async () => {
  const base = "%s", told = {}, options = {credentials: "include"};
  const read = (name, promise) => promise.then(async (answer) => { told[name] = answer.status || answer.type; },
    () => { told[name] = "nothing"; });
  await read("read", fetch(base + "/api/sessions", options));
  await read("page", fetch(base + "/", options));
  await read("key", fetch(base + "/api/sessions", {...options, headers: {"X-Hythe-Key": "guessed"}}));
  await read("change", fetch(base + "/api/sessions/x/faults", {...options, method: "PATCH", body: "{}"}));
  await read("delete", fetch(base + "/api/sessions/x/connections/1", {...options, method: "DELETE"}));
  await read("blind", fetch(base + "/api/sessions/x/listeners", {...options, mode: "no-cors", method: "POST", body: "{}"}));
  told.script = await new Promise((resolve) => {
    const script = document.createElement("script");
    script.type = "module";
    script.src = base + "/js/format.js";
    script.onload = () => resolve("loaded");
    script.onerror = () => resolve("nothing");
    document.body.append(script);
  });
  told.image = await new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve("loaded");
    image.onerror = () => resolve("nothing");
    image.src = base + "/icon.svg";
  });
  told.frame = await new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = () => { try { resolve(frame.contentDocument ? "read" : "nothing"); } catch { resolve("nothing"); } };
    frame.src = base + "/";
    document.body.append(frame);
  });
  return told;
})()"""


class Foreign(BaseHTTPRequestHandler):
    """Somebody else's server on this machine; it keeps the cookies that it was shown."""

    cookies: list[str]

    def do_GET(self) -> None:
        self.server.cookies.append(self.headers.get("Cookie", ""))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>foreign</title><body>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def foreign() -> Iterator[ThreadingHTTPServer]:
    """Return such a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    server.cookies = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_foreign_page_gets_nothing(browser: Browser, dashboard: Dashboard, foreign: ThreadingHTTPServer) -> None:
    with browser.page(dashboard.address()) as page:
        page.until("document.querySelector('h1').textContent === 'Sessions'")
        key = page.run("localStorage.getItem('hythe.key')")
        page.open(f"http://127.0.0.1:{foreign.server_port}/")
        page.until("document.title === 'foreign'")
        page.answers.clear()
        told = page.run(TRIES % dashboard.origin)
        assert told == dict.fromkeys(told, "nothing")
        browser.hear(0.2)
        ours = [status for url, status in page.answers if url.startswith(dashboard.origin)]
        assert len(ours) >= 4
        assert all(status in (403, 421) for status in ours), page.answers
        # It has been shown our cookie, as cookies know no ports; but the cookie is nothing without the key.
        shown = " ".join(foreign.cookies)  # type: ignore[attr-defined]
        assert "hythe-" in shown
        assert key not in shown
        assert page.run("localStorage.getItem('hythe.key')") is None


def test_a_name_that_leads_here_is_not_answered(browser: Browser, dashboard: Dashboard) -> None:
    with browser.page() as page:
        page.open(dashboard.address().replace("127.0.0.1", "rebound.example"))
        page.until("document.querySelector('h1').textContent.includes('not the dashboard')")
        page.open(dashboard.address().replace("/enter", "/Enter"))
        page.until("document.querySelector('h1').textContent === 'This browser was not let in'")
        address = dashboard.address()
        page.open(address)
        page.until("document.querySelector('h1').textContent === 'Sessions'")
        page.open(address)
        page.until("document.querySelector('h1').textContent.includes('does not work, or no more')")

"""Debian's Chromium, driven by the DevTools protocol over a pair of pipes: no port, no other program, no package.

A message is JSON and a zero byte. `Browser` is one process; each `Page` of it is a context of its own, with its own cookies
and storage, as another browser would be. What a page says on its console, and every error of it, is kept.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Seconds for anything; a busy machine is slow.
PATIENCE = 30.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",  # a name of somebody else's that leads here
)


#: Roles of what has to have a name.
_USED = frozenset(
    [
        "button",
        "link",
        "textbox",
        "searchbox",
        "checkbox",
        "radio",
        "slider",
        "combobox",
        "tab",
        "grid",
        "listbox",
        "option",
        "region",
        "navigation",
        "table",
    ]
)


class Browser:
    """One Chromium."""

    def __init__(self, program: str, profile: Path) -> None:
        low, self._out = os.pipe()
        self._in, high = os.pipe()
        # It wants descriptors 3 and 4, which are taken by others here: a shell puts them there, from where they are not.
        theirs, ours = fcntl.fcntl(low, fcntl.F_DUPFD, 10), fcntl.fcntl(high, fcntl.F_DUPFD, 10)
        os.close(low)
        os.close(high)
        words = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        script = f'exec "$0" "$@" 3<&{theirs} 4>&{ours} {theirs}<&- {ours}>&-'
        self.process = subprocess.Popen(
            ["bash", "-c", script, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs, ours),
        )
        os.close(theirs)
        os.close(ours)
        self._buffer = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Ask, and wait for the answer; what comes in between is given to the pages."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            asked["sessionId"] = session
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            told = self._next(deadline)
            if told.get("id") == self._number:
                assert "error" not in told, (method, told["error"])
                return told["result"]
            self._hear(told)

    def hear(self, seconds: float) -> None:
        """Take what comes, for a while."""
        deadline = time.monotonic() + seconds
        while select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))[0]:
            self._hear(self._next(deadline + PATIENCE))

    def _hear(self, told: dict[str, Any]) -> None:
        page = self._pages.get(told.get("sessionId", ""))
        if page is not None:
            page.hear(told.get("method", ""), told.get("params", {}))

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            assert select.select([self._in], [], [], max(0.0, left))[0], "the browser does not answer"
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser has ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    @contextmanager
    def page(self, url: str = "about:blank", width: int = 1400, height: int = 900) -> Iterator[Page]:
        """A page with nothing in common with others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self._pages[session] = page
        try:
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.call(f"{domain}.enable")
            page.size(width, height)
            if url != "about:blank":
                page.open(url)
            yield page
        finally:
            del self._pages[session]
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def close(self) -> None:
        """End it."""
        self.call("Browser.close")
        self.process.wait(PATIENCE)
        os.close(self._in)
        os.close(self._out)


class Page:
    """One page. `complaints`: what went wrong on it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self._session = session
        self._clicks = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.answers: list[tuple[str, int]] = []

    def call(self, method: str, **parameters: Any) -> Any:
        """Ask the browser about this page."""
        return self.browser.call(method, self._session, **parameters)

    def hear(self, method: str, told: dict[str, Any]) -> None:
        """What the browser says of this page by itself."""
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Network.responseReceived":
            self.answers.append((told["response"]["url"], told["response"]["status"]))

    def open(self, url: str) -> None:
        """Go there as if it were typed, and wait until it has come."""
        told = self.call("Page.navigate", url=url)
        assert "errorText" not in told or told["errorText"] == "net::ERR_HTTP_RESPONSE_CODE_FAILURE", told
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """What an expression gives; a promise is waited for."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, (script, told["exceptionDetails"])
        return told["result"].get("value")

    def until(self, condition: str, seconds: float = PATIENCE) -> Any:
        """Wait until an expression is true; its value. The page looks with every frame."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.run(
                f"(() => {{ try {{ const it = {condition}; return it instanceof Node || it; }} catch {{}} }})()"
            )
            if found:
                return found
            text = self.run("document.body.innerText") if time.monotonic() > deadline else ""
            assert time.monotonic() < deadline, f"never was: {condition}\n{self.complaints}\n{text}"
            self.browser.hear(0.05)

    def text(self, selector: str) -> str:
        """What is written in an element."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.until(f"{found} !== null")
        return str(self.run(f"{found}.textContent"))

    def click(self, selector: str) -> None:
        """With the mouse, in the middle of an element; again where it has moved away meanwhile."""
        self._clicks += 1
        ready = f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{block: "nearest"}});
            const box = found.getClientRects()[0];
            const at = [box.x + box.width / 2, box.y + box.height / 2];
            const top = document.elementFromPoint(...at);
            if (found.disabled || !found.contains(top)) return null;
            window.addEventListener("click", (event) => {{
                if (found.contains(event.target)) window.clicked = {self._clicks};
            }}, {{capture: true, once: true}});
            return at;
        }})()"""
        for _ in range(20):
            x, y = self.until(ready)
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
            if self.run("window.clicked") == self._clicks:
                return
            self.browser.hear(0.1)
        raise AssertionError(f"{selector} cannot be clicked")

    def key(self, key: str) -> None:
        """Press one."""
        codes = {
            "Enter": 13,
            "Tab": 9,
            "ArrowDown": 40,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowLeft": 37,
            "End": 35,
            "Home": 36,
        }
        text = {"Enter": "\r"}.get(key, "")
        told = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **told)
        self.call("Input.dispatchKeyEvent", type="keyUp", **told)

    def type(self, selector: str, text: str) -> None:
        """Into a field, in the place of what was there."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.until(f"{found} && ({found}.focus(), {found}.select(), true)")
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int) -> None:
        """Of the window."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name: str) -> None:
        """Dark or light, as the system would say."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def nameless(self) -> list[str]:
        """What one can use, or go through, that a screen reader has no name for."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        found = [(each["role"]["value"], each.get("name", {}).get("value", "")) for each in nodes if not each["ignored"]]
        return [role for role, name in found if role in _USED and not name.strip()]

    def picture(self) -> bytes:
        """A PNG of what is seen."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

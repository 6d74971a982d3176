"""A view after a SIGSTOP, which no program sees coming."""

from __future__ import annotations

import signal
import sys
from typing import Final

from tests.terminal import person

#: Ends by its key.
VIEW: Final = """
from textual.app import App
from textual.widgets import Static
from hythe.view.terminal.continuing import ContinuingDriver

class View(App):
    BINDINGS = [("q", "quit", "Quit")]
    def compose(self):
        yield Static("as it goes on")

View(driver_class=ContinuingDriver).run()
"""


def test_who_was_stopped_still_ends_by_its_key() -> None:
    with person([sys.executable, "-c", VIEW]) as somebody:
        somebody.see(b"as it goes on")
        for _ in range(3):
            somebody.process.send_signal(signal.SIGSTOP)
            somebody.process.send_signal(signal.SIGCONT)
            somebody.see(b"\x1b[?1049h")  # it has the terminal again
        somebody.press(b"q")
        assert somebody.end() == 0

"""The live view as a picture, drawn where there is no terminal."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from hythe.view.terminal.app import Live

#: Cells at most, and ticks that are waited for: rates are differences, and histories grow.
SIZE: Final = (96, 24)
#: Rows at least; and those around the connections.
_LEAST: Final = 12
_AROUND: Final = 5
_TICKS: Final = 4
#: Fonts that a picture of textual's would fetch from elsewhere; what is there has its own.
_FETCHED: Final = re.compile(r"\s*@font-face\s*{[^}]*}")


def draw(app: Live) -> str:
    """As SVG, after some ticks or when nothing is told any more; it looks as in a terminal, of that size or less."""
    drawn: list[str] = []

    async def wait(pilot: Pilot[object]) -> None:
        while app.model.tick < _TICKS and not app.source.trouble:
            await asyncio.sleep(0.1)
        rows = min(SIZE[1], max(_LEAST, len(app.model.connections) + _AROUND))
        await pilot.resize_terminal(SIZE[0], rows)  # empty ones say nothing
        await pilot.pause()
        drawn.append(app.export_screenshot(title="hythe live"))
        app.exit()

    app.run(headless=True, size=SIZE, auto_pilot=wait)
    return _FETCHED.sub("", drawn[0])

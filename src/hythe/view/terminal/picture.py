"""The live view as a picture, drawn where there is no terminal."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from hythe.view.terminal.app import Live

#: Cells, and ticks that are waited for: rates are differences, and histories grow.
SIZE: Final = (96, 24)
_TICKS: Final = 4
#: Fonts that a picture of textual's would fetch from elsewhere; what is there has its own.
_FETCHED: Final = re.compile(r"\s*@font-face\s*{[^}]*}")


def draw(app: Live) -> str:
    """As SVG, after some ticks or when nothing is told any more; it looks as in a terminal of that size."""
    drawn: list[str] = []

    async def wait(pilot: Pilot[object]) -> None:
        while app.model.tick < _TICKS and not app.source.trouble:
            await asyncio.sleep(0.1)
        await pilot.pause()
        drawn.append(app.export_screenshot(title="hythe live"))
        app.exit()

    app.run(headless=True, size=SIZE, auto_pilot=wait)
    return _FETCHED.sub("", drawn[0])

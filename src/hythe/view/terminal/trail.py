"""The last seconds of one connection, for its time-sequence plot: what hythe's end said of itself when it was asked.

Theory of operation. Packets would tell each segment, but to see those of one connection the session would have to copy
the packets of all, and a view must not slow the traffic it shows. hythe is one end of the connection, so a few numbers
ten times a second tell the same curves. Towards the command hythe sends: it knows what has left, what was acknowledged,
and how far the window reaches. From the command it receives: it knows what has come, what was taken from it, and what
window it has announced. In between two answers a curve is a step. How much the command has behind a gap (SACK) is told as
well, though not where: it stands above as much as counts as lost, which is right for one gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from hythe.session.model import Detail
from hythe.view.terminal.cells import ACROSS, DOWN, Canvas

#: Answers that are remembered: at ten a second, half a minute.
KEPT: Final = 300

#: What each curve is called, and its colour.
DOWNWARD: Final = (("window", "yellow"), ("sent", "bright_green"), ("acknowledged", "bright_blue"))
UPWARD: Final = (("window", "yellow"), ("received", "bright_green"), ("taken", "bright_blue"))
RESENT: Final = "bright_red"
SACKED: Final = "bright_cyan"
#: A window so many times as high as what moved is not drawn.
_WINDOW_MAX: Final = 4


class Sample(NamedTuple):
    """Bytes since the connection began. `edge`: 0 where the window is not known; `resent`: segments so far.

    `sacked`: from where to where, equal where nothing is behind a gap.
    """

    now: float
    edge: int
    reached: int
    settled: int
    resent: int
    sacked: tuple[int, int] = (0, 0)


class Trail:
    """`up`: of what the command sends, else of what it receives. Times are seconds of any clock."""

    def __init__(self) -> None:
        self.down: deque[Sample] = deque(maxlen=KEPT)
        self.up: deque[Sample] = deque(maxlen=KEPT)

    def note(self, now: float, detail: Detail) -> None:
        """What was told at `now`."""
        connection, info = detail.connection, detail.info
        queued = connection.bytes_down
        unsent = info.unsent if info is not None else 0
        settled = queued - connection.held_down
        edge = settled + info.send_window if info is not None else 0
        island = settled + info.lost if info is not None else 0
        sacked = (island, island + info.sacked) if info is not None else (0, 0)
        self.down.append(Sample(now, edge, queued - unsent, settled, connection.retransmits, sacked))
        come = connection.bytes_up
        edge = come + info.receive_window if info is not None else 0
        self.up.append(Sample(now, edge, come, come - connection.held_up, 0))

    def drawn(self, now: float, seconds: float, width: int, height: int, *, up: bool) -> tuple[Canvas, int, int]:
        """The last `seconds` up to `now` on a canvas of so many cells; the bytes at its lower and its upper edge."""
        samples = self.up if up else self.down
        begin = now - seconds
        shown = _shown(samples, begin)
        canvas = Canvas(width, height)
        if not shown:
            return canvas, 0, 0
        low = min(each.settled for each in shown)
        moved = max(each.reached for each in shown) - low
        high = max(low + 1, low + moved, *(each.edge for each in shown))
        if moved and high > low + _WINDOW_MAX * moved:  # it is out of sight, so that what moves can be seen
            high = low + moved

        def place(at: float, value: int) -> tuple[int, int]:
            across, up_ = ACROSS * width - 1, DOWN * height - 1
            return round((at - begin) / seconds * across), round((value - low) / (high - low) * up_)

        (_, window), (_, reached), (_, settled) = UPWARD if up else DOWNWARD
        if any(each.edge for each in shown):
            canvas.steps((place(each.now, each.edge) for each in shown), window)
        canvas.steps((place(each.now, each.reached) for each in shown), reached)
        canvas.steps((place(each.now, each.settled) for each in shown), settled)
        for each in shown:
            first, last = each.sacked
            if first < last and each.now >= begin:
                x, y = place(each.now, first)
                for between in range(y, place(each.now, min(last, each.reached))[1] + 1):
                    canvas.dot(x, between, SACKED)
        for before, after in pairwise(shown):
            if after.resent > before.resent:
                x, y = place(after.now, after.settled)
                for between in range(y, place(after.now, after.reached)[1] + 1):
                    canvas.dot(x, between, RESENT)
        return canvas, low, high


def _shown(samples: Sequence[Sample], begin: float) -> list[Sample]:
    """Those since `begin`, and the one before, from which the first step comes."""
    first = next((number for number, each in enumerate(samples) if each.now >= begin), len(samples))
    return list(samples)[max(0, first - 1) :]

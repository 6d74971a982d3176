"""One connection: who, how much, how it stands, and a time-sequence plot of its last seconds as they pass."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Footer, Static

from hythe.errors import UsageError
from hythe.session.client import SessionEndedError
from hythe.session.model import Detail, Info
from hythe.view.sessions import outcome
from hythe.view.summary import endpoint
from hythe.view.terminal.cells import Canvas, lapse, quantity, rate
from hythe.view.terminal.columns import remote
from hythe.view.terminal.trail import DOWNWARD, RESENT, SACKED, UPWARD, Trail
from hythe.view.visible import visible
from hythe.view.watch.model import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from hythe.session.client import Session

#: Seconds between two questions about the connection, and how far back the plot goes.
PERIOD: Final = 0.1
SPAN: Final = 10.0


class Curves(Widget):
    """A canvas with what its edges mean."""

    def __init__(self) -> None:
        super().__init__(id="curves")
        self._canvas = Canvas(1, 1)
        self._legend: list[tuple[str, str]] = []

    def draw(self, trail: Trail, now: float, *, up: bool) -> None:
        """The last seconds of a trail, as wide and high as we are."""
        width, height = max(1, self.size.width), max(1, self.size.height - 1)
        canvas, low, high = trail.drawn(now, SPAN, width, height, up=up)
        names = [(f"{name}  ", colour) for name, colour in (UPWARD if up else DOWNWARD)]
        way = "from the command" if up else "to the command"
        self._legend = [(f"{way}, {quantity(low)}-{quantity(high)}, {SPAN:.0f}s:  ", ""), *names]
        if not up:
            self._legend += [("SACK  ", SACKED), ("sent again", RESENT)]
        self._canvas = canvas
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The legend, then the canvas."""
        pieces = self._legend if y == 0 else self._canvas.row(y - 1) if y <= self._canvas.height else []
        plain = self.rich_style
        strip = Strip([Segment(text, plain + Style.parse(colour)) for text, colour in pieces])
        return strip.adjust_cell_length(self.size.width, plain)


class DetailScreen(Screen[None]):
    """Of `watched`. `session`: whom to ask for more, if there is one; without, what is followed is all that is known."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Back"),
        Binding("u", "turn", "Up/down"),
        Binding("k", "app.kill", "Kill"),
        Binding("f", "app.faults", "Faults"),
    ]

    def __init__(self, watched: Watched, session: Callable[[], Session | None]) -> None:
        super().__init__()
        self.watched = watched
        self.trail = Trail()
        self.detail = Detail(watched.connection, None)
        self._session = session
        self._up = watched.connection.bytes_up > watched.connection.bytes_down

    def compose(self) -> ComposeResult:
        """Texts above, curves below."""
        yield Static(id="facts", markup=False)
        yield Curves()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to ask."""
        self.run_worker(self._follow(), exclusive=True)

    async def _follow(self) -> None:
        while True:
            begun = time.monotonic()
            await self._ask()
            self.trail.note(time.monotonic(), self.detail)
            self._draw()
            await asyncio.sleep(max(PERIOD / 2, begun + PERIOD - time.monotonic()))

    async def _ask(self) -> None:
        session = self._session()
        connection = self.watched.connection
        if session is None or connection.ended is not None:
            self.detail = Detail(connection, None)
            return
        try:
            self.detail = await asyncio.to_thread(session.connection, connection.id)
        except (SessionEndedError, UsageError):  # whoever follows the session will see, and say so
            self.detail = Detail(connection, None)

    def _draw(self) -> None:
        for text in self.query("#facts").results(Static):  # there is none any more once the screen goes
            text.update("\n".join(facts(self.watched, self.detail)), layout=False)
        for curves in self.query(Curves):
            curves.draw(self.trail, time.monotonic(), up=self._up)

    def action_turn(self) -> None:
        """The other direction."""
        self._up = not self._up
        self._draw()


def facts(watched: Watched, detail: Detail) -> list[str]:
    """What there is to say of a connection, in six lines."""
    connection, info = detail.connection, detail.info
    inside, owner = connection.inside, watched.owner
    held_by = f"{owner.program} ({owner.pid})" if owner is not None else "-"
    far = connection.remote
    lasted = connection.ended - connection.began if connection.ended is not None else time.time() - connection.began
    address = f" ({endpoint(far.address, far.port)})" if connection.name else ""
    via = f" via {connection.via}" if connection.via else ""
    lines = [
        f"{connection.protocol} {connection.id}  {outcome(connection)}  for {lapse(max(0.0, lasted))}  of {held_by}",
        f"{endpoint(inside.address, inside.port)} {'<-' if connection.inbound else '->'} {remote(connection)}{address}{via}",
        _direction("up  ", connection.bytes_up, watched.up, connection.held_up),
        _direction("down", connection.bytes_down, watched.down, connection.held_down),
    ]
    return list(map(visible, lines + (_tcp(info) if info is not None else ["", ""])))


def _direction(name: str, count: int, speed: float, held: int) -> str:
    return f"{name} {quantity(count)}, {rate(speed) or 0}/s, {quantity(held)} on their way"


def _tcp(info: Info) -> list[str]:
    """What tcp_info tells."""
    threshold = f", ssthresh {quantity(info.ssthresh)}" if info.ssthresh is not None else ""
    times = f"RTT {lapse(info.rtt) or '-'} (least {lapse(info.rtt_min) or '-'}), RTO {lapse(info.rto)}"
    windows = f"windows {quantity(info.send_window)} to send, {quantity(info.receive_window)} to receive"
    again = f"sent again {info.retransmits} ({info.fast_retransmits} fast, {info.timeouts} by timer)"
    return [
        f"{times}, {info.congestion} cwnd {quantity(info.cwnd)}{threshold}, MSS {info.mss}",
        f"{windows}; {again}",
    ]

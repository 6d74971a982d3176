"""The live view: asks its source every second, knows the keys, and lets the views draw.

Theory of operation. One worker asks in a thread, feeds the model, and has the view that is seen drawn anew if the model says
that anything moved; the others are when they are switched to. Nothing else asks the session on its own but what somebody
has opened: a connection's detail, the list of ports.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, Footer, Input, Static

from hythe.errors import MachineError, UsageError
from hythe.session.client import Session, SessionEndedError
from hythe.session.model import Listener
from hythe.view.terminal import changing, columns, logs
from hythe.view.terminal.cells import rate, spark
from hythe.view.terminal.continuing import ContinuingDriver
from hythe.view.terminal.detail import DetailScreen
from hythe.view.terminal.dialogs import Ask, Choose, Confirm, Keys
from hythe.view.terminal.lines import Drawn, Lines
from hythe.view.visible import visible
from hythe.view.watch.arrange import ORDERS, Arrangement, wanted
from hythe.view.watch.model import Watch, Watched
from hythe.view.watch.series import TICKS
from hythe.view.watch.source import Source, pause

#: What looks at every process inside, who holds what and which ports there are: so rarely, and so many times longer than
#: it takes.
_RARELY: Final = 5.0
_RARELY_SHARE: Final = 50
_VIEWS: Final = ("connections", "dns", "events", "ports")
_CSS: Final = """
#head { height: 2; text-wrap: nowrap; text-overflow: ellipsis; }
#head.trouble { color: $text-error; }
#filter { display: none; height: 1; }
#filter.open { display: block; }
ContentSwitcher { height: 1fr; }
Lines { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; }
#facts { height: 6; }
Curves { height: 1fr; }
ModalScreen { align: center middle; background: $background 60%; }
.dialog { width: 78; max-width: 100%; height: auto; max-height: 90%; border: round $primary; padding: 0 1; }
.title { text-style: bold; }
.hint { color: $text-muted; }
#wrong { color: $text-error; }
"""


class Live(App[None]):
    """`source`: what is shown. `others`: names of what else there is, each with what opens it; `choose`: begin with them."""

    CSS = _CSS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "Quit"),
        Binding("c,1", "view('connections')", "Connections"),
        Binding("d,2", "view('dns')", "DNS"),
        Binding("e,3", "view('events')", "Events"),
        Binding("l,4", "view('ports')", "Ports"),
        Binding("enter", "detail", "Detail"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("r", "turn", "Reverse", show=False),
        Binding("k", "kill", "Kill"),
        Binding("f", "faults", "Faults"),
        Binding("p", "publish", "Publish"),
        Binding("u", "unpublish", "Unpublish"),
        Binding("o", "others", "Other session", show=False),
        Binding("question_mark", "keys", "Keys", key_display="?"),
        Binding("escape", "unfilter", "No filter", show=False),
    ]

    def __init__(
        self, source: Source, others: Callable[[], Sequence[tuple[str, Callable[[], Source]]]], *, choose: bool = False
    ) -> None:
        super().__init__(driver_class=ContinuingDriver)
        self.animation_level = "none"
        self.source = source
        self.model = Watch()
        self.arrangement = _first_arrangement(source)
        self.view = "connections"
        self._others = others
        self._choose = choose
        self._columns: tuple[int, list[tuple[columns.Column, int]]] = (0, [])
        self._next_holders = 0.0
        self._next_ports = 0.0
        self._at_once = asyncio.Event()
        self._filter = ""
        self._shown_trouble = ""

    @property
    def session(self) -> Session | None:
        """Of the source."""
        return self.source.session

    # --- What is seen

    def compose(self) -> ComposeResult:
        """Head, one view, filter, keys."""
        yield Static(id="head", markup=False)
        with ContentSwitcher(initial=self.view):
            yield Lines(
                self._heading, self._line, lambda each: each.connection.id, name="connections", nothing="no connections"
            )
            yield Lines(logs.query_heading, logs.query_line, name="dns", nothing="no DNS queries")
            yield Lines(logs.happening_heading, logs.happening_line, name="events", nothing="nothing has happened")
            yield Lines(logs.port_heading, logs.port_line, _port_identity, name="ports", nothing="no ports")
        yield Input(id="filter", placeholder="words; -not; state: owner: to: from: name: via: proto:", compact=True)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to follow."""
        self._lines("connections").focus()
        self.run_worker(self._follow(), group="follow", exclusive=True)
        if self._choose:
            self.action_others()

    def _lines(self, view: str) -> Lines:
        return self.screen_stack[0].query_one(f"#{view}", Lines)

    def _heading(self, width: int) -> str:
        return columns.headings(self._fitting(width), self.arrangement.order, turned=self.arrangement.reversed)

    def _line(self, watched: Watched, width: int) -> Drawn:
        return columns.line(watched, self.model.tick, self._fitting(width)), columns.colour(watched)

    def _fitting(self, width: int) -> list[tuple[columns.Column, int]]:
        if self._columns[0] != width:
            self._columns = (width, columns.fitting(width))
        return self._columns[1]

    def _draw(self) -> None:
        """What is seen, from what the model knows."""
        head = self.screen_stack[0].query_one("#head", Static)
        head.set_class(bool(self.source.trouble), "trouble")
        head.update("\n".join(self._head(max(20, self.size.width))), layout=False)  # of two lines, always
        lines = self._lines(self.view)
        if self.view == "connections":
            lines.show(self.arrangement.of(self.model.connections.values()))
        elif self.view == "dns":
            lines.show(list(self.model.queries), at_end=True)
        elif self.view == "events":
            lines.show(list(self.model.happenings), at_end=True)

    def _head(self, width: int) -> tuple[str, str]:
        model = self.model
        trouble = self.source.trouble
        faults = changing.written(model.faults)
        first = trouble or self.source.name
        if trouble and self.session is None:
            first += ": this is the last of it, until it is back"
        if self._filter:
            first += f"   only: {self._filter}"
        if faults and not trouble:
            first += f"   faults: {faults}"
        moment = model.moments[-1] if model.moments else None
        up, down = (moment.up, moment.down) if moment is not None else (0.0, 0.0)
        figures = f"{model.totals.open} open, {model.totals.connections} so far  ▲ {rate(up) or 0}/s ▼ {rate(down) or 0}/s  "
        room = min(TICKS, max(0, width - len(figures)))
        rates = [each.up + each.down for each in model.moments][-room:] if room else []
        return visible(first), figures + spark(rates).rjust(room)

    # --- Following

    async def _follow(self) -> None:
        while True:
            begun = time.monotonic()
            self._at_once.clear()
            await self._ask()
            try:
                async with asyncio.timeout(pause(begun, time.monotonic())):
                    await self._at_once.wait()
            except TimeoutError:
                continue

    async def _ask(self) -> None:
        source = self.source
        changes = await asyncio.to_thread(source.changes, self.model.serial)
        if source is not self.source:
            return  # another one was chosen meanwhile
        moved = self.model.feed(time.monotonic_ns(), changes) if changes is not None else False
        if moved or source.trouble != self._shown_trouble:
            self._draw()
            if source.trouble != self._shown_trouble:  # the keys are drawn anew, which is seen
                self._shown_trouble = source.trouble
                self.refresh_bindings()
        begun = time.monotonic()
        if self.view == "ports" and changes is not None and begun >= self._next_ports:
            await self._ask_ports()
            self._next_ports = _rarely(begun)
        if self.model.unowned and begun >= self._next_holders:
            self._next_holders = math.inf
            self.run_worker(self._ask_holders(source), group="holders", exclusive=True)

    async def _ask_holders(self, source: Source) -> None:
        """Beside the changes: on a machine with many descriptors it may take seconds."""
        begun, asked = time.monotonic(), frozenset(self.model.unowned)
        holders = await asyncio.to_thread(source.holders, min(asked) - 1)
        if source is self.source:
            self.model.hold(holders, asked)
            self._next_holders = _rarely(begun)
            self._draw()

    async def _ask_ports(self) -> None:
        session = self.session
        if session is None:
            return
        try:
            found = await asyncio.to_thread(lambda: session.listeners(processes=True))
        except SessionEndedError:
            return  # whoever asks for changes will see
        self._lines("ports").show(sorted(found, key=lambda each: each.id is None))

    # --- Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do nothing here are not shown."""
        here = self.view
        above = self.screen if len(self.screen_stack) > 1 else None
        if above is not None:
            return isinstance(above, DetailScreen) and action in ("kill", "faults", "keys") and self.session is not None
        if action == "view":
            return parameters != (here,)
        if action in ("detail", "sort", "turn", "filter", "unfilter"):
            return here == "connections"
        if action == "kill":
            return here == "connections" and self.session is not None
        if action in ("publish", "unpublish"):
            return here == "ports" and self.session is not None
        if action == "faults":
            return self.session is not None
        return True

    def action_view(self, view: str) -> None:
        """Another one."""
        self.view = view
        self.screen_stack[0].query_one(ContentSwitcher).current = view
        self._lines(view).focus()
        self._draw()
        self.refresh_bindings()
        self._look_again()

    def _look_again(self) -> None:
        """At once: something was changed, or is wanted."""
        self._next_ports = 0.0
        self._at_once.set()

    def action_detail(self) -> None:
        """Of the connection under the cursor."""
        chosen = self._lines("connections").chosen
        if chosen is not None:
            self.push_screen(DetailScreen(chosen, lambda: self.session))

    def on_lines_chosen(self, message: Lines.Chosen) -> None:
        """Two clicks on a row."""
        if self.view == "connections":
            self.action_detail()

    def action_sort(self) -> None:
        """By the next order."""
        orders = list(ORDERS)
        following = orders[(orders.index(self.arrangement.order) + 1) % len(orders)]
        self.arrangement = Arrangement(following, wanted=self.arrangement.wanted)
        self._draw()

    def action_turn(self) -> None:
        """The other way about."""
        held = self.arrangement
        self.arrangement = Arrangement(held.order, not held.reversed, held.wanted)
        self._draw()

    def action_filter(self) -> None:
        """A line for it."""
        line = self.query_one("#filter", Input)
        line.add_class("open")
        line.value = self._filter
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """While it is written: what it would show."""
        if event.input.id == "filter":
            self._only(event.value, complain=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """It is written."""
        if event.input.id == "filter" and self._only(event.value, complain=True):
            self._close_filter()

    def action_unfilter(self) -> None:
        """All of them again."""
        self._only("", complain=False)
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("open")
        self._lines(self.view).focus()

    def _only(self, text: str, *, complain: bool) -> bool:
        try:
            test = wanted(text)
        except UsageError as error:
            if complain:
                self.notify(str(error), severity="error", markup=False)
            return False
        self._filter = " ".join(text.split())
        self.arrangement = Arrangement(self.arrangement.order, self.arrangement.reversed, test)
        self._draw()
        return True

    async def action_kill(self) -> None:
        """The connection under the cursor, or whose detail is seen."""
        seen = self.screen.watched if isinstance(self.screen, DetailScreen) else self._lines("connections").chosen
        session = self.session
        if seen is None or session is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._change(lambda: session.kill(seen.connection.id))

        self.push_screen(Confirm(f"Reset {columns.described(seen)}?"), answered)

    def _change(self, act: Callable[[], Any]) -> None:
        """Do it beside; what is wrong is said."""

        async def change() -> None:
            try:
                await asyncio.to_thread(act)
            except (UsageError, MachineError) as error:
                self.notify(str(error), severity="error", markup=False)
            self._look_again()

        self.run_worker(change())

    def action_faults(self) -> None:
        """Those of the wire."""
        session, before = self.session, dict(self.model.faults)
        if session is None:
            return

        async def act(text: str) -> None:
            await changing.set_faults(session, before, text)
            self._look_again()

        self.push_screen(Ask(f"Faults of {session.name}", changing.FAULTS_HINT, changing.written(before), act))

    def action_publish(self) -> None:
        """A port."""
        session = self.session
        if session is None:
            return

        async def act(text: str) -> None:
            await changing.publish(session, text)
            self._look_again()

        self.push_screen(Ask("Publish a port of the command", changing.PUBLISH_HINT, "", act))

    def action_unpublish(self) -> None:
        """The one under the cursor."""
        listener, session = self._lines("ports").chosen, self.session
        if listener is None or session is None:
            return
        if listener.id is None:
            self.notify("this port is not published: the command itself listens there", severity="error", markup=False)
            return
        self._change(lambda: session.unpublish(listener.id))

    def action_others(self) -> None:
        """Another session, or this machine."""
        found = self._others()

        def chosen(place: int | None) -> None:
            if place is None:
                return
            try:
                self._turn_to(found[place][1]())
            except (UsageError, MachineError) as error:
                self.notify(str(error), severity="error", markup=False)

        self.push_screen(Choose("What to show", [name for name, _ in found]), chosen)

    def _turn_to(self, source: Source) -> None:
        self.source, self.model = source, Watch()
        self.arrangement, self._filter = _first_arrangement(source), ""
        self._next_holders = 0.0
        for view in _VIEWS:
            self._lines(view).show(())
        self.action_view("connections")

    def action_keys(self) -> None:
        """All of them."""
        known = [each for each in self.BINDINGS if isinstance(each, Binding)]
        self.push_screen(
            Keys([(each.key.replace("slash", "/").replace("question_mark", "?"), each.description) for each in known])
        )


def _rarely(begun: float) -> float:
    """When to do again what began then and has just ended."""
    now = time.monotonic()
    return now + max(_RARELY, _RARELY_SHARE * (now - begun))


def _first_arrangement(source: Source) -> Arrangement:
    """A machine has many sockets that do nothing."""
    return Arrangement("id" if source.session is not None else "rate")


def _port_identity(listener: Listener) -> object:
    return (listener.id, listener.protocol, str(listener.outside), str(listener.inside))

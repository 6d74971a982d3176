"""A table of any length under one line of headings: only what is seen is drawn."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

#: What a row looks like: its text, and its style.
Drawn = tuple[str, str]
_HEADING: Final = Style.parse("bold underline")
_CURSOR: Final = Style.parse("reverse")


class Lines(ScrollView, can_focus=True):
    """`heading` and `draw` make a line of so many cells; `identity`: by which a row is known again in the next `show`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(False)", show=False),
        Binding("end", "edge(True)", show=False),
    ]

    class Chosen(Message):
        """A row was clicked twice."""

        def __init__(self, row: Any) -> None:
            super().__init__()
            self.row = row

    def __init__(
        self,
        heading: Callable[[int], str],
        draw: Callable[[Any, int], Drawn],
        identity: Callable[[Any], Hashable] = id,
        *,
        name: str,
        nothing: str = "",
    ) -> None:
        super().__init__(id=name)
        self.rows: Sequence[Any] = ()
        self.cursor = 0
        self._heading = heading
        self._draw = draw
        self._identity = identity
        self._nothing = nothing

    def show(self, rows: Sequence[Any], *, at_end: bool = False) -> None:
        """These from now on; the cursor stays on its row. `at_end`: where it was on the last one, on the last."""
        follows = at_end and self.cursor >= len(self.rows) - 1
        held = self.chosen
        known = self._identity(held) if held is not None else None
        self.rows = rows
        if follows:
            self.cursor = max(0, len(rows) - 1)
        elif known is not None and not (self.cursor < len(rows) and self._identity(rows[self.cursor]) == known):
            places = (place for place, row in enumerate(rows) if self._identity(row) == known)
            self.cursor = next(places, min(self.cursor, max(0, len(rows) - 1)))
        size = Size(self.size.width, len(rows) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        if follows:
            self._see_cursor()
        self.refresh()

    @property
    def chosen(self) -> Any:
        """The row under the cursor, if there is one."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def render_line(self, y: int) -> Strip:
        """One line of what is seen; called for no other."""
        width, plain = self.size.width, self.rich_style
        if y == 0:
            return _strip(self._heading(width), width, plain + _HEADING)
        place = self.scroll_offset.y + y - 1
        if place >= len(self.rows):
            return _strip(self._nothing if place == 0 else "", width, plain)
        text, style = self._draw(self.rows[place], width)
        drawn = plain + Style.parse(style)
        return _strip(text, width, drawn + _CURSOR if place == self.cursor and self.has_focus else drawn)

    def action_move(self, by: int) -> None:
        """The cursor up or down."""
        self.cursor = min(max(0, self.cursor + by), max(0, len(self.rows) - 1))
        self._see_cursor()
        self.refresh()

    def action_page(self, by: int) -> None:
        """By what is seen at once."""
        self.action_move(by * max(1, self.size.height - 2))

    def action_edge(self, last: bool) -> None:
        """To the first or the last."""
        self.action_move(len(self.rows) if last else -len(self.rows))

    def on_click(self, event: events.Click) -> None:
        """The cursor there; twice chooses."""
        place = self.scroll_offset.y + event.y - 1
        if event.y and place < len(self.rows):
            self.cursor = place
            self.refresh()
            if event.chain > 1:
                self.post_message(self.Chosen(self.chosen))

    def _see_cursor(self) -> None:
        """The heading covers a line, so what is seen of the rows begins one later."""
        top, seen = self.scroll_offset.y, max(1, self.size.height - 1)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + seen:
            self.scroll_to(y=self.cursor - seen + 1, animate=False, force=True)


def _strip(text: str, width: int, style: Style) -> Strip:
    return Strip([Segment(text, style)]).adjust_cell_length(width, style)

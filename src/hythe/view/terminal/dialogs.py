"""Questions in front of everything else: one line to write, yes or no, one of several, and the keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from hythe.errors import MachineError, UsageError


class Ask(ModalScreen[None]):
    """A line to write. `act` does what it says; where it cannot be done, its sentence is shown, and the question stays."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Leave it")]

    def __init__(self, title: str, hint: str, text: str, act: Callable[[str], Awaitable[None]]) -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._text = text
        self._act = act

    def compose(self) -> ComposeResult:
        """Title, line, hint, what is wrong."""
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="title", markup=False)
            yield Input(self._text, compact=True)
            yield Static(self._hint, classes="hint", markup=False)
            yield Static("", id="wrong", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Try it."""
        try:
            await self._act(event.value)
        except (UsageError, MachineError) as error:
            self.query_one("#wrong", Static).update(str(error))
        else:
            self.dismiss(None)


class Confirm(ModalScreen[bool]):
    """Yes or no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes"),
        Binding("n,escape", "dismiss(False)", "No"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog"):
            yield Static(f"{self._question} (y/n)", markup=False)
        yield Footer(compact=True, show_command_palette=False)


class Choose(ModalScreen[int | None]):
    """One of several, by its place; None for none of them."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "Leave it")]

    def __init__(self, title: str, options: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._options = options

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="title", markup=False)
            yield OptionList(*(Option(each) for each in self._options), markup=False, compact=True)
        yield Footer(compact=True, show_command_palette=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """That one."""
        self.dismiss(event.option_index)


class Keys(ModalScreen[None]):
    """All keys, for who wants to know."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "dismiss", "Back")]

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """One line each."""
        width = max(len(key) for key, _ in self._keys)
        with Vertical(classes="dialog"):
            yield Static("\n".join(f"{key.ljust(width)}  {text}" for key, text in self._keys), markup=False)
        yield Footer(compact=True, show_command_palette=False)

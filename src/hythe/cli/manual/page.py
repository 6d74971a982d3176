"""What a command's page says, whatever it is written in: from click's own help, and from `entries`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

import click

from hythe.cli import command as help_
from hythe.cli.group import COMMANDS, group, in_sections
from hythe.cli.manual.entries import Entry

#: What click marks lines with that are to be left as they are.
_AS_IT_IS = "\b\n"


class Paragraph(NamedTuple):
    """`verbatim`: lines that are left as they are."""

    text: str
    verbatim: bool


class Page(NamedTuple):
    """`words`: the command as it is typed; `commands`: those within it, with their lines, under titles."""

    words: tuple[str, ...]
    line: str
    usage: str
    text: tuple[Paragraph, ...]
    options: list[tuple[str, list[tuple[str, str]]]]
    commands: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    entry: Entry

    @property
    def name(self) -> str:
        """Of its file: `hythe-wg-show`."""
        return "-".join(self.words)


def pages() -> Iterator[Page]:
    """One for hythe itself, and one for each command, those within others included."""
    yield from _pages(group, click.Context(group, info_name="hythe", **group.context_settings))


def _pages(command: click.Command, ctx: click.Context) -> Iterator[Page]:
    words = ("hythe", *help_.words(ctx))
    paragraphs = tuple(_paragraphs(inspect.cleandoc(command.help or "")))
    within: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    if command is group:
        within = tuple((title, tuple((name, COMMANDS[name][1]) for name in names)) for title, names in in_sections())
    elif isinstance(command, help_.Group):
        within = (("Commands", tuple(command.lines(ctx))),)
    line = COMMANDS[words[1]][1] if len(words) == 2 else command.get_short_help_str(limit=1000)
    usage = " ".join([*words, *command.collect_usage_pieces(ctx)])
    yield Page(words, line, usage, paragraphs, help_.sections(command, ctx), within, help_.entry(ctx))
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            each = command.get_command(ctx, name)
            if each is not None:
                yield from _pages(each, click.Context(each, ctx, name, **each.context_settings))


def _paragraphs(text: str) -> Iterator[Paragraph]:
    for each in text.split("\n\n"):
        if each.startswith(_AS_IT_IS):
            yield Paragraph(each.removeprefix(_AS_IT_IS), verbatim=True)
        else:
            yield Paragraph(" ".join(each.split()), verbatim=False)

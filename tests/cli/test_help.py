"""What hythe tells of itself: every command once, in one whole line, and each with all that a reader needs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hythe.cli.command import Command, Group
from hythe.cli.group import COMMANDS, ELSEWHERE, SECTIONS, group
from hythe.cli.manual.entries import ENTRIES
from hythe.errors import UsageError

DOCS = Path(__file__).parents[2] / "docs"


def told(*words: str) -> str:
    return CliRunner().invoke(group, words, terminal_width=80).output


def every() -> Iterator[tuple[str, click.Command]]:
    root = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(root, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {each}", within) for each, within in command.commands.items())


def test_every_command_stands_once_in_one_line() -> None:
    text = told("--help")
    for name, (_, line) in COMMANDS.items():
        assert len(re.findall(rf"^  {name} +{re.escape(line)}$", text, re.MULTILINE)) == 1, f"{name} has no line of its own"
    assert "..." not in text.partition("\n")[2]
    assert re.findall(r"^(\S.*):$", text, re.MULTILINE) == ["Options", *SECTIONS, "More", "Examples", "See also"]


def test_every_command_has_a_manual_and_no_manual_is_of_none() -> None:
    commands = dict(every())
    assert {"", *commands} == set(ENTRIES)
    for name, command in commands.items():
        assert isinstance(command, Command | Group), f"{name} is not made with cls=Command"


def test_a_command_is_told_with_options_examples_and_status() -> None:
    text = told("run", "--help")
    titles = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    assert titles[0].startswith("What COMMAND can reach")
    assert titles[-3:] == ["Examples", "Exit status", "See also"]
    for name in ENTRIES:
        assert max(map(len, told("help", *name.split()).splitlines())) <= 80, f"hythe help {name} is too wide for a terminal"
    assert told("help", "run") == text
    assert told("help", "wg", "add-peer") == told("wg", "add-peer", "--help")
    assert told("help") == told("--help")


def test_every_option_is_told_in_a_sentence_and_says_what_it_takes() -> None:
    wrong = []
    for name, command in every():
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                sentence = re.sub(r"  \[default: .*\]$", "", param.help or "")
                takes = param.metavar or param.is_flag or param.count or isinstance(param.type, click.Choice)
                if not re.fullmatch(r"[A-Z-].*\.", sentence) or not takes:
                    wrong.append(f"hythe {name} {param.opts[0]}: {param.help!r}")
    assert not wrong, "\n".join(wrong)


def parsed(words: list[str]) -> click.Context:
    """What click makes of a command line, which is not run."""
    ctx = group.make_context("hythe", list(words))
    while isinstance(ctx.command, click.Group):
        name, command, rest = ctx.command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert command is not None
        ctx = command.make_context(name, rest, parent=ctx)
    return ctx


def test_an_example_is_a_command_that_hythe_takes() -> None:
    for entry in ENTRIES.values():
        for line, _ in entry.examples:
            words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"').partition(" > ")[0])
            assert words[0] == "hythe"
            assert parsed(words[1:]).command.name is not None


def test_what_a_manual_names_is_there() -> None:
    for name, entry in ENTRIES.items():
        assert not entry.guide or (DOCS / entry.guide).is_file(), f"{name}: there is no docs/{entry.guide}"
        assert set(entry.see) <= set(ENTRIES), name
    assert set(ELSEWHERE.values()) <= set(COMMANDS)
    assert not set(ELSEWHERE) & set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rnu"], "there is no command 'rnu': did you mean hythe run? hythe --help lists all"),
        (["tcpdump", "-n"], "there is no command 'tcpdump': did you mean hythe dump? hythe --help lists all"),
        (["xyzzy"], "there is no command 'xyzzy': hythe --help lists all"),
        (["wg", "ad-peer"], "there is no command 'ad-peer': did you mean hythe wg add-peer? hythe wg --help lists all"),
    ],
)
def test_a_word_that_is_no_command_reminds_of_one(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        parsed(words)
    assert str(error.value) == sentence

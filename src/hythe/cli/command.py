"""What every command of hythe has in common: its help, in sections, with examples, exit status and what to read next.

What stands in the help beside a command's own words and options is in `hythe.cli.manual.entries`, read when it is asked for.
"""

from __future__ import annotations

import re

import click
from click.core import augment_usage_errors

from hythe.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

    from hythe.cli.manual.entries import Entry

#: What click says of an option that takes a number; a reader learns nothing from it.
_RANGE = re.compile(r"  \[(\d+<=?)?x[<>]=?\d+\]$|; (\d+<=?)?x[<>]=?\d+(?=\])|(?<=\[)(\d+<=?)?x[<>]=?\d+; ")


class Command(click.Command):
    """A command of hythe."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Those of the group, by itself as well."""
        return ["-h", "--help"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Whatever is wrong with the words, it is this command's help that is read next."""
        with augment_usage_errors(ctx):
            return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """All options, in the sections that the manual names."""
        for title, records in sections(self, ctx):
            with formatter.section(title):
                formatter.write_dl(records, col_max=26)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, exit status, and where to read on."""
        write_entry(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Options; but what begins like one behind another program's name is that program's."""
        from hythe.cli.completing import behind

        return behind(ctx) or super().shell_complete(ctx, incomplete)


class Group(click.Group):
    """A command that has commands: each is told of in one whole line."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing is cut."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines(ctx)))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As any command has it."""
        write_entry(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands with their lines, and options."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name, help=line) for name, line in self.lines(ctx) if name.startswith(incomplete)]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """What is no command reminds of one. Raises `UsageError`."""
        name = args[0]
        if name in self.list_commands(ctx) or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        meant = " or ".join(f"{ctx.command_path} {each}" for each in self.alike(ctx, name))
        remedy = f"did you mean {meant}? " if meant else ""
        raise UsageError(f"there is no command {name!r}: {remedy}{ctx.command_path} --help lists all")

    def alike(self, ctx: click.Context, name: str) -> list[str]:
        """The commands that somebody may have meant."""
        from difflib import get_close_matches

        return get_close_matches(name, self.list_commands(ctx), n=2)

    def lines(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """Each command, and its line."""
        for name in self.list_commands(ctx):
            each = self.get_command(ctx, name)
            if each is not None:
                yield name, each.get_short_help_str(limit=1000)


def sections(command: click.Command, ctx: click.Context) -> list[tuple[str, list[tuple[str, str]]]]:
    """Title, and the options (as they are written, what they do) of each section, in the order of their declaration."""
    titles = entry(ctx).sections
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None or not isinstance(param, click.Option):
            continue
        title = next((titles[each] for each in param.opts if each in titles), None)
        if title is not None or not found:
            found.append((title or "Options", []))
        part = found[0] if "--help" in param.opts else found[-1]
        part[1].append((record[0], _RANGE.sub("", record[1])))
    return found


def write_entry(ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """What the manual knows beside a command's own help."""
    known = entry(ctx)
    if known.examples:
        with formatter.section("Examples"):
            for number, (line, what) in enumerate(known.examples):
                if number:
                    formatter.write("\n")
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")
                with formatter.indentation():
                    formatter.write_text(what)
    if known.status:
        with formatter.section("Exit status"):
            formatter.write_dl(list(known.status))
    if known.see or known.guide:
        with formatter.section("See also"):
            names = [f"hythe help {each}" for each in known.see]
            formatter.write_text(", ".join([*names, *([f"docs/{known.guide}"] if known.guide else [])]))


def entry(ctx: click.Context) -> Entry:
    """What the manual has beside the command's own help."""
    from hythe.cli.manual.entries import of

    return of(" ".join(words(ctx)))


def words(ctx: click.Context) -> list[str]:
    """The command as it is typed behind `hythe`."""
    found: list[str] = []
    while ctx.parent is not None:
        found.insert(0, ctx.info_name or "")
        ctx = ctx.parent
    return found

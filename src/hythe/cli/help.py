"""`hythe help`: what `--help` tells, asked for in the other order."""

from __future__ import annotations

import click

from hythe.cli.command import Command
from hythe.errors import UsageError


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> int:
    """Tell all about COMMAND: what it does, every option, examples. Without one, tell which there are."""
    at = ctx.find_root()
    for name in names:
        if not isinstance(at.command, click.Group):
            raise UsageError(f"hythe {at.info_name} has no commands within: write hythe help {at.info_name}")
        found, each, _ = at.command.resolve_command(at, [name])
        if each is None or found is None:
            raise UsageError(f"{name!r} is no command: hythe --help lists all")
        at = click.Context(each, at, found, **each.context_settings)
    click.echo(at.get_help())
    return 0

"""`hythe services`: what a port is for, and which port a service has."""

from __future__ import annotations

from pathlib import Path

import click

from hythe.cli.command import Command
from hythe.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hythe.services.registry import Registry


@click.command(cls=Command)
@click.argument("wanted", metavar="[NAME|PORT|RANGE]", required=False)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: an object with the registry's date and source, and the services."
)
@click.option("--table", metavar="FILE", help="Read IANA's CSV from FILE instead of the table that hythe comes with.")
def command(wanted: str | None, as_json: bool, table: str | None) -> int:
    """Tell what IANA and /etc/services know of a port, a range or a service; without one, of all.

    A name can be an alias (www), or part of a name or description (mail). Put /tcp or /udp behind it for one protocol.
    """
    from hythe.services import etc
    from hythe.services.registry import registry
    from hythe.view import services as view

    known = registry() if table is None else _read(Path(table))
    found = view.Services(known, etc.read()).find(wanted)
    click.echo(view.as_json(found, known) if as_json else view.table(found), nl=as_json)
    return 0


def _read(path: Path) -> Registry:
    from hythe.services.generate import from_csv, merge
    from hythe.services.registry import Registry

    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"--table {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return Registry(merge(from_csv(lines)), "unknown", str(path))

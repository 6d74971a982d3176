"""`hythe ps`: the sessions that run."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="An array of objects, as the sessions tell them.")
def command(as_json: bool) -> int:
    """Show the sessions of this user that run: each `hythe run` is one."""
    from hythe.session.client import SessionEndedError, running
    from hythe.session.plain import plain
    from hythe.view.sessions import table

    sessions = []
    for session in running():
        try:
            sessions.append(session.about())
        except SessionEndedError as error:  # it has ended meanwhile, or is stopped
            click.echo(f"hythe: {error}", err=True)
    click.echo(json.dumps(plain(sessions), indent=2) if as_json else table(sessions), nl=as_json)
    return 0

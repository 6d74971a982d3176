"""`hythe ps`: the sessions that run, and the connections of one."""

from __future__ import annotations

import json

import click

from hythe.cli.command import Command

#: Of the connections that have ended, so many are shown.
_ENDED = 20
#: Seconds for which a session is waited for that may be stopped (^Z).
_PATIENCE = 2.0


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an array of objects, as the sessions tell them.")
def command(name: str | None, as_json: bool) -> int:
    """Show the sessions of this user that run, or with NAME the connections of one.

    Each `hythe run`, gateway, forward, proxy and sshd is a session, called as --name says or like its command.
    """
    from hythe.session.client import SessionEndedError, SessionSilentError, find, running
    from hythe.session.plain import plain
    from hythe.view import sessions as view

    if name is not None:
        connections = find(name).connections(ended=_ENDED)
        click.echo(json.dumps(plain(connections), indent=2) if as_json else view.connections(connections), nl=as_json)
        return 0
    found = []
    for session in running(_PATIENCE):
        try:
            found.append(session.about())
        except SessionSilentError as error:
            click.echo(f"hythe: {error}", err=True)
        except SessionEndedError:
            continue
    click.echo(json.dumps(plain(found), indent=2) if as_json else view.table(found), nl=as_json)
    return 0

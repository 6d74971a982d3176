"""`hythe wg`: keys and configurations of WireGuard, as wg(8) has them."""

from __future__ import annotations

import os
import stat
import sys

import click

from hythe.cli.command import Group
from hythe.errors import UsageError

#: Seconds for which a session is waited for that may be stopped (^Z).
_PATIENCE = 2.0


@click.group(cls=Group, no_args_is_help=False)
def command() -> None:
    """Make WireGuard keys, check configurations, and show the peers of sessions."""


@command.command()
def genkey() -> int:
    """Print a new private key."""
    from hythe.tunnel.wireguard.keys import clamp, key_text

    _beware()
    click.echo(key_text(clamp(os.urandom(32)).reveal()))
    return 0


@command.command()
def genpsk() -> int:
    """Print a new pre-shared key."""
    from hythe.tunnel.wireguard.keys import KEY_SIZE, key_text

    _beware()
    click.echo(key_text(os.urandom(KEY_SIZE)))
    return 0


@command.command()
def pubkey() -> int:
    """Read a private key from standard input and print its public key."""
    from hythe.tunnel.wireguard.keys import Secret, key_text, parse_key, public_key

    try:
        private = parse_key(sys.stdin.read())
    except UnicodeDecodeError as error:
        raise UsageError("standard input is no text: give it what `hythe wg genkey` prints") from error
    except UsageError as error:
        raise UsageError(f"standard input: {error}") from error
    click.echo(key_text(public_key(Secret(private))))
    return 0


@command.command()
@click.argument("file")
def check(file: str) -> int:
    """Tell what the configuration FILE means, or what is wrong in which line."""
    from hythe.tunnel.wireguard.config import read
    from hythe.view.wireguard import described

    configuration = read(file)
    for warning in configuration.warnings:
        click.echo(f"hythe: {warning}", err=True)
    click.echo(described(configuration))
    return 0


@command.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an array of objects, as the sessions tell them.")
def show(name: str | None, as_json: bool) -> int:
    """Show the peers of the session NAME, or of every session that has any."""
    import json
    import time

    from hythe.session.client import SessionEndedError, SessionSilentError, find, running
    from hythe.session.plain import plain
    from hythe.view.wireguard import shown

    found = []
    for session in [find(name)] if name is not None else running(_PATIENCE):
        try:
            peers = session.peers()
        except SessionSilentError as error:
            click.echo(f"hythe: {error}", err=True)
        except SessionEndedError:
            continue
        except UsageError:
            if name is not None:
                raise
            continue  # an older one, which knows of no tunnels and has none
        else:
            if peers:
                found.append((session.name, peers))
    if as_json:
        click.echo(json.dumps([{"session": each, "peers": plain(peers)} for each, peers in found], indent=2))
    else:
        now = time.time()
        click.echo("\n\n".join(f"session: {each}\n\n{shown(peers, now)}" for each, peers in found) or "no peers")
    return 0


@command.command(name="add-peer")
@click.argument("name")
@click.argument("file", required=False)
@click.option("--endpoint", metavar="HOST[:PORT]", help="Let the peer find the server there.  [default: this machine]")
@click.option("--qr/--no-qr", default=None, help="Print a QR code as well.  [default: on a terminal]")
def add_peer(name: str, file: str | None, endpoint: str | None, qr: bool | None) -> int:
    """Add a peer to the server's FILE and print the file that it takes home.

    A `hythe gateway` that runs with FILE lets the peer in at once; without FILE it is the one that runs.
    """
    from hythe.gateway.peers.adding import add_peer as add
    from hythe.gateway.peers.running import gateway_of, only_file, reload

    _beware()
    file = file if file is not None else only_file()
    text = add(file, name, endpoint)
    click.echo(text, nl=False)
    if qr if qr is not None else sys.stdout.isatty():
        import segno

        click.echo()
        segno.make(text, error="l").terminal(out=sys.stdout, compact=True)
    session = gateway_of(file)
    if session is not None:
        reload(session)
        click.echo(f"hythe: {session.name} lets {name} in from now on", err=True)
    return 0


def _beware() -> None:
    """A secret is about to go where others can read it: say so, as wg(8) does."""
    mode = os.fstat(sys.stdout.fileno()).st_mode
    if stat.S_ISREG(mode) and mode & stat.S_IRWXO:
        click.echo("hythe: the file that takes this key is open to others: set umask 077 before", err=True)

"""`hythe wg`: keys and configurations of WireGuard, as wg(8) has them."""

from __future__ import annotations

import os
import stat
import sys

import click

from hythe.errors import UsageError


@click.group(no_args_is_help=False)
def command() -> None:
    """Make WireGuard keys, and check configurations."""


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


def _beware() -> None:
    """A secret is about to go where others can read it: say so, as wg(8) does."""
    mode = os.fstat(sys.stdout.fileno()).st_mode
    if stat.S_ISREG(mode) and mode & stat.S_IRWXO:
        click.echo("hythe: the file that takes this key is open to others: set umask 077 before", err=True)

"""`hythe proxy`: mapped ports, SOCKS and HTTP for many clients."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click

from hythe.cli.command import Command
from hythe.errors import MachineError, UsageError

if TYPE_CHECKING:
    from hythe.proxy.config import ProxyConfig


@click.command(cls=Command)
@click.option(
    "--map", "maps", multiple=True, metavar="LISTEN=HOST:PORT", help="Lead a port, [ADDR:]PORT[/udp], to one elsewhere."
)
@click.option(
    "--socks", multiple=True, metavar="[ADDR:]PORT", help="Serve SOCKS4a and SOCKS5 there; ADDR is loopback unless given."
)
@click.option(
    "--http", multiple=True, metavar="[ADDR:]PORT", help="Serve an HTTP proxy there; ADDR is loopback unless given."
)
@click.option(
    "--via", multiple=True, metavar="WAY", help="Go out by ssh://HOST, socks5://HOST, http://HOST.  [default: direct]"
)
@click.option("--expose", metavar='"yes, to everyone"', help="Let these ports be open to networks that are not internal.")
@click.option("--log", metavar="FILE", help="Write the access log there.  [default: standard output]")
@click.option("--name", metavar="NAME", help="Call the session so in hythe ps.  [default: proxy]")
@click.option("--check", metavar="FILE", help="Tell what is wrong with a configuration, and do nothing else.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of configurations.")
@click.option("--hash-password", is_flag=True, help="Ask for a password, and print what [users] has for it.")
@click.argument("file", required=False, metavar="[FILE.toml]")
def command(
    maps: tuple[str, ...],
    socks: tuple[str, ...],
    http: tuple[str, ...],
    via: tuple[str, ...],
    expose: str | None,
    log: str | None,
    name: str | None,
    check: str | None,
    schema: bool,
    hash_password: bool,
    file: str | None,
) -> int:
    """Serve mapped ports, SOCKS and HTTP to the clients inside, as FILE or the options say.

    A port is a number or a service. SIGTERM lets connections end, SIGHUP reads FILE again and keeps them.
    """
    flags = bool(maps or socks or http or via or expose or log or name)
    if check is not None or schema or hash_password:
        if flags or file is not None or (check is not None) + schema + hash_password > 1:
            raise UsageError("--check, --schema and --hash-password stand alone: leave the rest out")
        _aside(check, schema=schema)
        return 0
    if file is not None and flags:
        raise UsageError(f"{file} says everything already: leave the options out, or write them into it")
    if file is None and not (maps or socks or http):
        raise UsageError("there is nothing to serve: name a FILE, or --map, --socks or --http")

    def read() -> ProxyConfig:
        from hythe.proxy.flags import configuration
        from hythe.proxy.reading import read as read_file

        if file is not None:
            config = read_file(file)
            if not (config.map or config.socks or config.http):
                raise UsageError(f"{file} has no [[map]], [[socks]] or [[http]]: it is for hythe run --proxy {file}")
            return config
        return configuration(maps, socks, http, via, expose=expose, log=log, name=name)

    from hythe.proxy.service import Options, run
    from hythe.via.spec import shown

    with contextlib.suppress(KeyboardInterrupt):  # before anybody listened to it
        return run(Options(read, ("hythe", *shown(sys.argv[1:])), _say))
    return 130


def _aside(check: str | None, *, schema: bool) -> None:
    if check is not None:
        from hythe.proxy.reading import read
        from hythe.proxy.server import all_places

        config = read(check)
        try:
            all_places(config)  # what the start would refuse on this machine
        except (UsageError, MachineError) as error:
            raise type(error)(f"{check}: {error}") from error
        click.echo(f"{check}: nothing is wrong with it")
    elif schema:
        import json

        from hythe.proxy.schema import document

        click.echo(json.dumps(document(), indent=2))
    else:
        from hythe.proxy.users import hash_password

        click.echo(hash_password(_password()))


def _password() -> str:
    """From the terminal, unseen and twice; or the first line of what is piped in."""
    if not sys.stdin.isatty():
        word = sys.stdin.readline().rstrip("\n")
    else:
        import getpass

        word = getpass.getpass("Password: ")
        if word != getpass.getpass("Again: "):
            raise UsageError("the passwords differ: try again")
    if not word:
        raise UsageError("an empty password protects nothing: write one")
    return word


def _say(text: str) -> None:
    """To standard error, at once: standard output is the log's. Nobody being there is no reason to end."""
    with contextlib.suppress(OSError):
        os.write(2, f"hythe: {text}\n".encode(errors="backslashreplace"))

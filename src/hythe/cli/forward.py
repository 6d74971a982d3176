"""`hythe forward`: ports carried through a tunnel, as `ssh -L -R -D` does it."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from typing import TYPE_CHECKING

import click

from hythe.cli.command import Command
from hythe.errors import UsageError

if TYPE_CHECKING:
    from hythe.forward.tunnel import TunnelSpec


@click.command(cls=Command)
@click.option(
    "-L",
    "local",
    multiple=True,
    metavar="[ADDR:]PORT:HOST:PORT[/udp]",
    help="Lead a port here to one that the far end reaches.",
)
@click.option(
    "-R",
    "remote",
    multiple=True,
    metavar="[ADDR:]PORT[:HOST:PORT[/udp]]",
    help="Lead a port of the far end to one that is reached from here; a PORT alone is a SOCKS server.",
)
@click.option("-D", "dynamic", multiple=True, metavar="[ADDR:]PORT", help="Serve SOCKS (4a, 5) here; the far end goes on.")
@click.option(
    "--via",
    metavar="WAY",
    help="Go through ssh://[USER@]HOST[:PORT], wg:FILE, socks5://HOST, http://HOST, or a chain of them.",
)
@click.option("-C", "--compress", is_flag=True, help="Compress (SSH).")
@click.option("-i", "--identity", multiple=True, metavar="FILE", help="Show this key, instead of the usual ones (SSH).")
@click.option(
    "--keepalive",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Ask for a sign of life so often, 0 for never.  [default: 15]",
)
@click.option("--exit-on-failure", is_flag=True, help="End when a forward cannot be set up or the tunnel breaks.")
@click.option("-f", "--background", is_flag=True, help="Go to the background once all is up.")
@click.option("--file", "path", metavar="FILE", help="Keep the tunnels of FILE (TOML, by name); read anew on SIGHUP.")
@click.option("--name", metavar="NAME", help="Call the session so in hythe ps.")
@click.option("-q", "--quiet", is_flag=True, help="Tell neither what leads where nor what happens.")
def command(
    local: tuple[str, ...],
    remote: tuple[str, ...],
    dynamic: tuple[str, ...],
    via: str | None,
    compress: bool,
    identity: tuple[str, ...],
    keepalive: float | None,
    exit_on_failure: bool,
    background: bool,
    path: str | None,
    name: str | None,
    quiet: bool,
) -> int:
    """Carry ports, Unix sockets and datagrams through a tunnel, and keep it up.

    HOST is looked up at the far end of -L and at this end of -R. ADDR is loopback unless given, * for all; PORT may be a
    service, and 0 picks one. What has a slash in it is a Unix socket.
    """
    from hythe.forward.file import read
    from hythe.forward.run import Options, forward, to_background
    from hythe.forward.specs import parse
    from hythe.forward.tunnel import TunnelSpec
    from hythe.via.spec import parse as parse_way
    from hythe.via.spec import shown

    asked = [("-L", local), ("-R", remote), ("-D", dynamic)]
    forwards = tuple(parse(option, text) for option, texts in asked for text in texts)
    if keepalive is not None and not keepalive < math.inf:
        raise UsageError("--keepalive is a number of seconds, 0 for none")
    if path is not None and (forwards or via or compress or identity):
        raise UsageError("--file has the tunnels: write what they forward there, or leave --file out")
    if path is None and (not forwards or via is None):
        raise UsageError("nothing is forwarded: name at least one -L, -R or -D, and the tunnel with --via")
    where = os.path.abspath(os.path.expanduser(path)) if path is not None else ""
    specs: tuple[TunnelSpec, ...]
    if where:
        specs = read(where)
    else:
        specs = (TunnelSpec(str(parse_way(via or "")), via or "", forwards, identity, compress, keepalive),)
    begun = to_background() if background else lambda: None
    with contextlib.suppress(KeyboardInterrupt):  # before anybody listened to it
        return forward(
            Options(
                specs,
                ("hythe", *shown(sys.argv[1:])),
                said=_nothing if quiet else _say,
                told=_nothing if quiet else _tell,
                begun=begun,
                name=name,
                exits=exit_on_failure,
                reread=(lambda: read(where)) if where else None,
            )
        )
    return 130


def _nothing(text: str) -> None:
    """Say it to nobody."""


def _say(text: str) -> None:
    """To standard output, at once; nobody being there is no reason to end."""
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode(errors="backslashreplace"))


def _tell(text: str) -> None:
    """To standard error, in the same way."""
    with contextlib.suppress(OSError):
        os.write(2, f"hythe: {text}\n".encode(errors="backslashreplace"))

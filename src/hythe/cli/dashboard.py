"""`hythe dashboard`: running sessions as a web page on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

import click

from hythe.cli.command import Command
from hythe.errors import MachineError, UsageError


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    metavar="N",
    help="Listen there, 0 being any free one.  [default: 0]",
)
@click.option(
    "--open/--no-open", "opened", default=None, help="Open the page in a browser.  [default: at a terminal with a display]"
)
def command(name: str | None, port: int, opened: bool | None) -> int:
    """Show the session NAME, or all of this user's, as a page in a browser of this machine, until ^C.

    The address that is printed works once. Enter prints another one, for another browser.
    """
    if name is not None:
        from hythe.session.places import is_name

        if not is_name(name):
            raise UsageError(f"{name!r} cannot be a session: hythe ps shows which run")
    try:
        from hythe.dashboard.server import serve
    except ImportError as error:
        raise MachineError(
            f"the dashboard needs {error.name}, which is not installed: pip install 'hythe[dashboard]'"
        ) from error
    terminal = sys.stdin.isatty()
    display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    wanted = (terminal and display) if opened is None else opened

    def begun(address: Callable[[], str]) -> None:
        nonlocal wanted
        _say(address(), name)
        if wanted:
            wanted = False
            _open(address())

    with contextlib.suppress(KeyboardInterrupt):  # before anybody listened to it
        asyncio.run(serve(name, port, begun, sys.stdin.fileno() if terminal else None))
    return 0


def _say(address: str, name: str | None) -> None:
    """To standard output, at once; nobody being there is no reason to end."""
    what = f"session {name}" if name is not None else "all sessions"
    with contextlib.suppress(OSError):
        os.write(1, f"hythe: {what} at {address} (works once; ^C ends)\n".encode())


def _open(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        click.echo("hythe: no browser could be opened: open the address by hand", err=True)

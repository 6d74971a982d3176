"""`hythe live`: a session, or this machine, as it goes on."""

from __future__ import annotations

import os
import signal

import click

from hythe.cli.command import Command
from hythe.errors import MachineError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hythe.view.watch.source import Source


#: One session, and this machine.
_ALONE = 2


@click.command(cls=Command)
@click.option("--picture", metavar="FILE", help="Write an SVG picture of it after some seconds, and end; needs no terminal.")
@click.argument("name", required=False)
def command(name: str | None, picture: str | None) -> int:
    """Show the session NAME as it goes on: connections with rates, DNS, events, ports; change it by keys.

    Without NAME: the session that runs, or one of several to choose; where none does, the sockets of this machine.
    """
    if picture is None and not (os.isatty(0) and os.isatty(1)):
        once = f"hythe ps {name} shows" if name else "hythe ps and hythe netstat show"
        raise UsageError(f"hythe live needs a terminal: {once} the same once, and --picture FILE draws it")
    try:
        from hythe.view.terminal.app import Live
    except ImportError as error:
        if error.name is not None and error.name.startswith("hythe"):
            raise
        raise MachineError(f"hythe live needs the package {error.name}: pip install 'hythe[live]'") from error
    found = _sources()
    several = name is None and len(found) > _ALONE
    from hythe.view.watch.source import Contact

    source = Contact(name) if name is not None else found[0][1]()
    if picture is None:
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # by which the terminal is put in order
        Live(source, _sources, choose=several).run()
        return 0
    from hythe.view.terminal.picture import draw

    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # without a terminal textual would wait for ever where asyncio ends it
    try:
        with open(picture, "w", encoding="utf-8") as target:
            target.write(draw(Live(source, _sources)))
    except OSError as error:
        raise UsageError(f"--picture {picture} cannot be written: {error.strerror}") from error
    return 0


def _sources() -> Sequence[tuple[str, Callable[[], Source]]]:
    """The sessions that run, and this machine, each by what opens it."""
    from functools import partial

    from hythe.session import places
    from hythe.view.watch.machine import Machine
    from hythe.view.watch.source import Contact

    sessions = [(name, partial(Contact, name)) for name, _ in places.sockets()]
    return [*sessions, ("this machine", Machine)]

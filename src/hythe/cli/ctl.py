"""`hythe ctl`: change a session while it runs."""

from __future__ import annotations

import click

from hythe.cli.command import Command
from hythe.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hythe.session.client import Session
    from hythe.session.model import Listener

#: What takes a fault away.
_NOTHING = ("", "0", "none", "off")


@click.command(cls=Command)
@click.argument("name")
@click.argument("change", metavar="set|kill|publish|unpublish", type=click.Choice(["set", "kill", "publish", "unpublish"]))
@click.argument("what", nargs=-1, required=True)
def command(name: str, change: str, what: tuple[str, ...]) -> int:
    """Change the session NAME while it runs.

    \b
    set FAULT=VALUE…   make its network worse: loss=5% up-delay=20ms, by the
                       names of hythe run's options; =none takes one away
    kill ID…           reset connections, by the numbers of hythe ps NAME
    publish [ADDR:]HOSTPORT:PORT[/udp]…
                       let outside clients reach a port, as hythe run -p does
    unpublish [ADDR:]HOSTPORT[/udp]…
                       and no longer
    """  # noqa: D301 - click's mark for lines to be left as they are
    from hythe.session.client import find

    act: dict[str, Callable[[Session, tuple[str, ...]], None]] = {
        "set": _set,
        "kill": _kill,
        "publish": _publish,
        "unpublish": _unpublish,
    }
    act[change](find(name), what)
    return 0


def _set(session: Session, what: tuple[str, ...]) -> None:
    words: dict[str, str | None] = {}
    for each in what:
        name, equals, text = each.partition("=")
        if not equals:
            raise UsageError(f"{each!r} does not say what it shall be: write for example loss=5%")
        words[name.replace("-", "_")] = None if text in _NOTHING else text
    faults = session.set_faults(**words)
    text = " ".join(f"{name.replace('_', '-')}={text}" for name, text in faults.words.items()) or "no faults"
    click.echo(f"{session.name}: {text}")


def _kill(session: Session, what: tuple[str, ...]) -> None:
    for each in what:
        if not each.isdecimal():
            raise UsageError(f"{each!r} is not a connection: write its number, which hythe ps {session.name} shows")
        killed = session.kill(int(each))
        click.echo(f"{session.name}: {killed.protocol} connection {killed.id} is reset")


def _publish(session: Session, what: tuple[str, ...]) -> None:
    for each in what:
        for listener in session.publish(each):
            click.echo(f"{session.name}: {_outside(listener)} leads to {listener.protocol} port {listener.inside.port}")


def _unpublish(session: Session, what: tuple[str, ...]) -> None:
    from hythe.gateway.names.resolvconf import packed
    from hythe.gateway.publish.publications import parse_outside

    for each in what:
        address, ports, protocol = parse_outside(each)
        numbers = [
            listener.id
            for listener in session.listeners()
            if listener.id is not None and listener.outside is not None and listener.protocol == protocol
            if listener.outside.port in ports and address in (None, packed(listener.outside.address))
        ]
        if not numbers:
            raise UsageError(
                f"{session.name} publishes no {protocol} port {each}: hythe netstat -ln --session {session.name}"
            )
        for number in numbers:
            click.echo(f"{session.name}: {_outside(session.unpublish(number))} is no longer published")


def _outside(listener: Listener) -> str:
    from hythe.view.summary import endpoint

    return endpoint(listener.outside.address, listener.outside.port) if listener.outside is not None else "-"

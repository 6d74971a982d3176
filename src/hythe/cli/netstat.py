"""`hythe netstat`: sockets of this machine and of sessions, interfaces, routes, statistics."""

from __future__ import annotations

import time
from typing import TypeVar

import click

from hythe.cli.command import Command
from hythe.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hythe.session.client import Session
    from hythe.view.names import HostNames
    from hythe.view.netstat.sockets import Row, Wanted

T = TypeVar("T")

#: Seconds between two tables of -c; how long a session is waited for that may be stopped (^Z).
_PERIOD = 1.0
_PERIOD_MAX = 86_400
_PATIENCE = 2.0


@click.command(cls=Command)
@click.option("-t", "--tcp", is_flag=True, help="Show TCP only.")
@click.option("-u", "--udp", is_flag=True, help="Show UDP only; without -t and -u, both.")
@click.option("-l", "--listening", is_flag=True, help="Show what listens, and no connections.")
@click.option(
    "-a", "--all", "everything", is_flag=True, help="Show what listens as well; with -i, interfaces that are down."
)
@click.option("-n", "--numeric", is_flag=True, help="Show numbers, not names of hosts, services and users.")
@click.option("-p", "--programs", is_flag=True, help="Show who holds each socket: PID and program.")
@click.option("-i", "--interfaces", "interfaces", is_flag=True, help="Show the interfaces instead, with counters and MAC.")
@click.option("-r", "--route", is_flag=True, help="Show the routing tables instead.")
@click.option("-s", "--statistics", is_flag=True, help="Show counters of each protocol instead; of sessions, their totals.")
@click.option("-4", "only4", is_flag=True, help="Show IPv4 only.")
@click.option("-6", "only6", is_flag=True, help="Show IPv6 only.")
@click.option("-c", "--continuous", is_flag=True, help="Show it again every second, or every SECONDS, until ^C.")
@click.option("--explain", is_flag=True, help="Tell what each port is, and which sockets nothing explains.")
@click.option("--session", metavar="NAME", help="Show the sockets of this session (hythe ps) alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an array of objects.")
@click.argument("seconds", required=False)
def command(
    tcp: bool,
    udp: bool,
    listening: bool,
    everything: bool,
    numeric: bool,
    programs: bool,
    interfaces: bool,
    route: bool,
    statistics: bool,
    only4: bool,
    only6: bool,
    continuous: bool,
    explain: bool,
    session: str | None,
    as_json: bool,
    seconds: str | None,
) -> int:
    """Show the sockets of this machine, and of every session: connections, with -l what listens, with -a both."""
    if seconds is not None and not continuous:
        raise UsageError(f"{seconds!r} has no meaning here: SECONDS goes with -c")
    period = _PERIOD if seconds is None else _seconds(seconds)
    if interfaces + route + statistics + explain > 1:
        raise UsageError("-i, -r, -s and --explain are different tables: ask for one of them")
    if session is not None and (interfaces or route):
        raise UsageError("-i and -r are of this machine: leave --session out")
    from hythe.view.netstat.sockets import Wanted

    families = frozenset({4, 6} if only4 == only6 else {4} if only4 else {6})
    protocols = frozenset(name for name, given in (("tcp", tcp), ("udp", udp)) if given) or frozenset({"tcp", "udp"})
    both = everything or (explain and not listening)
    wanted = Wanted(protocols, families, listening=listening or both, connected=not listening or both)
    names = None
    if not numeric:
        from hythe.view.names import HostNames

        names = HostNames()
    while True:
        if interfaces:
            text = _interfaces(everything=everything, as_json=as_json)
        elif route:
            text = _routes(families, names, as_json=as_json)
        elif statistics:
            text = _statistics(wanted, session, as_json=as_json)
        else:
            text = _sockets(wanted, session, names, programs=programs or explain, explain=explain, as_json=as_json)
        click.echo(text, nl=False)
        if not continuous:
            return 0
        time.sleep(period)


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _PERIOD_MAX):
        raise UsageError(f"{text!r} is no time to wait: write seconds, 1 to {_PERIOD_MAX}")
    return float(text)


def _sockets(
    wanted: Wanted, only: str | None, names: HostNames | None, *, programs: bool, explain: bool, as_json: bool
) -> str:
    from hythe.view.netstat import sockets, table

    tables: dict[str, list[Row]] = {}
    if only is None:
        tables[""] = rows = sockets.of_machine(wanted)
        if programs:
            from hythe.view.netstat.processes import tell_holders

            tell_holders(rows)
    tables |= _ask(only, lambda each: sockets.of_session(each, wanted, processes=programs))
    if names is not None:
        names.ask(sockets.addresses(row for rows in tables.values() for row in rows))
        names.wait()
    shown = table.Shown(names)
    if explain:
        from hythe.view.netstat import explain as explaining

        return explaining.report(tables, shown, as_json=as_json)
    if as_json:
        return table.as_json([table.plain(row, shown) for rows in tables.values() for row in rows]) + "\n"
    what = ("servers and established" if wanted.connected else "only servers") if wanted.listening else "w/o servers"
    parts = []
    for name, rows in tables.items():
        parts.append(f"Session {name} ({what})\n" if name else f"Active Internet connections ({what})\n")
        parts.append(table.table(rows, shown, processes=programs))
    return "".join(parts)


def _sessions(only: str | None) -> list[Session]:
    """The one, or all that run. What asks them is imported where there is one."""
    from hythe.session import places

    if only is None and not places.sockets():
        return []
    from hythe.session.client import find, running

    return [find(only, _PATIENCE)] if only is not None else running(_PATIENCE)


def _ask(only: str | None, question: Callable[[Session], T]) -> dict[str, T]:
    """What each session answers; one of many that has ended meanwhile, or is stopped, is told of, and left out."""
    answers = {}
    for each in _sessions(only):
        from hythe.session.client import SessionEndedError

        try:
            answers[each.name] = question(each)
        except SessionEndedError as error:
            if only is not None:
                raise
            click.echo(f"hythe: {error}", err=True)
    return answers


def _interfaces(*, everything: bool, as_json: bool) -> str:
    from hythe.view.netstat import interfaces

    return interfaces.report(everything=everything, as_json=as_json)


def _routes(families: frozenset[int], names: HostNames | None, *, as_json: bool) -> str:
    from hythe.view.netstat import routes

    return routes.report(families, names, as_json=as_json)


def _statistics(wanted: Wanted, only: str | None, *, as_json: bool) -> str:
    from hythe.view.netstat import statistics

    totals = _ask(only, lambda each: each.about().totals)
    return statistics.report(wanted, totals, machine=only is None, as_json=as_json)

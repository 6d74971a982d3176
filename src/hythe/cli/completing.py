"""What TAB offers. A shell's script (`shells`) runs hythe with `_HYTHE_COMPLETE` set, and its words up to the cursor.

The answer is a line for each offer, `KIND <tab> VALUE <tab> HELP`. Kinds: ``plain``; ``open``, behind which the word goes
on; ``file`` and ``dir``, of which the shell knows more; ``command``, from whose word on another command is completed.

bash cuts words at ``:`` and ``=``. What it cut is put together again by the line it was cut from, which the variable holds,
and of each offer only what lies behind the last cut is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import click
from click.shell_completion import CompletionItem, ShellComplete
from click.types import StringParamType

from hythe.errors import MachineError, UsageError

VARIABLE: Final = "_HYTHE_COMPLETE"
_CUTS: Final = ":="
#: Seconds that a session has to answer while somebody waits at a prompt.
_PATIENCE: Final = 2.0

Offers: TypeAlias = "Callable[[click.Context], Iterator[CompletionItem[Any]]]"


def answer(words: list[str], line: str) -> str:
    """What could stand for the last of `words`, which stand behind `hythe` in `line`."""
    from hythe.cli.group import group

    glued, first = _glued(words, line)
    *before, last = glued
    _teach(group, before)
    option = last[: last.find("=") + 1] if last.startswith("-") else ""  # click leaves it out
    there = len(last) - len(words[-1].lstrip(_CUTS)) if first[-1] < len(words) - 1 else 0
    found = []
    for each in ShellComplete(group, {}, "hythe", VARIABLE).get_completions(before, last):
        if each.type == "command":  # so many words back from the last one; the shell counts its own, `hythe` included
            found.append(f"command\t{1 + first[len(glued) - 1 - int(each.value)]}\t")
        elif each.type in ("file", "dir"):
            found.append(f"{each.type}\t\t")
        else:
            value = f"{option}{each.value}"
            what = " ".join((each.help or "").split())
            found.append(f"{'open' if value.endswith(('=', ':', '/')) else 'plain'}\t{value[there:]}\t{what}")
    return "\n".join(dict.fromkeys(found))


def _glued(words: list[str], line: str) -> tuple[list[str], list[int]]:
    """Words as they stand in `line`, and for each the number of the first of `words` that is in it."""
    glued: list[str] = []
    first: list[int] = []
    end = line.find(" ")
    for number, word in enumerate(words):
        start = line.find(word, max(end, 0))
        cut = word[:1] in _CUTS or words[number - 1].endswith(tuple(_CUTS))
        touches = number > 0 and word != "" and cut and 0 <= start == end
        if touches:
            glued[-1] += word
        else:
            glued.append(word)
            first.append(number)
        end = start + len(word) if start >= 0 else end
    return glued, first


def behind(ctx: click.Context) -> list[CompletionItem[Any]]:
    """Of `hythe run`: that its COMMAND goes on from there."""
    given = ctx.params.get("command")
    return [CompletionItem(str(len(given)), type="command")] if given else []


class _Word(StringParamType):
    """A parameter for which something can be offered."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        return [each for each in self._offers(ctx) if each.type != "plain" or each.value.startswith(incomplete)]


def _teach(group: click.Group, words: list[str]) -> None:
    """Let the parameters of the command that `words` name know what they can be."""
    command: click.Command | None = group
    path = []
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
        path.append(word)
    for param in command.params if command is not None and not isinstance(command, click.Group) else ():
        offers = _offers(" ".join(path), param)
        if offers is not None and param.type in (click.STRING, click.UNPROCESSED):
            param.type = _Word(offers)


def _offers(command: str, param: click.Parameter) -> Offers | None:
    metavar = str(param.metavar or param.name or "")
    if (command, param.name) in _BY_NAME:
        return _BY_NAME[command, param.name]
    if param.name == "session":
        return _sessions
    if metavar.startswith("WAY"):
        return _ways
    if metavar.startswith("[") and "|" in metavar and isinstance(param, click.Option):
        words = [each for each in metavar.strip("[]").split("|") if each.islower()]
        return lambda _ctx: (CompletionItem(each) for each in words)
    if "FILE" in metavar.upper():
        return lambda _ctx: iter((CompletionItem("", type="file"),))
    return None


def _sessions(_ctx: click.Context) -> Iterator[CompletionItem[Any]]:
    from hythe.session.places import sockets

    for name, _ in sockets():
        yield CompletionItem(name)


def _changes(ctx: click.Context) -> Iterator[CompletionItem[Any]]:
    """Of `hythe ctl NAME`: faults by name, connections that go on, published ports."""
    from hythe.cli.faults import names
    from hythe.session.client import find

    if ctx.params["change"] == "set":
        yield from (CompletionItem(f"{name}=") for name in names())
        return
    try:
        session = find(ctx.params["name"], _PATIENCE)
        if ctx.params["change"] == "kill":
            for each in session.connections():
                yield CompletionItem(
                    str(each.id), help=f"{each.protocol} {each.name or each.remote.address}:{each.remote.port}"
                )
        elif ctx.params["change"] == "unpublish":
            for listener in session.listeners():
                if listener.id is not None and listener.outside is not None:
                    udp = "/udp" if listener.protocol == "udp" else ""
                    yield CompletionItem(f"{listener.outside.port}{udp}", help=f"port {listener.inside.port} inside")
    except (UsageError, MachineError):  # no such session, or it is silent: there is nothing to offer
        return


def _services(_ctx: click.Context) -> Iterator[CompletionItem[Any]]:
    from hythe.services.etc import read

    for name in sorted({name for each in read() for name in each.names}):
        yield CompletionItem(name)


def _port_of_host(ctx: click.Context) -> Iterator[CompletionItem[Any]]:
    """Of `hythe connect`: its second word is a port, with -U its first is a file."""
    if ctx.params.get("unix"):
        return iter((CompletionItem("", type="file"),))
    return _services(ctx) if ctx.params.get("words") or ctx.params.get("listen") else iter(())


def _interfaces(_ctx: click.Context) -> Iterator[CompletionItem[Any]]:
    for name in ["any", *sorted(os.listdir("/sys/class/net"))]:
        yield CompletionItem(name)


def _ways(_ctx: click.Context) -> Iterator[CompletionItem[Any]]:
    for scheme in ("ssh://", "socks5://", "socks4a://", "http://", "https://", "wg:"):
        yield CompletionItem(scheme)


def _commands(ctx: click.Context) -> Iterator[CompletionItem[Any]]:
    return iter(behind(ctx) or [CompletionItem("0", type="command")])


def _topics(_ctx: click.Context) -> Iterator[CompletionItem[Any]]:
    from hythe.cli.group import COMMANDS

    for name, (_, line) in COMMANDS.items():
        yield CompletionItem(name, help=line)


#: Command and parameter -> what it can be.
_BY_NAME: Final[Mapping[tuple[str, str | None], Offers]] = MappingProxyType(
    {
        ("ctl", "name"): _sessions,
        ("ctl", "what"): _changes,
        ("ps", "name"): _sessions,
        ("live", "name"): _sessions,
        ("dashboard", "name"): _sessions,
        ("wg show", "name"): _sessions,
        ("run", "command"): _commands,
        ("serve", "port"): _services,
        ("serve", "folder"): lambda _ctx: iter((CompletionItem("", type="dir"),)),
        ("services", "wanted"): _services,
        ("connect", "words"): _port_of_host,
        ("dump", "interface"): _interfaces,
        ("help", "names"): _topics,
    }
)

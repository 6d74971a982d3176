"""`hythe why`: what made a connection slow, or ended it, in plain words, with the packets that prove it."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from hythe.cli.command import Command
from hythe.errors import UsageError

if TYPE_CHECKING:
    from hythe.wire.pcapng import CapturedPacket


@click.command(cls=Command)
@click.option("--session", metavar="NAME", help="Look at a running session, from now on, until it ends or ^C.")
@click.option("--stream", type=click.IntRange(0), metavar="N", help="Look at connection N alone; 0 is the first.")
@click.option("--problems", is_flag=True, help="Tell only of connections with which something is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each connection, with all that was found.")
@click.argument("file", metavar="[FILE]", required=False)
def command(file: str | None, session: str | None, stream: int | None, problems: bool, as_json: bool) -> int:
    """Tell what limited each TCP connection of FILE (pcap or pcapng, - for standard input), and why.

    Lines that begin with ! tell what is wrong, those with - how TCP lives with its path. Packets are counted from 1.
    """
    from hythe.view.analysis.causes import plural
    from hythe.view.analysis.conversation import Conversations
    from hythe.view.analysis.findings import findings
    from hythe.view.analysis.plain import plain
    from hythe.view.analysis.words import report

    conversations = Conversations()
    with ExitStack() as stack:
        conversations.read(packets(file, session, stack))
    chosen = conversations.all if stream is None else conversations.all[stream : stream + 1]
    if not chosen:
        there = plural(len(conversations.all), "TCP connection")
        click.echo(
            f"hythe: {there} in these packets" + (f", none has number {stream}" if stream is not None else ""), err=True
        )
        return 0 if stream is None else 1
    if problems:
        chosen = [each for each in chosen if any(one.problem for one in findings(each))]
    for index, each in enumerate(chosen):
        lines = [json.dumps(plain(each))] if as_json else ([""] if index else []) + list(report(each))
        click.echo("\n".join(lines if as_json or not sys.stdout.isatty() else map(_wrapped, lines)))
    if conversations.left_out:
        click.echo(f"hythe: {plural(conversations.left_out, 'packet')} of further connections were left out", err=True)
    return 0


def _wrapped(line: str) -> str:
    """As wide as the terminal; what continues stands a little further in."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def packets(file: str | None, session: str | None, stack: ExitStack) -> Iterator[CapturedPacket]:
    """The source that was asked for. Raises `UsageError` unless it is one."""
    if (file is None) == (session is None):
        raise UsageError("say what to look at, one thing: FILE for a capture, --session NAME for a running one")
    if session is None:
        from hythe.view.captures import read_capture

        return read_capture(str(file))
    import signal

    from hythe.view.session import Session

    source = stack.enter_context(Session(session))
    for number in (signal.SIGINT, signal.SIGTERM):
        stack.callback(signal.signal, number, signal.signal(number, lambda *_: source.stop()))
    click.echo(f"hythe: looking at session {session} until it ends, or ^C", err=True)
    return iter(source)

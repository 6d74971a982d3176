"""`hythe layers`: each packet of a conversation, layer by layer, as its sender and its receiver see it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hythe.cli.command import Command
from hythe.errors import UsageError

if TYPE_CHECKING:
    from hythe.view.layers.conversation import Conversations
    from hythe.view.layers.model import Shown
    from hythe.wire.pcapng import CapturedPacket


@click.command(cls=Command, context_settings={"allow_interspersed_args": True})
@click.option("--demo", is_flag=True, help="Show a three-way handshake of two hosts in this process.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Throw the dice of --demo anew.")
@click.option("--session", metavar="NAME", help="Show packets of a running session, from now on, until ^C or -c.")
@click.option("--stream", type=click.IntRange(0), metavar="N", help="Show conversation N; 0 is the first.")
@click.option("--pair", metavar="A:P,B:Q", help="Show the conversation of this socket pair.")
@click.option("--list", "listed", is_flag=True, help="Show which conversations there are.")
@click.option("-c", "count", type=click.IntRange(1), metavar="N", help="Stop after N packets.")
@click.option("-v", "--fields", is_flag=True, help="Show every field of every header: offset, width, value, meaning, RFC.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each packet, fields included.")
@click.option("--html", "page", metavar="FILE", help="Write one page to FILE, - for standard output.")
@click.option("--wide", is_flag=True, help="Show whole rows with all bits, however wide: as into a pipe.")
@click.option("--width", type=click.IntRange(40), metavar="COLUMNS", help="Show it as on a terminal so wide.")
@click.argument("words", metavar="[FILE] [EXPRESSION]", nargs=-1)
def command(words: tuple[str, ...], **options: Any) -> int:
    """Show packets as tables: layer, protocol, PDU, ports, IPs, MACs, down to the bits; at the sender and at the receiver.

    Of FILE the first conversation, another one by --stream or --pair, or what EXPRESSION selects, in tcpdump's language:
    `hythe layers FILE --stream 2`, `hythe layers FILE udp port 53`
    """
    return _run(Options(words=words, **options))


@dataclass(slots=True)
class Options:
    """The command line, as click reads it. Raises `UsageError` unless it names one source, and one choice from it."""

    words: tuple[str, ...]
    demo: bool
    seed: int
    session: str | None
    stream: int | None
    pair: str | None
    listed: bool
    count: int | None
    fields: bool
    as_json: bool
    page: str | None
    wide: bool
    width: int | None
    file: str | None = None
    expression: str = ""

    def __post_init__(self) -> None:
        if self.as_json and self.page is not None:
            raise UsageError("--json and --html exclude each other: choose one")
        if self.demo and self.session is not None:
            raise UsageError("say what to show, one thing: FILE, --session NAME or --demo")
        words = self.words
        if not self.demo and self.session is None:
            if not words:
                raise UsageError(
                    "say what to show: FILE for a capture, --session NAME for a running one, --demo for a handshake"
                )
            self.file, words = words[0], words[1:]
        self.expression = " ".join(words)
        if self.stream is not None and self.pair is not None:
            raise UsageError("--stream and --pair both choose a conversation: give one of them")

    @property
    def chooses(self) -> bool:
        """Has something been said of which packets?"""
        return self.stream is not None or self.pair is not None or bool(self.expression) or self.demo


def _run(asked: Options) -> int:
    from hythe.view.layers.conversation import Choice, Conversations

    conversations = Conversations()
    choice = Choice(asked.stream) if asked.pair is None else Choice.of_pair(asked.pair)
    if not asked.chooses and not asked.listed:
        choice = Choice(stream=0)
    shown = conversations.chosen(_packets(asked), choice, asked.count or 0)
    if asked.listed:
        return _list(conversations, shown)
    seen = _html(asked.page, shown) if asked.page is not None else _print(asked, shown)
    others = len(conversations.all) - 1
    if not seen:
        click.echo("hythe: no packet was selected: --list shows which conversations there are", err=True)
    elif not asked.chooses and others > 0:
        click.echo(
            f"hythe: conversation 0, {conversations.all[0]}; {others} more: --list shows them, --stream N chooses", err=True
        )
    return 0


def _print(asked: Options, packets: Iterator[Shown]) -> int:
    """One after another, as they come; how many."""
    from hythe.view.layers.plain import plain
    from hythe.view.layers.text import packet_text

    width, seen = _width(asked), 0
    for seen, shown in enumerate(packets, start=1):
        if asked.as_json:
            click.echo(json.dumps(plain(shown), ensure_ascii=False))
        else:
            click.echo(("\n" if seen > 1 else "") + packet_text(shown, width, fields=asked.fields), nl=False)
    return seen


def _html(target: str, packets: Iterator[Shown]) -> int:
    from hythe.view.layers.page import page

    every = list(packets)
    text = page(every)
    if target == "-":
        click.echo(text, nl=False)
        return len(every)
    try:
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"--html {target} cannot be written: {error.strerror}") from error
    return len(every)


def _list(conversations: Conversations, packets: Iterator[Shown]) -> int:
    for _ in packets:
        pass
    for each in conversations.all:
        click.echo(f"{each.number:>5}  {each}  {each.packets} packet{'s' * (each.packets != 1)}, {each.octets} bytes")
    return 0


def _packets(asked: Options) -> Iterator[CapturedPacket]:
    from hythe.view.dump.selection import select
    from hythe.view.filter import Filter

    if asked.demo:
        from hythe.view.layers.demo import handshake

        return select(handshake(asked.seed), Filter(asked.expression or "tcp"))
    if asked.session is not None:
        return select(_session(asked.session), Filter(asked.expression))
    from hythe.view.captures import read_capture

    return select(read_capture(asked.file or "-"), Filter(asked.expression))


def _session(name: str) -> Iterator[CapturedPacket]:
    """Until it ends."""
    from hythe.session.client import find
    from hythe.wire.pcapng import Reader

    reader = Reader()
    for piece in find(name).capture():
        yield from reader.feed(piece)


def _width(asked: Options) -> int | None:
    """Columns; None for no limit."""
    if asked.wide:
        return None
    if asked.width is not None:
        return asked.width
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

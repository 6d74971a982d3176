"""`hythe layers`: each packet of a conversation, layer by layer, as its sender and its receiver see it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from hythe.errors import UsageError

if TYPE_CHECKING:
    from hythe.view.layers.model import Shown
    from hythe.wire.pcapng import CapturedPacket


@click.command()
@click.option("--demo", is_flag=True, help="A three-way handshake of two hosts in this process.")
@click.option("--seed", type=int, default=1, show_default=True, help="The dice of --demo.")
@click.option("-v", "--fields", is_flag=True, help="Every field of every header: offset, width, value, meaning, RFC.")
@click.option("--wide", is_flag=True, help="Whole rows with all bits, however wide: as into a pipe.")
@click.option("--width", type=click.IntRange(40), metavar="COLUMNS", help="As for a terminal so wide.")
@click.argument("source", metavar="[FILE]", required=False)
@click.argument("expression", nargs=-1)
def command(source: str | None, expression: tuple[str, ...], **options: Any) -> int:
    """Show packets of a conversation in FILE as tables: layer, protocol, PDU, ports, IPs, MACs, down to the bits."""
    try:
        return _run(source, expression, options)
    except BrokenPipeError:
        # Whoever read has seen enough. Python would say more when it closes its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(source: str | None, expression: tuple[str, ...], options: dict[str, Any]) -> int:
    from hythe.view.layers.text import packet_text

    width = _width(options)
    for number, shown in enumerate(_shown(source, expression, options)):
        click.echo(("\n" if number else "") + packet_text(shown, width, fields=options["fields"]), nl=False)
    return 0


def _shown(source: str | None, expression: tuple[str, ...], options: dict[str, Any]) -> Iterator[Shown]:
    from hythe.view.layers.tables import Tables

    tables = Tables()
    for packet in _packets(source, expression, options):
        yield tables.show(packet)


def _packets(source: str | None, expression: tuple[str, ...], options: dict[str, Any]) -> Iterator[CapturedPacket]:
    from hythe.view.dump.selection import select
    from hythe.view.filter import Filter

    if options["demo"]:
        from hythe.view.layers.demo import handshake

        if source is not None:
            raise UsageError("say what to show, one thing: FILE or --demo")
        return select(handshake(options["seed"]), Filter("tcp"))
    if source is None:
        raise UsageError("say what to show: FILE for a capture, --demo for a handshake")
    from hythe.view.captures import read_capture

    return select(read_capture(source), Filter(" ".join(expression)))


def _width(options: dict[str, Any]) -> int | None:
    """Columns; None for no limit."""
    if options["wide"]:
        return None
    if options["width"] is not None:
        return int(options["width"])
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

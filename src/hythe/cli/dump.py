"""`hythe dump`: packets of a file, an interface or a running session, as tcpdump shows them.

A source of packets is an iterator of `CapturedPacket`; whatever else gives one can be shown here.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from hythe.errors import UsageError

#: Blocks of pcapng that lie between packets, as `pcapng.Reader` collects them, where they are wanted.
Others: TypeAlias = "list[tuple[int, bytes]] | None"

if TYPE_CHECKING:
    from hythe.view.filter import Filter
    from hythe.view.live import Sniffer
    from hythe.view.session import Session
    from hythe.wire.pcapng import CapturedPacket

#: Lines that wait for each other where nobody watches.
_BATCH: Final = 500
#: What tcpdump calls no limit.
_SNAPLEN: Final = 262_144


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("-i", "--interface", metavar="IFACE", help="Capture on this interface, or on `any` (root).")
@click.option(
    "-r", "--read", "source", metavar="FILE", help="Read this capture: pcap or pcapng, gzip or not; - for standard input."
)
@click.option("--session", metavar="NAME", help="Capture what the command of a running session sends and receives.")
@click.option("-w", "--write", "target", metavar="FILE", help="Write packets to this pcapng file, - for standard output.")
@click.option("-C", "size", type=click.IntRange(1), metavar="MB", help="Begin another file after so many millions of bytes.")
@click.option(
    "-G", "period", type=click.IntRange(1), metavar="SECONDS", help="And after so many seconds; FILE is a strftime form."
)
@click.option(
    "-W", "files", type=click.IntRange(1), metavar="N", help="With -C, keep N files, a ring; with -G, stop after N."
)
@click.option("-F", "expression_file", metavar="FILE", help="Read the expression from this file.")
@click.option("-c", "count", type=click.IntRange(1), metavar="N", help="Stop after N packets.")
@click.option("--count", "only_count", is_flag=True, help="Print how many packets there are, and nothing else.")
@click.option("-s", "keep", type=click.IntRange(0), default=0, metavar="BYTES", help="Keep so much of each packet (0: all).")
@click.option("-p", "ordinary", is_flag=True, help="Do not ask an interface for packets to others.")
@click.option("-n", "numbers", count=True, help="Addresses and ports as numbers.")
@click.option("-v", "verbose", count=True, help="More of each packet; -vv and -vvv, still more.")
@click.option("-q", "quick", is_flag=True, help="Less of each packet.")
@click.option("-e", "link", is_flag=True, help="The link-layer header.")
@click.option("-S", "absolute", is_flag=True, help="TCP's sequence numbers as they are.")
@click.option("-K", "unchecked", is_flag=True, help="Do not verify checksums.")
@click.option("-x", "hexadecimal", count=True, help="Bytes in hexadecimal; -xx, with the link-layer header.")
@click.option("-X", "readable", count=True, help="Bytes in hexadecimal and as characters; -XX, the same.")
@click.option("-A", "text", count=True, help="Bytes as characters; -AA, the same.")
@click.option(
    "-t",
    "stamp",
    count=True,
    help="No times; -tt seconds since 1970, -ttt between packets, -tttt date, -ttttt since the first.",
)
@click.option("--nano", is_flag=True, help="Times with nanoseconds.")
@click.option("-#", "--number", "numbered", is_flag=True, help="A number before each packet.")
@click.option("-l", "at_once", is_flag=True, help="Each line at once, even into a pipe.")
@click.option("-d", "compiled", count=True, help="Print the filter as a program for the kernel, and stop.")
@click.argument("expression", nargs=-1)
def command(expression: tuple[str, ...], **options: Any) -> int:
    """Show packets that EXPRESSION, in tcpdump's language, selects: all, without one.

    `hythe dump -n -r FILE tcp port 80 and host 192.0.2.1`
    """
    from hythe.view.filter import Filter

    asked = Options(**options)
    wanted = Filter(_text(expression, asked.expression_file))
    if asked.compiled:
        return _compiled(asked, wanted)
    if [asked.interface, asked.source, asked.session].count(None) != 2:
        raise UsageError(
            "say what to show, one thing: -r FILE for a capture, -i IFACE for an interface (-i any for all), "
            "or --session NAME for a running session (`hythe ps` lists them)"
        )
    try:
        if asked.source is not None:
            return _file(asked, asked.source, wanted)
        if asked.session is not None:
            return _session(asked, asked.session, wanted)
        return _interface(asked, asked.interface or "", wanted)
    except BrokenPipeError:
        # Whoever read has seen enough. Python would say more when it closes its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, as click reads it."""

    interface: str | None
    source: str | None
    session: str | None
    target: str | None
    size: int | None
    period: int | None
    files: int | None
    expression_file: str | None
    count: int | None
    only_count: bool
    keep: int
    ordinary: bool
    numbers: int
    verbose: int
    quick: bool
    link: bool
    absolute: bool
    unchecked: bool
    hexadecimal: int
    readable: int
    text: int
    stamp: int
    nano: bool
    numbered: bool
    at_once: bool
    compiled: int


def _text(words: tuple[str, ...], path: str | None) -> str:
    if path is None:
        return " ".join(words)
    if words:
        raise UsageError("the expression is in a file (-F) and on the command line: write it in one place")
    try:
        with open(path, encoding="utf-8") as file:
            return " ".join(file.read().split())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"-F {path} cannot be read: {error}") from error


def _compiled(asked: Options, wanted: Filter) -> int:
    """The program for the link type of the capture, Ethernet without one: `code yes no operand`, or in C (-dd)."""
    from hythe.view.captures import read_capture
    from hythe.wire.pcapng import LINKTYPE_ETHERNET

    first = next(read_capture(asked.source), None) if asked.source is not None else None
    for each in wanted.program(first.interface.linktype if first else LINKTYPE_ETHERNET):
        form = "{{ 0x{:x}, {}, {}, 0x{:08x} }}," if asked.compiled == 2 else "{} {} {} {}"
        click.echo(form.format(*each))
    return 0


def _file(asked: Options, path: str, wanted: Filter) -> int:
    from hythe.view.captures import read_capture
    from hythe.view.dump.selection import select

    others = _others(asked)
    packets = read_capture(path, others)
    first = next(packets, None)
    if first is not None:
        interface = first.interface
        kept = f", snapshot length {interface.snaplen}" if interface.snaplen else ""
        click.echo(f"reading from file {path}, link-type {_link_name(interface.linktype)}{kept}", err=True)
        packets = itertools.chain((first,), packets)
    chosen = select(packets, wanted, count=asked.count or 0, keep=asked.keep)
    shown = _consume(asked, chosen, others, at_once=asked.at_once or sys.stdout.isatty())
    if asked.only_count:
        click.echo(f"{shown} packet{'s' * (shown != 1)}")
    return 0


def _interface(asked: Options, name: str, wanted: Filter) -> int:
    from hythe.view.filter import Filter
    from hythe.view.live import Sniffer

    with Sniffer(name, wanted, promiscuous=not asked.ordinary) as sniffer:
        return _live(asked, sniffer, Filter("") if sniffer.filtered else wanted, None, "kernel")


def _session(asked: Options, name: str, wanted: Filter) -> int:
    from hythe.view.session import Session

    others = _others(asked)
    # The filter sees whole packets; then they are cut. Without one the session need not send what nobody wants.
    with Session(name, snaplen=0 if wanted else asked.keep, others=others) as session:
        return _live(asked, session, wanted, others, "session")


def _live(asked: Options, source: Sniffer | Session, wanted: Filter, others: Others, dropper: str) -> int:
    """Until ^C, or as many as were asked for, or the end; then what came, and what was lost."""
    from hythe.view.dump.selection import select

    seen = 0

    def counted() -> Iterator[CapturedPacket]:
        nonlocal seen
        for packet in select(source, wanted, count=asked.count or 0, keep=asked.keep):
            seen += 1
            yield packet

    # SIGINT too: a shell that starts us in the background has it ignored, and then nothing could end us in good order.
    before = {number: signal.signal(number, lambda *_: source.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.set_wakeup_fd(source.waker, warn_on_full_buffer=False)
    kept = asked.keep or source.interface.snaplen or _SNAPLEN
    link = _link_name(source.interface.linktype)
    click.echo(f"listening on {source.name}, link-type {link}, snapshot length {kept}", err=True)
    try:
        _consume(asked, counted(), others, at_once=True)
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        received, dropped = source.statistics()
        for count, what in ((seen, "captured"), (received, "received by filter"), (dropped, f"dropped by {dropper}")):
            click.echo(f"{count} packet{'s' * (count != 1)} {what}", err=True)
    return 0


def _others(asked: Options) -> Others:
    """Where a source puts names and secrets that lie between its packets: they are wanted in another file only."""
    return [] if asked.target is not None and not asked.only_count else None


def _consume(asked: Options, packets: Iterable[CapturedPacket], others: Others, *, at_once: bool) -> int:
    """Write packets to a file, or print them; how many there were. `at_once`: none waits for the next."""
    if asked.only_count:
        return sum(1 for _ in packets)
    if asked.target is not None:
        return _write(asked, asked.target, packets, others, at_once=at_once)
    from hythe.view.dump.naming import Names
    from hythe.view.dump.printer import Bytes, Printer
    from hythe.view.dump.show import Style

    style = Style(asked.verbose, asked.link, asked.absolute, asked.quick, asked.unchecked)
    below = Bytes(asked.hexadecimal, asked.readable, asked.text)
    printer = Printer(
        style,
        names=None if asked.numbers else Names(),
        stamp=asked.stamp,
        nano=asked.nano,
        shown=below,
        numbered=asked.numbered,
    )
    text, out, count, lines = printer.text, sys.stdout, 0, []
    try:
        for packet in packets:
            count += 1
            if at_once:
                out.write(text(packet) + "\n")
                out.flush()
                continue
            lines.append(text(packet))
            if len(lines) == _BATCH:
                out.write("\n".join(lines) + "\n")
                lines.clear()
    finally:
        if lines:  # what could be read of a file that breaks off
            out.write("\n".join(lines) + "\n")
        out.flush()
    return count


def _write(asked: Options, target: str, packets: Iterable[CapturedPacket], others: Others, *, at_once: bool) -> int:
    from hythe.view.recorder import MEGABYTE, Recorder, Rotation

    recorder = Recorder(target, Rotation((asked.size or 0) * MEGABYTE, asked.period or 0, asked.files or 0))
    try:
        for packet in packets:
            if others:
                recorder.beside(others)
            if not recorder.write(packet):
                break
            if at_once and target == "-":
                recorder.flush()
        if others:
            recorder.beside(others)
    finally:
        recorder.close()
    return recorder.count


def _link_name(linktype: int) -> str:
    from hythe.view.dump.printer import LINK_NAMES

    return LINK_NAMES.get(linktype, f"{linktype} (not known here)")

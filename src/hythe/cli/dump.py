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

from hythe.cli.command import Command
from hythe.cli.dump_habits import habits
from hythe.errors import MachineError, UsageError

#: Blocks of pcapng that lie between packets, as `pcapng.Reader` collects them, where they are wanted.
Others: TypeAlias = "list[tuple[int, bytes]] | None"

if TYPE_CHECKING:
    from hythe.view.filter import Filter
    from hythe.view.live import Sniffer
    from hythe.view.session import Session
    from hythe.wire.pcapng import CapturedPacket, Interface

#: Lines that wait for each other where nobody watches.
_BATCH: Final = 500
#: What tcpdump calls no limit.
_SNAPLEN: Final = 262_144
#: KiB: what the kernel counts in bytes, it has an int for.
_BUFFER_MAX: Final = (1 << 31) // 1024 - 1
#: Bits of a packet's flags that say which way it went.
_WAYS: Final = 3


@click.command(cls=Command)
@click.option(
    "-i", "--interface", metavar="IFACE", help="Capture on this interface, by name or -D's number, or on `any` (root)."
)
@click.option("-D", "--list-interfaces", "listed", is_flag=True, help="List what -i can capture on.")
@click.option(
    "-r", "--read", "source", metavar="FILE", help="Read this capture: pcap or pcapng, gzip or not; - for standard input."
)
@click.option(
    "-V", "sources", metavar="FILE", help="Read the captures that this file names, a line each; -c counts in each."
)
@click.option("--session", metavar="NAME", help="Capture what the command of a running session sends and receives.")
@click.option("-w", "--write", "target", metavar="FILE", help="Write packets to this pcapng file, - for standard output.")
@click.option("--print", "printed", is_flag=True, help="With -w, print packets as well.")
@click.option("-U", "--packet-buffered", "unbuffered", is_flag=True, help="With -w, write each packet at once.")
@click.option("-C", "size", type=click.IntRange(1), metavar="MB", help="Begin another file after so many millions of bytes.")
@click.option(
    "-G",
    "period",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Begin another file after so many seconds; FILE is a strftime form.",
)
@click.option(
    "-W", "files", type=click.IntRange(1), metavar="N", help="With -C, keep N files, a ring; with -G, stop after N."
)
@click.option("-z", "rotated", metavar="COMMAND", help="Run this with the name of each file when the next one begins.")
@click.option("-Z", "--relinquish-privileges", "user", metavar="USER", help="Become this user once the interface is open.")
@click.option("-F", "expression_file", metavar="FILE", help="Read the expression from this file.")
@click.option("-c", "count", type=click.IntRange(1), metavar="N", help="Stop after N packets.")
@click.option("--count", "only_count", is_flag=True, help="Print how many packets there are, and nothing else.")
@click.option(
    "-s",
    "--snapshot-length",
    "keep",
    type=click.IntRange(0),
    default=0,
    metavar="BYTES",
    help="Capture so much of each packet, 0 for all.  [default: 0]",
)
@click.option("-p", "--no-promiscuous-mode", "ordinary", is_flag=True, help="Do not ask an interface for packets to others.")
@click.option("-Q", "--direction", type=click.Choice(["in", "out", "inout"]), help="Capture what comes in, or goes out.")
@click.option(
    "-B",
    "--buffer-size",
    "buffer",
    type=click.IntRange(1, _BUFFER_MAX),
    metavar="KIB",
    help="Let the kernel hold so much for us.",
)
@click.option("-n", "numbers", count=True, help="Show addresses and ports as numbers.")
@click.option("-N", "short", is_flag=True, help="Show names of hosts without their domain.")
@click.option("-v", "verbose", count=True, help="Show more of each packet; -vv and -vvv, still more.")
@click.option("-q", "quick", is_flag=True, help="Show less of each packet.")
@click.option("-e", "link", is_flag=True, help="Show the link-layer header.")
@click.option(
    "-S",
    "--absolute-tcp-sequence-numbers",
    "absolute",
    is_flag=True,
    help="Show TCP's sequence numbers as they are, not from 1.",
)
@click.option("-K", "--dont-verify-checksums", "unchecked", is_flag=True, help="Do not verify checksums.")
@click.option("-x", "hexadecimal", count=True, help="Show bytes in hexadecimal; -xx, with the link-layer header.")
@click.option(
    "-X", "readable", count=True, help="Show bytes in hexadecimal and as characters; -XX, with the link-layer header."
)
@click.option("-A", "text", count=True, help="Show bytes as characters; -AA, with the link-layer header.")
@click.option(
    "-t",
    "stamp",
    count=True,
    help="Show no times; -tt seconds since 1970, -ttt between packets, -tttt date, -ttttt since the first.",
)
@click.option("--nano", is_flag=True, help="Show times with nanoseconds.")
@click.option(
    "--time-stamp-precision",
    "precision",
    type=click.Choice(["micro", "nano"]),
    help="Show times with micro- or nanoseconds.",
)
@click.option("-#", "--number", "numbered", is_flag=True, help="Show a number before each packet.")
@click.option("-l", "at_once", is_flag=True, help="Print each line at once, even into a pipe.")
@click.option("-d", "compiled", count=True, help="Print the filter as a program for the kernel, and stop.")
@habits
@click.version_option(package_name="hythe", prog_name="hythe")
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
    if asked.listed:
        return _list()
    if [asked.interface, asked.source, asked.sources, asked.session].count(None) != 3:
        raise UsageError(
            "say what to show, one thing: -r FILE for a capture, -i IFACE for an interface (-i any for all), "
            "or --session NAME for a running session (`hythe ps` lists them)"
        )
    if asked.source is not None:
        return _files(asked, [asked.source], wanted)
    if asked.sources is not None:
        return _files(asked, _names(asked.sources), wanted)
    if asked.session is not None:
        return _session(asked, asked.session, wanted)
    return _interface(asked, asked.interface or "", wanted)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, as click reads it."""

    interface: str | None
    listed: bool
    source: str | None
    sources: str | None
    session: str | None
    target: str | None
    printed: bool
    unbuffered: bool
    size: int | None
    period: int | None
    files: int | None
    rotated: str | None
    user: str | None
    expression_file: str | None
    count: int | None
    only_count: bool
    keep: int
    ordinary: bool
    direction: str | None
    buffer: int | None
    numbers: int
    short: bool
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
    precision: str | None
    numbered: bool
    at_once: bool
    compiled: int


def _list() -> int:
    """As tcpdump lists them; -i takes the numbers."""
    from hythe.view.live import ANY, interfaces

    for number, (name, said) in enumerate(interfaces(), start=1):
        click.echo(f"{number}.{name}{' (all of them)' if name == ANY else ''} [{said}]")
    return 0


def _named(name: str) -> str:
    """An interface, by its name or by the number that -D gave it."""
    from hythe.view.live import interfaces

    every = [each for each, _ in interfaces()]
    return every[int(name) - 1] if name.isdecimal() and name not in every and 0 < int(name) <= len(every) else name


def _names(path: str) -> list[str]:
    """The captures that a file names; `-`: that standard input does."""
    try:
        with open(0 if path == "-" else path, encoding="utf-8", closefd=path != "-") as file:
            names = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"-V {path} cannot be read: {_reason(error)}") from error
    if not names:
        raise UsageError(f"-V {path} names no capture: write one a line into it")
    return names


def _text(words: tuple[str, ...], path: str | None) -> str:
    if path is None:
        return " ".join(words)
    if words:
        raise UsageError("the expression is in a file (-F) and on the command line: write it in one place")
    try:
        with open(path, encoding="utf-8") as file:
            return " ".join(file.read().split())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"-F {path} cannot be read: {_reason(error)}") from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is no text"


def _compiled(asked: Options, wanted: Filter) -> int:
    """The program for the link type of the capture, Ethernet without one: `code yes no operand`, or in C (-dd)."""
    from hythe.view.captures import read_capture
    from hythe.wire.pcapng import LINKTYPE_ETHERNET

    first = next(read_capture(asked.source), None) if asked.source is not None else None
    for each in wanted.program(first.interface.linktype if first else LINKTYPE_ETHERNET):
        form = "{{ 0x{:x}, {}, {}, 0x{:08x} }}," if asked.compiled == 2 else "{} {} {} {}"
        click.echo(form.format(*each))
    return 0


def _files(asked: Options, paths: list[str], wanted: Filter) -> int:
    """One capture after the other. Packets are as long as they are there: -s is for capturing, as with tcpdump."""
    from hythe.view.recorder import spare

    if asked.target is not None:
        spare(asked.target, paths)
    others = _others(asked)
    packets = itertools.chain.from_iterable(_file(asked, path, wanted, others) for path in paths)
    shown = _consume(asked, packets, others, at_once=asked.at_once or sys.stdout.isatty())
    if asked.only_count:
        click.echo(f"{shown} packet{'s' * (shown != 1)}")
    return 0


def _file(asked: Options, path: str, wanted: Filter, others: Others) -> Iterator[CapturedPacket]:
    from hythe.view.captures import read_capture
    from hythe.view.dump.selection import select
    from hythe.view.filter import LINKTYPES

    told = False

    def begun(interface: Interface) -> None:
        nonlocal told
        told = True
        link, kept = _link_name(interface.linktype), interface.snaplen or _SNAPLEN
        click.echo(f"reading from file {path}, link-type {link}, snapshot length {kept}", err=True)
        if interface.linktype in LINKTYPES:
            wanted.predicate(interface.linktype)  # what makes no sense is said of a file without packets, too

    packets = read_capture(path, others, begun=begun, say=lambda text: click.echo(f"hythe: {text}", err=True))
    yield from select(packets, wanted, count=asked.count or 0)
    if not told:
        raise MachineError(f"{path} describes no interface, and has no packets")


def _interface(asked: Options, name: str, wanted: Filter) -> int:
    from hythe.view.filter import Filter
    from hythe.view.live import Sniffer

    name = _named(name)
    with Sniffer(name, wanted, promiscuous=not asked.ordinary, buffer=1024 * (asked.buffer or 0)) as sniffer:
        if asked.user is not None:
            _become(asked.user)
        return _live(asked, sniffer, Filter("") if sniffer.filtered else wanted, None, "kernel")


def _become(name: str) -> None:
    """Give up root for the rest: the socket is open, files are not. Who has nothing to give up stays who they are."""
    import pwd

    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        raise UsageError(f"-Z {name}: this machine has no such user") from error
    if os.geteuid() == 0:
        os.initgroups(name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def _session(asked: Options, name: str, wanted: Filter) -> int:
    from hythe.view.session import Session

    others = _others(asked)
    # The filter sees whole packets; then they are cut. Without one the session need not send what nobody wants.
    with Session(name, snaplen=0 if wanted else asked.keep, others=others) as session:
        return _live(asked, session, wanted, others, "session")


def _live(asked: Options, source: Sniffer | Session, wanted: Filter, others: Others, dropper: str) -> int:
    """Until ^C, or as many as were asked for, or the end; then what came, and what was lost."""
    from hythe.view.dump.selection import select
    from hythe.wire.pcapng import INBOUND, OUTBOUND

    seen = 0
    flags = {"in": INBOUND, "out": OUTBOUND}.get(asked.direction or "")

    def counted() -> Iterator[CapturedPacket]:
        nonlocal seen
        packets = source if flags is None else (each for each in source if each.flags & _WAYS == flags)
        for packet in select(packets, wanted, count=asked.count or 0, keep=asked.keep):
            seen += 1
            yield packet

    # SIGINT too: a shell that starts us in the background has it ignored, and then nothing could end us in good order.
    # A terminal that goes away ends us in the same way, unless nohup has said that it does not.
    ending = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL else [])]
    before = {number: signal.signal(number, lambda *_: source.stop()) for number in ending}
    signal.set_wakeup_fd(source.waker, warn_on_full_buffer=False)
    kept = asked.keep or source.interface.snaplen or _SNAPLEN
    link = _link_name(source.interface.linktype)
    click.echo(f"listening on {source.name}, link-type {link}, snapshot length {kept} bytes", err=True)
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
    if asked.target is None:
        return sum(1 for _ in _print(asked, packets, at_once=at_once))
    if asked.printed:
        if asked.target == "-":
            raise UsageError("--print and -w - both want standard output: write to a file")
        packets = _print(asked, packets, at_once=True)
    return _write(asked, asked.target, packets, others, at_once=at_once)


def _print(asked: Options, packets: Iterable[CapturedPacket], *, at_once: bool) -> Iterator[CapturedPacket]:
    """The same packets, printed as they pass."""
    from hythe.view.dump.naming import Names
    from hythe.view.dump.printer import Bytes, Printer
    from hythe.view.dump.show import Style

    style = Style(asked.verbose, asked.link, asked.absolute, asked.quick, asked.unchecked)
    below = Bytes(asked.hexadecimal, asked.readable, asked.text)
    printer = Printer(
        style,
        names=None if asked.numbers else Names(short=asked.short),
        stamp=asked.stamp,
        nano=asked.nano or asked.precision == "nano",
        shown=below,
        numbered=asked.numbered,
    )
    text, out, lines = printer.text, sys.stdout, []
    try:
        for packet in packets:
            if at_once:
                out.write(text(packet) + "\n")
                out.flush()
            else:
                lines.append(text(packet))
                if len(lines) == _BATCH:
                    out.write("\n".join(lines) + "\n")
                    lines.clear()
            yield packet
    finally:
        if lines:  # what could be read of a file that breaks off
            out.write("\n".join(lines) + "\n")
        out.flush()


def _write(asked: Options, target: str, packets: Iterable[CapturedPacket], others: Others, *, at_once: bool) -> int:
    import subprocess

    from hythe.view.recorder import MEGABYTE, Recorder, Rotation

    running: list[subprocess.Popen[bytes]] = []

    def rotated(name: str) -> None:
        command = asked.rotated or ""
        try:
            running.append(subprocess.Popen([command, name]))
        except OSError as error:
            raise MachineError(f"-z {command} cannot be run: {error.strerror}") from error

    rotation = Rotation((asked.size or 0) * MEGABYTE, asked.period or 0, asked.files or 0)
    recorder = Recorder(target, rotation, rotated if asked.rotated else None)
    try:
        for packet in packets:
            if others:
                recorder.beside(others)
            if not recorder.write(packet):
                break
            if asked.unbuffered or (at_once and target == "-"):
                recorder.flush()
        if others:
            recorder.beside(others)
    finally:
        recorder.close()
        for each in running:
            each.wait()
    return recorder.count


def _link_name(linktype: int) -> str:
    from hythe.view.dump.printer import LINK_NAMES

    return LINK_NAMES.get(linktype, f"{linktype} (not known here)")

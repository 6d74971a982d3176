"""`hythe connect`: talk to any service by hand, or through a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hythe.cli.command import Command
from hythe.connect.carriers import Carrier, KernelNet, Net, Stream, opened, unix
from hythe.connect.relay import Interrupted, Relay, Side
from hythe.connect.telnet import Telnet
from hythe.errors import MachineError, UsageError
from hythe.services.ports import port_number

if TYPE_CHECKING:
    from hythe.link.watch import Watcher
    from hythe.serve.grounds import Ground

#: Seconds to wait for answers to datagrams once our input has ended.
_LINGER = 1.0


@click.command(cls=Command)
@click.option("-u", "--udp", is_flag=True, help="Send datagrams: each line, or each read of a pipe, is one.")
@click.option("-U", "--unix", is_flag=True, help="Connect to a Unix socket: HOST is its path (@NAME: an abstract one).")
@click.option(
    "--via",
    multiple=True,
    metavar="WAY",
    help="Connect through socks5://HOST, http://HOST, ssh://HOST, wg:FILE, or a chain.",
)
@click.option("-l", "--listen", is_flag=True, help="Wait for one client; HOST is an address of ours, loopback unless given.")
@click.option(
    "--tls", is_flag=True, help="Speak TLS; the certificate is shown, and must be proven. With -l: one is made on the spot."
)
@click.option("--insecure", is_flag=True, help="With --tls: take any certificate.")
@click.option("--ca", metavar="FILE", help="With --tls: trust these authorities (PEM) and no others.")
@click.option("-4", "only4", is_flag=True, help="Use IPv4 only.")
@click.option("-6", "only6", is_flag=True, help="Use IPv6 only.")
@click.option("--telnet/--no-telnet", default=None, help="Answer telnet's commands.  [default: at a terminal]")
@click.option("--crlf/--no-crlf", default=None, help="End lines in CR LF.  [default: at a terminal, over TCP]")
@click.option("-x", "--hexdump", is_flag=True, help="Show every byte of both directions in hexadecimal, on standard error.")
@click.option(
    "-w",
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Connect in so long; end when nothing moves for so long.",
)
@click.option("--stack", is_flag=True, help="Use hythe's own TCP/IP stack, behind a gateway as in `hythe run`.")
@click.option("--trace", is_flag=True, help="With --stack: show the packets as hythe dump does, on standard error.")
@click.option("-q", "--quiet", is_flag=True, help="Tell neither of the connection nor of its certificate.")
@click.argument("words", nargs=-1, required=True, metavar="HOST PORT")
def command(**options: Any) -> int:
    """Talk to the service at HOST and PORT, a number or a service's name.

    At a terminal lines can be edited, and telnet is spoken where the far side speaks it. On a pipe every byte goes through
    as it is; the end of input closes our side, and the end of the far side ends everything.
    """
    asked = _checked(Options(**options))
    return asyncio.run(_connect(asked))


@dataclass
class Options:
    """The command line. `host` is a path with `unix`; empty with `listen` for loopback."""

    words: tuple[str, ...]
    udp: bool
    unix: bool
    via: tuple[str, ...]
    listen: bool
    tls: bool
    insecure: bool
    ca: str | None
    only4: bool
    only6: bool
    telnet: bool | None
    crlf: bool | None
    hexdump: bool
    timeout: float | None
    stack: bool
    trace: bool
    quiet: bool
    host: str = ""
    port: int = 0

    @property
    def what(self) -> str:
        """The far side, for people."""
        return self.host if self.unix else f"{self.host} port {self.words[-1]}"


def _checked(asked: Options) -> Options:
    """Raises `UsageError`."""
    if asked.only4 and asked.only6:
        raise UsageError("-4 and -6 exclude each other: leave both out for both families")
    if asked.udp and (asked.tls or asked.unix):
        raise UsageError("--udp has neither TLS nor Unix sockets here: leave one of them out")
    if asked.unix and asked.stack:
        raise UsageError("a Unix socket is the kernel's: leave --stack out")
    if (asked.insecure or asked.ca) and (asked.listen or not asked.tls):
        raise UsageError("--insecure and --ca are about the certificate of a server: connect with --tls")
    if asked.via and (asked.listen or asked.stack or asked.only4 or asked.only6):
        raise UsageError("--via leads to a far end, which connects and chooses addresses: leave -l, --stack, -4 and -6 out")
    if asked.trace and not asked.stack:
        raise UsageError("--trace shows the packets of hythe's own stack: add --stack (or see hythe dump)")
    many = (1,) if asked.unix else (1, 2) if asked.listen else (2,)
    if len(asked.words) not in many:
        form = "a PATH" if asked.unix else "[HOST] PORT" if asked.listen else "HOST and PORT"
        raise UsageError(f"{' '.join(asked.words)!r} is not {form}: write for example {_example(asked)}")
    if asked.unix or len(asked.words) == 2:
        asked.host = asked.words[0]
    if not asked.unix:
        port = 0 if asked.listen and asked.words[-1] == "0" else port_number(asked.words[-1], "udp" if asked.udp else "tcp")
        if port is None or (port == 0 and not asked.listen):
            raise UsageError(f"{asked.words[-1]!r} is neither a port (1 to 65535) nor the name of a service")
        asked.port = port
    return asked


def _example(asked: Options) -> str:
    return "hythe connect --unix ./socket" if asked.unix else f"hythe connect {'-l' if asked.listen else 'localhost'} 8000"


async def _connect(asked: Options) -> int:
    terminal = os.isatty(0) and os.isatty(1)
    async with _carrier(asked) as carrier:
        side = _side(carrier.most, terminal=terminal)
        telnet = asked.telnet if asked.telnet is not None else terminal and not asked.udp
        crlf = asked.crlf if asked.crlf is not None else terminal and not (asked.udp or asked.unix)
        size = shutil.get_terminal_size()
        relay = Relay(
            side,
            carrier,
            telnet=Telnet(os.environ.get("TERM", "unknown"), (size.columns, size.lines)) if telnet else None,
            crlf=crlf,
            trace=_hexdump() if asked.hexdump else None,
            silence=asked.timeout,
            linger=(asked.timeout or _LINGER) if asked.udp else None,
        )
        try:
            await relay.run()
        except Interrupted:
            return 130
        finally:
            side.close()
    return 0


def _side(most: int, *, terminal: bool) -> Side:
    if terminal:
        with contextlib.suppress(ImportError):  # then the kernel's own line editing has to do
            from hythe.connect.terminal import Terminal

            return Terminal()
    from hythe.connect.pipe import Pipe

    return Pipe(most=most)


@contextlib.asynccontextmanager
async def _carrier(asked: Options) -> AsyncIterator[Carrier]:
    watcher = _tracer() if asked.trace else None
    if asked.listen:
        async with _ground(asked, watcher) as ground, opened(_accept(asked, ground), asked.what, asked.timeout) as carrier:
            yield carrier
        return
    if asked.unix and not asked.via:
        async with opened(unix(asked.host), asked.what, asked.timeout) as carrier:
            yield carrier
        return
    if asked.unix:
        from hythe.connect.ways import way_net

        async with way_net(asked.via) as far, opened(far.unix(asked.host), asked.what, asked.timeout) as carrier:
            yield carrier
        return
    async with _net(asked, watcher) as net, opened(_open(asked, net), asked.what, asked.timeout) as carrier:
        _tell(asked, carrier)
        yield carrier


@contextlib.asynccontextmanager
async def _net(asked: Options, watcher: Watcher | None) -> AsyncIterator[Net]:
    if asked.via:
        from hythe.connect.ways import way_net

        async with way_net(asked.via) as net:
            yield net
        return
    if not asked.stack:
        yield KernelNet(socket.AF_INET if asked.only4 else socket.AF_INET6 if asked.only6 else socket.AF_UNSPEC)
        return
    from hythe.connect.inside import guest_net  # our own stack, for those who want it

    families = frozenset({4} if asked.only4 else {6} if asked.only6 else {4, 6})
    async with guest_net(families, watcher) as net:
        yield net


async def _open(asked: Options, net: Net) -> Carrier:
    if asked.udp:
        return await net.datagrams(asked.host, asked.port)
    tls: ssl.SSLContext | None = None
    if asked.tls:
        from hythe.connect.certificates import context

        try:
            tls = context(asked.ca, insecure=asked.insecure)
        except OSError as error:
            raise MachineError(
                f"--ca {asked.ca} has no certificates ({error.strerror or error}): name a PEM file"
            ) from error
    return Stream(*await net.open_connection(asked.host, asked.port, ssl=tls, happy_eyeballs_delay=0.25))


def _ground(asked: Options, watcher: Watcher | None) -> contextlib.AbstractAsyncContextManager[Ground]:
    from hythe.connect.listening import unix_ground
    from hythe.serve.grounds import Wanted, kernel, own_stack

    if asked.unix:
        return unix_ground(asked.host)
    loopback = "::1" if asked.only6 else "127.0.0.1"
    addresses = (asked.host,) if asked.host else (loopback,) if asked.udp or asked.only4 or asked.only6 else ()
    wanted = Wanted(addresses, asked.port, asked.words[-1], tcp=not asked.udp, udp=asked.udp)
    return own_stack(wanted, watcher) if asked.stack else kernel(wanted)


async def _accept(asked: Options, ground: Ground) -> Carrier:
    from hythe.connect.listening import accepted, accepted_datagrams

    def said() -> None:
        if not asked.quiet:
            _say(f"Listening on {' and '.join(map(str, ground.places)) or asked.host}")

    if asked.udp:
        return await accepted_datagrams(ground, said)
    tls = None
    if asked.tls:
        from hythe.serve.certificate import made

        tls, fingerprint = made([place.address for place in ground.places])
        if not asked.quiet:
            _say(f"Certificate: {fingerprint}")
    carrier = await accepted(ground, tls, said)
    if not asked.quiet:
        _say(f"Connected from {_endpoint(carrier.peer)}")
    return carrier


def _tell(asked: Options, carrier: Carrier) -> None:
    if asked.quiet or not isinstance(carrier, Stream):
        return
    tls = carrier.tls
    if tls is not None:
        from hythe.connect.certificates import sentences

        for line in sentences(tls, proven=not asked.insecure):
            _say(line)
    if os.isatty(2):
        _say(f"Connected to {_endpoint(carrier.peer)}; ^D ends our side, ^C everything (^] where the server echoes)")


def _endpoint(address: Any) -> str:
    if not isinstance(address, tuple):
        return str(address) or "a Unix socket"
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def _hexdump() -> Callable[[bool, bytes], None]:
    from hythe.connect.hexdump import Hexdump

    dump = Hexdump()

    def show(sent: bool, data: bytes) -> None:
        for line in dump.lines(sent, data):
            _say(line)

    return show


def _tracer() -> Watcher:
    """Prints each packet as the stack gives and gets it; what is longer than a wire takes is shown in one piece."""
    import time

    from hythe.view.dump.printer import Printer
    from hythe.view.dump.show import Style
    from hythe.wire.pcapng import LINKTYPE_RAW, CapturedPacket, Interface

    interface = Interface("hythe0", LINKTYPE_RAW, 0, 1_000_000_000)
    epoch = time.time_ns() - time.monotonic_ns()
    printer = Printer(Style())

    def show(now: int, _sent: bool, packet: memoryview, _gso_size: int, _checksum: int) -> None:
        _say(printer.text(CapturedPacket(interface, epoch + now, bytes(packet), len(packet))))

    return show


def _say(text: str) -> None:
    """To standard error, if anybody is there."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

"""`hythe serve`: a web server for a folder or a text, and the classic small services."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from hythe.cli.command import Command
from hythe.errors import MachineError, UsageError
from hythe.serve.banner import sentence
from hythe.serve.grounds import Ground, Wanted, kernel, own_stack
from hythe.services.ports import port_number

if TYPE_CHECKING:
    import ssl

    from hythe.serve.small import Service

_PORT = "8000"


def _small_service(name: str, told: str) -> Callable[[Any], Any]:
    """The option for one; of several click would take the last, and say nothing."""
    return click.option(f"--{name}", "smalls", flag_value=name, multiple=True, help=told)


@click.command(cls=Command)
@click.option(
    "--port", metavar="PORT|SERVICE", help=f"Listen there; 0 picks one.  [default: {_PORT}, or the small service's own]"
)
@click.option(
    "--bind", multiple=True, metavar="ADDR", help="Listen at this address, 0.0.0.0 and :: being all.  [default: loopback]"
)
@click.option("--text", metavar="TEXT", help="Serve this text instead of a folder; with --qotd, this quote.")
@click.option("--tls", is_flag=True, help="Serve HTTPS, with a certificate made on the spot unless --cert names one.")
@click.option("--cert", metavar="FILE", help="Serve HTTPS with this certificate (PEM, the chain behind it).")
@click.option("--key", metavar="FILE", help="Take its private key (PEM) from FILE, where --cert's does not have it.")
@click.option("--stack", is_flag=True, help="Serve on hythe's own TCP/IP stack, behind a gateway as in `hythe run`.")
@_small_service("echo", "Send back what is sent (RFC 862), over TCP and UDP.")
@_small_service("discard", "Throw away what is sent (RFC 863).")
@_small_service("chargen", "Send characters without end (RFC 864).")
@_small_service("qotd", "Tell the quote of the day (RFC 865).")
@_small_service("daytime", "Tell the time (RFC 867).")
@click.argument("folder", metavar="[DIR]", required=False)
def command(
    folder: str | None,
    port: str | None,
    bind: tuple[str, ...],
    text: str | None,
    tls: bool,
    cert: str | None,
    key: str | None,
    stack: bool,
    smalls: tuple[str, ...],
) -> int:
    """Serve the files of DIR (this folder unless given) over HTTP, until SIGINT or SIGTERM.

    Clients get ranges, listings and compression; --echo and its kin serve one of the classic small services instead.
    """
    small, *others = dict.fromkeys(smalls) or [None]
    if others:
        raise UsageError(f"--{small} and --{others[0]} exclude each other: one command serves one of them")
    if folder is not None and (text is not None or small is not None):
        raise UsageError(f"{folder!r} cannot be served beside --{small or 'text'}: leave one of them out")
    if key is not None and cert is None:
        raise UsageError("--key belongs to a certificate: name it with --cert")
    if small is not None:
        if tls or cert:
            raise UsageError(f"--{small} is no web server and has no TLS: leave --tls, --cert and --key out")
        if text is not None and small != "qotd":
            raise UsageError(f"--{small} has no use for --text: leave it out")
        _run(_small(_service(small, text), port, bind, stack=stack))
        return 0
    folder = folder or "."
    if text is None and not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder!r}: name one, or --text")
    _run(
        _web(
            folder, text, _wanted(_PORT if port is None else port, bind), cert, key, tls=tls or cert is not None, stack=stack
        )
    )
    return 0


async def _web(
    folder: str, text: str | None, wanted: Wanted, cert: str | None, key: str | None, *, tls: bool, stack: bool
) -> None:
    async with _ground(wanted, stack=stack) as ground:
        try:
            from hythe.serve.files import Files, Text
            from hythe.serve.web import WebServer
        except ImportError as error:
            raise MachineError(f"the web server needs the package {error.name}: pip install 'hythe[serve]'") from error
        context, fingerprint = _tls(ground, cert, key) if tls else (None, "")

        def begun() -> None:
            scheme = "https" if context else "http"
            _say(f"Serving {'a text' if text is not None else os.path.abspath(folder)} at")
            for place in ground.places:
                _say(f"  {scheme}://{place}/")
            if fingerprint:
                _say(f"Certificate: {fingerprint}")
            _say(sentence())

        app = Files(directory=folder) if text is None else Text(text)
        await WebServer(app, ground, context, _say, begun).serve()


def _tls(ground: Ground, cert: str | None, key: str | None) -> tuple[ssl.SSLContext, str]:
    from hythe.serve.certificate import given, made

    return given(cert, key) if cert is not None else made([place.address for place in ground.places])


async def _small(service: Service, port: str | None, bind: tuple[str, ...], *, stack: bool) -> None:
    from hythe.serve.small import Datagrams, Gate, Stream

    wanted = _wanted(service.name if port is None else port, bind)._replace(udp=True)
    async with _ground(wanted, stack=stack) as ground:
        gate = Gate(service, ground.places[0].port, _say)
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        servers = await ground.streams(lambda: Stream(gate))
        await ground.datagrams(lambda: Datagrams(gate))
        _say(f"Serving {service.name} over TCP and UDP at")
        for place in ground.places:
            _say(f"  {place}")
        _say(sentence())
        await ended.wait()
        for number in (signal.SIGINT, signal.SIGTERM):  # the next one ends us at once, and finds no loop that is closed
            asyncio.get_running_loop().remove_signal_handler(number)
        for server in servers:
            server.close()
        for client in list(gate.clients):
            client.close()


def _service(name: str, text: str | None) -> Service:
    from hythe.serve.small import SERVICES, quoting

    return SERVICES[name] if text is None else quoting(text)


def _ground(wanted: Wanted, *, stack: bool) -> contextlib.AbstractAsyncContextManager[Ground]:
    return own_stack(wanted) if stack else kernel(wanted)


def _wanted(written: str, addresses: tuple[str, ...]) -> Wanted:
    port = 0 if written == "0" else port_number(written)
    if port is None:
        raise UsageError(f"--port {written!r} is neither a port (0 to 65535) nor the name of a service")
    return Wanted(addresses, port, written)


def _run(main: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(KeyboardInterrupt):  # before anybody listened to it
        asyncio.run(main)


def _say(text: str) -> None:
    """To standard output, at once; nobody being there is no reason to end."""
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode(errors="backslashreplace"))

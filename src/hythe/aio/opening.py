"""Opening a connection: who owns it while its handshake runs, and the transport that takes over."""

from __future__ import annotations

import asyncio
import contextvars
import errno
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from hythe.aio.runtime import Runtime, failure
from hythe.aio.tls import Tls
from hythe.aio.transports import StreamTransport
from hythe.config import TcpConfig
from hythe.host.host import Host
from hythe.host.interfaces import Interface
from hythe.tcp.connection import Connection
from hythe.tcp.states import CLOSED, SYN_RECEIVED, SYN_SENT

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Opening:
    """Owner of a half-open connection. `opened` gets None, or the error that ended the attempt."""

    __slots__ = ("connection", "opened")

    def __init__(self, connection: Connection, opened: asyncio.Future[None]) -> None:
        self.connection = connection
        self.opened = opened
        connection.owner = self

    def visit(self, connection: Connection, now: int) -> None:
        """Is it decided? Data that comes before the transport is there waits in the connection."""
        connection.news = 0
        if self.opened.done() or connection.state in (SYN_SENT, SYN_RECEIVED):
            return
        if connection.state == CLOSED:
            self.opened.set_exception(failure(connection, connection.error or errno.ECONNABORTED))
        else:
            self.opened.set_result(None)

    def abandon(self, error: OSError) -> None:
        """The host is closing."""
        self.connection.owner = None
        self.connection.abort()
        if not self.opened.done():
            self.opened.set_exception(error)


class Manner(NamedTuple):
    """How to connect: from the address and port `local`, by `config`, `first` being written before the SYN leaves.

    `interface`: by that link, whatever the routes say.
    """

    local: tuple[bytes | None, int] = (None, 0)
    config: TcpConfig | None = None
    first: bytes = b""
    interface: Interface | None = None


def zone(core: Host, name: str) -> Interface | None:
    """The interface that the zone of an address names (``fe80::1%tap0``; RFC 4007, 11), None without a zone.

    By its name, or by its number, the first being 1. OSError(ENODEV) where there is none.
    """
    _, percent, word = name.partition("%")
    if not percent:
        return None
    for number, interface in enumerate(core.interfaces, 1):
        if word in (interface.name, str(number)):
            return interface
    known = ", ".join(interface.name for interface in core.interfaces) or "no interface at all"
    raise OSError(errno.ENODEV, f"{name} is on no link of this host, which has {known}")


async def connect(runtime: Runtime, remote: bytes, port: int, manner: Manner) -> Connection:
    """Open one connection and wait for it; cancelled, it is aborted.

    Raises ConnectionRefusedError, ConnectionResetError, TimeoutError, PermissionError, OSError (EHOSTUNREACH,
    ENETUNREACH, EADDRINUSE, EADDRNOTAVAIL).
    """
    driver = runtime.driver
    (local, local_port), config, first, interface = manner
    connection = runtime.core.connect(
        remote, port, driver.clock(), local=local, local_port=local_port, config=config, interface=interface
    )
    if first:
        connection.write(first)
    opening = Opening(connection, runtime.loop.create_future())
    driver.wake()
    try:
        await opening.opened
    except BaseException:
        connection.owner = None
        connection.abort()
        driver.wake()
        raise
    return connection


async def connect_first(
    runtime: Runtime, addresses: Sequence[bytes], port: int, manner: Manner, delay: float | None
) -> Connection:
    """Connect to the first of `addresses` that answers; the next is tried when one has failed.

    With `delay`, in seconds, also when none has answered for so long, and the families take turns (RFC 8305, 4 and 5);
    whichever answers first wins, and the others are aborted. Raises as `connect`; see `summary` for more than one failure.
    """
    failures: list[OSError] = []
    if delay is None or len(addresses) == 1:
        for address in addresses:
            try:
                return await connect(runtime, address, port, manner)
            except OSError as error:
                failures.append(error)
        raise summary(failures)
    waiting = interleaved(addresses)
    attempts: set[asyncio.Task[Connection]] = set()
    try:
        while waiting or attempts:
            if waiting:
                attempt = connect(runtime, waiting.pop(0), port, manner)
                attempts.add(runtime.loop.create_task(attempt))
            done, _ = await asyncio.wait(attempts, timeout=delay if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                attempts.remove(task)
                try:
                    return task.result()
                except OSError as error:
                    failures.append(error)
        raise summary(failures)
    finally:
        await _abandon(runtime, attempts)


async def _abandon(runtime: Runtime, attempts: set[asyncio.Task[Connection]]) -> None:
    """End attempts that have lost the race, even those that were made in the meantime."""
    for attempt in attempts:
        attempt.cancel()
    for made in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(made, Connection):
            made.owner = None
            made.abort()
            runtime.driver.wake()


def interleaved(addresses: Sequence[bytes]) -> list[bytes]:
    """The families by turns, that of the first address first (RFC 8305, 4)."""
    first = [each for each in addresses if len(each) == len(addresses[0])]
    other = [each for each in addresses if len(each) != len(addresses[0])]
    turns = [each for pair in zip(first, other, strict=False) for each in pair]
    return turns + first[len(other) :] + other[len(first) :]


def summary(failures: list[OSError]) -> OSError:
    """One error for all addresses of a name; that of the only one as it is."""
    if len(failures) == 1 or len({str(error) for error in failures}) == 1:
        return failures[0]
    return OSError(failures[0].errno, "; ".join(str(error.strerror or error) for error in failures))


async def plug(
    runtime: Runtime, connection: Connection, factory: Callable[[], P], tls: Tls | None
) -> tuple[asyncio.Transport, P]:
    """A transport and the user's protocol on an open connection; with `tls` after its handshake (ssl.SSLError)."""
    loop = runtime.loop
    waiter: asyncio.Future[None] = loop.create_future()
    try:
        protocol = factory()
        secured = tls.protocol(loop, protocol, waiter) if tls is not None else None
    except BaseException:
        connection.owner = None
        connection.abort()
        runtime.driver.wake()
        raise
    transport = StreamTransport(runtime, connection, secured or protocol, contextvars.copy_context())
    above: asyncio.Transport = transport
    if secured is not None:
        above = secured._app_transport
    else:
        loop.call_soon(_done, waiter)  # after `connection_made`
    try:
        await waiter
    except BaseException:
        transport.abort()
        raise
    return above, protocol


def _done(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)

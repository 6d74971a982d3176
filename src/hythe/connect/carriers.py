"""What carries the bytes: a TCP connection, TLS on it, UDP, or a Unix socket; opened by us or by the far side.

All of it in asyncio's verbs, which the loop and a `hythe.Host` both have.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final, Protocol, TypeVar, cast

from hythe.errors import MachineError

#: Longest read, bytes.
_READ = 256 * 1_024
#: Seconds that the far side has to take what was written, once it has said that it ends.
_FLUSH: Final = 5.0
T = TypeVar("T")


class Carrier(Protocol):
    """Either side of a conversation. `ends`: can one side end and the other go on? `most`: bytes of the longest write."""

    ends: bool
    most: int

    async def read(self) -> bytes:
        """What has come; nothing once the far side has ended. OSError."""

    async def write(self, data: bytes) -> None:
        """Send it, when there is room. OSError."""

    def end(self) -> None:
        """We have nothing more to send."""

    async def close(self) -> None:
        """Let go of it, once what was written has left."""


class Stream:
    """TCP, TLS, or a Unix stream socket."""

    most = _READ

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.ends = writer.can_write_eof()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """For its certificate."""
        return cast("ssl.SSLObject | None", self._writer.get_extra_info("ssl_object"))

    @property
    def peer(self) -> Any:
        """The far side's address."""
        return self._writer.get_extra_info("peername")

    async def read(self) -> bytes:
        """What has come."""
        return await self._reader.read(_READ)

    async def write(self, data: bytes) -> None:
        """Send it."""
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        """Half-close, where that exists: in TLS it does not."""
        if self.ends:
            self._writer.write_eof()

    async def close(self) -> None:
        """Let go."""
        self._writer.close()
        try:
            async with asyncio.timeout(_FLUSH):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()
        except OSError:  # how it ended was told to `read`
            return


class Datagrams(asyncio.DatagramProtocol):
    """UDP to one far side: the one it is connected to, or who spoke first. Each read and each write is one datagram."""

    ends = False
    most = 65_507  # what IPv4 has room for (RFC 768, RFC 791)

    def __init__(self) -> None:
        self._came: asyncio.Queue[bytes | Exception] = asyncio.Queue(1_024)
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: Any = None
        self._spoken = asyncio.Event()
        self._connected = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._connected = transport.get_extra_info("peername") is not None
        if self._connected:
            self._spoken.set()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One has come. Who is not the far side is not heard; what nobody reads in time is lost, as datagrams are."""
        if not self._connected and self._peer is None:
            self._peer = addr
            self._spoken.set()
        if data and (self._connected or addr == self._peer):
            with contextlib.suppress(asyncio.QueueFull):
                self._came.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """The far side's machine says that nobody is there."""
        with contextlib.suppress(asyncio.QueueFull):
            self._came.put_nowait(exc)

    async def read(self) -> bytes:
        """One datagram."""
        came = await self._came.get()
        if isinstance(came, Exception):
            raise came
        return came

    async def write(self, data: bytes) -> None:
        """One datagram, once we know for whom."""
        await self._spoken.wait()
        if self._transport is not None:
            self._transport.sendto(data, self._peer)

    def end(self) -> None:
        """Datagrams have no end."""

    async def close(self) -> None:
        """Let go."""
        if self._transport is not None:
            self._transport.close()


class Net(Protocol):
    """The verbs: those of the event loop, and of a `hythe.Host`."""

    async def open_connection(
        self, host: str, port: int, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`."""

    async def datagrams(self, host: str, port: int) -> Datagrams:
        """A connected endpoint."""


class KernelNet:
    """This machine's kernel."""

    def __init__(self, family: int = socket.AF_UNSPEC) -> None:
        self._family = family

    async def open_connection(
        self, host: str, port: int, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`."""
        return await asyncio.open_connection(host, port, family=self._family, **options)

    async def datagrams(self, host: str, port: int) -> Datagrams:
        """A connected socket."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_datagram_endpoint(Datagrams, remote_addr=(host, port), family=self._family)
        return made


@contextlib.asynccontextmanager
async def opened(opening: Awaitable[T], what: str, limit: float | None) -> AsyncIterator[T]:
    """What `opening` gives, a carrier, closed in the end. Raises `MachineError` for what came in between."""
    try:
        async with asyncio.timeout(limit):
            carrier = await opening
    except ssl.SSLCertVerificationError as error:
        raise MachineError(
            f"{what}: its certificate proves nothing ({error.verify_message}): name the authority with --ca, "
            "or go without proof by --insecure"
        ) from error
    except ssl.SSLError as error:
        raise MachineError(f"{what}: no TLS ({error.reason or error}): try without --tls") from error
    except TimeoutError as error:
        raise MachineError(f"{what}: no answer in time: is the address right, and no firewall between?") from error
    except (socket.gaierror, UnicodeError) as error:  # the second: an empty label, or one of more than 63 bytes
        reason = error.strerror if isinstance(error, OSError) else "no name can be written so"
        raise MachineError(f"{what}: no such host ({reason}): check the name, or write an address") from error
    except OSError as error:
        raise MachineError(f"{what}: {_reason(error)}: does a server listen there?") from error
    try:
        yield carrier
    finally:
        await cast("Carrier", carrier).close()


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


async def unix(path: str) -> Stream:
    """A Unix stream socket; ``@name`` is in the abstract namespace."""
    place = f"\0{path[1:]}" if path.startswith("@") else path
    return Stream(*await asyncio.open_unix_connection(place))

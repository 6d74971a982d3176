"""Carries the messages of one `Inquiry` over datagrams and streams of whichever stack is given.

Theory of operation. Each channel of the inquiry is a UDP endpoint or a TCP connection of its own, connected, so that only
the server's datagrams and errors arrive, and from a port that the stack picks at random. A kernel's stack and ours have
asyncio's verbs both, so that this code serves either. Channels that the inquiry no longer listens to are closed; at the end,
or when it is cancelled, all are.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Final, Protocol

from hythe.host.inquiry import Ask, Inquiry, Outcome
from hythe.units import SECOND

_LENGTH: Final = struct.Struct(">H")


class Stack(Protocol):
    """What carries messages: `Kernel`, or a `hythe.Host`."""

    async def open_connection(self, host: str, port: int, /) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`; `host` is numeric."""

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], Any], /, *, remote_addr: tuple[str, int]
    ) -> tuple[Any, Any]:
        """As `loop.create_datagram_endpoint`."""


class Kernel:
    """This machine's own sockets."""

    __slots__ = ()

    async def open_connection(self, host: str, port: int, /) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection."""
        return await asyncio.open_connection(host, port)

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], Any], /, *, remote_addr: tuple[str, int]
    ) -> tuple[Any, Any]:
        """A connected UDP socket."""
        loop = asyncio.get_running_loop()
        return await loop.create_datagram_endpoint(protocol_factory, remote_addr=remote_addr)


class Errand:
    """`run` it once."""

    def __init__(self, stack: Stack, inquiry: Inquiry) -> None:
        self._stack = stack
        self._inquiry = inquiry
        self._servers = inquiry.config.servers
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._datagrams: dict[int, Any] = {}  # transports by channel
        self._streams: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> Outcome:
        """Until the inquiry has an outcome."""
        inquiry = self._inquiry
        try:
            while inquiry.outcome is None:
                self._prune()
                for ask in inquiry.take():
                    await self._send(ask)
                alarm = self._loop.call_at(inquiry.deadline / SECOND, self._news.set)
                try:
                    await self._news.wait()
                finally:
                    alarm.cancel()
                self._news.clear()
                inquiry.fire(self._now())
            return inquiry.outcome
        finally:
            await self._close()

    def _now(self) -> int:
        # Rounded up: an alarm that the loop takes to be due is due.
        return -int(-self._loop.time() * SECOND // 1)

    # --- What channels bring

    def heard(self, channel: int, message: bytes) -> None:
        """A message has come."""
        self._inquiry.receive(channel, message, self._now())
        self._news.set()

    def failed(self, channel: int, error: OSError) -> None:
        """A channel could not be opened, or its server is told to be out of reach."""
        self._inquiry.fail(channel, (error.strerror or str(error)).lower(), self._now())
        self._news.set()

    # --- Channels

    async def _send(self, ask: Ask) -> None:
        if ask.stream:
            self._streams[ask.channel] = self._loop.create_task(self._converse(ask))
            return
        transport = self._datagrams.get(ask.channel)
        if transport is None:
            try:
                transport, _ = await self._stack.create_datagram_endpoint(
                    lambda: _Listener(self, ask.channel), remote_addr=self._servers[ask.server]
                )
            except OSError as error:
                self.failed(ask.channel, error)
                return
            self._datagrams[ask.channel] = transport
        transport.sendto(ask.message)

    async def _converse(self, ask: Ask) -> None:
        """One connection: the query, and whatever comes back."""
        writer: asyncio.StreamWriter | None = None
        try:
            reader, writer = await self._stack.open_connection(*self._servers[ask.server])
            writer.write(_LENGTH.pack(len(ask.message)) + ask.message)
            while self._inquiry.listens(ask.channel):
                size = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))[0]
                self.heard(ask.channel, await reader.readexactly(size))
        except OSError as error:
            self.failed(ask.channel, error)
        except asyncio.IncompleteReadError:
            self.failed(ask.channel, ConnectionResetError(0, "closed the connection"))
        finally:
            if writer is not None:
                writer.close()

    def _prune(self) -> None:
        for channel in [each for each in self._datagrams if not self._inquiry.listens(each)]:
            self._datagrams.pop(channel).close()
        for channel, task in self._streams.items():
            if not self._inquiry.listens(channel):
                task.cancel()

    async def _close(self) -> None:
        for transport in self._datagrams.values():
            transport.close()
        for task in self._streams.values():
            task.cancel()
        ended = await asyncio.gather(*self._streams.values(), return_exceptions=True)
        await asyncio.sleep(0)  # what was closed has heard of it
        for error in ended:
            if isinstance(error, Exception):
                raise error  # all that may go wrong was told to the inquiry: this is a bug


class _Listener(asyncio.DatagramProtocol):
    """The protocol of one UDP channel."""

    def __init__(self, errand: Errand, channel: int) -> None:
        self._errand = errand
        self._channel = channel

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._errand.heard(self._channel, data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._errand.failed(self._channel, exc)

"""A server on a host: an `asyncio.AbstractServer` over listeners of ours.

The listeners' owner. What they bring gets a protocol of the factory and a transport; the server counts the transports, so
that `wait_closed` means what the running Python's own means: before 3.12 that the server is closed, from 3.12 on that
its connections have ended too.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
from collections.abc import Callable

from hythe.aio.addresses import SocketAddress, sockaddr
from hythe.aio.runtime import Runtime
from hythe.aio.tls import Tls
from hythe.aio.transports import StreamTransport
from hythe.tcp.connection import Connection
from hythe.tcp.listener import Listener

_AWAITS_CONNECTIONS = sys.version_info >= (3, 12)


class ServerSocket:
    """One address a server listens on, under the names of `socket.socket` that programs ask a server for."""

    __slots__ = ("_address", "family", "proto", "type")

    def __init__(self, address: bytes, port: int) -> None:
        self._address = sockaddr(address, port)
        self.family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        self.type = socket.SOCK_STREAM
        self.proto = socket.IPPROTO_TCP

    def getsockname(self) -> SocketAddress:
        """``(host, port)`` or ``(host, port, 0, 0)``."""
        return self._address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._address}>"


class Server(asyncio.AbstractServer):
    """`places`: (address, port) of each listener, None for every address of the host."""

    def __init__(
        self,
        runtime: Runtime,
        factory: Callable[[], asyncio.BaseProtocol],
        places: list[tuple[bytes | None, int]],
        backlog: int | None,
        tls: Tls | None,
        fast_open: int = 0,
    ) -> None:
        """Bind the places, all of them or none. OSError: EADDRINUSE, EADDRNOTAVAIL; PermissionError."""
        self._runtime = runtime
        self._factory = factory
        self._backlog = backlog
        self._fast_open = fast_open
        self._tls = tls
        self._context = contextvars.copy_context()
        self._listeners: list[Listener] = []
        self._transports: set[StreamTransport] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None
        self._closed = False
        self._places = self._bind(places)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    def _bind(self, places: list[tuple[bytes | None, int]]) -> list[tuple[bytes | None, int]]:
        """Find out that the places are free, and settle port 0 (the same for all)."""
        core = self._runtime.core
        try:
            for address, port in places:
                if not port and self._listeners:
                    port = self._listeners[0].port
                self._listeners.append(core.listen(address, port, self._backlog))
            return [(listener.address, listener.port) for listener in self._listeners]
        finally:
            self._unlisten()

    def _listen(self) -> None:
        core = self._runtime.core
        try:
            for address, port in self._places:
                listener = core.listen(address, port, self._backlog, fast_open=self._fast_open)
                self._listeners.append(listener)
                listener.owner = self
        except BaseException:
            self._unlisten()
            raise

    def _unlisten(self) -> None:
        for listener in self._listeners:
            self._runtime.core.unlisten(listener)
            listener.owner = None
        self._listeners.clear()

    # --- The standard library's verbs

    @property
    def sockets(self) -> tuple[ServerSocket, ...]:
        """Where it listens, one for each address; for every address ``0.0.0.0`` and, if the host has IPv6, ``::``."""
        if self._closed:
            return ()
        sizes = sorted({len(address) for address in self._runtime.core.addresses})
        found = []
        for address, port in self._places:
            addresses = [bytes(size) for size in sizes] if address is None else [address]
            found += [ServerSocket(each, port) for each in addresses]
        return tuple(found)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop it runs on."""
        return self._runtime.loop

    def is_serving(self) -> bool:
        """Are connections accepted?"""
        return bool(self._listeners)

    async def start_serving(self) -> None:
        """Begin to accept. Harmless when repeated. RuntimeError when closed; OSError when its place was taken."""
        if self._closed:
            raise RuntimeError(f"server {self!r} is closed")
        if not self._listeners:
            self._listen()

    async def serve_forever(self) -> None:
        """Accept until cancelled, then close. RuntimeError when closed, or when somebody does this already."""
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        await self.start_serving()
        self._forever = self._runtime.loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise
        finally:
            self._forever = None

    def close(self) -> None:
        """Accept no more. Connections that were accepted go on; those that were not are reset."""
        if self._closed:
            return
        self._closed = True
        self._unlisten()
        self._runtime.driver.wake()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake_waiters()

    def close_clients(self) -> None:
        """Close every connection that was accepted and has not ended."""
        for transport in list(self._transports):
            transport.close()

    def abort_clients(self) -> None:
        """Reset every connection that was accepted and has not ended."""
        for transport in list(self._transports):
            transport.abort()

    async def wait_closed(self) -> None:
        """Until `close` was called and, from Python 3.12 on, every connection has ended."""
        if self._over():
            return
        waiter: asyncio.Future[None] = self._runtime.loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _over(self) -> bool:
        return self._closed and not (_AWAITS_CONNECTIONS and self._transports)

    def _wake_waiters(self) -> None:
        if self._over():
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()

    # --- The driver's side

    def visit(self, listener: Listener, now: int) -> None:
        """Connections have been opened."""
        listener.news = 0
        for connection in listener.take():
            self._accept(connection)

    def _accept(self, connection: Connection) -> None:
        context = self._context.copy()
        loop = self._runtime.loop
        try:
            protocol = context.run(self._factory)
            if self._tls is not None:
                protocol = self._tls.protocol(loop, protocol, None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # whatever a user's factory raises must not stop the driver
            connection.abort()
            message = "Error on transport creation for incoming connection"
            loop.call_exception_handler({"message": message, "exception": error})
            return
        self._transports.add(StreamTransport(self._runtime, connection, protocol, context, self._left))

    def _left(self, transport: StreamTransport) -> None:
        self._transports.discard(transport)
        self._runtime.transports.discard(transport)
        self._wake_waiters()

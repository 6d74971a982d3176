"""Ports that a server listens on for a client (`ssh -R`): each connection to one is a channel to the client."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import asyncssh
from asyncssh.listener import SSHListener

from hythe.tunnel.ssh.datagrams import FORWARDED, DatagramChannel, read
from hythe.tunnel.ssh.splice import Splice

if TYPE_CHECKING:
    from hythe.tunnel.ssh.connection import ServerConnection

#: Makes the splice of who has come: its socket, its address, and the host and port it came to.
Came = Callable[[socket.socket, Any, str, int], Splice]

_BACKLOG: Final = 128
_BATCH: Final = 16
_LOOPBACK: Final = ("127.0.0.1", "::1")
#: Ports picked at random that are free for one address may be taken for the next.
_PICKS: Final = 16
#: A machine without IPv6 has one loopback, and one wildcard.
_NO_SUCH_ADDRESS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def bind(host: str, port: int, kind: socket.SocketKind, *, gateway_ports: bool) -> list[socket.socket]:
    """Bound sockets on one port, picked if it is 0; on loopback, whatever was asked for, unless `gateway_ports`. OSError."""
    if not gateway_ports or host == "localhost":
        places: tuple[str, ...] = (host,) if host in _LOOPBACK else _LOOPBACK
    else:
        places = ("0.0.0.0", "::") if host in ("", "*") else (host,)
    for _ in range(_PICKS):
        try:
            return _bind(places, port, kind)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, "no free port was found")


def _bind(places: tuple[str, ...], port: int, kind: socket.SocketKind) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        for place in places:
            # Addresses alone: a name would hold up all clients for as long as it is looked up.
            flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
            family, _, _, _, address = socket.getaddrinfo(os.fsencode(place), port, type=kind, flags=flags)[0]
            one = socket.socket(family, kind | socket.SOCK_NONBLOCK)
            try:
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                if kind == socket.SOCK_STREAM:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(address)
            except OSError as error:
                one.close()
                if not opened or error.errno not in _NO_SUCH_ADDRESS:
                    raise
                continue
            opened.append(one)
            port = one.getsockname()[1]
    except BaseException:
        for one in opened:
            one.close()
        raise
    return opened


class Listener(SSHListener):
    """TCP."""

    def __init__(self, connection: ServerConnection, came: Came, host: str, listeners: list[socket.socket]) -> None:
        super().__init__()
        self._came = came
        self._connection = connection
        self._host = host
        self._listeners = listeners
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        for each in listeners:
            each.listen(_BACKLOG)
            self._loop.add_reader(each, self._accept, each)

    @classmethod
    async def opened(
        cls, connection: ServerConnection, came: Came, host: str, port: int, *, gateway_ports: bool
    ) -> Listener:
        """Listen. OSError, of which asyncssh makes a refusal."""
        return cls(connection, came, host, bind(host, port, socket.SOCK_STREAM, gateway_ports=gateway_ports))

    def get_port(self) -> int:
        """The port, of all addresses."""
        return int(self._listeners[0].getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                client, address = listener.accept()
            except BlockingIOError:
                return
            except OSError:
                return  # it has gone again, or there is no descriptor left: it waits in the kernel
            client.setblocking(False)
            task = self._loop.create_task(self._offer(client, address))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _offer(self, client: socket.socket, address: Any) -> None:
        splice = self._came(client, address, self._host, self.get_port())
        try:
            await self._open(splice, address)
        except asyncssh.ChannelOpenError:
            splice.abort()  # the client does not want it

    async def _open(self, splice: Splice, address: Any) -> None:
        channel = self._connection.create_tcp_channel()
        await channel.accept(lambda: splice, self._host, self.get_port(), address[0], address[1])

    def close(self) -> None:
        """Listen no more; what is open stays."""
        for each in self._listeners:
            self._loop.remove_reader(each)
            each.close()

    async def wait_closed(self) -> None:
        """It is."""


class PathListener(Listener):
    """A Unix socket, for its user alone."""

    @classmethod
    async def opened(cls, connection: ServerConnection, came: Came, path: str, *_: Any, **__: Any) -> PathListener:  # type: ignore[override]
        """Listen. OSError where something is there already."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            listener.bind(path)
        except BaseException:
            listener.close()
            raise
        finally:
            os.umask(before)
        return cls(connection, came, path, [listener])

    def get_port(self) -> int:
        """None."""
        return 0

    async def _open(self, splice: Splice, address: Any) -> None:
        channel = self._connection.create_unix_channel()
        await channel.accept(lambda: splice, self._host)

    def close(self) -> None:
        """Listen no more."""
        super().close()
        with contextlib.suppress(OSError):
            os.unlink(self._host)


class UdpListener(SSHListener):
    """UDP: all datagrams by one channel."""

    def __init__(self, connection: ServerConnection, host: str, port: int, *, gateway_ports: bool) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._sockets = bind(host, port, socket.SOCK_DGRAM, gateway_ports=gateway_ports)
        self._port = int(self._sockets[0].getsockname()[1])
        self._channel = DatagramChannel(self._send, self._ended)
        self._opening = self._loop.create_task(self._open(connection, host))
        for each in self._sockets:
            self._loop.add_reader(each, read, each, self._back)

    async def _open(self, connection: ServerConnection, host: str) -> None:
        channel = connection.create_tcp_channel()
        try:
            await channel.open_forward(self._channel, FORWARDED, host, self._port)
        except asyncssh.ChannelOpenError:
            self.close()

    def get_port(self) -> int:
        """The port."""
        return self._port

    def _send(self, data: bytes, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for each in self._sockets:
            if each.family == family:
                with contextlib.suppress(OSError):  # lost, as datagrams are
                    each.sendto(data, (host, port))

    def _back(self, data: bytes, host: str, port: int) -> None:
        with contextlib.suppress(OSError):  # the channel is not open yet, or no more
            self._channel.send(data, host, port)

    def _ended(self, error: OSError) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        self._sockets = []
        self._channel.close()

    async def wait_closed(self) -> None:
        """It is."""

"""What begins on this machine: -L and -D. Each client of a port is carried by the tunnel's way."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from hythe.forward.flows import Counted, Flows, end_of
from hythe.tunnel.accepting import PAUSE, accept
from hythe.tunnel.ssh.datagrams import read
from hythe.via.pairs import reset
from hythe.via.splice import splice

if TYPE_CHECKING:
    from hythe.forward.specs import Forward
    from hythe.tunnel.socks.listening import SocksServer
    from hythe.via.base import Datagrams, Way

#: Datagrams of one client that wait for its tunnel.
_WAITING: Final = 64
#: Seconds that a client waits for a tunnel that is down.
_PATIENCE: Final = 5.0
#: Clients of one UDP port at a time, and seconds of silence that end one.
_CLIENTS: Final = 1_024
_SILENCE: Final = 300.0


class Ready(Protocol):
    """What a tunnel tells those who carry by it."""

    async def ready(self, patience: float) -> bool:
        """Is it up, or soon?"""


class LocalPort:
    """A TCP port or a Unix socket, and what it leads to."""

    def __init__(self, forward: Forward, listeners: list[socket.socket], way: Way, flows: Flows, tunnel: Ready) -> None:
        self.forward = forward
        self.listeners = listeners
        self._way = way
        self._counted: Way = Counted(way, flows)
        if forward.ftp:  # the channel is a stream of its own, and so is each data connection
            from hythe.via.ftp import FollowingFtp

            self._counted = Counted(FollowingFtp(self._counted, told=flows.notice), flows)
        self._flows = flows
        self._tunnel = tunnel
        self._loop = asyncio.get_running_loop()
        self._clients: set[asyncio.Task[None]] = set()
        for each in listeners:
            self._loop.add_reader(each, self._accept, each)

    def _accept(self, listener: socket.socket) -> None:
        if not accept(listener, self._begin):
            self._loop.remove_reader(listener)
            self._loop.call_later(PAUSE, self._resume, listener)

    def _begin(self, client: socket.socket, _: Any) -> None:
        client.setblocking(False)
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._serve(client))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener, self._accept, listener)

    async def _serve(self, client: socket.socket) -> None:
        target = self.forward.target
        with client:
            try:
                if not await self._tunnel.ready(_PATIENCE):
                    raise OSError(errno.EHOSTUNREACH, "the tunnel is down")
                if target.path:
                    await self._carry_to_path(client, target.path)
                else:
                    await self._counted.carry(client, target.host, target.port)
            except OSError:
                reset(client)  # views tell why

    async def _carry_to_path(self, client: socket.socket, path: str) -> None:
        flow = self._flows.begin("unix", end_of(client), (path, 0), self._way.name)
        flow.kill = lambda: client.shutdown(socket.SHUT_RDWR)
        ended: OSError | None = OSError(errno.ECONNABORTED, "ended from this side")
        try:
            far = await self._way.open_unix(path)
            self._flows.opened(flow)
            ended = await splice(client, far, flow.tally)
        except OSError as error:
            ended = error
            raise
        finally:
            self._flows.end(flow, ended)

    async def close(self) -> None:
        """Listen no more, and end what is carried."""
        for each in self.listeners:
            self._loop.remove_reader(each)
            each.close()
        if self.forward.place.path:
            with contextlib.suppress(OSError):  # somebody has tidied up
                os.unlink(self.forward.place.path)
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)


class SocksPort:
    """-D."""

    def __init__(self, forward: Forward, listeners: list[socket.socket], way: Way, flows: Flows) -> None:
        from hythe.tunnel.socks.listening import SocksServer
        from hythe.via.outlet import WayOutlet

        self.forward = forward
        self.listeners = listeners
        self._server: SocksServer = SocksServer(WayOutlet(Counted(way, flows)))
        for each in listeners:
            self._server.listen(each)

    async def close(self) -> None:
        """Listen no more, and end what is carried."""
        await self._server.close()


class UdpPort:
    """A UDP port: each client has an association of its own, until it has been silent for long."""

    def __init__(self, forward: Forward, listeners: list[socket.socket], way: Way, flows: Flows, tunnel: Ready) -> None:
        self.forward = forward
        self.listeners = listeners
        self._way = Counted(way, flows)
        self._flows = flows
        self._tunnel = tunnel
        self._loop = asyncio.get_running_loop()
        self._clients: dict[tuple[str, int], _UdpClient] = {}
        self._told = ""
        self._sweeping = self._loop.call_later(_SILENCE / 10, self._sweep)
        for each in listeners:
            self._loop.add_reader(each, read, each, self._received_at(each))

    def _received_at(self, listener: socket.socket) -> Any:
        def received(data: bytes, host: str, port: int) -> None:
            client = self._clients.get((host, port))
            if client is None:
                if len(self._clients) >= _CLIENTS:
                    return  # lost
                client = self._clients[host, port] = _UdpClient(listener, (host, port))
                client.opening = self._loop.create_task(self._open(client))
            client.send(data, self.forward.target.host, self.forward.target.port)

        return received

    async def _open(self, client: _UdpClient) -> None:
        try:
            if not await self._tunnel.ready(_PATIENCE):
                raise OSError(errno.EHOSTUNREACH, "the tunnel is down")
            client.association = await self._way.datagrams(client.deliver, lambda _: self._forget(client))
        except OSError as error:
            self._forget(client)
            if str(error) != self._told:
                self._told = str(error)
                self._flows.notice(f"{self.forward}: {error.strerror or error}")
            return
        client.flush(self.forward.target.host, self.forward.target.port)

    def _forget(self, client: _UdpClient) -> None:
        self._clients.pop(client.address, None)

    def _sweep(self) -> None:
        now = time.monotonic()
        for client in list(self._clients.values()):
            if now - client.heard > _SILENCE:
                self._forget(client)
                client.close()
        self._sweeping = self._loop.call_later(_SILENCE / 10, self._sweep)

    async def close(self) -> None:
        """Listen no more, and let go of all associations."""
        self._sweeping.cancel()
        for each in self.listeners:
            self._loop.remove_reader(each)
            each.close()
        for client in list(self._clients.values()):
            client.close()
        self._clients.clear()


class _UdpClient:
    def __init__(self, listener: socket.socket, address: tuple[str, int]) -> None:
        self.address = address
        self.association: Datagrams | None = None
        self.opening: asyncio.Task[None] | None = None
        self.heard = time.monotonic()
        self._listener = listener
        self._waiting: list[bytes] = []

    def send(self, data: bytes, host: str, port: int) -> None:
        self.heard = time.monotonic()
        if self.association is None:
            if len(self._waiting) < _WAITING:
                self._waiting.append(data)
            return
        with contextlib.suppress(OSError):  # lost, as datagrams are
            self.association.send(data, host, port)

    def flush(self, host: str, port: int) -> None:
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.send(data, host, port)

    def deliver(self, data: bytes, host: str, port: int) -> None:
        self.heard = time.monotonic()
        with contextlib.suppress(OSError):
            self._listener.sendto(data, self.address)

    def close(self) -> None:
        if self.opening is not None:
            self.opening.cancel()
        if self.association is not None:
            self.association.close()

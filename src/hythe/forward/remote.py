"""What begins at the far end: -R. The server listens, and gives us each of its clients by a channel."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from hythe.forward.flows import Counted, End, Flow, Flows, end_of
from hythe.tunnel.ssh.datagrams import DatagramChannel, read
from hythe.tunnel.ssh.splice import Splice, connect_unix
from hythe.via.direct import Direct

if TYPE_CHECKING:
    from hythe.forward.specs import Forward
    from hythe.tunnel.ssh.connection import ClientConnection

#: Clients of one UDP port at a time, and seconds of silence that end one.
_CLIENTS: Final = 1_024
_SILENCE: Final = 300.0


class RemotePort:
    """One -R on one connection. `port`: what the server listens on."""

    def __init__(self, forward: Forward, flows: Flows, via: str) -> None:
        self.forward = forward
        self.port = forward.place.port
        self._via = via
        self._flows = flows
        self._direct = Direct()
        self._socks = None if forward.target or forward.udp else SocksBack(flows, via)

    async def open(self, connection: ClientConnection) -> None:
        """Ask the server to listen. OSError when it does not."""
        place, bind = self.forward.place, self.forward.bind
        where = f"{bind or '*'} port {place.port}" if not place.path else place.path
        try:
            if self.forward.udp:
                back = _UdpBack(self.forward, self._flows, self._via)
                self.port = await connection.forward_udp(bind, place.port, lambda: back.channel)
            elif place.path:
                await connection.create_unix_server(self._path_client, place.path)
            else:
                listener = await connection.create_server(self._client, bind, place.port)
                self.port = listener.get_port()
        except (asyncssh.ChannelListenError, asyncssh.ChannelOpenError) as error:
            raise OSError(
                errno.EACCES, f"the server does not listen on {where}: it is in use there, or not permitted"
            ) from error

    def _path_client(self) -> Any:
        return self._client(self.forward.place.path, 0)

    async def _client(self, host: str, port: int) -> Splice:
        """A client at the far end: join it to the target on this side, or to the one it asks for."""
        if self._socks is not None:
            return self._socks.serve((host, port))
        target = self.forward.target
        leads_to = (target.path or target.host, target.port)
        flow = self._flows.begin("tcp", (host, port), leads_to, self._via, inbound=True)
        try:
            near = await (connect_unix(target.path) if target.path else self._direct.open(target.host, target.port))
        except OSError as error:
            self._flows.end(flow, error)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, error.strerror or str(error)) from error
        flow.far = end_of(near) if not target.path else flow.far
        splice = Splice(near, moved=_counting(flow))
        flow.kill = splice.abort
        self._flows.opened(flow)
        splice.ended.add_done_callback(lambda ended: self._flows.end(flow, ended.result()))
        return splice


class SocksBack:
    """-R of a port alone: clients at the far end ask by SOCKS for what is to be reached from this side."""

    def __init__(self, flows: Flows, via: str) -> None:
        from hythe.tunnel.socks.listening import SocksServer
        from hythe.via.outlet import WayOutlet

        self._whose: dict[socket.socket, End] = {}
        way = Counted(Direct(), flows, via=via, whose=self._whose.__getitem__)
        self._server = SocksServer(WayOutlet(way))

    def serve(self, client: End) -> Splice:
        """What the client's channel is joined to. A channel that breaks ends what was opened for it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._whose[ours] = client
        task = self._server.take(ours)
        if task is None:
            del self._whose[ours]
            theirs.close()
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "too many clients of SOCKS")
        task.add_done_callback(lambda _: self._whose.pop(ours))
        splice = Splice(theirs)
        splice.ended.add_done_callback(lambda ended: task.cancel() if ended.result() is not None else None)
        return splice


def _counting(flow: Flow) -> Any:
    """`up` is away from the client, which is at the far end: what comes by the channel."""

    def moved(from_us: int, to_us: int) -> None:
        flow.tally.down += from_us
        flow.tally.up += to_us

    return moved


class _UdpBack:
    """Datagrams of a far port: each client there has a socket of its own here, connected to the target."""

    def __init__(self, forward: Forward, flows: Flows, via: str) -> None:
        self._forward = forward
        self._via = via
        self._flows = flows
        self._loop = asyncio.get_running_loop()
        self._clients: dict[tuple[str, int], tuple[socket.socket, Flow]] = {}
        self._heard: dict[tuple[str, int], float] = {}
        self._sweeping = self._loop.call_later(_SILENCE / 10, self._sweep)
        self.channel = DatagramChannel(self._received, self._ended)

    def _received(self, data: bytes, host: str, port: int) -> None:
        key = (host, port)
        if key not in self._clients and (len(self._clients) >= _CLIENTS or not self._begin(key)):
            return  # lost
        near, flow = self._clients[key]
        self._heard[key] = time.monotonic()
        flow.tally.up += len(data)
        with contextlib.suppress(OSError):  # lost, as datagrams are
            near.send(data)

    def _begin(self, key: tuple[str, int]) -> bool:
        target = self._forward.target
        flow = self._flows.begin("udp", key, (target.host, target.port), self._via, inbound=True)
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
            near = socket.socket(found[0][0], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            near.connect(found[0][4])
        except OSError as error:
            self._flows.end(flow, error)
            return False

        def back(data: bytes, *_: object) -> None:
            flow.tally.down += len(data)
            self._heard[key] = time.monotonic()
            with contextlib.suppress(OSError):
                self.channel.send(data, *key)

        self._loop.add_reader(near, read, near, back)
        self._clients[key] = near, flow
        self._flows.opened(flow)
        return True

    def _sweep(self) -> None:
        now = time.monotonic()
        for key in [key for key, heard in self._heard.items() if now - heard > _SILENCE]:
            self._end(key)
        self._sweeping = self._loop.call_later(_SILENCE / 10, self._sweep)

    def _end(self, key: tuple[str, int]) -> None:
        near, flow = self._clients.pop(key)
        self._heard.pop(key, None)
        self._loop.remove_reader(near)
        near.close()
        self._flows.end(flow, None)

    def _ended(self, error: OSError) -> None:
        self._sweeping.cancel()
        for key in list(self._clients):
            self._end(key)

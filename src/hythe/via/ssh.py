"""By SSH: each stream is a channel of one connection, which is made when the first is asked for.

Names are looked up by the server. `carry` puts the client's own socket on the channel; `open` puts one end of a pair there.
Jump hosts of ~/.ssh/config are ways of their own, one through the other. A connection that was lost is made anew for the
next stream.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncssh

from hythe.errors import FAILURES, HytheError, UsageError
from hythe.tunnel.ssh.client import Prepared, Target, UnreachableError, connect, prepare
from hythe.tunnel.ssh.connection import ClientConnection
from hythe.tunnel.ssh.datagrams import DIRECT, DatagramChannel
from hythe.tunnel.ssh.splice import Splice
from hythe.via.base import Broken, Datagrams, Opened, Receive, Tally, Way, broken, failure
from hythe.via.pairs import Given

#: What a server's refusals (RFC 4254, 5.1) are to a client.
_REFUSALS: Final = (
    (asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, errno.EACCES),
    (asyncssh.OPEN_CONNECT_FAILED, errno.ECONNREFUSED),
    (asyncssh.OPEN_UNKNOWN_CHANNEL_TYPE, errno.EOPNOTSUPP),
    (asyncssh.OPEN_RESOURCE_SHORTAGE, errno.ENOBUFS),
)
#: Jump hosts of jump hosts, which may lead in a circle.
_JUMPS_MAX: Final = 8
#: Seconds that the way to the server may take to open.
_PATIENCE: Final = 30.0


class Ssh(Way):
    """`before`: the way to the server. `prepared`, `connection`: once there is one."""

    carries_datagrams = True  # to another hythe, which only asking can tell

    def __init__(self, target: Target, before: Way, depth: int = 0) -> None:
        if depth > _JUMPS_MAX:
            raise UsageError(
                f"{target} has more than {_JUMPS_MAX} jump hosts, which seem to lead in a circle: see ProxyJump"
            )
        self.name = str(target)
        self.target = target
        self.connection: ClientConnection | None = None
        self._before = before
        self._depth = depth
        self._jumps: list[Ssh] = []
        self._place: tuple[str, int] | None = None  # where the last connection went
        self._making: asyncio.Task[ClientConnection] | None = None

    async def up(self, patience: float | None = None) -> ClientConnection:
        """The connection, made if there is none. Raises `UnreachableError`, `RefusedError`, `UsageError`.

        All who want it meanwhile wait for one attempt, and one of them who gives up does not end it for the others.
        `patience`: seconds that the way to the server may take to open, whatever ssh's configuration says (ConnectTimeout).
        """
        if self.connection is not None and not self.connection.is_closed():
            return self.connection
        if self._making is None:
            self._making = asyncio.get_running_loop().create_task(self._make(patience))
            self._making.add_done_callback(self._made)
        return await asyncio.shield(self._making)

    async def _make(self, patience: float | None) -> ClientConnection:
        prepared = await prepare(self.target)
        limit = patience or float(prepared.options.connect_timeout or _PATIENCE)
        self.connection = await connect(prepared, await self._stream(prepared, limit))
        self._place = prepared.host, prepared.port
        return self.connection

    def _made(self, task: asyncio.Task[ClientConnection]) -> None:
        self._making = None
        if not task.cancelled():
            task.exception()  # which those have who waited; if nobody does any more, nobody misses it

    async def _stream(self, prepared: Prepared, limit: float) -> socket.socket | None:
        """What leads to the server; None where a command of the configuration does."""
        if prepared.options.proxy_command and not prepared.jump:
            return None
        for jump in self._jumps:
            await jump.close()
        self._jumps = []
        way = self._before
        for text in filter(None, prepared.jump.split(",")):
            way = Ssh(_jump(text, self.target), way, self._depth + 1)
            self._jumps.append(way)
        try:
            async with asyncio.timeout(limit):
                return await way.open(prepared.host, prepared.port)
        except TimeoutError as error:
            raise UnreachableError(f"{prepared.name} does not answer: {FAILURES[errno.ETIMEDOUT]}") from error
        except socket.gaierror as error:
            raise UnreachableError(f"{self.name}: there is no host {prepared.host} ({error.strerror})") from error
        except OSError as error:
            raise UnreachableError(f"{prepared.name}: {error.strerror or error}") from error

    async def probe(self) -> socket.socket:
        """A second stream to the server, or to its first jump host: does anything get through? OSError."""
        if self._jumps:
            return await self._jumps[0].probe()
        assert self._place is not None
        return await self._before.open(*self._place)

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`."""
        return await self._opened(lambda made, session: made.create_connection(session, host, port), host, port)

    async def open_unix(self, path: str) -> socket.socket:
        """As `Way.open_unix`."""
        return await self._opened(lambda made, session: made.create_unix_connection(session, path), path, 0)

    async def carry(
        self, client: socket.socket, host: str, port: int, *, opened: Opened | None = None, tally: Tally | None = None
    ) -> OSError | None:
        """As `Way.carry`, on the client's own socket; one that has a pace goes through ours, which can be left unread."""
        if tally is not None and tally.pace is not None:
            return await super().carry(client, host, port, opened=opened, tally=tally)
        ends = _ends(client)
        return await self._carried(
            lambda made, session: made.create_connection(session, host, port, *ends), client, host, port, opened, tally
        )

    async def datagrams(self, receive: Receive, broken: Broken) -> Datagrams:
        """As `Way.datagrams`, to another hythe."""
        channel = DatagramChannel(receive, broken)

        async def begin(made: ClientConnection, _: object) -> None:
            await made.create_tcp_channel().open_forward(channel, DIRECT, "", 0)

        try:
            await self._begin(begin, lambda: channel, "", 0)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ECONNREFUSED):  # the latter is what OpenSSH says of it
                raise
            raise OSError(
                errno.EOPNOTSUPP, f"{self.name} carries no datagrams: SSH has none, but hythe sshd has: run that there"
            ) from error
        return channel

    async def close(self) -> None:
        """End the connection, and with it all its streams."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])
        made, self.connection = self.connection, None
        if made is not None:
            made.close()
            await made.wait_closed()
        for jump in reversed(self._jumps):
            await jump.close()

    async def _opened(self, begin: Begin, host: str, port: int) -> socket.socket:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        splice = Splice(far, spoil=Given(near).spoil)
        try:
            await self._begin(begin, lambda: splice, host, port)
        except BaseException:
            splice.abort()
            near.close()
            raise
        return near

    async def _carried(
        self, begin: Begin, client: socket.socket, host: str, port: int, opened: Opened | None, tally: Tally | None
    ) -> OSError | None:
        splice: Splice | None = None

        def moved(up: int, down: int) -> None:
            assert tally is not None
            tally.up += up
            tally.down += down

        def session() -> Splice:
            nonlocal splice
            first = opened(None) if opened is not None else b""
            splice = Splice(client, first=first, moved=moved if tally is not None else None, standing=tally)
            return splice

        try:
            await self._begin(begin, session, host, port)
            assert splice is not None
            return await splice.ended
        finally:
            if splice is not None and not splice.ended.done():
                splice.abort()

    async def _begin(self, begin: Begin, session: Callable[[], Any], host: str, port: int) -> None:
        try:
            made = await self.up()
        except HytheError as error:
            raise broken(self.name, host, port, str(error)) from error
        try:
            await begin(made, session)
        except asyncssh.ChannelOpenError as error:
            number = dict(_REFUSALS).get(error.code, errno.ECONNABORTED)
            raise failure(number, self.name, host, port, error.reason) from error


#: Opens a channel with the session that is made for it.
Begin = Callable[[ClientConnection, Callable[[], Any]], Awaitable[Any]]


def _jump(text: str, target: Target) -> Target:
    """``[USER@]HOST[:PORT]``, perhaps as a URL, as ProxyJump has it. Keys and the like are its own configuration's."""
    login, _, place = text.strip().removeprefix("ssh://").rpartition("@")
    host, colon, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    if not colon:
        host, port = place, ""
    if port and not port.isdecimal():
        raise UsageError(f"the jump host {text!r} of {target} has no port {port!r}: write HOST:PORT")
    return Target(host.strip("[]"), int(port) if port else None, login or None, asks=target.asks, config=target.config)


def _ends(client: socket.socket) -> tuple[str, int]:
    """Where the client is, for the server's log (RFC 4254, 7.2)."""
    if client.family == socket.AF_UNIX:
        return "127.0.0.1", 0
    try:
        found: Any = client.getpeername()
    except OSError:
        return "", 0  # gone, as will be seen
    return found[0], found[1]

"""By a SOCKS proxy: SOCKS5 (CONNECT, BIND, UDP ASSOCIATE) or SOCKS4A (CONNECT, BIND). Names are the proxy's matter."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import Final

from hythe.errors import ParseError
from hythe.tunnel.socks.client import RejectedError, read_reply4, read_reply5, request4, request5
from hythe.tunnel.socks.messages import ASSOCIATE, BIND, CONNECT, Bound, build_datagram, parse_datagram
from hythe.tunnel.socks.steps import Steps, exchange
from hythe.via.base import Broken, Buffer, Datagrams, Receive, Way, broken, failure
from hythe.via.spec import URLS, Hop

#: Seconds for the whole negotiation, in which the proxy connects: a little more than Linux's own connect takes.
_LIMIT: Final = 130.0


class Socks(Way):
    """`hop`: the proxy and who we are to it; `before`: the way to it."""

    def __init__(self, hop: Hop, before: Way) -> None:
        self.name = str(hop)
        self._five = hop.scheme != "socks4a"
        self._before = before
        self.carries_datagrams = self._five and before.carries_datagrams
        self._host = hop.host
        self._port = hop.port or URLS["socks5"] or 0
        self._user = hop.user or ""
        self._login = (hop.user, hop.password or "") if hop.user is not None else None

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`."""
        stream, _ = await self._ask(CONNECT, host, port)
        return stream

    async def listen(self, peer: str) -> _Listening:
        """As `Way.listen`, by BIND."""
        stream, bound = await self._ask(BIND, peer, 0)
        return _Listening(self, peer, stream, self._known(stream, bound), read_reply5() if self._five else read_reply4())

    async def datagrams(self, receive: Receive, broken: Broken) -> Datagrams:
        """As `Way.datagrams`, by UDP ASSOCIATE; the relay is reached by the way that the proxy is."""
        if not self._five:
            return await super().datagrams(receive, broken)
        control, bound = await self._ask(ASSOCIATE, "0.0.0.0", 0)
        path = _Datagrams(self.name, control, self._known(control, bound), receive, broken)
        try:
            path.relay = await self._before.datagrams(path.came, broken)
        except BaseException:
            path.close()
            raise
        return path

    async def close(self) -> None:
        """As `Way.close`."""
        await self._before.close()

    def _known(self, control: socket.socket, bound: Bound) -> tuple[str, int]:
        """A proxy that does not know its own address means the one it was reached by."""
        if bound.host not in ("0.0.0.0", "::"):
            return bound
        return (self._host if self._before.resolves else control.getpeername()[0]), bound.port

    async def _ask(self, command: int, host: str, port: int) -> tuple[socket.socket, Bound]:
        try:
            stream = await self._before.open(self._host, self._port)
        except OSError as error:
            raise broken(self.name, host, port, str(error.strerror or error)) from error
        try:
            bound = await self.negotiate(stream, self._steps(command, host, port), host, port)
        except BaseException:
            stream.close()
            raise
        return stream, bound

    def _steps(self, command: int, host: str, port: int) -> Steps[Bound]:
        return request5(command, host, port, self._login) if self._five else request4(command, host, port, self._user)

    async def negotiate(self, stream: socket.socket, steps: Steps[Bound], host: str, port: int) -> Bound:
        """Run `steps`; what goes wrong is told as an error of the connection to `host`."""
        try:
            async with asyncio.timeout(_LIMIT):
                return await exchange(stream, steps)
        except RejectedError as error:
            if error.ours:
                raise broken(self.name, host, port, f"the proxy says: {error}") from error
            raise failure(error.number, self.name, host, port, f"the proxy says: {error}") from error
        except ParseError as error:
            raise broken(self.name, host, port, str(error)) from error
        except TimeoutError as error:
            raise failure(errno.ETIMEDOUT, self.name, host, port, "the proxy does not answer") from error
        except ValueError as error:  # a name that is none
            raise failure(errno.EHOSTUNREACH, self.name, host, port, str(error)) from error
        except OSError as error:
            raise broken(self.name, host, port, str(error.strerror or error)) from error


class _Listening:
    """A BIND that waits for its second reply."""

    def __init__(self, way: Socks, peer: str, stream: socket.socket, address: tuple[str, int], steps: Steps[Bound]) -> None:
        self.address = address
        self._way = way
        self._peer = peer
        self._stream: socket.socket | None = stream
        self._steps = steps

    async def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        """As `Listening.accept`."""
        if self._stream is None:
            raise OSError(errno.EINVAL, "one connection has been accepted, and there can be no other")
        peer = await self._way.negotiate(self._stream, self._steps, self._peer, 0)
        stream, self._stream = self._stream, None
        return stream, peer

    def close(self) -> None:
        """As `Listening.close`."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class _Datagrams:
    """An association with the proxy: it lasts as long as `control`, the connection that asked for it (RFC 1928, 7)."""

    def __init__(
        self, name: str, control: socket.socket, address: tuple[str, int], receive: Receive, broken: Broken
    ) -> None:
        self._name = name
        self._control = control
        self._address = address
        self._receive = receive
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self.relay: Datagrams | None = None
        self._loop.add_reader(control, self._ended)

    def send(self, data: Buffer, host: str, port: int) -> None:
        """As `Datagrams.send`."""
        if self.relay is None:
            raise broken(self._name, host, port, "the proxy has ended the association")
        try:
            self.relay.send(build_datagram(host, port, data), *self._address)
        except ValueError as error:
            raise failure(errno.EHOSTUNREACH, self._name, host, port, str(error)) from error

    def came(self, data: bytes, host: str, port: int) -> None:
        """Something for us. Only what the proxy itself sends is heard."""
        if (host, port) == self._address:
            with contextlib.suppress(ParseError):  # what is broken is dropped (RFC 1928, 7)
                (host, port), payload = parse_datagram(data)
                self._receive(payload, host, port)

    def close(self) -> None:
        """As `Datagrams.close`."""
        self._loop.remove_reader(self._control)
        self._control.close()
        if self.relay is not None:
            self.relay.close()
            self.relay = None

    def _ended(self) -> None:
        """The proxy has something to say on the connection that asked: it can only be its end."""
        self.close()
        self._broken(broken(self._name, *self._address, "the proxy has ended the association"))

"""The HTTP proxy: CONNECT, and requests for whole URLs (RFC 9110, 7.6 and 9.3.6; RFC 9112, 3.2.2).

A client is one task. Each request's head is read strictly (`heads`) and parsed by h11, one connection object a request; what
comes behind it belongs to its body or to the next request. A refusal is a status and one sentence, and the end of the
connection: after something that was not understood, nothing can be.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import h11

from hythe.proxy.clients import Client, Flow
from hythe.proxy.exchange import Origin, exchange
from hythe.proxy.heads import HEAD_MAX, READ, Refusal, Target, check, credentials, read_head, target, tunnel
from hythe.proxy.passage import Passage
from hythe.proxy.plain import Plain, Port
from hythe.via.patterns import endpoint

if TYPE_CHECKING:
    from hythe.proxy.users import Users
    from hythe.tunnel.accepting import Acceptor, Make

#: Seconds: for a head from its first byte, for the next request, and for a client to take a refusal.
HEAD: Final = 15.0
IDLE: Final = 75.0
FAREWELL: Final = 2.0
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REALM: Final = "hythe"
#: What the log has for a refusal that nothing of the machine stands behind; others are errors of a protocol.
_NUMBERS: Final = {
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: errno.EACCES,
    HTTPStatus.REQUEST_TIMEOUT: errno.ETIMEDOUT,
    HTTPStatus.GATEWAY_TIMEOUT: errno.ETIMEDOUT,
}


class Http:
    """HTTP for the clients of one entry. `users`: who may log in; `login`: they must."""

    def __init__(self, passage: Passage, users: Callable[[], Users], *, login: bool) -> None:
        self._passage = passage
        self._users = users
        self._login = login

    async def speak(self, client: Client, greeted: Callable[[], object], begun: bytes = b"") -> None:
        """Serve a client, who has begun by that."""
        conversation = _Conversation(self._passage, client, self._users() if self._login else None)
        try:
            await conversation.run(greeted, begun)
        except Refusal as refusal:
            greeted()
            await self.refuse(client, refusal)
        except OSError:
            return  # the client has gone, or the log has told of it
        finally:
            conversation.close()

    async def refuse(self, client: Client, refusal: Refusal) -> None:
        """Tell a client, and the log unless it has it."""
        if not refusal.told:
            number = _NUMBERS.get(refusal.status, errno.EPROTO)
            self._passage.log.tell_refused(client, OSError(number, str(refusal)), refusal.status)
        await _refuse(client.stream, refusal)

    def without_task(self, port: Port) -> Make | None:
        """As `Speaker.without_task`."""
        return None if self._login else partial(_PlainClient, self, port)

    async def close(self) -> None:
        """Nothing is held."""


class _PlainClient(Plain):
    """A client until its first request is there, and from then on if that is the CONNECT that nearly all of them send."""

    __slots__ = ("_http",)

    asks = True

    def __init__(self, http: Http, port: Port, near: socket.socket, name: Any, acceptor: Acceptor) -> None:
        super().__init__(port, near, name, acceptor)
        self._http = http

    def _begin(self) -> None:
        self._listen(self._read, HEAD, self._silent)

    def _read(self) -> None:
        try:
            data = self.near.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave()  # it has gone
            return
        to = tunnel(data)
        if to is not None and self._is_near(to.host, to.port):
            self._want(to.host, to.port, f"CONNECT {endpoint(to.host, to.port)}")
        else:
            self._go_on(self._http.speak(self.client, partial(self._acceptor.greeted, self.near), data))

    def _silent(self) -> None:
        self._refuse(_late())

    def _refuse(self, refusal: Refusal) -> None:
        self._acceptor.greeted(self.near)
        self._go_on(self._http.refuse(self.client, refusal))

    def _opened(self, flow: Flow, far: socket.socket) -> bytes:
        flow.status = HTTPStatus.OK
        return _ESTABLISHED

    def _refused(self, flow: Flow, error: OSError) -> None:
        refusal = _failed(flow, error)
        self._end(flow, error)
        self._refuse(refusal)

    _failed = _refused


class _Conversation:
    """`users`: where the client must log in. `origin`: the server that the last request went to."""

    def __init__(self, passage: Passage, client: Client, users: Users | None) -> None:
        self._passage = passage
        self._client = client
        self._stream = client.stream
        self._users = users
        self._origin: Origin | None = None

    async def run(self, greeted: Callable[[], object], begun: bytes) -> None:
        """One request after the other. `Refusal`, OSError."""
        rest, patience = begun, HEAD
        while True:
            resting = self._client.entry.resting
            if patience == IDLE:
                resting.add(self._client)
            try:
                async with asyncio.timeout(patience):
                    read = await read_head(self._stream, rest)
            except TimeoutError:
                if patience == IDLE:
                    return
                raise _late() from None
            finally:
                resting.discard(self._client)
            greeted()
            if read is None:
                return
            following = await self._serve(*read)
            if following is None:
                return
            rest, patience = following, HEAD if following else IDLE

    async def _serve(self, head: bytes, behind: bytes) -> bytes | None:
        """Carry out a request; what came behind it, or None where there can be no other."""
        check(head)
        machine = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX)
        try:
            machine.receive_data(head + behind)
            request = machine.next_event()
        except h11.RemoteProtocolError as error:
            raise Refusal(HTTPStatus(error.error_status_hint), f"this is not HTTP/1.1 ({error})") from error
        assert isinstance(request, h11.Request)
        to = target(request)
        await self._log_in(request)
        what = f"{request.method.decode()} {endpoint(to.host, to.port)}{to.path}"
        if request.method == b"CONNECT":
            await self._connect(to, machine, what)
            return None
        return await self._pass_on(request, to, machine, what)

    async def _log_in(self, request: h11.Request) -> None:
        if self._users is None:
            return
        login = credentials(request)
        if login is None:
            raise Refusal(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, "this proxy wants to know who asks: log in")
        if not await self._passage.log_in(self._users, self._client, *login):
            raise Refusal(
                HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
                "user or password is wrong; after several failures it is worth waiting",
                told=True,
            )
        self._client.user = login[0]

    async def _connect(self, to: Target, machine: h11.Connection, what: str) -> None:
        early, _ = machine.trailing_data  # what was sent before the answer (RFC 9110, 9.3.6)
        with ExitStack() as stack:
            flow = self._flow(stack, to, what)
            if not early:
                await self._carry(flow, to)
                return
            far = await self._open(flow, to)
            flow.status = HTTPStatus.OK
            try:
                await asyncio.get_running_loop().sock_sendall(far, early)
            except BaseException:
                far.close()
                raise
            flow.tally.up += len(early)
            await self._passage.join(flow, far, _ESTABLISHED)

    async def _pass_on(self, request: h11.Request, to: Target, machine: h11.Connection, what: str) -> bytes | None:
        origin, self._origin = self._origin, None
        with ExitStack() as stack:
            flow = self._flow(stack, to, what)
            if origin is not None and not origin.serves(to, self._client.user):
                origin.close()
                origin = None
            if origin is None:
                origin = Origin(await self._open(flow, to), to, self._client.user)
            else:
                self._again(flow, origin)
            stack.callback(origin.close)
            try:
                done = await exchange(flow, request, to, machine, origin)
            except Refusal as refusal:
                flow.fail(OSError(_NUMBERS.get(refusal.status, errno.EPROTO), str(refusal)))
                flow.status, refusal.told = refusal.status, True
                raise
            if done.switched is not None:
                up, down = done.switched
                far = origin.give_away()
                try:
                    await asyncio.get_running_loop().sock_sendall(far, up)
                except BaseException:
                    far.close()
                    raise
                await self._passage.join(flow, far, down)
                return None
            if done.reusable:
                self._origin = origin.next_cycle()
            return done.rest

    def _flow(self, stack: ExitStack, to: Target, what: str) -> Flow:
        try:
            return stack.enter_context(self._passage.flow(self._client, to.host, to.port, what))
        except OSError as error:
            raise _refusal(error) from error

    async def _open(self, flow: Flow, to: Target) -> socket.socket:
        try:
            return await self._passage.open(flow, to.host, to.port)
        except OSError as error:
            raise _failed(flow, error) from error

    async def _carry(self, flow: Flow, to: Target) -> None:
        def opened(_: socket.socket | None) -> bytes:
            flow.status = HTTPStatus.OK
            return _ESTABLISHED

        try:
            await self._passage.carry(flow, to.host, to.port, opened)
        except OSError as error:
            raise _failed(flow, error) from error

    def _again(self, flow: Flow, origin: Origin) -> None:
        """Another request of the same client to the same server: the rules are asked anew, for the time may be another."""
        address = origin.stream.getpeername()
        host = address[0] if isinstance(address, tuple) else ""
        try:
            self._passage.permit(self._client, origin.to.host, host, origin.to.port)
        except OSError as error:
            origin.close()
            flow.fail(error)
            raise _refusal(error) from error
        self._passage.reached(flow, origin.stream)

    def close(self) -> None:
        """Let go of the server."""
        if self._origin is not None:
            self._origin.close()


def _late() -> Refusal:
    return Refusal(HTTPStatus.REQUEST_TIMEOUT, f"the request took longer than {HEAD:g} s")


def _failed(flow: Flow, error: OSError) -> Refusal:
    """It does not lead there: what the client is told, and the log."""
    flow.fail(error)
    refusal = _refusal(error)
    flow.status = refusal.status
    return refusal


def _refusal(error: OSError) -> Refusal:
    """What a client is told of a way that did not lead there."""
    words = str(error.strerror or error)
    if error.errno == errno.EACCES:
        return Refusal(HTTPStatus.FORBIDDEN, words, told=True)
    if error.errno == errno.EDQUOT:
        return Refusal(HTTPStatus.TOO_MANY_REQUESTS, words, told=True)
    if isinstance(error, TimeoutError):
        return Refusal(HTTPStatus.GATEWAY_TIMEOUT, words, told=True)
    return Refusal(HTTPStatus.BAD_GATEWAY, words, told=True)


async def _refuse(stream: socket.socket, refusal: Refusal) -> None:
    """Tell the client, and see to it that it gets to know: closing with something unread would be a reset."""
    body = f"{refusal}\n".encode(errors="backslashreplace")
    lines = [
        f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if refusal.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        lines.append(f'Proxy-Authenticate: Basic realm="{_REALM}", charset="UTF-8"')
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):  # a time-out, too: it need not wait for it
        async with asyncio.timeout(FAREWELL):
            await loop.sock_sendall(stream, "\r\n".join([*lines, "", ""]).encode() + body)
            stream.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(stream, HEAD_MAX):
                continue

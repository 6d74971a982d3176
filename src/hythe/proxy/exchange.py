"""One request and its response, passed on: two connections of h11, the client's and the server's.

What belongs to one connection alone stays behind (RFC 9110, 7.6.1); lengths and chunks are written anew, so that both sides
can only understand the same. The body goes up while the response may come down already; a response that ends first leaves
the rest of the body where it is, and both connections end. One that breaks off in the middle ends the client's by a reset,
for without a length the end would look like one.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, NamedTuple, Self

import h11

from hythe.proxy.clients import Flow
from hythe.proxy.heads import HEAD_MAX, Refusal, Target
from hythe.via.pairs import reset

#: Bytes read at once.
_READ: Final = 65_536
#: Seconds without a byte of a response.
PATIENCE: Final = 300.0
_VIA: Final = (b"Via", b"1.1 hythe")
#: RFC 9110, 7.6.1; what frames a message, which h11 does anew; and what is for us.
_OURS: Final = frozenset(
    {
        *(b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"proxy-authorization", b"proxy-authenticate", b"proxy-authentication-info"),
    }
)

#: Belongs to the message, whatever `Connection` says of it: without it the body would be the next request.
_FRAMING: Final = frozenset({b"content-length"})

#: Methods for which Max-Forwards counts (RFC 9110, 7.6.2).
_TRACING: Final = (b"OPTIONS", b"TRACE")

_Headers = list[tuple[bytes, bytes]]


class Done(NamedTuple):
    """How it ended. `rest`: what the client has sent already of its next request, None where there can be none.

    `reusable`: the server's connection may serve another request. `switched`: both speak another protocol now, and these are
    the first bytes of it, up and down.
    """

    rest: bytes | None
    reusable: bool
    switched: tuple[bytes, bytes] | None = None


class Origin:
    """A connection to the server that is at `to`, for one user's requests."""

    __slots__ = ("_given", "_user", "machine", "stream", "to")

    def __init__(self, stream: socket.socket, to: Target, user: str) -> None:
        self.stream = stream
        self.to = to
        self.machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX)
        self._user = user
        self._given = False

    def serves(self, to: Target, user: str) -> bool:
        """Is it good for another request? What it has sent unasked, or its end, says no."""
        if (to.host, to.port, user) != (self.to.host, self.to.port, self._user):
            return False
        try:
            self.stream.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def next_cycle(self) -> Self:
        """For another request: the socket goes with it."""
        again = type(self)(self.give_away(), self.to, self._user)
        again.machine = self.machine
        again.machine.start_next_cycle()
        return again

    def give_away(self) -> socket.socket:
        """Its socket, which is another's from now on."""
        self._given = True
        return self.stream

    def close(self) -> None:
        """Let go of what has not been given away."""
        if not self._given:
            self.stream.close()


async def exchange(flow: Flow, request: h11.Request, to: Target, client: h11.Connection, origin: Origin) -> Done:
    """Pass on a request and its response. `Refusal` as long as the client has got nothing, OSError."""
    return await _Exchange(flow, request, to, client, origin).run()


class _Exchange:
    def __init__(self, flow: Flow, request: h11.Request, to: Target, client: h11.Connection, origin: Origin) -> None:
        self._flow = flow
        self._request = request
        self._to = to
        self._client = client
        self._stream = flow.client.stream
        self._origin = origin
        self._loop = asyncio.get_running_loop()
        self._begun = False  # the response
        self._switched = False

    async def run(self) -> Done:
        """As `exchange`."""
        await self._up(_upwards(self._request, self._to))
        uploading = self._loop.create_task(self._upload())
        downloading = self._loop.create_task(self._download())
        try:
            await asyncio.wait((uploading, downloading), return_when=asyncio.FIRST_COMPLETED)
            if not downloading.done() and uploading.exception() is None:
                await asyncio.wait((downloading,))
            if downloading.done():
                await downloading
            else:
                await uploading  # the client has gone in the middle of its body
        except h11.RemoteProtocolError as error:  # of the client's body: the server's have become refusals
            raise Refusal(HTTPStatus(error.error_status_hint), f"this is not HTTP/1.1 ({error})") from error
        except (OSError, Refusal):
            if self._begun:
                reset(self._stream)
                raise OSError(errno.ECONNRESET, "the response broke off") from None
            raise
        except asyncio.CancelledError:
            if self._begun:
                reset(self._stream)
            raise
        finally:
            complete = uploading.done()
            for task in (uploading, downloading):
                task.cancel()
            await asyncio.wait((uploading, downloading))
        return self._done(complete=complete)

    def _done(self, *, complete: bool) -> Done:
        if self._switched:
            return Done(None, False, (self._client.trailing_data[0], self._origin.machine.trailing_data[0]))
        ours, server = self._client, self._origin.machine
        again = complete and ours.our_state is h11.DONE and ours.their_state is h11.DONE
        reusable = complete and server.our_state is h11.DONE and server.their_state is h11.DONE
        return Done(ours.trailing_data[0] if again else None, reusable and not server.trailing_data[0])

    async def _upload(self) -> None:
        """The body, to its end. A server that does not want it may still answer."""
        while True:
            event = self._client.next_event()
            if event is h11.NEED_DATA:
                self._client.receive_data(await self._loop.sock_recv(self._stream, _READ))
            elif isinstance(event, h11.Data):
                if not await self._up(h11.Data(event.data)):
                    return
            elif isinstance(event, h11.EndOfMessage):
                await self._up(h11.EndOfMessage())
                return
            else:
                return

    async def _up(self, event: h11.Event) -> bool:
        data = self._origin.machine.send(event) or b""
        try:
            await self._send(self._origin.stream, data)
        except OSError:
            return False  # it has perhaps answered before: that is read
        self._flow.tally.up += len(data)
        await self._keep_pace(len(data))
        return True

    async def _download(self) -> None:
        """The response, to its end."""
        while True:
            event = await self._next()
            if isinstance(event, h11.InformationalResponse):
                self._switched = event.status_code == HTTPStatus.SWITCHING_PROTOCOLS
                if self._request.http_version != b"1.0":
                    await self._down(_downwards(event, upgrade=self._switched))
                if self._switched:
                    self._flow.status = event.status_code
                    return
            elif isinstance(event, h11.Response):
                self._flow.status = event.status_code
                await self._down(_downwards(event, upgrade=False))
            elif isinstance(event, h11.Data):
                await self._down(h11.Data(event.data))
            else:
                await self._down(h11.EndOfMessage())
                return

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        """What the server says next. `Refusal`, where it can still be told."""
        machine = self._origin.machine
        try:
            while (event := machine.next_event()) is h11.NEED_DATA:
                data = await self._heard()
                if not data and machine.their_state is h11.SEND_RESPONSE and not machine.trailing_data[0]:
                    raise Refusal(HTTPStatus.BAD_GATEWAY, "the server has closed the connection without an answer")
                machine.receive_data(data)
        except h11.RemoteProtocolError as error:
            words = str(error).partition(": bytearray")[0]  # what h11 cannot read it shows as Python does
            raise Refusal(HTTPStatus.BAD_GATEWAY, f"the server's answer is not HTTP/1.1 ({words})") from error
        except TimeoutError as error:
            raise Refusal(HTTPStatus.GATEWAY_TIMEOUT, f"the server has not answered for {PATIENCE:g} s") from error
        except OSError as error:
            raise Refusal(HTTPStatus.BAD_GATEWAY, f"the server broke the connection off ({error.strerror})") from error
        assert event is not h11.NEED_DATA
        return event  # type: ignore[return-value]  # of its two sentinels this is the one that can be left

    async def _heard(self) -> bytes:
        """What the server sends. TimeoutError when neither it nor the client's body has moved for too long."""
        while True:
            moved = self._flow.tally.up
            try:
                async with asyncio.timeout(PATIENCE):
                    return await self._loop.sock_recv(self._origin.stream, _READ)
            except TimeoutError:
                if moved == self._flow.tally.up:
                    raise

    async def _down(self, event: h11.Event) -> None:
        data = self._client.send(event) or b""
        self._begun = self._begun or bool(data)
        await self._send(self._stream, data)
        self._flow.tally.down += len(data)
        await self._keep_pace(len(data))

    async def _send(self, stream: socket.socket, data: bytes) -> None:
        self._flow.tally.waiting += 1
        try:
            await self._loop.sock_sendall(stream, data)
        finally:
            self._flow.tally.waiting -= 1

    async def _keep_pace(self, count: int) -> None:
        pace = self._flow.tally.pace
        if pace is not None and count and (pause := pace(count)):
            await asyncio.sleep(pause)


def _upwards(request: h11.Request, to: Target) -> h11.Request:
    """As the server is to get it. Its Host is what the target says, whatever the client's said (RFC 9112, 3.2.2)."""
    found = request.headers.raw_items()
    upgrade = [value for name, value in found if name.lower() == b"upgrade"] if b"upgrade" in _connection(found) else []
    headers = [(b"Host", to.authority.encode("latin-1"))]
    for name, value in _end_to_end(found):
        if name.lower() == b"max-forwards" and request.method in _TRACING:
            headers.append((name, b"%d" % (int(value) - 1)))
        elif name.lower() != b"host":
            headers.append((name, value))
    if any(name.lower() == b"transfer-encoding" for name, _ in found):
        headers.append((b"Transfer-Encoding", b"chunked"))
    if upgrade:
        headers += [(b"Connection", b"upgrade"), *((b"Upgrade", each) for each in upgrade)]
    return h11.Request(method=request.method, target=to.path.encode("latin-1"), headers=[*headers, _VIA])


def _downwards(response: h11.Response | h11.InformationalResponse, *, upgrade: bool) -> h11.Event:
    found = response.headers.raw_items()
    headers = [*_end_to_end(found), _VIA]
    if upgrade:
        headers += [(b"Connection", b"upgrade"), *((name, value) for name, value in found if name.lower() == b"upgrade")]
    elif any(name.lower() == b"transfer-encoding" for name, _ in found):
        headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    kind = type(response)
    return kind(status_code=response.status_code, headers=headers, reason=response.reason)


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> _Headers:
    found = list(headers)
    left_out = _OURS | (_connection(found) - _FRAMING)
    return [(name, value) for name, value in found if name.lower() not in left_out]


def _connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """What `Connection` names."""
    words = (value for name, value in headers if name.lower() == b"connection")
    return frozenset(each.strip().lower() for value in words for each in value.split(b","))

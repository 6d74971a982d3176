"""By an HTTP proxy: CONNECT (RFC 9110, 9.3.6), to the proxy in the clear or by TLS, with Basic authentication (RFC 7617).

The proxy's answer is read byte by byte beyond what h11 needs of it, so that what follows it stays in the socket: a way
gives sockets.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import socket
import ssl
from typing import TYPE_CHECKING, Final

from hythe.via.base import Way, broken, failure
from hythe.via.patterns import endpoint
from hythe.via.spec import URLS, Hop
from hythe.via.tls import Wrapper

if TYPE_CHECKING:
    import h11

#: Seconds for the whole negotiation, in which the proxy connects: a little more than Linux's own connect takes.
_LIMIT: Final = 130.0
#: Longest head of an answer.
_HEAD_MAX: Final = 64 * 1_024

#: What a status amounts to for whoever wanted to connect; the others are a refusal.
_NUMBERS: Final = (
    (403, errno.EACCES),
    (404, errno.EHOSTUNREACH),
    (407, errno.ENETUNREACH),
    (502, errno.ECONNREFUSED),
    (503, errno.EHOSTUNREACH),
    (504, errno.ETIMEDOUT),
)


class HttpProxy(Way):
    """`hop`: the proxy and who we are to it; `before`: the way to it."""

    def __init__(self, hop: Hop, before: Way) -> None:
        self.name = str(hop)
        self._before = before
        self._host = hop.host
        self._port = hop.port or URLS[hop.scheme] or 0
        self._tls = Wrapper(ssl.create_default_context()) if hop.scheme == "https" else None
        self._headers = [("User-Agent", "hythe")]
        if hop.user is not None:
            login = base64.b64encode(f"{hop.user}:{hop.password or ''}".encode()).decode("ascii")
            self._headers.append(("Proxy-Authorization", f"Basic {login}"))

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`."""
        try:
            stream = await self._before.open(self._host, self._port)
            if self._tls is not None:
                stream = await self._tls.wrap(stream, self._host)
        except ssl.SSLCertVerificationError as error:
            words = f"the proxy's certificate proves nothing ({error.verify_message})"
            raise broken(self.name, host, port, words) from error
        except OSError as error:
            raise broken(self.name, host, port, str(error.strerror or error)) from error
        try:
            async with asyncio.timeout(_LIMIT):
                answer = await self._connect(stream, host, port)
        except TimeoutError as error:
            stream.close()
            raise failure(errno.ETIMEDOUT, self.name, host, port, "the proxy does not answer") from error
        except BaseException:
            stream.close()
            raise
        if 200 <= answer.status_code < 300:
            return stream
        stream.close()
        number = dict(_NUMBERS).get(answer.status_code, errno.ECONNREFUSED)
        words = f"the proxy says: {answer.status_code} {bytes(answer.reason).decode('latin-1')}".rstrip()
        raise failure(number, self.name, host, port, words)

    async def close(self) -> None:
        """As `Way.close`."""
        if self._tls is not None:
            await self._tls.close()
        await self._before.close()

    async def _connect(self, stream: socket.socket, host: str, port: int) -> h11.Response:
        import h11  # with the first connection

        talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_MAX)
        target = endpoint(host, port)
        try:
            request = h11.Request(method="CONNECT", target=target, headers=[("Host", target), *self._headers])
            await asyncio.get_running_loop().sock_sendall(stream, talk.send(request) or b"")
            return await _answer(talk, stream)
        except h11.ProtocolError as error:
            raise broken(self.name, host, port, f"the proxy does not speak HTTP ({error})") from error
        except OSError as error:
            raise broken(self.name, host, port, str(error.strerror or error)) from error


async def _answer(talk: h11.Connection, stream: socket.socket) -> h11.Response:
    """The answer to CONNECT; nothing behind its head is read."""
    import h11

    loop = asyncio.get_running_loop()
    while True:
        event = talk.next_event()
        if isinstance(event, h11.Response):
            return event
        if event is h11.NEED_DATA:
            talk.receive_data(await _up_to_line_end(loop, stream))
        elif not isinstance(event, h11.InformationalResponse):
            raise OSError(errno.ECONNRESET, "the proxy has ended the connection")


async def _up_to_line_end(loop: asyncio.AbstractEventLoop, stream: socket.socket) -> bytes:
    """The rest of a line, or as much as is here of it."""
    while True:
        first = await loop.sock_recv(stream, 1)
        if first in (b"", b"\n"):
            return first
        try:
            ahead = stream.recv(4_096, socket.MSG_PEEK)
        except BlockingIOError:
            return first
        return first + stream.recv(ahead.find(b"\n") + 1 or len(ahead)) if ahead else first

"""A socket whose bytes travel inside of TLS: one end of a socket pair, the other end pumped through an `SSLObject`.

The end of one direction is told by close_notify alone, and the other goes on (RFC 8446, 6.1). A connection that ends
without one is cut off, which must not look like an end: the socket is reset (`pairs`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

from hythe.via.pairs import PairEnd, Pairs, reset

_CHUNK: Final = 64 * 1_024


def unusable(error: OSError) -> str:
    """Why a certificate and its key cannot be used, in words: those of openssl are for who knows its insides."""
    if not isinstance(error, ssl.SSLError):
        return str(error.strerror or error)
    mismatch = error.reason == "KEY_VALUES_MISMATCH"
    return "the key is not the certificate's" if mismatch else "there is no certificate in PEM, or no key"


class Wrapper:
    """Wraps sockets, and pumps for as long as they last."""

    __slots__ = ("_context", "_pairs")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._pairs = Pairs()
        self.use(context)

    def use(self, context: ssl.SSLContext) -> None:
        """Of those to come."""
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which Python sets, for the sake of careless servers
        self._context = context

    async def wrap(self, stream: socket.socket, name: str | None, ended: Callable[[], object] | None = None) -> PairEnd:
        """The socket, once the server has proved to be `name`. `stream` is ours from now on. OSError (`ssl.SSLError`).

        No name: we are the server. `ended` is called when the last of what was written has left.
        """
        inside = _Inside(stream, self._context, name)

        def end(whole: bool) -> None:
            if not whole:
                reset(stream)
            stream.close()
            if ended is not None:
                ended()

        try:
            await inside.shake_hands()
            return self._pairs.make(inside.up, inside.down, end)
        except BaseException:
            stream.close()
            raise

    async def close(self) -> None:
        """Cut off what still goes on."""
        await self._pairs.close()


class _Inside:
    """TLS on one stream."""

    __slots__ = ("_incoming", "_loop", "_outgoing", "_sending", "_stream", "_taken", "_tls")

    def __init__(self, stream: socket.socket, context: ssl.SSLContext, name: str | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, name is None, name)
        self._taken: deque[bytes] = deque()
        self._sending = asyncio.Lock()  # either direction may have something to send

    async def shake_hands(self) -> None:
        """Prove, be proved to."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._fill():
                    raise OSError(errno.ECONNRESET, "the connection ended in the middle of TLS's handshake") from None
            except ssl.SSLError:
                await self._flush()  # the alert
                raise
        await self._flush()

    async def up(self, theirs: socket.socket) -> None:
        """What is written to the socket goes in."""
        while data := await self._loop.sock_recv(theirs, _CHUNK):
            self._tls.write(data)
            await self._flush()
        self._take_all()
        with contextlib.suppress(ssl.SSLWantReadError):  # the other side's own end is not waited for
            self._tls.unwrap()
        await self._flush()

    async def down(self, theirs: socket.socket) -> None:
        """What comes out can be read from it."""
        while True:
            while self._taken:
                await self._loop.sock_sendall(theirs, self._taken.popleft())
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()  # answers of TLS's own
                await self._fill()
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                theirs.shutdown(socket.SHUT_WR)
                return
            await self._loop.sock_sendall(theirs, data)

    def _take_all(self) -> None:
        """Take what has come: OpenSSL's shutdown looks for the other side's own, and would stumble over it."""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while data := self._tls.read(_CHUNK):
                self._taken.append(data)

    async def _fill(self) -> bool:
        """More from the stream; False at its end."""
        data = await self._loop.sock_recv(self._stream, _CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    async def _flush(self) -> None:
        async with self._sending:
            while data := self._outgoing.read():
                await self._loop.sock_sendall(self._stream, data)

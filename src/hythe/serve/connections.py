"""One client's connection: uvicorn's HTTP/1.1 protocol, mended and bounded.

*Half-close.* A client may end its side once it has asked (`nc -N`, RFC 9112, 9.5 with RFC 9293, 3.6). asyncio closes a
transport whose protocol says nothing to that; this one stays until what was asked is answered, pipelined requests too. Over
TLS there is no half-close.

*Slow clients.* uvicorn limits how long a connection may be idle between requests, and nothing else. Here the head of a
request has `HEAD` seconds from its first byte (the first one from the connection's opening), a body that nobody wants has
as many to come to its end, and a client that acknowledges no byte of its answer for `STALL` seconds is cut off.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from typing import Any, Final

import h11
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from hythe.serve.log import Say, endpoint, stamped

#: Seconds that the head of a request may take, that a connection may be idle, that an answer may make no way.
HEAD: Final = 15.0
IDLE: Final = 75.0
STALL: Final = 60.0


class Connection(H11Protocol):
    """`refusal`: the application of clients beyond `most`. `say` is told of what never becomes a request."""

    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # None before the first request

    def __init__(
        self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, most: int, refusal: ASGIApp, say: Say
    ) -> None:
        super().__init__(config, state, {}, loop)
        self._most = most
        self._refusal = refusal
        self._say = say
        self._ended = False  # the client's side
        self._head: asyncio.TimerHandle | None = None
        self._pending = (0, 0.0)  # bytes that the client has not acknowledged, and since when there are as many

    # --- The transport's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self.app = self._refusal
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._unlimit_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of a request, or several."""
        super().data_received(data)
        self._watch()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client has nothing more to ask. True: it still gets its answers."""
        self._ended = True
        tls = self.transport.get_extra_info("sslcontext") is not None
        return True if self._answering() and not tls else None

    # --- uvicorn's side

    def on_response_complete(self) -> None:
        """One answer is on its way; perhaps the next request is here already."""
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._ended and not self._answering():
            self.transport.close()
        else:
            self._watch()

    def send_400_response(self, msg: str) -> None:
        """What came was no request."""
        self._say(stamped(endpoint(self.client), "unreadable request 400"))
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # in the middle of an answer to an earlier one
            self.transport.close()

    # --- Time

    def check(self, now: float) -> None:
        """Called every few seconds: does what was written make way? `now` in seconds."""
        pending = self.transport.get_write_buffer_size() + _unacknowledged(self.transport)
        if not pending or pending != self._pending[0]:
            self._pending = (pending, now)
        elif now - self._pending[1] >= STALL:
            self._say(stamped(endpoint(self.client), f"{pending} bytes not taken for {STALL:.0f} s, cut off"))
            self.transport.abort()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        """Whose turn is it? Ours: no limit. The client's: that of a head, or that of being idle."""
        if self._answering() or self.transport.is_closing():
            self._unlimit_head()
        elif self.cycle is None or self.conn.their_state is not h11.IDLE or self.conn.trailing_data[0]:
            self._limit_head()
        else:
            self._unlimit_head()
            if self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _limit_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(HEAD, self._too_slow)

    def _unlimit_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._say(stamped(endpoint(self.client), f"no whole request in {HEAD:.0f} s 408"))
            if self.conn.our_state is h11.IDLE:
                self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()


def _unacknowledged(transport: asyncio.BaseTransport) -> int:
    """Bytes that a kernel's socket, or a connection of ours, keeps until the client has them (tcp(7), SIOCOUTQ)."""
    own: Any = transport.get_extra_info("connection")
    if own is not None:
        return len(own.sendq)
    kernel = transport.get_extra_info("socket")
    if kernel is None or kernel.fileno() < 0:
        return 0
    return int(struct.unpack("i", fcntl.ioctl(kernel.fileno(), termios.TIOCOUTQ, bytes(4)))[0])

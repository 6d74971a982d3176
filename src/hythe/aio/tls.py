"""TLS over our transports: asyncio's own `SSLProtocol`, put between a `StreamTransport` and the user's protocol.

`SSLProtocol` works on any transport; only the way to it that `loop.create_connection(ssl=)` takes ends in a kernel socket
(`loop._make_ssl_transport`). `loop.start_tls` is public and takes ours, but it is for a protocol that is connected already,
and what the peer sends right behind the handshake would reach a fresh one before `connection_made`. So we make the
`SSLProtocol` here, in the way the standard library itself does.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from dataclasses import dataclass
from typing import cast

from hythe.errors import UsageError


@dataclass(frozen=True, slots=True)
class Tls:
    """How one side does TLS. Times are seconds, None for asyncio's own (60 s, 30 s).

    `context` None: the default one for a client (certificates are verified). `server_hostname` is verified and sent as SNI
    by a client; empty for neither.
    """

    context: ssl.SSLContext | None
    server_side: bool = False
    server_hostname: str | None = None
    handshake_timeout: float | None = None
    shutdown_timeout: float | None = None

    @classmethod
    def client(
        cls,
        context: ssl.SSLContext | bool | None,
        host: str | None,
        server_hostname: str | None,
        handshake_timeout: float | None,
        shutdown_timeout: float | None,
    ) -> Tls | None:
        """From the arguments of `open_connection`; None for no TLS. Raises `UsageError`."""
        if not context:
            if server_hostname is not None:
                raise UsageError("server_hostname is only meaningful with ssl: give ssl=True or an SSLContext")
            _no_timeouts(handshake_timeout, shutdown_timeout)
            return None
        if server_hostname is None:
            server_hostname = host
        return cls(None if context is True else context, False, server_hostname, handshake_timeout, shutdown_timeout)

    @classmethod
    def server(
        cls, context: ssl.SSLContext | None, handshake_timeout: float | None, shutdown_timeout: float | None
    ) -> Tls | None:
        """From the arguments of `start_server`; None for no TLS. Raises `UsageError`."""
        if context is None:
            _no_timeouts(handshake_timeout, shutdown_timeout)
            return None
        if not isinstance(context, ssl.SSLContext):
            raise UsageError("a server's ssl must be an SSLContext with its certificate loaded")
        return cls(context, True, None, handshake_timeout, shutdown_timeout)

    def protocol(
        self, loop: asyncio.AbstractEventLoop, app: asyncio.BaseProtocol, waiter: asyncio.Future[None] | None
    ) -> sslproto.SSLProtocol:
        """What to put on the transport below. `waiter` gets the result of the handshake; `app` is connected after it."""
        return sslproto.SSLProtocol(
            loop,
            app,
            cast("ssl.SSLContext", self.context),  # None is allowed, whatever typeshed says
            cast("asyncio.Future[None]", waiter),  # so it is here
            self.server_side,
            self.server_hostname,
            ssl_handshake_timeout=cast("int | None", self.handshake_timeout),
            ssl_shutdown_timeout=self.shutdown_timeout,
        )


def _no_timeouts(handshake_timeout: float | None, shutdown_timeout: float | None) -> None:
    if handshake_timeout is not None or shutdown_timeout is not None:
        raise UsageError("ssl_handshake_timeout and ssl_shutdown_timeout are only meaningful with ssl")

"""What stands between a client's connection and what is said on it: the PROXY protocol, and TLS.

A stage is given each client of its entry before anything else is. It may know better whose the connection is, or put another
stream into the socket's place.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol

from hythe.errors import MachineError
from hythe.proxy.clients import Client
from hythe.proxy.config import EntryConfig, MapConfig
from hythe.proxy.kinds import Network
from hythe.proxy.peeking import peek
from hythe.proxy.proxyprotocol import HEADER_MAX, read
from hythe.units import SECOND
from hythe.via.tls import Wrapper, unusable

#: How long a client may take for each of them.
_WAIT: Final = 10 * SECOND


class Stage(Protocol):
    """One."""

    async def admit(self, client: Client) -> None:
        """Let a client in. OSError: it is not."""

    async def close(self) -> None:
        """Let go of all, when no client is there."""


def stages(config: MapConfig | EntryConfig, notice: Callable[[str], None]) -> list[Stage]:
    """Those of an entry, in their order. MachineError."""
    found: list[Stage] = []
    if config.proxied:
        found.append(Proxied(config.proxied))
    if config.certificate:
        found.append(Encrypted(config.certificate, config.key or config.certificate, notice))
    return found


class Proxied:
    """The senders that are named must begin by the PROXY protocol; who else comes is taken for what he is."""

    def __init__(self, senders: tuple[Network, ...]) -> None:
        self._senders = senders

    async def admit(self, client: Client) -> None:
        """As `Stage.admit`."""
        address = ipaddress.ip_address(client.host.partition("%")[0])
        if not any(address in each for each in self._senders):
            return
        header = await peek(client.stream, read, HEADER_MAX, _WAIT)
        client.stream.recv(header.size)
        if header.source is not None and header.destination is not None:
            client.host, client.port = header.source
            client.to = header.destination

    async def close(self) -> None:
        """As `Stage.close`."""


class Encrypted:
    """TLS towards clients. The certificate is read anew when one of its files has changed, for those who come then."""

    def __init__(self, certificate: str, key: str, notice: Callable[[str], None]) -> None:
        self._files = (certificate, key)
        self._notice = notice
        self._state = self._look()
        try:
            self._wrapper = Wrapper(self._load())
        except OSError as error:  # ssl.SSLError among them
            raise MachineError(
                f"the certificate {certificate} and the key {key} cannot be used ({unusable(error)})"
            ) from error

    async def admit(self, client: Client) -> None:
        """As `Stage.admit`."""
        self._renew()
        stream = socket.socket(fileno=client.stream.detach())  # it ends when the last of TLS has left, not with the client
        stream.setblocking(False)
        rest = asyncio.Event()
        try:
            async with asyncio.timeout(_WAIT / SECOND):
                client.stream = await self._wrapper.wrap(stream, None, rest.set)
        except ssl.SSLError as error:  # whose errno is none
            raise OSError(errno.EPROTO, f"no TLS with it: {error.reason or error}") from error
        except TimeoutError as error:
            raise OSError(errno.ETIMEDOUT, f"no TLS with it within {_WAIT / SECOND:g} s") from error
        client.rest = rest

    async def close(self) -> None:
        """As `Stage.close`."""
        await self._wrapper.close()

    def _renew(self) -> None:
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            context = self._load()
        except OSError as error:  # the other file may be on its way
            self._notice(
                f"the certificate {self._files[0]} has changed and cannot be used, so the old one is ({unusable(error)})"
            )
            return
        self._wrapper.use(context)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._files)
        return context

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_state(each) for each in self._files]


def _state(path: str) -> tuple[int, int, int] | None:
    """By what a file is known to have changed."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size

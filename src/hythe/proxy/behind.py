"""What stands between us and a destination: the PROXY protocol, which tells it whose the connection is, and TLS."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final

from hythe.errors import MachineError
from hythe.proxy.clients import Client, rested
from hythe.proxy.config import MapConfig
from hythe.proxy.kinds import destination
from hythe.proxy.proxyprotocol import End, build1, build2
from hythe.units import SECOND
from hythe.via.tls import Wrapper

_FTP: Final = 21


class Behind:
    """Of one mapped port. MachineError when the authorities cannot be read."""

    def __init__(self, config: MapConfig) -> None:
        self._wait = config.connect / SECOND
        self._build: Callable[[tuple[End, End] | None], bytes] | None
        self._build = {"": None, "v1": build1, "v2": build2}[config.proxy_protocol]
        self._wrapper = Wrapper(_context(config.authorities)) if config.tls else None

    @property
    def plain(self) -> bool:
        """Is there nothing in between?"""
        return self._build is None and self._wrapper is None

    async def begin(
        self, client: Client | None, far: socket.socket, host: str
    ) -> tuple[socket.socket, asyncio.Event | None]:
        """The stream to speak on, and what is set when the last of it has left. OSError; `far` is closed then.

        Without a client it is a connection of our own.
        """
        if self.plain:
            return far, None
        try:
            async with asyncio.timeout(self._wait):
                if self._build is not None:
                    ends = (End(client.host, client.port), End(*client.to)) if client is not None else None
                    await asyncio.get_running_loop().sock_sendall(far, self._build(ends))
                if self._wrapper is None:
                    return far, None
                rest = asyncio.Event()
                return await self._wrapper.wrap(far, host, rest.set), rest
        except ssl.SSLCertVerificationError as error:
            raise OSError(errno.EPROTO, f"{host} does not prove who it is: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise OSError(errno.EPROTO, f"no TLS with {host}: {error.reason or error}") from error
        except BaseException:
            far.close()
            raise

    async def check(self, far: socket.socket, host: str) -> None:
        """See that a destination is who it should be, and end the connection so that it finds nothing amiss. OSError."""
        stream, rest = await self.begin(None, far, host)
        stream.close()
        await rested(stream, rest)

    async def close(self) -> None:
        """Cut off what still goes on."""
        if self._wrapper is not None:
            await self._wrapper.close()


def follows_ftp(config: MapConfig) -> bool:
    """Are a map's clients those of FTP?"""
    if config.ftp is not None:
        return config.ftp
    plain = not (config.tls or config.certificate or config.proxied or config.proxy_protocol or config.names)
    return plain and all(destination(each).port == _FTP for each in config.to)


def _context(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except OSError as error:  # ssl.SSLError among them
        raise MachineError(f"the authorities {authorities} cannot be read ({error.strerror or error})") from error

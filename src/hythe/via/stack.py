"""A way with asyncio's verbs: streams and datagrams, as the event loop and a `hythe.Host` have them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hythe.via.base import Datagrams, Way
from hythe.via.patterns import is_address


class WayStack:
    """`way` stays its owner's."""

    __slots__ = ("_way",)

    def __init__(self, way: Way) -> None:
        self._way = way

    async def open_connection(self, host: str, port: int, /) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`. OSError, with the way's own words."""
        return await asyncio.open_connection(sock=await self._way.open(host, port))

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], Any], /, *, remote_addr: tuple[str, int]
    ) -> tuple[asyncio.DatagramTransport, Any]:
        """As `loop.create_datagram_endpoint`, connected. OSError, EOPNOTSUPP where the way has no datagrams."""
        protocol = protocol_factory()
        transport = _Connected(protocol, remote_addr)
        transport.path = await self._way.datagrams(transport.came, transport.broken)
        asyncio.get_running_loop().call_soon(protocol.connection_made, transport)
        return transport, protocol


class _Connected(asyncio.DatagramTransport):
    """An association with one peer. Of a name any address is heard: the far end alone knows which it has."""

    def __init__(self, protocol: asyncio.DatagramProtocol, peer: tuple[str, int]) -> None:
        super().__init__({"peername": peer})
        self._protocol = protocol
        self._peer = peer
        self.path: Datagrams | None = None

    def sendto(self, data: Any, addr: Any = None) -> None:
        """To the peer, whatever `addr` says; what cannot be sent is told to the protocol."""
        try:
            if self.path is not None:
                self.path.send(data, *self._peer)
        except OSError as error:
            self._protocol.error_received(error)

    def came(self, data: bytes, host: str, port: int) -> None:
        """As `Receive`."""
        if port == self._peer[1] and (host == self._peer[0] or not is_address(self._peer[0])):
            self._protocol.datagram_received(data, self._peer)

    def broken(self, error: OSError) -> None:
        """As `Broken`."""
        self._protocol.error_received(error)

    def close(self) -> None:
        """Let go."""
        if self.path is not None:
            self.path.close()
            self.path = None
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """The same: datagrams do not wait."""
        self.close()

    def is_closing(self) -> bool:
        """Is it closed?"""
        return self.path is None

"""hythe's own stack as a net: a host behind a gateway, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from typing import Any

from hythe.aio.host import Host
from hythe.connect.carriers import Datagrams
from hythe.gateway.guest import behind
from hythe.gateway.layout import Layout
from hythe.gateway.options import RunOptions
from hythe.link.watch import Watcher


class GuestNet:
    """The host's verbs. This machine's loopback, by name or address, is where the gateway has this machine."""

    def __init__(self, host: Host, layout: Layout) -> None:
        self._host = host
        self._layout = layout

    async def open_connection(
        self, host: str, port: int, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`."""
        if options.get("ssl"):
            options.setdefault("server_hostname", host)
        return await self._host.open_connection(self._place(host), port, **options)

    async def datagrams(self, host: str, port: int) -> Datagrams:
        """A connected endpoint."""
        _, made = await self._host.create_datagram_endpoint(Datagrams, remote_addr=(self._place(host), port))
        return made

    def _place(self, host: str) -> str:
        version = 0
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host)
            if not address.is_loopback:
                return host
            version = address.version
        if not version and host.rstrip(".").lower() != "localhost":
            return host
        families = self._layout.families
        own = next((each for each in families if len(each.host) == (16 if version == 6 else 4)), families[0])
        return str(ipaddress.ip_address(own.host))


@contextlib.asynccontextmanager
async def guest_net(families: frozenset[int], watcher: Watcher | None) -> AsyncIterator[GuestNet]:
    """Made for one conversation; `watcher` is shown its packets. This machine's own services can be reached."""
    async with behind(RunOptions((), families=families, host_loopback=True), watcher) as (host, _, layout):
        yield GuestNet(host, layout)

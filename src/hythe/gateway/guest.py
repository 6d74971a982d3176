"""A hythe host behind a gateway, in one process: what a command in `hythe run` has, without the command.

Packets go from the host over a pair to the gateway, and on by this machine's sockets. It takes no TUN device, no namespace
and no right.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Sequence

from hythe.aio.host import Host
from hythe.aio.resolver import Resolver
from hythe.config import ResolverConfig
from hythe.gateway.gateway import Gateway
from hythe.gateway.layout import Family, Layout
from hythe.gateway.options import RunOptions
from hythe.link.base import Link
from hythe.link.pair import pair
from hythe.link.watch import Watcher, WatchLink


@contextlib.asynccontextmanager
async def behind(options: RunOptions, watcher: Watcher | None = None) -> AsyncIterator[tuple[Host, Gateway, Layout]]:
    """The host, started, its gateway, and who has which address. `options`: as `hythe run`'s, without argv.

    The host asks the gateway for names. `watcher` is shown the host's packets.
    """
    layout = Layout(options)
    ours, theirs = pair(options.mtu)
    gateway = Gateway(theirs, layout, options)
    try:
        addresses = [f"{_text(family.command)}/{family.prefix}" for family in layout.families]
        servers = [_text(family.gateway) for family in layout.families]
        routes = [_everything(family) for family in layout.families]
        link: Link = ours
        if watcher is not None:
            link = watched = WatchLink(ours)
            watched.watchers.append(watcher)
        async with Host(*addresses, link=link, routes=routes, nameservers=servers) as host:
            yield host, gateway, layout
    finally:
        gateway.close()


@contextlib.asynccontextmanager
async def guest(options: RunOptions) -> AsyncIterator[tuple[Host, list[str]]]:
    """The host, started, and the addresses where the gateway answers names; see `behind`."""
    async with behind(options) as (host, _, layout):
        yield host, [_text(family.gateway) for family in layout.families]


@contextlib.asynccontextmanager
async def guest_resolver(servers: Sequence[tuple[str, int]], config: ResolverConfig) -> AsyncIterator[Resolver]:
    """A resolver whose packets are a guest's; the gateway passes them on to `servers`."""
    async with guest(RunOptions((), dns=list(servers))) as (host, gateways):
        yield Resolver(gateways[0], config=config, via=host)


def _text(address: bytes) -> str:
    return str(ipaddress.ip_address(address))


def _everything(family: Family) -> str:
    return "0.0.0.0/0" if len(family.gateway) == 4 else "::/0"

"""What has changed in the file while the gateway runs: peers come and go, and those that stay notice nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hythe.aio.repeating import Repeating
from hythe.errors import HytheError
from hythe.gateway.peers.layout import Peer, PeersLayout
from hythe.tunnel.wireguard.config import Configuration, PeerConfig, read
from hythe.tunnel.wireguard.renewal import Renewal
from hythe.wire.segment import split_key

if TYPE_CHECKING:
    from hythe.gateway.gateway import Gateway
    from hythe.gateway.peers.between import Between
    from hythe.tunnel.wireguard.link import WireguardLink


def layout_of(configuration: Configuration, *, host_loopback: bool) -> PeersLayout:
    """Who has which address. Raises `UsageError`."""
    addresses = [(each.packed, each.network.prefixlen) for each in configuration.addresses]
    return PeersLayout(
        configuration.source, addresses, [_peer(each) for each in configuration.peers], host_loopback=host_loopback
    )


class Changes:
    """Of one gateway."""

    def __init__(self, tunnel: WireguardLink, layout: PeersLayout, gateway: Gateway, between: Between | None) -> None:
        self._tunnel = tunnel
        self._layout = layout
        self._gateway = gateway
        self._between = between
        #: To be asked when the file may have changed.
        self.rereading = Repeating(self._reread)

    async def _reread(self) -> None:
        """Go by the file as it is now. What is wrong with it is told, and then everything stays as it was."""
        session, before = self._gateway.session, self._tunnel.configuration
        try:
            renewal = Renewal.between(before, read(before.source))
            # Names of endpoints are looked up where nobody waits for it.
            located = await asyncio.get_running_loop().run_in_executor(None, self._tunnel.locate, renewal.moved)
            self._tunnel.renew(renewal, located)
        except HytheError as error:
            session.notice(f"nothing is taken over: {error}")
            return
        if renewal.rest or renewal.names:
            session.notice(f"{before.source}: what has changed of [Interface] counts from the next start on")
        self._layout.peers[:] = [_peer(each) for each in renewal.after.peers]
        self._layout.others = tuple(network for peer in self._layout.peers for network in peer.networks if network[1])
        self._gateway.destinations.know(self._layout.others)
        now = self._gateway.driver.clock()
        if self._between is not None:
            self._between.know(self._layout, now)
        for flow in list(session.live.values()):  # of those who have gone
            if not self._tunnel.has(split_key(flow.record.key)[0]):
                flow.kill(now)
        self._gateway.driver.wake()
        session.notice(f"{before.source} read again: {str(renewal) or 'no peer has changed'}")


def _peer(found: PeerConfig) -> Peer:
    networks = tuple((each.network_address.packed, each.prefixlen) for each in found.allowed_ips)
    return Peer(found.label, networks)

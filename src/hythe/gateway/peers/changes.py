"""What has changed in the file while the gateway runs: peers come and go, and those that stay notice nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hythe.errors import HytheError
from hythe.gateway.peers.layout import Peer, PeersLayout
from hythe.tunnel.wireguard.config import Configuration, PeerConfig, read

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
        self._now = tunnel.configuration

    def take_over(self) -> None:
        """Read the file again. What is wrong with it is told, and then everything stays as it was."""
        session = self._gateway.session
        try:
            wanted = read(self._now.source)
            came, went = self._differences(wanted)
            for peer in went:
                self._tunnel.remove_peer(peer.public_key)
            for peer in came:
                self._tunnel.add_peer(peer)
        except HytheError as error:
            session.notice(f"nothing is taken over: {error}")
            return
        if _rest(wanted) != _rest(self._now):
            session.notice(f"{wanted.source}: what has changed of [Interface] counts from the next start on")
        self._now = dataclasses.replace(self._now, peers=wanted.peers)
        self._layout.peers[:] = [_peer(each) for each in wanted.peers]
        self._layout.others = tuple(network for peer in self._layout.peers for network in peer.networks if network[1])
        self._gateway.destinations.know(self._layout.others)
        if self._between is not None:
            self._between.know(self._layout, self._gateway.driver.clock())
        names = ", ".join(f"+{each.label}" for each in came), ", ".join(f"-{each.label}" for each in went)
        told = ", ".join(each for each in names if each)
        session.notice(f"{wanted.source} read again: {told or 'no peer has changed'}")

    def _differences(self, wanted: Configuration) -> tuple[list[PeerConfig], list[PeerConfig]]:
        """Who has come, and who has gone; one that has changed is both."""
        before = {each.public_key: _matter(each) for each in self._now.peers}
        after = {each.public_key: _matter(each) for each in wanted.peers}
        came = [each for each in wanted.peers if before.get(each.public_key) != after[each.public_key]]
        went = [each for each in self._now.peers if after.get(each.public_key) != before[each.public_key]]
        return came, went


def _matter(peer: PeerConfig) -> PeerConfig:
    """Where it stands in the file, and its name, make no difference to it."""
    return dataclasses.replace(peer, line=0, name="")


def _rest(configuration: Configuration) -> Configuration:
    return dataclasses.replace(configuration, peers=(), warnings=())


def _peer(found: PeerConfig) -> Peer:
    networks = tuple((each.network_address.packed, each.prefixlen) for each in found.allowed_ips)
    return Peer(found.label, networks)

"""Who has which address behind a gateway of peers: all of it as the tunnel's file says."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from hythe.errors import UsageError
from hythe.gateway.layout import Family, Layout

#: An address and the length of its network's prefix.
Network = tuple[bytes, int]


class Peer(NamedTuple):
    """`name`: as messages call it. `networks`: whose packets come from it."""

    name: str
    networks: tuple[Network, ...]

    def address(self, size: int) -> bytes | None:
        """The one address of `size` bytes that it has for itself, the first if there are several."""
        return next((each for each, length in self.networks if len(each) == size == length // 8), None)


class PeerFamily(Family):
    """Our own address in the tunnel is the gateway's; `host` stands for this machine, the gateway where nothing does."""

    __slots__ = ()

    def __init__(self, address: bytes, prefix: int, host: bytes | None) -> None:
        super().__init__(address, prefix, distant=True)
        self.gateway = address
        self.host = host or address

    def towards(self, peer: bytes) -> PeerFamily:
        """The same with a peer's address as the command's."""
        found = PeerFamily(self.gateway, self.prefix, self.host)
        found.command = peer
        return found


class PeersLayout(Layout):
    """`addresses`: ours, with the length of their networks. `peers` may change. Raises `UsageError`."""

    __slots__ = ("_source", "others", "peers")

    remote = True

    def __init__(self, source: str, addresses: Sequence[Network], peers: Sequence[Peer], *, host_loopback: bool) -> None:
        self._source = source
        self.peers = list(peers)
        self.others = tuple(network for peer in peers for network in peer.networks if network[1])
        self.ipv4, self.ipv6 = (self._family(addresses, size, host_loopback=host_loopback) for size in (4, 16))
        if not self.families:
            raise UsageError(f"{source}: [Interface] has no Address, and peers need one to ask for names: add Address =")

    def _family(self, addresses: Sequence[Network], size: int, *, host_loopback: bool) -> PeerFamily | None:
        found = next(((address, prefix) for address, prefix in addresses if len(address) == size), None)
        if found is None:
            return None
        host = self._stand_in(*found) if host_loopback else None
        return PeerFamily(*found, host)

    def _stand_in(self, address: bytes, prefix: int) -> bytes:
        """An address of the network that nobody has: the last one that is free."""
        network = ipaddress.ip_network((address, prefix), strict=False)
        taken = {address, *(each for each, length in self.others if length == 8 * len(each))}
        first = int(network.network_address)
        for number in range(int(network.broadcast_address) - 1, max(first, int(network.broadcast_address) - 512), -1):
            candidate = number.to_bytes(len(address), "big")
            if candidate not in taken:
                return candidate
        raise UsageError(
            f"{self._source}: the network of Address has no room for host.hythe.internal: make it wider than /{prefix}, "
            "or leave --host-loopback out"
        )

    @property
    def commands(self) -> list[bytes]:
        """The addresses of the peers, where they have one for themselves."""
        return [address for peer in self.peers for size in (4, 16) if (address := peer.address(size)) is not None]

    def seen_from(self, peer: str | None) -> list[Family]:
        """As `Layout.seen_from`; a peer is called by its name or by an address of its own."""
        known = ", ".join(each.name for each in self.peers)
        if peer is None:
            if not self.peers:
                raise UsageError("-p leads to a peer, and there is none: make one with `hythe wg add-peer NAME FILE`")
            if len(self.peers) != 1:
                raise UsageError(f"-p does not say whose port it is, and there are several peers ({known}): add @NAME")
            found = self.peers
        else:
            found = [each for each in self.peers if peer == each.name or peer in _texts(each)]
            if len(found) != 1:
                raise UsageError(f"{peer!r} is not one of the peers of {self._source}: there are {known or 'none'}")
        families: list[Family] = []
        for family in (self.ipv4, self.ipv6):
            address = found[0].address(len(family.gateway)) if family is not None else None
            if isinstance(family, PeerFamily) and address is not None:
                families.append(family.towards(address))
        if not families:
            raise UsageError(f"{found[0].name} has no address for itself in AllowedIPs, so no port of it can be published")
        return families


def _texts(peer: Peer) -> set[str]:
    return {str(ipaddress.ip_address(address)) for address, length in peer.networks if length == 8 * len(address)}

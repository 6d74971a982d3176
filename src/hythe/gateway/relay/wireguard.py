"""A WireGuard tunnel as the way of a command's packets: `--via wg:FILE`."""

from __future__ import annotations

from hythe.gateway.relay.plan import TunnelPlan
from hythe.tunnel.wireguard.config import Configuration, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from hythe.config import WireguardConfig
    from hythe.gateway.relay.tunnel import Tunnel
    from hythe.via.patterns import Pattern


def plan(
    path: str,
    patterns: Sequence[Pattern] = (),
    excepted: Sequence[Pattern] = (),
    settings: WireguardConfig | None = None,
) -> TunnelPlan:
    """The tunnel that the file `path` describes, for what `patterns` say; `settings`: its timers.

    Raises `UsageError`, `MachineError`.
    """
    configuration = read(path).require_client()
    allowed = [network for peer in configuration.peers for network in peer.allowed_ips]
    return TunnelPlan(
        path,
        lambda: _begin(configuration, settings),
        addresses=[(each.packed, each.network.prefixlen) for each in configuration.addresses],
        mtu=configuration.mtu,
        carries=[(each.network_address.packed, each.prefixlen) for each in allowed],
        servers=[(str(each), 53) for each in configuration.dns],
        search=configuration.search,
        patterns=patterns,
        excepted=excepted,
    )


def _begin(configuration: Configuration, settings: WireguardConfig | None) -> Tunnel:
    """Open it."""
    from hythe.gateway.relay.tunnel import Tunnel  # once the command's room is forked
    from hythe.gateway.relay.voice import Voice
    from hythe.host.interfaces import Prefix
    from hythe.tunnel.wireguard.link import WireguardLink

    link = WireguardLink(configuration, settings=settings)
    carries = [
        Prefix(network.network_address.packed, network.prefixlen)
        for peer in configuration.peers
        for network in peer.allowed_ips
    ]
    return Tunnel(link, carries, lambda driver, session: Voice(link, driver, session))

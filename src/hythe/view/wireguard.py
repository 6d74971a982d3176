"""WireGuard for people: what a configuration means, and the peers of a tunnel as `wg show` prints them. No secrets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hythe.session.model import Peer
from hythe.tunnel.wireguard.config import Configuration, PeerConfig
from hythe.tunnel.wireguard.keys import key_text
from hythe.units import SECOND, format_bytes

_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def described(configuration: Configuration) -> str:
    """What a configuration says, in the form of `wg show`."""
    lines = [
        ("address", _listed(configuration.addresses)),
        ("dns", _listed((*configuration.dns, *configuration.search))),
        ("listening port", str(configuration.listen_port) if configuration.listen_port else "(any)"),
        ("mtu", str(configuration.mtu)),
    ]
    paragraphs = [
        _paragraph("interface", configuration.source, [("public key", key_text(configuration.public_key)), *lines])
    ]
    paragraphs += [_peer_config(each) for each in configuration.peers]
    return "\n\n".join(paragraphs)


def _peer_config(peer: PeerConfig) -> str:
    lines = [
        ("name", peer.name),
        ("preshared key", "(hidden)" if peer.preshared_key is not None else ""),
        ("endpoint", str(peer.endpoint) if peer.endpoint is not None else ""),
        ("allowed ips", _listed(peer.allowed_ips) or "(none)"),
        ("persistent keepalive", _every(peer.keepalive / SECOND)),
    ]
    return _paragraph("peer", key_text(peer.public_key), lines)


def shown(peers: Sequence[Peer], now: float) -> str:
    """Peers of a tunnel, those that were heard last first. `now`: seconds since 1970."""
    ordered = sorted(peers, key=lambda peer: -(peer.handshake or 0))
    return "\n\n".join(_peer(each, now) for each in ordered)


def _peer(peer: Peer, now: float) -> str:
    transfer = f"{format_bytes(peer.received)} received, {format_bytes(peer.sent)} sent"
    lines = [
        ("name", peer.name),
        ("preshared key", "(hidden)" if peer.preshared else ""),
        ("endpoint", peer.endpoint),
        ("allowed ips", _listed(peer.allowed_ips) or "(none)"),
        ("latest handshake", f"{_lasting(now - peer.handshake)} ago" if peer.handshake is not None else ""),
        ("handshake", "under way" if peer.trying else ""),
        ("transfer", transfer if peer.received or peer.sent else ""),
        ("persistent keepalive", _every(peer.keepalive)),
    ]
    return _paragraph("peer", peer.public_key, lines)


def _paragraph(kind: str, title: str, lines: Sequence[tuple[str, str]]) -> str:
    return "\n".join([f"{kind}: {title}", *(f"  {name}: {text}" for name, text in lines if text)])


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _every(keepalive: float) -> str:
    return f"every {_lasting(keepalive)}" if keepalive else ""


def _lasting(seconds: float) -> str:
    """A length of time in words: ``1 minute, 3 seconds``."""
    left = int(seconds)
    words = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return ", ".join(words) or "less than a second"

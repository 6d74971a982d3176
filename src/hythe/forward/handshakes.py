"""Is a WireGuard tunnel up? It has no connection that could be lost: what there is to tell is when hands were shaken last.

A handshake lasts three minutes (REJECT_AFTER_TIME), and with signs of life the next one is made long before that. One that
is in vain for longer than an attempt takes tells that the far side is away, though the last one may be fresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hythe.units import SECOND

if TYPE_CHECKING:
    from hythe.tunnel.wireguard.report import PeerReport

#: Paper, 6.1.
_FRESH: Final = 180 * SECOND
#: How long a handshake may be under way: two attempts (REKEY_TIMEOUT is 5 s).
_PATIENCE: Final = 8 * SECOND


class Handshakes:
    """Those with the peers of one tunnel."""

    __slots__ = ("_since", "in_vain")

    def __init__(self) -> None:
        self._since: dict[str, int] = {}  # since when a peer is tried, by its key
        #: Does a peer not answer? Else a tunnel that is down has had nothing to say.
        self.in_vain = False

    def look(self, peers: Sequence[PeerReport], now: int) -> str:
        """Why the tunnel is down; empty when it is up, with any of its peers."""
        vain = [peer for peer in peers if self._is_in_vain(peer, now)]
        shaken = [peer.handshake for peer in peers if peer not in vain and peer.handshake is not None]
        up = any(age < _FRESH for age in shaken)
        self.in_vain = bool(vain) and not up
        if up:
            return ""
        if vain:
            name = vain[0].name or vain[0].public_key
            return f"{name} does not answer at {vain[0].endpoint}: does it run, and does it know this key?"
        return "idle for so long that the next stream makes a handshake" if shaken else "no handshake yet"

    def _is_in_vain(self, peer: PeerReport, now: int) -> bool:
        since = self._since.get(peer.public_key)
        if since is not None and peer.handshake is not None and now - peer.handshake >= since:
            del self._since[peer.public_key]
            since = None
        if peer.trying and since is None:
            since = self._since[peer.public_key] = now
        return since is not None and now - since >= _PATIENCE

"""What a tunnel tells of itself: plain records for views, without secrets."""

from __future__ import annotations

from dataclasses import dataclass

from hythe.tunnel.wireguard.config import Network


@dataclass(frozen=True, slots=True)
class PeerReport:
    """One peer, as `wg show` has it.

    `endpoint`: where it was heard last, as ADDRESS:PORT, empty before that. `handshake`: nanoseconds since the last one was
    complete, None before the first. `received`, `sent`: bytes of datagrams. `trying`: a handshake is under way.
    `keepalive`: nanoseconds, 0 for none.
    """

    public_key: str
    name: str
    endpoint: str
    allowed_ips: tuple[Network, ...]
    handshake: int | None
    received: int
    sent: int
    keepalive: int
    preshared: bool
    trying: bool


@dataclass(slots=True)
class Counters:
    """What happened, and what was dropped and why. All are counts of messages, `unrouted` and `staged_lost` of packets."""

    initiations_sent: int = 0
    initiations_received: int = 0
    responses_sent: int = 0
    responses_received: int = 0
    cookies_sent: int = 0
    cookies_received: int = 0
    handshakes: int = 0
    roamed: int = 0
    given_up: int = 0
    #: Dropped on arrival: no message of ours, MAC1 wrong or missing, too many of a source under load.
    malformed: int = 0
    bad_mac: int = 0
    limited: int = 0
    #: A handshake message that fails to decrypt, is of no peer, is old or too soon; or answers nothing of ours.
    bad_handshake: int = 0
    replayed_handshake: int = 0
    bad_cookie: int = 0
    #: Data: of no session, too old a session, forged, seen before, from an address that is not the peer's.
    unknown_session: int = 0
    expired: int = 0
    forged: int = 0
    replayed: int = 0
    bad_source: int = 0
    bad_packet: int = 0
    #: Not sent: no peer has the destination; too many waited for a session; the socket refused.
    unrouted: int = 0
    staged_lost: int = 0
    unsent: int = 0

"""`WireguardLink`: the network behind a WireGuard tunnel as a link. The public face; the rest follows.

link = WireguardLink(config.read("work.conf").require_client())
host = Host(...); interface = host.add_interface(link, ...)   # as any other link
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence

from hythe.config import WireguardConfig
from hythe.tunnel.wireguard.config import Configuration, PeerConfig
from hythe.tunnel.wireguard.report import Counters, PeerReport
from hythe.wire.packet import Packet


class WireguardLink:
    """A `DelayingLink` of the tunnel that `configuration` describes; the far sides are its peers.

    It binds its UDP socket and resolves the names of endpoints at once (blocking), and later, when handshakes fail, in a
    thread. `sock`: a UDP socket to use instead, bound already. Raises `MachineError`, `UsageError`, one sentence each.
    """

    on_deadline: Callable[[int], object]
    counters: Counters
    configuration: Configuration

    def __init__(
        self,
        configuration: Configuration,
        *,
        settings: WireguardConfig | None = None,
        sock: socket.socket | None = None,
        wall: Callable[[], int] = time.time_ns,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None: ...

    @property
    def mtu(self) -> int:
        """The configuration's MTU."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The UDP port it listens on."""
        raise NotImplementedError

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`: super-segments joined from what peers sent."""
        raise NotImplementedError

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`; what is for no peer is dropped and counted (`counters.unrouted`)."""
        raise NotImplementedError

    def greet(self, now: int) -> None:
        """Begin a handshake with every peer that has an endpoint, instead of waiting for the first packet."""
        raise NotImplementedError

    def next_deadline(self) -> int:
        """As `Delaying.next_deadline`."""
        raise NotImplementedError

    def release(self, now: int) -> None:
        """As `Delaying.release`: timers."""
        raise NotImplementedError

    def peers(self, now: int) -> list[PeerReport]:
        """What there is to tell of each peer."""
        raise NotImplementedError

    def add_peer(self, peer: PeerConfig) -> None:
        """One more peer while it runs. Raises `UsageError` where it has a key or allowed-ips of another."""
        raise NotImplementedError

    def remove_peer(self, public_key: bytes) -> None:
        """Forget a peer, its session too. Harmless when unknown."""
        raise NotImplementedError

    def fileno(self) -> int:
        """A descriptor that polls readable when datagrams have arrived."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket and forget every session. Harmless when repeated."""
        raise NotImplementedError

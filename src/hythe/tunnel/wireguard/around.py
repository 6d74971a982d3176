"""What the parts of a device share: identity, tables of indices, timers, what is to be sent, and the counters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hythe.config import WireguardConfig
from hythe.tcp.timers import TimerQueue
from hythe.tunnel.wireguard.admission import Source
from hythe.tunnel.wireguard.keys import Secret, clamp
from hythe.tunnel.wireguard.noise import Identity
from hythe.tunnel.wireguard.report import Counters
from hythe.tunnel.wireguard.tai64n import Stamper

if TYPE_CHECKING:
    from hythe.tunnel.wireguard.keypair import Keypair
    from hythe.tunnel.wireguard.peer import Peer

#: The traffic class of handshake messages: AF41, as Linux has it. Data bears nothing but its ECN codepoint.
HANDSHAKE_TOS: Final = 0x88


class Outgoing:
    """Datagrams for one endpoint: `parts` one after the other, cut into `size` bytes each, the last may be shorter."""

    __slots__ = ("endpoint", "parts", "size", "tos")

    def __init__(self, endpoint: Source, parts: list[bytes], size: int, tos: int) -> None:
        self.endpoint = endpoint
        self.parts = parts
        self.size = size
        self.tos = tos


class Around:
    """`wall`: nanoseconds since 1970; `entropy(count)`: random bytes for keys, indices and jitter."""

    __slots__ = (
        "_entropy",
        "_stamper",
        "_wall",
        "counters",
        "handshakes",
        "identity",
        "mtu",
        "outbox",
        "sessions",
        "settings",
        "timers",
    )

    def __init__(
        self, private: Secret, mtu: int, settings: WireguardConfig, wall: Callable[[], int], entropy: Callable[[int], bytes]
    ) -> None:
        self.identity = Identity(private)
        self.mtu = mtu
        self.settings = settings
        self.counters = Counters()
        self.timers = TimerQueue()
        #: Our index -> the session, or the peer whom an initiation was sent.
        self.sessions: dict[int, Keypair] = {}
        self.handshakes: dict[int, Peer] = {}
        self.outbox: list[Outgoing] = []
        self._stamper = Stamper()
        self._wall = wall
        self._entropy = entropy

    def ephemeral(self) -> Secret:
        """A private key for one handshake."""
        return clamp(self._entropy(32))

    def new_index(self) -> int:
        """A random number that names no session yet."""
        while True:
            index = int.from_bytes(self._entropy(4), "little")
            if index not in self.sessions and index not in self.handshakes:
                return index

    def timestamp(self) -> bytes:
        """A TAI64N stamp for an initiation, greater than every one before."""
        return self._stamper.stamp(self._wall())

    def jitter(self) -> int:
        """Up to `rekey_jitter`, lest two sides try at the same time for ever."""
        return int.from_bytes(self._entropy(4), "little") * self.settings.rekey_jitter >> 32

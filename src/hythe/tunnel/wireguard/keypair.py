"""A session: two keys, two indices, a counter and a window. What a message of data costs is spent here.

Sealing makes the head, the nonce and the sealed packet of each message, and leaves them in pieces: the kernel gathers them.
A packet is padded to 16 bytes, so that its length tells less, but never beyond the MTU (paper, 5.4.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from hythe.tunnel.wireguard.messages import DATA, DATA_HEAD, NONCE
from hythe.tunnel.wireguard.noise import Keys
from hythe.tunnel.wireguard.replay import ReplayWindow

if TYPE_CHECKING:
    from hythe.tunnel.wireguard.peer import Peer

_PADDING: Final = tuple(bytes(count) for count in range(16))


class Keypair:
    """`since`: when it was made. `initiator`: we began the handshake. `counter`: of the next message we send."""

    __slots__ = ("counter", "index", "initiator", "opener", "peer", "remote_index", "sealer", "since", "window")

    def __init__(self, peer: Peer, index: int, keys: Keys, now: int, *, initiator: bool) -> None:
        self.peer = peer
        self.index = index
        self.remote_index = keys.remote_index
        self.sealer = ChaCha20Poly1305(keys.sending.reveal())
        self.opener = ChaCha20Poly1305(keys.receiving.reveal())
        self.counter = 0
        self.window = ReplayWindow()
        self.since = now
        self.initiator = initiator

    def seal(self, packets: Sequence[bytes], mtu: int) -> list[bytes]:
        """Messages of data, in pieces of two: the head, the packet sealed."""
        encrypt, head, nonce = self.sealer.encrypt, DATA_HEAD.pack, NONCE.pack
        remote_index, counter = self.remote_index, self.counter
        parts: list[bytes] = []
        add = parts.append
        for packet in packets:
            short = -len(packet) & 15
            if short:
                short = min(short, mtu - len(packet))
                if short > 0:
                    packet += _PADDING[short]
            add(head(DATA, remote_index, counter))
            add(encrypt(nonce(counter), packet, None))
            counter += 1
        self.counter = counter
        return parts

"""SSH's packets under AES-GCM (RFC 5647; OpenSSH's names): one key, one counter, sealed and opened in place.

Stands where asyncssh has its own `GCMEncryption`, which makes a cipher anew for each packet and joins and cuts its parts:
half of what a bulk packet costs there. A packet is its length (4 bytes, authenticated), then under the cipher the length of
its padding, payload and padding, then the tag.
"""

from __future__ import annotations

from typing import Final

from asyncssh.encryption import Encryption, GCMEncryption
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: Bytes of the length in front of a packet, and of the tag behind it.
LENGTH: Final = 4
TAG: Final = 16
BLOCK: Final = 16
_LAST: Final = (1 << 64) - 1


class Records(Encryption):
    """One direction of a connection, from asyncssh's cipher on, which is not used again."""

    def __init__(self, theirs: GCMEncryption) -> None:
        cipher = theirs._cipher
        self.aead: Final = AESGCM(cipher._key)
        self._fixed = cipher._iv[:4]
        self._count = int.from_bytes(cipher._iv[4:], "big")
        #: What `decrypt_packet` is to give: a packet that the connection has opened already; None for a forged one.
        self.opened: bytes | None = None

    def nonce(self) -> bytes:
        """The next packet's (RFC 5647, 7.1)."""
        count = self._count
        self._count = (count + 1) & _LAST
        return self._fixed + count.to_bytes(8, "big")

    def open_into(self, packet: memoryview, room: memoryview) -> bool:
        """Open what is between length and end of tag; False for a forged one."""
        try:
            self.aead.decrypt_into(self.nonce(), packet[LENGTH:], packet[:LENGTH], room[: len(packet) - LENGTH - TAG])
        except InvalidTag:
            return False
        return True

    # --- asyncssh's interface, for all packets but those of bulk

    def encrypt_packet(self, seq: int, header: bytes, packet: bytes) -> tuple[bytes, bytes]:
        """Seal a packet; the tag is part of the first."""
        return header + self.aead.encrypt(self.nonce(), packet, header), b""

    def decrypt_header(self, seq: int, first_block: bytes, header_len: int) -> tuple[bytes, bytes]:
        """The length is not encrypted."""
        return first_block, first_block[:header_len]

    def decrypt_packet(self, seq: int, first: bytes, rest: bytes, header_len: int, mac: bytes) -> bytes | None:
        """The packet that was opened."""
        opened, self.opened = self.opened, None
        return opened


def fast(encryption: Encryption | None) -> Records | None:
    """Ours in the place of asyncssh's, where it is of this kind."""
    if isinstance(encryption, Records):
        return encryption
    return Records(encryption) if isinstance(encryption, GCMEncryption) else None

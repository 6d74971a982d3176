"""SSH's packets under authenticated ciphers, sealed and opened in place: AES-GCM (RFC 5647) and OpenSSH's ChaCha20-Poly1305.

Stands where asyncssh has its own classes, which make ciphers anew for each packet and join and cut its parts: half of what a
bulk packet costs there. A packet is its length (4 bytes), then under the cipher the length of its padding, payload and
padding, then the tag, which covers the length as well. AES-GCM leaves the length in clear and counts packets by a nonce of
its own; ChaCha20 hides it under a second key and counts by the packet's number (OpenSSH's PROTOCOL.chacha20poly1305).
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from typing import Final

from asyncssh.encryption import ChachaEncryption, Encryption, GCMEncryption
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305

#: Bytes of the length in front of a packet, and of the tag behind it.
LENGTH: Final = 4
TAG: Final = 16
#: What a packet's padding fills up: AES's block, and twice that of the protocol.
BLOCK: Final = 16
_LAST: Final = (1 << 64) - 1
_WORD: Final = struct.Struct(">I")
_CHACHA_BLOCK: Final = bytes(64)
_POLY1305_KEY: Final = 32


class Records(Encryption):
    """One direction of a connection, from asyncssh's cipher on, which is not used again.

    `opened`: what `decrypt_packet` is to give, a packet that the connection has opened already; None for a forged one.
    """

    opened: bytes | None = None

    @abstractmethod
    def length(self, room: memoryview, at: int, number: int) -> int:
        """Of the packet that begins at `at`, whose number is `number`."""

    @abstractmethod
    def open_into(self, packet: memoryview, room: memoryview, number: int) -> bool:
        """Open what is between length and tag; False for a forged one."""

    @abstractmethod
    def seal_into(self, plain: memoryview, packet: memoryview, number: int) -> None:
        """Make a packet of `plain`, with its length and its tag."""

    # --- asyncssh's interface, for all packets but those of bulk

    def encrypt_packet(self, seq: int, header: bytes, packet: bytes) -> tuple[bytes, bytes]:
        """Seal a packet; all is in the first."""
        sealed = bytearray(LENGTH + len(packet) + TAG)
        self.seal_into(memoryview(packet), memoryview(sealed), seq)
        return bytes(sealed), b""

    def decrypt_header(self, seq: int, first_block: bytes, header_len: int) -> tuple[bytes, bytes]:
        """The length."""
        return first_block, _WORD.pack(self.length(memoryview(first_block), 0, seq))

    def decrypt_packet(self, seq: int, first: bytes, rest: bytes, header_len: int, mac: bytes) -> bytes | None:
        """The packet that was opened."""
        opened, self.opened = self.opened, None
        return opened


class GcmRecords(Records):
    """AES-GCM."""

    def __init__(self, theirs: GCMEncryption) -> None:
        cipher = theirs._cipher
        self._aead = AESGCM(cipher._key)
        self._fixed = cipher._iv[:4]
        self._count = int.from_bytes(cipher._iv[4:], "big")

    def _nonce(self) -> bytes:
        """The next packet's (RFC 5647, 7.1)."""
        count = self._count
        self._count = (count + 1) & _LAST
        return self._fixed + count.to_bytes(8, "big")

    def length(self, room: memoryview, at: int, number: int) -> int:
        """In clear."""
        (found,) = _WORD.unpack_from(room, at)
        return int(found)

    def open_into(self, packet: memoryview, room: memoryview, number: int) -> bool:
        """As `Records.open_into`."""
        try:
            self._aead.decrypt_into(self._nonce(), packet[LENGTH:], packet[:LENGTH], room[: len(packet) - LENGTH - TAG])
        except InvalidTag:
            return False
        return True

    def seal_into(self, plain: memoryview, packet: memoryview, number: int) -> None:
        """As `Records.seal_into`."""
        _WORD.pack_into(packet, 0, len(plain))
        self._aead.encrypt_into(self._nonce(), plain, packet[:LENGTH], packet[LENGTH : LENGTH + len(plain) + TAG])


class ChachaRecords(Records):
    """ChaCha20-Poly1305. The first block of a packet's stream is the key of its tag, the text begins with the second."""

    def __init__(self, theirs: ChachaEncryption) -> None:
        self._key = theirs._cipher._key
        self._length_key = theirs._cipher._adkey

    def length(self, room: memoryview, at: int, number: int) -> int:
        """Under the second key."""
        nonce = number.to_bytes(16, "big")  # the counter, 0 in 8 bytes, and the number in 8
        stream = Cipher(ChaCha20(self._length_key, nonce), mode=None).encryptor()
        (found,) = _WORD.unpack(stream.update(room[at : at + LENGTH]))
        return int(found)

    def open_into(self, packet: memoryview, room: memoryview, number: int) -> bool:
        """As `Records.open_into`."""
        stream = Cipher(ChaCha20(self._key, number.to_bytes(16, "big")), mode=None).encryptor()
        tag = Poly1305(stream.update(_CHACHA_BLOCK)[:_POLY1305_KEY])
        tag.update(packet[:-TAG])
        try:
            tag.verify(bytes(packet[-TAG:]))
        except InvalidSignature:
            return False
        stream.update_into(packet[LENGTH:-TAG], room)
        return True

    def seal_into(self, plain: memoryview, packet: memoryview, number: int) -> None:
        """As `Records.seal_into`."""
        nonce = number.to_bytes(16, "big")
        lengths = Cipher(ChaCha20(self._length_key, nonce), mode=None).encryptor()
        stream = Cipher(ChaCha20(self._key, nonce), mode=None).encryptor()
        end = LENGTH + len(plain)
        packet[:LENGTH] = lengths.update(_WORD.pack(len(plain)))
        tag = Poly1305(stream.update(_CHACHA_BLOCK)[:_POLY1305_KEY])
        stream.update_into(plain, packet[LENGTH:])
        tag.update(packet[:end])
        packet[end : end + TAG] = tag.finalize()


def fast(encryption: Encryption | None) -> Records | None:
    """Ours in the place of asyncssh's, where it is of these kinds."""
    if isinstance(encryption, Records):
        return encryption
    if isinstance(encryption, GCMEncryption):
        return GcmRecords(encryption)
    return ChachaRecords(encryption) if isinstance(encryption, ChachaEncryption) else None

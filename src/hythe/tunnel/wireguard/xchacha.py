"""XChaCha20-Poly1305, which seals cookies: ChaCha20-Poly1305 with a nonce that is long enough to be random.

HChaCha20 makes a key of its own of the key and the first 16 bytes of the nonce; the other 8 are the nonce of what follows
(draft-irtf-cfrg-xchacha-03, 2.2-2.3). `cryptography` has no HChaCha20, but ChaCha20, whose block is the same rounds with
what they began with added to their end (RFC 8439, 2.3). That is subtracted here: rounds in Python would cost 90 µs, and
whoever floods us with handshakes is sent many cookies.
"""

from __future__ import annotations

import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

_CONSTANTS: Final = struct.unpack("<4I", b"expand 32-byte k")
_BLOCK: Final = struct.Struct("<16I")
_NONCE: Final = struct.Struct("<4I")
_KEY: Final = struct.Struct("<8I")


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """32 bytes of a 32-byte key and a 16-byte nonce."""
    block = _BLOCK.unpack(Cipher(ChaCha20(key, nonce), mode=None).encryptor().update(bytes(_BLOCK.size)))
    began = (*_CONSTANTS, *_NONCE.unpack(nonce))
    ended = (*block[:4], *block[12:])
    return _KEY.pack(*(word - added & 0xFFFFFFFF for word, added in zip(ended, began, strict=True)))


def seal(key: bytes, nonce: bytes, plain: bytes, extra: bytes) -> bytes:
    """`plain` sealed, its tag behind it. `nonce`: 24 bytes; `extra`: authenticated and not contained."""
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], plain, extra)


def unseal(key: bytes, nonce: bytes, sealed: bytes, extra: bytes) -> bytes | None:
    """What `seal` was given; None where anything was changed."""
    try:
        return ChaCha20Poly1305(hchacha20(key, nonce[:16])).decrypt(bytes(4) + nonce[16:], sealed, extra)
    except InvalidTag:
        return None

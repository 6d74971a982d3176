"""XChaCha20-Poly1305, which seals cookies: ChaCha20-Poly1305 with a nonce that is long enough to be random.

HChaCha20 makes a key of its own of the key and the first 16 bytes of the nonce; the other 8 are the nonce of what follows
(draft-irtf-cfrg-xchacha-03, 2.2-2.3). `cryptography` has no HChaCha20. One is needed for a cookie, so plain Python does.
"""

from __future__ import annotations

import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_CONSTANTS: Final = struct.unpack("<4I", b"expand 32-byte k")
_WORDS: Final = struct.Struct("<12I")
_KEY: Final = struct.Struct("<8I")
_COLUMNS: Final = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_DIAGONALS: Final = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
_ROUNDS: Final = (*_COLUMNS, *_DIAGONALS)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """32 bytes of a 32-byte key and a 16-byte nonce."""
    state = [*_CONSTANTS, *_WORDS.unpack(key + nonce)]
    for _ in range(10):
        for a, b, c, d in _ROUNDS:
            for left, right in ((16, 12), (8, 7)):
                state[a] = state[a] + state[b] & 0xFFFFFFFF
                mixed = state[d] ^ state[a]
                state[d] = (mixed << left | mixed >> 32 - left) & 0xFFFFFFFF
                state[c] = state[c] + state[d] & 0xFFFFFFFF
                mixed = state[b] ^ state[c]
                state[b] = (mixed << right | mixed >> 32 - right) & 0xFFFFFFFF
    return _KEY.pack(*state[:4], *state[12:])


def seal(key: bytes, nonce: bytes, plain: bytes, extra: bytes) -> bytes:
    """`plain` sealed, its tag behind it. `nonce`: 24 bytes; `extra`: authenticated and not contained."""
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], plain, extra)


def unseal(key: bytes, nonce: bytes, sealed: bytes, extra: bytes) -> bytes | None:
    """What `seal` was given; None where anything was changed."""
    try:
        return ChaCha20Poly1305(hchacha20(key, nonce[:16])).decrypt(bytes(4) + nonce[16:], sealed, extra)
    except InvalidTag:
        return None

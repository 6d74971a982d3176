"""The handshake: Noise_IKpsk2 with X25519, ChaCha20-Poly1305 and BLAKE2s (paper, 5.4.1-5.4.5; RFC 7748, RFC 8439, RFC 7693).

Theory of operation. Both sides keep a chaining key, into which every secret goes (`_kdf`), and a hash of all that was said.
The initiation carries the initiator's static key and a time stamp, sealed for the responder; the response proves that its
sender has the responder's static key and, by the pre-shared key, whatever a quantum computer may find out later. What the
chaining key has become then gives the two keys of a session.

Nothing here is kept: who calls has the states. Whatever a forged message makes impossible ends as `None`.
"""

from __future__ import annotations

import hmac
from hashlib import blake2s
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from hythe.tunnel.wireguard.keys import KEY_SIZE, Secret
from hythe.tunnel.wireguard.messages import INITIATION, INITIATION_BODY, RESPONSE, RESPONSE_BODY

CONSTRUCTION: Final = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER: Final = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
#: Each key of a handshake seals one thing.
_NONCE: Final = bytes(12)
_NO_KEY: Final = bytes(KEY_SIZE)


def digest(*parts: bytes) -> bytes:
    """HASH of the parts, one after the other."""
    return blake2s(b"".join(parts)).digest()


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, blake2s).digest()


def kdf(key: bytes, data: bytes, count: int) -> tuple[bytes, ...]:
    """HKDF with BLAKE2s (RFC 5869): `count` keys of 32 bytes."""
    secret = _hmac(key, data)
    found: list[bytes] = []
    for number in range(1, count + 1):
        found.append(_hmac(secret, (found[-1] if found else b"") + bytes([number])))
    return tuple(found)


_CHAIN: Final = digest(CONSTRUCTION)
_HASH: Final = digest(_CHAIN, IDENTIFIER)


class Identity:
    """Our static key pair."""

    __slots__ = ("private", "public")

    def __init__(self, private: Secret) -> None:
        self.private = X25519PrivateKey.from_private_bytes(private.reveal())
        self.public = self.private.public_key().public_bytes_raw()

    def shared(self, public: bytes) -> bytes | None:
        """The Diffie-Hellman of our static key and another; None for a point that gives no secret (RFC 7748, 6.1)."""
        return _exchange(self.private, public)


def _exchange(private: X25519PrivateKey, public: bytes) -> bytes | None:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return None


def _seal(key: bytes, plain: bytes, hashed: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(_NONCE, plain, hashed)


def _open(key: bytes, sealed: bytes, hashed: bytes) -> bytes | None:
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, sealed, hashed)
    except InvalidTag:
        return None


class Keys(NamedTuple):
    """The two keys of a session, and the far side's index of it."""

    sending: Secret
    receiving: Secret
    remote_index: int


class Initiating:
    """An initiation that was sent, until its response comes: `chain`, `hash` and the ephemeral key."""

    __slots__ = ("chain", "ephemeral", "hash", "index")

    def __init__(self, index: int, ephemeral: Secret) -> None:
        self.index = index
        self.ephemeral = X25519PrivateKey.from_private_bytes(ephemeral.reveal())
        self.chain = _CHAIN
        self.hash = _HASH

    def initiate(self, own: Identity, remote: bytes, static_static: bytes, timestamp: bytes) -> bytes | None:
        """The initiation without its MACs. `static_static`: `own.shared(remote)`."""
        public = self.ephemeral.public_key().public_bytes_raw()
        hashed = digest(digest(_HASH, remote), public)
        (chain,) = kdf(_CHAIN, public, 1)
        shared = _exchange(self.ephemeral, remote)
        if shared is None:
            return None
        chain, key = kdf(chain, shared, 2)
        static = _seal(key, own.public, hashed)
        hashed = digest(hashed, static)
        chain, key = kdf(chain, static_static, 2)
        stamp = _seal(key, timestamp, hashed)
        self.chain, self.hash = chain, digest(hashed, stamp)
        return INITIATION_BODY.pack(INITIATION, self.index, public, static, stamp)

    def finish(self, own: Identity, preshared: bytes, response: bytes) -> Keys | None:
        """The session that a response gives, None if it is not one to this initiation."""
        _, remote_index, _, public, nothing = RESPONSE_BODY.unpack_from(response)
        (chain,) = kdf(self.chain, public, 1)
        hashed = digest(self.hash, public)
        first, second = _exchange(self.ephemeral, public), _exchange(own.private, public)
        if first is None or second is None:
            return None
        (chain,) = kdf(chain, first, 1)
        (chain,) = kdf(chain, second, 1)
        chain, mixed, key = kdf(chain, preshared, 3)
        hashed = digest(hashed, mixed)
        if _open(key, nothing, hashed) is None:
            return None
        sending, receiving = kdf(chain, b"", 2)
        return Keys(Secret(sending), Secret(receiving), remote_index)


class Initiated:
    """An initiation that was received. `remote`: the static key that it says it comes from; proved by `verify` only."""

    __slots__ = ("_chain", "_hash", "_public", "_stamp", "index", "remote")

    def __init__(self, index: int, remote: bytes, public: bytes, stamp: bytes, chain: bytes, hashed: bytes) -> None:
        self.index = index
        self.remote = remote
        self._public = public
        self._stamp = stamp
        self._chain = chain
        self._hash = hashed

    @classmethod
    def read(cls, own: Identity, message: bytes) -> Initiated | None:
        """Open the first half, which tells who it comes from. None for what is not for us."""
        _, index, public, static, stamp = INITIATION_BODY.unpack_from(message)
        hashed = digest(digest(_HASH, own.public), public)
        (chain,) = kdf(_CHAIN, public, 1)
        shared = own.shared(public)
        if shared is None:
            return None
        chain, key = kdf(chain, shared, 2)
        remote = _open(key, static, hashed)
        if remote is None:
            return None
        return cls(index, remote, public, stamp, chain, digest(hashed, static))

    def verify(self, static_static: bytes) -> bytes | None:
        """The time stamp, if the sender has the private key to `remote`."""
        chain, key = kdf(self._chain, static_static, 2)
        stamp = _open(key, self._stamp, self._hash)
        if stamp is not None:
            self._chain, self._hash = chain, digest(self._hash, self._stamp)
        return stamp

    def respond(self, index: int, ephemeral: Secret, preshared: bytes) -> tuple[bytes, Keys] | None:
        """The response without its MACs, and the session. After `verify`."""
        private = X25519PrivateKey.from_private_bytes(ephemeral.reveal())
        public = private.public_key().public_bytes_raw()
        hashed = digest(self._hash, public)
        (chain,) = kdf(self._chain, public, 1)
        first, second = _exchange(private, self._public), _exchange(private, self.remote)
        if first is None or second is None:
            return None
        (chain,) = kdf(chain, first, 1)
        (chain,) = kdf(chain, second, 1)
        chain, mixed, key = kdf(chain, preshared, 3)
        nothing = _seal(key, b"", digest(hashed, mixed))
        receiving, sending = kdf(chain, b"", 2)
        message = RESPONSE_BODY.pack(RESPONSE, index, self.index, public, nothing)
        return message, Keys(Secret(sending), Secret(receiving), self.index)


def preshared_bytes(key: Secret | None) -> bytes:
    """The pre-shared key, zeros where there is none (paper, 5.2)."""
    return key.reveal() if key is not None else _NO_KEY

"""MAC1, MAC2 and cookies: how a handshake message shows that it is worth a Diffie-Hellman (paper, 5.3 and 5.4.4).

MAC1 says that its sender knows our public key: who does not gets no answer at all. Under load that is not enough: then a
message must come from where it says it does, which MAC2 proves. Its key is the cookie, a MAC of the sender's address under
a secret of ours that changes every two minutes, and we remember nothing of those whom we sent it.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2s
from hmac import compare_digest
from typing import Final

from hythe.config import WireguardConfig
from hythe.tunnel.wireguard import xchacha
from hythe.tunnel.wireguard.messages import COOKIE_BODY, COOKIE_NONCE_SIZE, COOKIE_REPLY, KIND, MAC_SIZE
from hythe.tunnel.wireguard.noise import digest

_LABEL_MAC1: Final = b"mac1----"
_LABEL_COOKIE: Final = b"cookie--"
_NO_MAC: Final = bytes(MAC_SIZE)


def _mac(key: bytes, message: bytes) -> bytes:
    return blake2s(message, key=key, digest_size=MAC_SIZE).digest()


def has_second(message: bytes) -> bool:
    """Does it bear a MAC2, right or wrong?"""
    return message[-MAC_SIZE:] != _NO_MAC


class Doorkeeper:
    """The receiving half, one for the whole device. `public`: our static key; `entropy(count)`: random bytes."""

    __slots__ = ("_cookie_key", "_entropy", "_lifetime", "_mac1_key", "_secret", "_since")

    def __init__(self, public: bytes, settings: WireguardConfig, entropy: Callable[[int], bytes]) -> None:
        self._mac1_key = digest(_LABEL_MAC1, public)
        self._cookie_key = digest(_LABEL_COOKIE, public)
        self._lifetime = settings.cookie_lifetime
        self._entropy = entropy
        self._secret = b""
        self._since = 0

    def has_mac1(self, message: bytes) -> bool:
        """Was it made by somebody who knows our public key?"""
        return compare_digest(_mac(self._mac1_key, message[: -2 * MAC_SIZE]), message[-2 * MAC_SIZE : -MAC_SIZE])

    def has_mac2(self, message: bytes, source: bytes, now: int) -> bool:
        """Does its sender have the cookie that we give to `source`?"""
        if not self._secret or now - self._since >= self._lifetime:
            return False
        return compare_digest(_mac(_mac(self._secret, source), message[:-MAC_SIZE]), message[-MAC_SIZE:])

    def reply(self, message: bytes, source: bytes, now: int) -> bytes:
        """A cookie for the sender of a message."""
        if not self._secret or now - self._since >= self._lifetime:
            self._secret = self._entropy(32)
            self._since = now
        nonce = self._entropy(COOKIE_NONCE_SIZE)
        mac1 = message[-2 * MAC_SIZE : -MAC_SIZE]
        sealed = xchacha.seal(self._cookie_key, nonce, _mac(self._secret, source), mac1)
        return COOKIE_BODY.pack(COOKIE_REPLY, KIND.unpack_from(message)[1], nonce, sealed)


class Stamps:
    """The sending half, one for each peer. `remote`: its static key."""

    __slots__ = ("_cookie", "_cookie_key", "_last_mac1", "_lifetime", "_mac1_key", "_since")

    def __init__(self, remote: bytes, settings: WireguardConfig) -> None:
        self._mac1_key = digest(_LABEL_MAC1, remote)
        self._cookie_key = digest(_LABEL_COOKIE, remote)
        self._lifetime = settings.cookie_lifetime
        self._cookie = b""
        self._since = 0
        self._last_mac1 = b""

    def stamp(self, body: bytes, now: int) -> bytes:
        """A handshake message with both MACs, the second one zero without a cookie."""
        self._last_mac1 = mac1 = _mac(self._mac1_key, body)
        fresh = self._cookie and now - self._since < self._lifetime
        return body + mac1 + (_mac(self._cookie, body + mac1) if fresh else _NO_MAC)

    def take(self, message: bytes, now: int) -> bool:
        """Keep the cookie of a cookie reply; False if it is no answer to what was stamped last."""
        _, _, nonce, sealed = COOKIE_BODY.unpack_from(message)
        if not self._last_mac1:
            return False
        cookie = xchacha.unseal(self._cookie_key, nonce, sealed, self._last_mac1)
        if cookie is None:
            return False
        self._cookie, self._since = cookie, now
        self._last_mac1 = b""  # one answer to one message
        return True

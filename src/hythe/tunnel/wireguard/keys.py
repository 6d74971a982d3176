"""Keys: 32 bytes, written as 44 characters of base64; and secrets, which do not show themselves.

A `Secret` has no text of its own, so that it cannot get into a log, a traceback or a view by mistake. Python cannot wipe
memory for sure: a secret that is no longer needed is let go of, and that is all.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from hythe.errors import MachineError, UsageError

KEY_SIZE: Final = 32
_TEXT_SIZE: Final = 44


class Secret:
    """Bytes that are not shown. `reveal` is the only way to them."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "<secret>"


def parse_key(text: str) -> bytes:
    """The 32 bytes of a key as wg(8) writes it. Raises `UsageError` that does not repeat what was written."""
    text = text.strip()
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_SIZE or base64.b64encode(key).decode() != text:
        is_text = len(text) == _TEXT_SIZE
        found = "its characters are not those of base64" if is_text else f"it has {len(text)} characters"
        raise UsageError(f"a key is {KEY_SIZE} bytes, {_TEXT_SIZE} characters of base64, and {found}: see `hythe wg genkey`")
    return key


def key_text(key: bytes) -> str:
    """A key as wg(8) writes it."""
    return base64.b64encode(key).decode()


def clamp(random: bytes) -> Secret:
    """A private key of 32 random bytes (RFC 7748, 5)."""
    return Secret(bytes([random[0] & 248]) + random[1:31] + bytes([random[31] & 127 | 64]))


def public_key(private: Secret) -> bytes:
    """The public key of a private one. Raises `MachineError` where WireGuard's primitives are not installed."""
    try:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    except ImportError as error:
        raise MachineError("WireGuard needs the package cryptography: pip install 'hythe[tunnel]'") from error

    return X25519PrivateKey.from_private_bytes(private.reveal()).public_key().public_bytes_raw()

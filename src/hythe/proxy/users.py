"""Users and their passwords: scrypt hashes (RFC 7914), compared in constant time, failures slowed down.

Theory of operation. A check costs 16 MiB and some hundredths of a second by design, so it runs in a thread, few at a time,
and a password that was right is remembered by a keyed digest: every request of HTTP bears one. Whoever fails has to wait,
longer each time, and what is said meanwhile is not looked at; the wait belongs to the client's address and, after more
failures, to the user's name, so that many addresses cannot guess one user's password. An unknown user takes as long as a
known one.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hythe.errors import UsageError
from hythe.proxy.ledger import AHEAD, OPENS, Ledger
from hythe.units import SECOND

#: RFC 7914, 2: cost, block size, parallelization: 16 MiB, some 50 ms.
_COST: Final = 1 << 14
_BLOCK: Final = 8
_PARALLEL: Final = 1
_SALT: Final = 16
_LENGTH: Final = 32
#: More memory than this is not spent on one check.
_MEMORY_MAX: Final = 128 << 20
#: Checks at a time.
_CHECKS: Final = 2
#: Failures that cost nothing, of a client and of a user; then the wait doubles up to the longest.
_FREE_CLIENT: Final = 3
_FREE_USER: Final = 20
_WAIT: Final = 1 * SECOND
_WAIT_MAX: Final = 300 * SECOND


@dataclass(frozen=True, slots=True)
class Hash:
    """As `hash_password` writes it."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes

    def fits(self, password: str) -> bool:
        """Is it the password's?"""
        made = _scrypt(password, self.salt, self.cost, self.block, self.parallel, len(self.digest))
        return hmac.compare_digest(made, self.digest)


def hash_password(password: str, salt: bytes | None = None) -> str:
    """What the configuration has: ``scrypt:COST:BLOCK:PARALLEL:SALT:DIGEST``, the last two in base64."""
    salt = os.urandom(_SALT) if salt is None else salt
    digest = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL, _LENGTH)
    return f"scrypt:{_COST}:{_BLOCK}:{_PARALLEL}:{base64.b64encode(salt).decode()}:{base64.b64encode(digest).decode()}"


def parse_hash(text: str) -> Hash:
    """Read that. UsageError, which does not show it."""
    try:
        scheme, cost, block, parallel, salt, digest = text.split(":")
        found = Hash(
            int(cost),
            int(block),
            int(parallel),
            base64.b64decode(salt, validate=True),
            base64.b64decode(digest, validate=True),
        )
        if scheme != "scrypt" or found.cost < 2 or found.cost & (found.cost - 1) or len(found.digest) < 16:
            raise ValueError(scheme)
        if not 0 < 128 * found.cost * found.block * found.parallel <= _MEMORY_MAX:
            raise ValueError(cost)
    except (ValueError, binascii.Error):
        raise UsageError("this is no hash of a password: write what `hythe proxy --hash-password` prints") from None
    return found


class Users:
    """`clock`: nanoseconds. `ledger`: which remembers who failed: OPENS is how often, AHEAD until when to wait."""

    def __init__(self, words: Mapping[str, str], clock: Callable[[], int], ledger: Ledger | None = None) -> None:
        self._hashes = {name: parse_hash(word) for name, word in words.items()}
        self._nobody = Hash(_COST, _BLOCK, _PARALLEL, os.urandom(_SALT), os.urandom(_LENGTH))
        self._clock = clock
        self._key = os.urandom(32)
        self._right: dict[str, bytes] = {}
        self._ledger = ledger or Ledger()
        self._room = asyncio.Semaphore(_CHECKS)

    async def check(self, client: str, user: str, password: str) -> bool:
        """Is this the password of this user, and may `client`, an address, try now?"""
        known = self._hashes.get(user)
        proof = hmac.digest(self._key, f"{user}\0{password}".encode(), "sha256")
        if known is not None and hmac.compare_digest(self._right.get(user, b""), proof):
            return True
        keys = (f"failed client\0{client}", f"failed user\0{user}")
        if self._has_to_wait(keys[0]) or (known is not None and self._has_to_wait(keys[1])):
            return False
        async with self._room:
            fits = await asyncio.to_thread((known or self._nobody).fits, password)
        if known is not None and fits:
            self._right[user] = proof
            self._forgive(keys[0])
            return True
        self._fail(keys[0], _FREE_CLIENT)
        if known is not None:
            self._fail(keys[1], _FREE_USER)
        return False

    def _has_to_wait(self, key: str) -> bool:
        now = self._clock()
        with self._ledger.account(key, now) as account:
            return account is not None and account.cells[AHEAD] > now

    def _forgive(self, key: str) -> None:
        with self._ledger.account(key, self._clock()) as account:
            if account is not None:
                account.cells[OPENS] = 0

    def _fail(self, key: str, free: int) -> None:
        now = self._clock()
        with self._ledger.account(key, now) as account:
            if account is None:
                return  # so many are connected by now that nobody else is remembered
            account.cells[OPENS] += 1
            over = account.cells[OPENS] - free
            account.cells[AHEAD] = now + min(_WAIT << min(over - 1, 16), _WAIT_MAX) if over > 0 else 0


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int, length: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=parallel, dklen=length, maxmem=2 * _MEMORY_MAX)

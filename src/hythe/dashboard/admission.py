"""Who may come in: a token that works once buys a cookie and a key, and only both together open anything.

Why both. Cookies know hosts, not ports: a browser shows ours to every server of 127.0.0.1 that it visits, and that may be
another user's. The key is kept by the page, whose storage is its origin's alone, port included, and travels in a header that
a page of another origin cannot set. A page that is shown the way in (`Location`) has the key behind the ``#``, which is sent
to no server and named in no Referer.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Final

#: Bytes of a token, a cookie, a key: nobody guesses them.
_SIZE: Final = 24
#: Tokens that wait to be used, and browsers that are let in: the oldest makes room.
_INVITED_MAX: Final = 64
_ADMITTED_MAX: Final = 64


def _dice() -> str:
    return secrets.token_urlsafe(_SIZE)


class Admission:
    """All who were invited and who came. `dice` makes what nobody guesses."""

    __slots__ = ("_admitted", "_dice", "_invited")

    def __init__(self, dice: Callable[[], str] = _dice) -> None:
        self._dice = dice
        self._invited: dict[str, None] = {}
        self._admitted: dict[str, str] = {}

    def invite(self) -> str:
        """A new token."""
        token = self._dice()
        _bound(self._invited, _INVITED_MAX)
        self._invited[token] = None
        return token

    def enter(self, token: str) -> tuple[str, str] | None:
        """The cookie and the key that `token` buys, once; None for one that is wrong, or was used."""
        known = next((each for each in self._invited if hmac.compare_digest(each.encode(), token.encode())), None)
        if known is None:
            return None
        del self._invited[known]
        cookie, key = self._dice(), self._dice()
        _bound(self._admitted, _ADMITTED_MAX)
        self._admitted[cookie] = key
        return cookie, key

    def knows(self, cookie: str) -> bool:
        """Was this browser let in?"""
        return self._key(cookie) is not None

    def opens(self, cookie: str, key: str) -> bool:
        """Is it also our page that asks?"""
        known = self._key(cookie)
        return known is not None and hmac.compare_digest(known.encode(), key.encode())

    def _key(self, cookie: str) -> str | None:
        same = (key for known, key in self._admitted.items() if hmac.compare_digest(known.encode(), cookie.encode()))
        return next(same, None)


def _bound(kept: dict[str, None] | dict[str, str], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]

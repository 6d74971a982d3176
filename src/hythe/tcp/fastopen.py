"""TCP Fast Open: data in the SYN, and the cookies by which that is safe (RFC 7413).

Theory of operation. A server lets a SYN's data through to its owner before the handshake is done if the SYN bears a cookie
that only this client can have been given: a keyed hash of both addresses (4.1.2), so that nothing is kept. A client keeps
the cookies it was given, with the MSS of that server, and those servers whose paths swallow such SYNs (4.1.3).

What a connection does with them is in `opening` and `emit`. Data in a SYN may be delivered twice if the network repeats the
SYN (2.1), so this is for those who ask for it: `TcpConfig.fast_open` for clients, `Host.listen(fast_open=n)` for servers.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Final

from hythe.units import SECOND

#: Bytes of the cookies we give (RFC 7413, 4.1.1: 4 to 16; Linux's have 8).
COOKIE_SIZE: Final = 8
#: Stands for the cookie where a SYN's text goes without any. None is that short (RFC 7413, 4.1.1).
COOKIELESS: Final = b"-"
#: A server is let be for this long, doubled with each loss, once SYNs with the option got lost twice in a row (Linux).
_PAUSE: Final = 60 * SECOND
_LOSSES_MAX: Final = 10


class Known:
    """What a client knows of a server: `cookie` (b"": none yet), its `mss` (0: unknown), when to try at all.

    `losses`: SYNs with the option in a row that were not answered. `unanswered`: requests for a cookie that brought none;
    after the first the option's older form is tried, once. `experimental`: it was that which brought one.
    """

    __slots__ = ("cookie", "experimental", "losses", "mss", "not_before", "unanswered")

    def __init__(self) -> None:
        self.cookie = b""
        self.experimental = False
        self.unanswered = 0
        self.mss = 0
        self.losses = 0
        self.not_before = 0


class FastOpen:
    """The cookies of one host. `secret`: 16 to 32 random bytes; `limit`: servers remembered, the oldest makes room."""

    __slots__ = ("_limit", "_secret", "_servers")

    def __init__(self, secret: bytes, limit: int) -> None:
        self._secret = secret
        self._limit = limit
        self._servers: dict[bytes, Known] = {}

    def __len__(self) -> int:
        return len(self._servers)

    # --- Server

    def cookie(self, key: bytes) -> bytes:
        """The cookie of the client at the far end of the socket pair `key`: of the two addresses, not the ports."""
        return blake2s(key[:-4], key=self._secret, digest_size=COOKIE_SIZE, person=b"fastopen").digest()

    # --- Client

    def known(self, key: bytes, now: int) -> Known | None:
        """What to try towards the server at the far end of `key`; None: a plain handshake."""
        found = self._servers.get(_server(key))
        if found is None:
            return Known()
        return found if now >= found.not_before else None

    def learn(self, key: bytes, cookie: bytes, mss: int, *, experimental: bool = False) -> None:
        """The server gave us a cookie, in the option's older form or not, or confirmed (b"") the one it gave."""
        known = self._enter(key)
        known.cookie = cookie or known.cookie
        known.mss = mss
        known.experimental = experimental
        known.losses = known.not_before = 0

    def swallowed(self, key: bytes, now: int) -> None:
        """A SYN with a cookie, or asking for one, was not answered: maybe a box on the way minds the option (4.1.3.1)."""
        known = self._enter(key)
        known.losses = min(known.losses + 1, _LOSSES_MAX)
        if known.losses > 1:
            known.not_before = now + (_PAUSE << known.losses)

    def unheard(self, key: bytes) -> None:
        """The server answered our SYN, and not that it asked for a cookie."""
        self._enter(key).unanswered += 1

    def forget(self) -> None:
        """Know no server any more."""
        self._servers.clear()

    def _enter(self, key: bytes) -> Known:
        server = _server(key)
        known = self._servers.pop(server, None)
        if known is None:
            known = Known()
            if len(self._servers) >= self._limit:
                del self._servers[next(iter(self._servers))]
        self._servers[server] = known  # the newest is the last
        return known


def _server(key: bytes) -> bytes:
    return key[:4] if len(key) == 12 else key[:16]

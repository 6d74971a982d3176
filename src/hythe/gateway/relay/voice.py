"""What a tunnel has to say to people, told by the session: what is odd about its file, and that a peer does not answer."""

from __future__ import annotations

from typing import Final

from hythe.aio.driver import Driver
from hythe.gateway.session import Session
from hythe.tunnel.wireguard.link import WireguardLink
from hythe.units import NEVER, SECOND

#: How often to look.
_LOOK: Final = 2 * SECOND
#: How long a handshake may be under way before that is worth a word: two attempts (REKEY_TIMEOUT is 5 s).
_PATIENCE: Final = 8 * SECOND


class Voice:
    """Of one link, as `Timed`, until `close`. It lets the session tell of the peers as well."""

    __slots__ = ("_driver", "_link", "_session", "_since", "_told", "deadline", "filed")

    def __init__(self, link: WireguardLink, driver: Driver, session: Session) -> None:
        self._link = link
        self._driver = driver
        self._session = session
        self._since: dict[str, int] = {}  # since when a peer is tried, by its key
        self._told: dict[str, int] = {}  # when that was told
        self.filed = NEVER
        self.deadline = driver.clock() + _LOOK
        session.notices += link.configuration.warnings
        session.peers = lambda: link.peers(driver.clock())
        driver.host.around.timers.file(self)

    def fire(self, now: int) -> None:
        """Look."""
        self.deadline = now + _LOOK
        for peer in self._link.peers(now):
            key = peer.public_key
            if peer.handshake is not None and now - peer.handshake > self._told.get(key, now):
                del self._told[key]
            if not peer.trying:
                self._since.pop(key, None)
            elif now - self._since.setdefault(key, now) >= _PATIENCE and key not in self._told:
                self._told[key] = now
                self._session.notice(
                    f"{peer.name or key} does not answer at {peer.endpoint}, and nothing goes there until it does: "
                    "does it run, and does it know this key?"
                )

    def close(self) -> None:
        """No more; whoever tells of the session afterwards has the peers as they were."""
        self._driver.host.around.timers.cancel(self)
        last = self._link.peers(self._driver.clock())
        self._session.peers = lambda: last

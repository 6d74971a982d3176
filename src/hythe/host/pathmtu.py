"""Path MTU: what ICMP has told of the narrowest link on the way to each destination (RFC 1191, RFC 8201).

Who reports a smaller MTU can slow us down, so the report counts only when it quotes something that we have really sent
(the caller checks that), never below a floor, and for a limited time: paths change, and a larger MTU is found by
trying again (RFC 1191, 6.3). The number of destinations remembered is bounded; the oldest is forgotten first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER
from hythe.wire import ipv6

#: The least that is believed. IPv4: Linux ip_rt_min_pmtu; IPv6: RFC 8201, 4.
FLOOR4: Final = 552
FLOOR6: Final = ipv6.MTU_MIN
#: What links commonly carry, for routers that do not tell (RFC 1191, 7.1).
PLATEAUS: Final = (65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006)
LIMIT: Final = 4_096


class PathMtus:
    """`changed(destination)` is called when what is known of a destination has changed, also when it has expired."""

    __slots__ = ("_changed", "_expires", "_known", "_timers", "deadline", "filed")

    def __init__(self, expires: int, timers: TimerQueue, changed: Callable[[bytes], None]) -> None:
        self._expires = expires
        self._timers = timers
        self._changed = changed
        #: Destination -> (MTU, expires at), in order of expiry since all last equally long.
        self._known: dict[bytes, tuple[int, int]] = {}
        self.deadline = NEVER
        self.filed = NEVER

    def __len__(self) -> int:
        return len(self._known)

    def get(self, destination: bytes, link_mtu: int) -> int:
        """The longest packet, in bytes, for a destination behind a link of `link_mtu`."""
        if not self._known:
            return link_mtu
        known = self._known.get(destination)
        return min(known[0], link_mtu) if known is not None else link_mtu

    def learn(self, destination: bytes, told: int, link_mtu: int, now: int) -> bool:
        """A router says that `told` bytes (0: it does not say) is the most for `destination`. True if that was news."""
        current = self.get(destination, link_mtu)
        if told == 0:
            told = next((plateau for plateau in PLATEAUS if plateau < current), FLOOR4)
        mtu = max(told, FLOOR4 if len(destination) == 4 else FLOOR6)
        if mtu >= current:
            return False
        self._known.pop(destination, None)
        if len(self._known) >= LIMIT:
            self._forget(next(iter(self._known)))
        self._known[destination] = (mtu, now + self._expires)
        self._changed(destination)
        self._arm()
        return True

    def fire(self, now: int) -> None:
        """Forget what has been believed long enough."""
        for destination in [each for each, (_, expires) in self._known.items() if expires <= now]:
            self._forget(destination)
        self.deadline = NEVER
        self._arm()

    def _forget(self, destination: bytes) -> None:
        del self._known[destination]
        self._changed(destination)

    def _arm(self) -> None:
        self.deadline = next(iter(self._known.values()))[1] if self._known else NEVER
        self._timers.file(self)

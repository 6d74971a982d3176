"""What one client or one user may have: connections, connections begun, bits a second, bytes in an hour.

Who is over a limit of connections is refused at once; who is over the rate is read more slowly (`Tally.pace`), which its
peer feels as back-pressure; who has used up the bytes of an hour is reset. Rates are those of a virtual clock that runs
ahead by what each byte costs (GCRA): no bucket is filled by a timer.
"""

from __future__ import annotations

import errno
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from hythe.proxy.config import LimitConfig
from hythe.units import MILLISECOND, SECOND

_MINUTE: Final = 60 * SECOND
_HOUR: Final = 3_600 * SECOND
#: By how much transfers may be ahead of their rate.
_BURST: Final = 100 * MILLISECOND
#: Those remembered; who has no connection and came longest ago is forgotten first.
_KNOWN_MAX: Final = 20_000


class Limits:
    """`what`: of whom, in messages. `clock`: nanoseconds."""

    def __init__(self, config: LimitConfig, what: str, clock: Callable[[], int]) -> None:
        self.config = config
        self._what = what
        self._clock = clock
        self._known: OrderedDict[str, Share] = OrderedDict()

    def begin(self, who: str) -> Share | None:
        """One connection more, to be given back by `Share.end`. OSError (EDQUOT) where it is one too many."""
        config = self.config
        if not (config.connections or config.opens or config.rate or config.bytes):
            return None
        share = self._known.get(who)
        if share is None:
            share = self._known[who] = Share(config, self._clock)
            self._forget()
        self._known.move_to_end(who)
        if config.connections and share.connections >= config.connections:
            raise self._over(f"has {config.connections} connections already")
        if config.bytes and share.used_up():
            raise self._over("has used up its bytes of this hour")
        if config.opens and not share.may_open():
            raise self._over(f"has begun {config.opens} connections within a minute")
        share.connections += 1
        return share

    def changed(self, config: LimitConfig) -> Limits:
        """Others from now on; where they are the same, what everybody has used stays counted."""
        return self if config == self.config else Limits(config, self._what, self._clock)

    def _over(self, words: str) -> OSError:
        return OSError(errno.EDQUOT, f"{self._what} {words}")

    def _forget(self) -> None:
        if len(self._known) > _KNOWN_MAX:
            idle = next((who for who, share in self._known.items() if not share.connections), None)
            if idle is not None:
                del self._known[idle]


class Share:
    """What one has of it. `connections`: at the moment."""

    __slots__ = ("_ahead", "_bytes", "_clock", "_config", "_hour", "_opens", "connections")

    def __init__(self, config: LimitConfig, clock: Callable[[], int]) -> None:
        self._config = config
        self._clock = clock
        self.connections = 0
        self._opens = 0  # until when the connections begun are paid for
        self._ahead = 0  # and the bytes
        self._hour = clock()
        self._bytes = 0

    def may_open(self) -> bool:
        """Take one of a minute's."""
        now, cost = self._clock(), _MINUTE // self._config.opens
        begun = max(self._opens, now)
        if begun + cost - now > _MINUTE:
            return False
        self._opens = begun + cost
        return True

    def used_up(self) -> bool:
        """Are the bytes of this hour gone?"""
        now = self._clock()
        if now - self._hour >= _HOUR:
            self._hour, self._bytes = now, 0
        return self._bytes >= self._config.bytes

    def pace(self, count: int) -> float:
        """As `hythe.via.base.Pace`."""
        if self._config.bytes:
            if self.used_up():
                raise OSError(errno.EDQUOT, "the bytes of this hour are used up")
            self._bytes += count
        if not self._config.rate:
            return 0.0
        now = self._clock()
        self._ahead = max(self._ahead, now) + count * 8 * SECOND // self._config.rate
        return max(0, self._ahead - now - _BURST) / SECOND

    @property
    def paces(self) -> bool:
        """Has it to be told of bytes?"""
        return bool(self._config.rate or self._config.bytes)

    def end(self) -> None:
        """One connection less."""
        self.connections -= 1


def client_key(host: str) -> str:
    """Whom an address belongs to: of IPv6 the /64, since one machine has all of it."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))

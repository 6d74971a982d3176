"""What one client or one user may have: connections, connections begun, bits a second, bytes in an hour.

Who is over a limit of connections is refused at once; who is over the rate is read more slowly (`Tally.pace`), which its
peer feels as back-pressure; who has used up the bytes of an hour is reset. Rates are those of a virtual clock that runs
ahead by what each byte costs (GCRA): no bucket is filled by a timer. All workers of a proxy count together (`ledger`).
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Callable
from typing import Final

from hythe.proxy.config import LimitConfig
from hythe.proxy.ledger import AHEAD, CONNECTIONS, HOUR, OPENS, VOLUME, Account, Ledger
from hythe.units import MILLISECOND, SECOND

_MINUTE: Final = 60 * SECOND
_HOUR: Final = 3_600 * SECOND
#: By how much transfers may be ahead of their rate.
_BURST: Final = 100 * MILLISECOND


class Limits:
    """`what`: of whom, in messages. `clock`: nanoseconds. `ledger`: which remembers what everybody has had."""

    def __init__(self, config: LimitConfig, what: str, clock: Callable[[], int], ledger: Ledger | None = None) -> None:
        self.config = config
        self._what = what
        self._clock = clock
        self._ledger = ledger or Ledger()

    def begin(self, who: str) -> Share | None:
        """One connection more, to be given back by `Share.end`. OSError (EDQUOT) where it is one too many."""
        config = self.config
        if not (config.connections or config.opens or config.rate or config.bytes):
            return None
        now = self._clock()
        with self._ledger.account(f"{self._what}\0{who}", now) as account:
            if account is None:
                raise self._over("comes with too many others")
            cells = account.cells
            if config.connections and cells[CONNECTIONS] >= config.connections:
                raise self._over(f"has {config.connections} connections already")
            if config.bytes and _used_up(cells, config, now):
                raise self._over("has used up its bytes of this hour")
            if config.opens and not _may_open(cells, config, now):
                raise self._over(f"has begun {config.opens} connections within a minute")
            cells[CONNECTIONS] += 1
        return Share(config, self._clock, account)

    def changed(self, config: LimitConfig) -> Limits:
        """Others from now on; what everybody has used stays counted."""
        return self if config == self.config else Limits(config, self._what, self._clock, self._ledger)

    def _over(self, words: str) -> OSError:
        return OSError(errno.EDQUOT, f"{self._what} {words}")


class Share:
    """What one has of it: a connection, which goes on."""

    __slots__ = ("_account", "_clock", "_config")

    def __init__(self, config: LimitConfig, clock: Callable[[], int], account: Account) -> None:
        self._config = config
        self._clock = clock
        self._account = account

    def pace(self, count: int) -> float:
        """As `hythe.via.base.Pace`."""
        config, now = self._config, self._clock()
        with self._account as cells:
            if config.bytes:
                if _used_up(cells, config, now):
                    raise OSError(errno.EDQUOT, "the bytes of this hour are used up")
                cells[VOLUME] += count
            if not config.rate:
                return 0.0
            cells[AHEAD] = max(cells[AHEAD], now) + count * 8 * SECOND // config.rate
            return max(0, cells[AHEAD] - now - _BURST) / SECOND

    @property
    def paces(self) -> bool:
        """Has it to be told of bytes?"""
        return bool(self._config.rate or self._config.bytes)

    def end(self) -> None:
        """One connection less."""
        with self._account as cells:
            cells[CONNECTIONS] -= 1


def _may_open(cells: memoryview[int], config: LimitConfig, now: int) -> bool:
    """Take one of a minute's: OPENS is until when those begun are paid for."""
    cost = _MINUTE // config.opens
    begun = max(cells[OPENS], now)
    if begun + cost - now > _MINUTE:
        return False
    cells[OPENS] = begun + cost
    return True


def _used_up(cells: memoryview[int], config: LimitConfig, now: int) -> bool:
    """Are the bytes of the hour that began at HOUR gone?"""
    if now - cells[HOUR] >= _HOUR:
        cells[HOUR], cells[VOLUME] = now, 0
    return cells[VOLUME] >= config.bytes


def client_key(host: str) -> str:
    """Whom an address belongs to: of IPv6 the /64, since one machine has all of it."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))

"""Who may go where: the rules, and what no client of a proxy ever reaches unless a rule names it.

Closed are this machine's loopback in any spelling, link-local addresses, the addresses by which clouds tell machines about
themselves, multicast, broadcast, and the proxy's own ports. A rule names a closed address by a network that lies within what
is closed (``127.0.0.1``, ``169.254.169.254``), or ``localhost`` by that name; ``*`` and ``0.0.0.0/0`` name nothing.
The proxy's own ports stay closed in any case: what leads there would come back for ever.

Decisions are made about an address that has been looked up, and the connection goes to that address (`hythe.via.direct`),
so a name that means something else the next moment gains nothing. Where a way looks names up at its far end, only the name
is known here.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from hythe.proxy.config import RuleConfig
from hythe.proxy.kinds import Network
from hythe.via.patterns import Pattern, endpoint, normal
from hythe.wire.embedded import embedded

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: RFC 6890 for this network, loopback and link-local; RFC 5771, RFC 4291; and where clouds tell a machine who it is: AWS by
#: IPv6, Google by IPv6, Alibaba, Azure, Oracle (by IPv4 most are link-local).
_CLOSED: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
            *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
            *("::/128", "::1/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128"),
        ),
    )
)
#: The same as numbers: network and mask.
_CLOSED_4: Final = tuple((int(each[0]), int(each.netmask)) for each in _CLOSED if each.version == 4)
_CLOSED_6: Final = tuple((int(each[0]), int(each.netmask)) for each in _CLOSED if each.version == 6)
#: Decisions that are remembered.
_REMEMBERED: Final = 4_096
#: Names that mean loopback wherever they are looked up (RFC 6761, 6.3, and what /etc/hosts has).
_LOCAL: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


class _Decision(NamedTuple):
    """What the rules say. `addresses`: that are sought, as text; `closed`: without a rule that names them."""

    refused: bool
    addresses: tuple[str, ...]
    closed: bool


class Access:
    """`rules` in their order; `ours`: is this one of the proxy's own ports?

    What has been decided is remembered, for it takes a tenth of what a short connection does, unless it depends on the time.
    """

    def __init__(self, rules: Sequence[RuleConfig], ours: Callable[[str, int], bool]) -> None:
        self._rules = [_Rule(each) for each in rules]
        self._ours = ours
        timed = any(each.hours is not None or each.days is not None for each in rules)
        self._decided = self._decide if timed else lru_cache(_REMEMBERED)(self._decide)

    def permit(self, client: str, user: str, host: str, address: str, port: int, *, mapped: bool = False) -> None:
        """May it go there? OSError (EACCES) with the reason if not.

        `host`: as the client said; `address`: what that is, or empty where nobody here knows. Of a mapped port the
        administrator has chosen where it leads, so nothing is closed.
        """
        if mapped and not self._rules:
            return
        refused, addresses, closed = self._decided(client, user, host, address, port)
        if refused:
            who, where = user or client, endpoint(host, port)
            raise PermissionError(errno.EACCES, f"the rules of this proxy do not let {who} go to {where}")
        if mapped:
            return
        if any(self._ours(each, port) for each in addresses):
            raise PermissionError(errno.EACCES, f"{endpoint(host, port)} is a port of this proxy itself")
        if closed:
            raise PermissionError(errno.EACCES, f"{endpoint(host, port)} is an address that only a rule naming it opens")

    def _decide(self, client: str, user: str, host: str, address: str, port: int) -> _Decision:
        sought = [normal(host)]
        if address and address != host and normal(address) != sought[0]:
            sought.append(normal(address))
        rule = self._first(client, user, sought, port)
        return _Decision(
            bool(self._rules) and (rule is None or rule.config.action == "refuse"),
            tuple(str(each) for each in sought if not isinstance(each, str)),
            any(map(is_closed, sought)) and (rule is None or not rule.names(sought, port)),
        )

    def knows(self, name: str) -> bool:
        """May anybody go to `name` at any port now, for all that its name alone tells?"""
        if not self._rules:
            return True
        sought = normal(name)
        for rule in self._rules:
            config = rule.config
            if not _is_time(config):
                continue
            meant = [each for each in rule.patterns if each.covers(sought)]
            if config.action == "allow" and (meant or rule.may_be_addresses()):
                return True
            everybody = not (config.clients or config.users)
            if config.action == "refuse" and everybody and (not config.to or any(each.ports is None for each in meant)):
                return False
        return False

    def _first(self, client: str, user: str, sought: Sequence[str | Address], port: int) -> _Rule | None:
        if not self._rules:
            return None
        source = normal(client)
        return next((each for each in self._rules if each.matches(source, user, sought, port)), None)


def is_closed(host: str | Address) -> bool:
    """Is it what no client reaches unless a rule names it?"""
    if isinstance(host, str):
        return host in _LOCAL or host.endswith(".localhost")
    number = int(host)
    if any(number & mask == network for network, mask in (_CLOSED_4 if host.version == 4 else _CLOSED_6)):
        return True
    carried = embedded(host.packed) if isinstance(host, ipaddress.IPv6Address) else None
    return carried is not None and is_closed(ipaddress.IPv4Address(carried))


def canonical(host: str) -> str:
    """A destination as it is meant: what the C library would read as an address is that (``127.1``, ``0x7f000001``)."""
    host = host.strip("[]").partition("%")[0]
    if host[:1].isdigit() and ":" not in host:
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            return host
    return host


class _Rule:
    """A rule, and what of it does not depend on who asks: its `patterns`, and those that mean what is closed."""

    __slots__ = ("_closed", "config", "patterns")

    def __init__(self, config: RuleConfig) -> None:
        self.config = config
        self.patterns = tuple(each for several in config.to for each in several)
        self._closed = tuple(each for each in self.patterns if _means_closed(each))

    def matches(self, client: str | Address, user: str, sought: Iterable[str | Address], port: int) -> bool:
        """Is this one about it?"""
        config = self.config
        if config.clients and not any(not isinstance(client, str) and client in each for each in config.clients):
            return False
        if config.users and user not in config.users:
            return False
        if not _is_time(config):
            return False
        return not self.patterns or any(each.matches(host, port) for each in self.patterns for host in sought)

    def may_be_addresses(self) -> bool:
        """Could it be a name's addresses that it is about?"""
        return not self.patterns or any(isinstance(each.hosts, Network) for each in self.patterns)

    def names(self, sought: Sequence[str | Address], port: int) -> bool:
        """Does it mean closed addresses, and these?"""
        for each in self._closed:
            if isinstance(each.hosts, Network):
                if all(isinstance(host, str) or each.matches(host, port) for host in sought):
                    return True
            elif any(each.text.partition(":")[0] == host for host in sought):
                if each.matches(next(host for host in sought if isinstance(host, str)), port):
                    return True
        return False


def _is_time(config: RuleConfig) -> bool:
    if config.hours is None and config.days is None:
        return True
    now = datetime.now()
    return (config.hours is None or config.hours.has(now.time())) and (config.days is None or now.weekday() in config.days)


def _means_closed(pattern: Pattern) -> bool:
    if isinstance(pattern.hosts, Network):
        return any(_inside(pattern.hosts, closed) for closed in _CLOSED)
    return pattern.hosts is not None and pattern.text.partition(":")[0] in _LOCAL


def _inside(network: Network, closed: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(closed, ipaddress.IPv4Network) and network.subnet_of(closed)
    return isinstance(closed, ipaddress.IPv6Network) and network.subnet_of(closed)

"""From text to ways: each hop's maker is imported when a hop of its kind is made.

A maker is called with its `Hop` and the way before it, through which it opens its own connections; the first of a chain
stands on the direct way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hythe.via.base import Way
from hythe.via.direct import Direct
from hythe.via.spec import Hop, Route


def make(route: Route) -> Way:
    """The way of a route's chain, whatever it is for. Nothing is opened yet. UsageError, MachineError."""
    return make_each(route)[-1]


def make_each(route: Route) -> list[Way]:
    """The same with what it stands on, the direct way first."""
    ways: list[Way] = [Direct()]
    for hop in route.hops:
        ways.append(make_hop(hop, ways[-1]))
    return ways


def make_all(routes: Sequence[Route], chain: Callable[[Route], Way] = make) -> Way:
    """The way that several ``--via`` mean: rules, unless there is but one, for everything. `chain` makes each."""
    if len(routes) == 1 and not routes[0].patterns:
        return chain(routes[0])
    from hythe.via.rules import Rules

    return Rules([(route.patterns, chain(route)) for route in routes])


def make_hop(hop: Hop, before: Way, *, asks: bool = True) -> Way:
    """One way, reached through `before`. `asks`: may a person be asked (an unknown host key, a passphrase)?"""
    match hop.scheme:
        case "direct":
            return before
        case "socks5" | "socks5h" | "socks4a":
            from hythe.via.socks import Socks

            return Socks(hop, before)
        case "http" | "https":
            from hythe.via.http import HttpProxy

            return HttpProxy(hop, before)
        case "ssh":
            from hythe.tunnel.ssh.client import Target
            from hythe.via.ssh import Ssh

            return Ssh(Target(hop.host, hop.port, hop.user, asks=asks), before)
        case "wg":
            from hythe.via.wireguard import Wireguard

            return Wireguard(hop, before)
        case unknown:
            raise AssertionError(unknown)

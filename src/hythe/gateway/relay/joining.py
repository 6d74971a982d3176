"""Puts together a gateway and a tunnel: the relay between them, who asks for names, and what ways out are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hythe.config import RelayConfig
from hythe.gateway.egress.closed import Closed
from hythe.gateway.egress.direct import Direct
from hythe.gateway.names.resolvers import Resolver, Resolvers
from hythe.gateway.relay.match import Match
from hythe.gateway.relay.names import Asker, SplitResolvers
from hythe.gateway.relay.relay import Ends, Relay
from hythe.host.interfaces import Prefix

if TYPE_CHECKING:
    from hythe.gateway.gateway import Gateway
    from hythe.gateway.layout import Layout
    from hythe.gateway.options import RunOptions
    from hythe.gateway.relay.plan import TunnelPlan
    from hythe.gateway.relay.tunnel import Tunnel


class Joined(NamedTuple):
    """What the gateway has of it."""

    relay: Relay
    asker: Asker | None
    resolvers: Resolvers
    egress: Direct


def join(gateway: Gateway, plan: TunnelPlan, tunnel: Tunnel, layout: Layout, options: RunOptions) -> Joined:
    """The relay reads the tunnel from now on; the gateway gives it what the command sends."""
    families = layout.families
    sizes = {len(family.gateway) for family in families}
    addresses = [address for address, _ in plan.addresses if len(address) in sizes]
    own = [] if plan.whole else [each.command for each in families if any(len(a) == len(each.command) for a in addresses)]
    relay = Relay(
        gateway.host,
        gateway.interface,
        tunnel,
        Ends(addresses, own),
        Match(plan.patterns, [Prefix(family.gateway, family.prefix) for family in families], plan.excepted),
        gateway.session,
        RelayConfig(),
        gateway.host.receive,
    )
    gateway.driver.add_link(relay.tunnel, relay.receive_down)
    if tunnel.speak is not None:
        tunnel.speak(gateway.driver, gateway.session)
    servers = options.dns if options.dns is not None and plan.whole else plan.servers
    asker = None
    if servers:
        asker = Asker(relay, gateway.driver, addresses, servers)
    elif plan.whole and options.dns is None:
        gateway.session.notice(
            f"names cannot be looked up: {plan.text} has no DNS = line: add one, or name a resolver with --dns ADDR"
        )
    if plan.whole:
        make = asker.resolver if asker is not None else Resolver
        resolvers = Resolvers(servers, gateway.session.notice, make, f"the tunnel of {plan.text}")
    else:
        far = [asker.resolver(each) for each in servers] if asker is not None else []
        resolvers = SplitResolvers(options.dns, gateway.session.notice, relay.match, far)
    egress = Closed(loopback=options.host_loopback) if plan.whole else Direct()
    return Joined(relay, asker, resolvers, egress)

"""Which of the ways of ``--via`` carries packets, and which carry streams."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hythe.errors import UsageError
from hythe.gateway.relay.plan import TunnelPlan
from hythe.via.spec import Route


def tunnel_of(routes: Sequence[Route]) -> tuple[TunnelPlan | None, Sequence[Route]]:
    """The tunnel among them, and the others. Raises `UsageError` for what does not go together, `MachineError`."""
    tunnels = [each for each in routes if len(each.hops) == 1 and each.hops[0].scheme == "wg"]
    if not tunnels:
        return None, routes
    tunnel = tunnels[0]
    if len(tunnels) > 1:
        raise UsageError(
            f"--via {tunnels[1]}: there is a tunnel already, {tunnel}, and a command's packets have one at most"
        )
    before, others = routes[: routes.index(tunnel)], [each for each in routes if each is not tunnel]
    streams = [each for each in others if not each.direct]
    named = [each.text for each in tunnel.patterns if isinstance(each.hosts, re.Pattern)]
    if streams and (named or not tunnel.patterns):
        what = f"what {named[0]} leads to" if named else "everything else"
        raise UsageError(
            f"--via {streams[0]} carries streams and {tunnel.chain} packets, so they go together by networks alone: "
            f"{what} cannot be told apart there; write networks behind 'for'"
        )
    from hythe.gateway.relay.wireguard import plan

    excepted = [pattern for route in before for pattern in route.patterns]
    return plan(tunnel.hops[0].path, tunnel.patterns, excepted), others if streams else ()

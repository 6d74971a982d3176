"""What `hythe run` was asked for, checked. A plain class: it is made before the first fork, and every import counts."""

from __future__ import annotations

from hythe.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from hythe.gateway.faults import Faults
    from hythe.gateway.publish.publications import Publication
    from hythe.gateway.relay.plan import TunnelPlan
    from hythe.gateway.ways.policy import PolicyPlan
    from hythe.via.spec import Route
    from hythe.wire.resolvconf import Server

#: MTU of the command's network: what is quickest, and with faults that of the networks one has such faults on.
MTU = 65_520
MTU_FAULTY = 1_500


class RunOptions:
    """`argv`: the command. `families`: 4, 6 or both. Sizes in bytes.

    `dns`: the resolvers to ask, an empty list for none; None asks whom this machine asks. `publish`: ports of the command
    that outside clients reach. `faults`: of the wire between the command and the gateway; None for none. `name`: of the
    session; None for one made of the command's. `capture`: the file; `keylog`: with the secrets of the command's TLS.
    `moments`: what happens to each connection, and when, is noted. `tunnel`: what goes through one, and which. `routes`:
    ways of streams, for everything or some of it. `policy`: what decides about each connection, and makes the ways of
    `routes`. `peer_to_peer`: peers of a gateway reach each other.
    Raises `UsageError` for an MTU that the tunnel does not have.
    """

    __slots__ = (
        "argv",
        "capture",
        "dns",
        "families",
        "faults",
        "host_loopback",
        "keylog",
        "moments",
        "mtu",
        "name",
        "peer_to_peer",
        "policy",
        "publish",
        "routes",
        "tunnel",
        "wait",
    )

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        mtu: int | None = None,
        families: frozenset[int] = frozenset({4, 6}),
        host_loopback: bool = False,
        dns: list[Server] | None = None,
        publish: list[Publication] | None = None,
        capture: str | None = None,
        keylog: bool = False,
        moments: bool = False,
        wait: bool = False,
        faults: Faults | None = None,
        name: str | None = None,
        tunnel: TunnelPlan | None = None,
        routes: Sequence[Route] = (),
        policy: PolicyPlan | None = None,
        peer_to_peer: bool = False,
    ) -> None:
        self.argv = argv
        if tunnel is not None and tunnel.whole:
            if mtu is not None and mtu > tunnel.mtu:
                raise UsageError(f"--mtu {mtu} is more than {tunnel.text} carries: write {tunnel.mtu} or less")
            mtu = mtu or tunnel.mtu
        self.mtu = mtu if mtu is not None else MTU if faults is None else MTU_FAULTY
        self.tunnel = tunnel
        self.routes = tuple(routes)
        self.policy = policy
        self.peer_to_peer = peer_to_peer
        self.families = families
        self.host_loopback = host_loopback
        self.dns = dns
        self.publish = publish or []
        self.capture = capture
        self.keylog = keylog
        self.moments = moments
        self.wait = wait
        self.faults = faults
        self.name = name

    @property
    def distant(self) -> bool:
        """Is the far end of the command's connections more than a system call away?"""
        return self.faults is not None or (self.tunnel is not None and self.tunnel.whole)

    @property
    def hasty(self) -> bool:
        """Can nothing fail any more once its network is there, so that the command may start beside our imports?"""
        return not self.publish and self.tunnel is None and not self.routes and self.policy is None

    @property
    def led(self) -> bool:
        """Does nothing go directly, by any rule?"""
        rules = bool(self.routes) and (bool(self.routes[-1].patterns) or any(each.direct for each in self.routes))
        return bool(self.routes) and not rules

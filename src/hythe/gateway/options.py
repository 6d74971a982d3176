"""What `hythe run` was asked for, checked. A plain class: it is made before the first fork, and every import counts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hythe.gateway.names.resolvconf import Server
    from hythe.gateway.publish.publications import Publication


class RunOptions:
    """`argv`: the command. `families`: 4, 6 or both. Sizes in bytes.

    `dns`: the resolvers to ask, an empty list for none; None asks whom this machine asks. `publish`: ports of the command
    that outside clients reach.
    """

    __slots__ = (
        "argv",
        "capture",
        "dns",
        "families",
        "host_loopback",
        "mtu",
        "publish",
        "quiet",
        "summary",
        "verbose",
        "wait",
    )

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        mtu: int = 65_520,
        families: frozenset[int] = frozenset({4, 6}),
        host_loopback: bool = False,
        dns: list[Server] | None = None,
        publish: list[Publication] | None = None,
        capture: str | None = None,
        summary: str | None = None,
        verbose: bool = False,
        quiet: bool = False,
        wait: bool = False,
    ) -> None:
        self.argv = argv
        self.mtu = mtu
        self.families = families
        self.host_loopback = host_loopback
        self.dns = dns
        self.publish = publish or []
        self.capture = capture
        self.summary = summary
        self.verbose = verbose
        self.quiet = quiet
        self.wait = wait

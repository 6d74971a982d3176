"""What `hythe run` was asked for, checked. A plain class: it is made before the first fork, and every import counts."""

from __future__ import annotations


class RunOptions:
    """`argv`: the command. `families`: 4, 6 or both. Sizes in bytes."""

    __slots__ = ("argv", "capture", "dns", "families", "host_loopback", "mtu", "publish", "quiet", "summary", "verbose",
                 "wait")

    def __init__(self, argv: tuple[str, ...], *, mtu: int = 65_520, families: frozenset[int] = frozenset({4, 6}),
                 host_loopback: bool = False, dns: str | None = None, publish: tuple[str, ...] = (),
                 capture: str | None = None, summary: str | None = None, verbose: bool = False, quiet: bool = False,
                 wait: bool = False) -> None:
        self.argv = argv
        self.mtu = mtu
        self.families = families
        self.host_loopback = host_loopback
        self.dns = dns
        self.publish = publish
        self.capture = capture
        self.summary = summary
        self.verbose = verbose
        self.quiet = quiet
        self.wait = wait

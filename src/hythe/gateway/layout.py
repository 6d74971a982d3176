"""The addresses of one run: a network the machine does not use, and who is who in it.

In each family: the command's own address, the gateway (default route, DNS, answers to ping) and the address that stands
for this machine (`host.hythe.internal`).
"""

from __future__ import annotations

from hythe.errors import UsageError
from hythe.gateway.namespace import Addressing, machine_networks, pick_prefix6, pick_subnet4
from hythe.gateway.options import RunOptions

_GATEWAY = 1
_HOST = 2
_COMMAND = 100


class Family:
    """One family's addresses, packed; `prefix` is the length of the network part in bits.

    `elsewhere`: the command's addresses with their prefixes where they are of another network, a tunnel's. `distant`: what
    the command sends to addresses outside need not come to the gateway, so outside clients must be seen as the gateway.
    """

    __slots__ = ("command", "distant", "elsewhere", "gateway", "host", "prefix")

    def __init__(
        self, network: bytes, prefix: int, elsewhere: list[tuple[bytes, int]] | None = None, *, distant: bool = False
    ) -> None:
        base = network[:-1]
        self.prefix = prefix
        self.gateway = base + bytes((_GATEWAY,))
        self.host = base + bytes((_HOST,))
        self.elsewhere = elsewhere or []
        self.command = self.elsewhere[0][0] if elsewhere else base + bytes((_COMMAND,))
        self.distant = distant

    @property
    def addressing(self) -> Addressing:
        """What the namespace needs to know of it."""
        return Addressing(self.command, self.prefix, self.gateway, self.elsewhere)


class Layout:
    """`ipv4`, `ipv6`: the families in use, else None. Raises `UsageError` where a tunnel has none of those asked for."""

    __slots__ = ("ipv4", "ipv6")

    #: Is the link to the command a real network?
    remote = False
    #: Networks beside the families' own that lead nowhere outside, packed, each with the length of its prefix.
    others: tuple[tuple[bytes, int], ...] = ()

    ipv4: Family | None
    ipv6: Family | None

    def __init__(self, options: RunOptions) -> None:
        networks = machine_networks()
        families, tunnel = options.families, options.tunnel
        given: list[tuple[bytes, int]] = []
        if tunnel is not None:
            networks += tunnel.addresses + tunnel.carries
            if tunnel.whole:
                given, families = tunnel.addresses, families & tunnel.families
                if not families:
                    asked = "IPv4 (-4)" if options.families == {4} else "IPv6 (-6)"
                    raise UsageError(f"{tunnel.text} has no address for {asked}: leave the option out, or give it one")
        theirs = {size: [each for each in given if len(each[0]) == size] for size in (4, 16)}
        distant = tunnel is not None
        self.ipv4 = Family(*pick_subnet4(networks), theirs[4], distant=distant) if 4 in families else None
        self.ipv6 = Family(*pick_prefix6(networks), theirs[16], distant=distant) if 6 in families else None

    @property
    def families(self) -> list[Family]:
        """Those in use, IPv4 first."""
        return [family for family in (self.ipv4, self.ipv6) if family is not None]

    @property
    def hosts(self) -> list[tuple[bytes, str]]:
        """Addresses here that have a name which nobody looks up."""
        return [(each.gateway, "gateway.hythe.internal") for each in self.families]

    @property
    def commands(self) -> list[bytes]:
        """The addresses that packets of the command bear."""
        return [family.command for family in self.families]

    def seen_from(self, peer: str | None) -> list[Family]:
        """The families as a client of a published port meets them: `command` is who it is for. Raises `UsageError`."""
        if peer is not None:
            raise UsageError(f"there is nobody here but the command: leave @{peer} out of -p")
        return self.families

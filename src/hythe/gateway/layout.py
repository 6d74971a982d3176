"""The addresses of one run: a network the machine does not use, and who is who in it.

In each family: the command's own address, the gateway (default route, DNS, answers to ping) and the address that stands
for this machine (`host.hythe.internal`).
"""

from __future__ import annotations

from hythe.gateway.namespace import Addressing, machine_networks, pick_prefix6, pick_subnet4
from hythe.gateway.options import RunOptions

_GATEWAY = 1
_HOST = 2
_COMMAND = 100


class Family:
    """One family's addresses, packed; `prefix` is the length of the network part in bits."""

    __slots__ = ("command", "gateway", "host", "prefix")

    def __init__(self, network: bytes, prefix: int) -> None:
        base = network[:-1]
        self.prefix = prefix
        self.gateway = base + bytes((_GATEWAY,))
        self.host = base + bytes((_HOST,))
        self.command = base + bytes((_COMMAND,))

    @property
    def addressing(self) -> Addressing:
        """What the namespace needs to know of it."""
        return Addressing(self.command, self.prefix, self.gateway)


class Layout:
    """`ipv4`, `ipv6`: the families in use, else None."""

    __slots__ = ("ipv4", "ipv6")

    def __init__(self, options: RunOptions) -> None:
        networks = machine_networks()
        self.ipv4 = Family(*pick_subnet4(networks)) if 4 in options.families else None
        self.ipv6 = Family(*pick_prefix6(networks)) if 6 in options.families else None

    @property
    def families(self) -> list[Family]:
        """Those in use, IPv4 first."""
        return [family for family in (self.ipv4, self.ipv6) if family is not None]

    @property
    def hosts(self) -> list[tuple[bytes, str]]:
        """Addresses here that have a name which nobody looks up."""
        return [(each.gateway, "gateway.hythe.internal") for each in self.families]

"""A tunnel that the command's packets go through, as it is decided before the first fork. A plain class: imports count."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hythe.gateway.relay.tunnel import Tunnel
    from hythe.via.patterns import Pattern
    from hythe.wire.resolvconf import Server

    #: An address or network, packed, and the length of its network part.
    Network = tuple[bytes, int]


class TunnelPlan:
    """`addresses`: ours in the tunnel, with the networks around them. `mtu`: of its packets, in bytes.

    `servers`: whom its network asks for names, `search`: its domains. `patterns`: what goes through the tunnel, none of them
    for everything; `excepted`: what goes another way before. `carries`: the networks that it leads to. `text`: as it was
    written, for messages. `begin` opens it, in the parent's network, with the loop running; it raises `MachineError`.
    """

    __slots__ = ("addresses", "begin", "carries", "excepted", "mtu", "patterns", "search", "servers", "text")

    def __init__(
        self,
        text: str,
        begin: Callable[[], Tunnel],
        *,
        addresses: Sequence[Network],
        mtu: int,
        carries: Sequence[Network] = (),
        servers: Sequence[Server] = (),
        search: Sequence[str] = (),
        patterns: Sequence[Pattern] = (),
        excepted: Sequence[Pattern] = (),
    ) -> None:
        self.text = text
        self.begin = begin
        self.addresses = list(addresses)
        self.mtu = mtu
        self.carries = list(carries)
        self.servers = list(servers)
        self.search = list(search)
        self.patterns = patterns
        self.excepted = excepted

    @property
    def whole(self) -> bool:
        """Does everything go through it?"""
        return not self.patterns and not self.excepted

    @property
    def families(self) -> frozenset[int]:
        """4, 6 or both: those that it has addresses of."""
        return frozenset(4 if len(address) == 4 else 6 for address, _ in self.addresses)

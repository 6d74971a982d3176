"""Addresses that stand for names.

IPv4's are of 198.18.0.0/15, which is set aside for measurements between two test machines (RFC 2544, appendix C.2.2), so
nobody is there; IPv6's, where the command has no other, of the network inside. A name keeps its address until there are as
many names as addresses; then the one that was asked for the longest time ago gives its own away.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from hythe.host.interfaces import Prefix

NETWORK4: Final = Prefix(bytes((198, 18, 0, 0)), 15)
#: Within the 64 bits of an IPv6 network's interfaces: the gateway and the command have small numbers.
_MARK: Final = bytes((0x5A, 0x5A, 0, 0, 0, 0, 0, 0))
#: Their number: all of IPv4's network but its ends.
LIMIT: Final = (1 << 17) - 2


def network6(inside: bytes) -> Prefix:
    """The part for stand-ins of the network inside, `inside` being an address of it."""
    return Prefix(inside[:8] + _MARK, 96)


class StandIns:
    """`network`: they are of it, all of one family: a program that tries both would connect twice."""

    __slots__ = ("_base", "_limit", "_names", "_numbers", "network")

    def __init__(self, network: Prefix, limit: int = LIMIT) -> None:
        self.network = network
        self._base = int.from_bytes(network.address, "big")
        self._limit = limit
        self._numbers: OrderedDict[str, int] = OrderedDict()  # what was asked for the longest time ago first
        self._names: dict[int, str] = {}

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if len(self.network.address) == 4 else 6

    def address(self, name: str) -> bytes:
        """What stands for `name` from now on."""
        number = self._numbers.get(name)
        if number is None:
            number = len(self._numbers) + 1
            if number > self._limit:
                _, number = self._numbers.popitem(last=False)
            self._numbers[name] = number
            self._names[number] = name
        self._numbers.move_to_end(name)
        return self._packed(number)

    def known(self, name: str) -> bytes | None:
        """What stands for `name`, if anything does."""
        number = self._numbers.get(name)
        return self._packed(number) if number is not None else None

    def name(self, address: bytes) -> str | None:
        """The name that `address`, one of the network, stands for."""
        return self._names.get(int.from_bytes(address, "big") - self._base)

    def _packed(self, number: int) -> bytes:
        return (self._base + number).to_bytes(len(self.network.address), "big")

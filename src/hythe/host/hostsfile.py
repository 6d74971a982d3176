"""hosts(5): names that need no server, forwards and backwards."""

from __future__ import annotations

import ipaddress
from typing import Final

PATH: Final = "/etc/hosts"
#: RFC 6761, 6.3: what is at or below `localhost` is this machine, whether the file says so or not; no server is asked.
LOCALHOST: Final = "localhost"
_LOOPBACK: Final = (bytes(15) + b"\1", b"\x7f\0\0\1")


class HostsFile:
    """`text`: the file. Lines that cannot be read mean nothing, as to every resolver."""

    __slots__ = ("_addresses", "_names")

    def __init__(self, text: str = "") -> None:
        self._addresses: dict[str, list[bytes]] = {}
        self._names: dict[bytes, list[str]] = {}
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if len(words) < 2:
                continue
            try:
                address = ipaddress.ip_address(words[0].partition("%")[0]).packed
            except ValueError:
                continue
            for name in words[1:]:
                known = self._addresses.setdefault(_plain(name), [])
                if address not in known:
                    known.append(address)
                names = self._names.setdefault(address, [])
                if name not in names:
                    names.append(name)

    def addresses(self, name: str) -> list[bytes]:
        """The addresses of a name, packed, in the order of the file; empty when it says nothing of it."""
        plain = _plain(name)
        found = self._addresses.get(plain)
        if found is None and (plain == LOCALHOST or plain.endswith("." + LOCALHOST)):
            return list(_LOOPBACK)
        return list(found or ())

    def says(self, name: str) -> bool:
        """Is the name in the file itself?"""
        return _plain(name) in self._addresses

    def names(self, address: bytes) -> list[str]:
        """The names of an address, its own one first, then aliases; empty when there are none."""
        return list(self._names.get(address, ()))


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")

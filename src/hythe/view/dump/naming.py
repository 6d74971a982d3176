"""Names for addresses, ports and protocols, looked up while packets are printed.

A name server that does not answer would hold everything up: a line waits only so long for a name, and after a few that did
not come in a row no line waits any more. An answer that comes later is shown from then on.
"""

from __future__ import annotations

import socket
from typing import Final

from hythe.view.dump.show import Naming, address_text
from hythe.view.names import PATIENCE, HostNames

#: How many times in a row a line waits in vain.
_FAILURES_MAX: Final = 3
_REMEMBERED_MAX: Final = 65_536
_PROTOCOLS: Final = "/etc/protocols"


class Names(Naming):
    """As this machine knows them: /etc/hosts and DNS, /etc/services, /etc/protocols. `short`: hosts without their domain."""

    __slots__ = ("_failures", "_found", "_hosts", "_late", "_patience", "_ports", "_protocols", "_short")

    def __init__(self, patience: float = PATIENCE, found: HostNames | None = None, *, short: bool = False) -> None:
        self._patience = patience
        self._short = short
        self._failures = 0
        self._found = found or HostNames()
        self._hosts: dict[bytes, str] = {}
        self._late: set[bytes] = set()
        self._ports: dict[tuple[int, str], str] = {}
        self._protocols: dict[int, str] | None = None

    def host(self, address: bytes) -> str:
        """A name, or the address as numbers."""
        return self._hosts.get(address) or self._find(address)

    def _find(self, address: bytes) -> str:
        text = address_text(address)
        waits = address not in self._late and self._failures < _FAILURES_MAX
        if not self._found.answered(address, self._patience if waits else 0.0):
            self._failures += waits
            self._late.add(address)
            return text
        self._failures = 0
        self._late.discard(address)
        if len(self._hosts) >= _REMEMBERED_MAX:
            self._hosts.clear()
        name = self._found.get(address)
        if name and self._short:
            name = name.partition(".")[0]
        self._hosts[address] = name or text
        return name or text

    def port(self, number: int, protocol: str) -> str:
        """A service, or the number."""
        key = number, protocol
        found = self._ports.get(key)
        if found is None:
            try:
                found = socket.getservbyport(number, protocol)
            except OSError:
                found = str(number)
            self._ports[key] = found
        return found

    def protocol(self, number: int) -> str:
        """As /etc/protocols has it."""
        if self._protocols is None:
            self._protocols = _read_protocols()
        return self._protocols.get(number, f"ip-proto-{number}")


def _read_protocols() -> dict[int, str]:
    found: dict[int, str] = {}
    try:
        with open(_PROTOCOLS, encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.partition("#")[0].split()
                if len(words) >= 2 and words[1].isdigit():
                    found.setdefault(int(words[1]), words[0])
    except OSError:
        return found
    return found

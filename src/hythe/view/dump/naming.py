"""Names for addresses, ports and protocols, looked up while packets are printed.

A name server that does not answer would hold everything up: each look-up has a time limit, and after a few that went past it
in a row there are no more.
"""

from __future__ import annotations

import socket
import threading
from typing import Final

from hythe.view.dump.show import Naming, address_text

#: Seconds that a line waits for a name; how many times in a row in vain.
PATIENCE: Final = 2.0
_FAILURES_MAX: Final = 3
_REMEMBERED_MAX: Final = 65_536
_PROTOCOLS: Final = "/etc/protocols"


class Names(Naming):
    """As this machine knows them: /etc/hosts and DNS, /etc/services, /etc/protocols."""

    __slots__ = ("_failures", "_hosts", "_patience", "_ports", "_protocols")

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._failures = 0
        self._hosts: dict[bytes, str] = {}
        self._ports: dict[tuple[int, str], str] = {}
        self._protocols: dict[int, str] | None = None

    def host(self, address: bytes) -> str:
        """A name, or the address as numbers."""
        found = self._hosts.get(address)
        if found is None:
            if len(self._hosts) >= _REMEMBERED_MAX:
                self._hosts.clear()
            text = address_text(address)
            found = self._hosts[address] = self._look_up(text) or text
        return found

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

    def _look_up(self, text: str) -> str | None:
        if self._failures >= _FAILURES_MAX:
            return None
        found: list[str | None] = []

        def ask() -> None:
            try:
                found.append(socket.getnameinfo((text, 0), socket.NI_NAMEREQD)[0])
            except OSError:
                found.append(None)

        # A thread, because nothing else ends the wait of the C library; it may outlive us.
        thread = threading.Thread(target=ask, name="look-up", daemon=True)
        thread.start()
        thread.join(self._patience)
        self._failures = 0 if found else self._failures + 1
        return found[0] if found else None


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

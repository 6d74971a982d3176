"""A tunnel as a relay needs it: a link of packets, and to know where it leads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from hythe.aio.driver import Driver
from hythe.gateway.session import Session
from hythe.host.interfaces import Prefix
from hythe.link.base import Link

#: Answers kept.
_KNOWN: Final = 4_096


class Tunnel:
    """`link`: carries packets to peers, who have the networks `carries`. `speak`: lets it speak to people by a session."""

    __slots__ = ("_carries", "_known", "link", "speak")

    def __init__(
        self, link: Link, carries: Iterable[Prefix], speak: Callable[[Driver, Session], object] | None = None
    ) -> None:
        self.link = link
        self.speak = speak
        self._carries = list(carries)
        self._known: dict[bytes, bool] = {}

    def reaches(self, address: bytes) -> bool:
        """Is there a peer for packets to `address` (packed)?"""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            known = self._known[address] = any(prefix.contains(address) for prefix in self._carries)
        return known

"""The asyncio side of a station: a host's interface that has a MAC address, whose addresses come and go.

What people write as addresses may be words: ``"auto"`` listens to routers (RFC 4862), ``"dhcp"`` asks a DHCP server.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from collections.abc import Callable, Sequence
from typing import Final

from hythe.aio.runtime import Runtime
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.station import Station
from hythe.link.frames import FrameLink
from hythe.wire import ethernet

AUTO: Final = "auto"
LEASE: Final = "dhcp"
WORDS: Final = frozenset({AUTO, LEASE})

#: Told of a change of addresses: (those that came, those that went).
Moved = Callable[[Sequence[Prefix], Sequence[Prefix]], None]


class Attachment:
    """One station and who waits for it. Raises `UsageError` for an address or MAC address that is none."""

    def __init__(
        self,
        core: Host,
        frames: FrameLink,
        mac: str | None,
        addresses: Sequence[str],
        name: str,
        secret: bytes,
        moved: Moved,
    ) -> None:
        self._prefixes = tuple(Prefix.parse(each) for each in addresses if each not in WORDS)
        self._auto = AUTO in addresses
        self._lease = LEASE in addresses
        # Locally administered, one station's (IEEE 802, 8.2).
        own = b"\x02" + core.random.getrandbits(40).to_bytes(5, "big") if mac is None else ethernet.parse_mac(mac)
        self.station = Station(core, frames, own, name, secret)
        self.station.owner = self
        self._moved = moved
        self._known: set[Prefix] = set()
        self._waiting: list[asyncio.Future[None]] = []

    def begin(self, runtime: Runtime) -> None:
        """The host runs: claim addresses."""
        self.station.begin(self._prefixes, runtime.driver.clock(), auto=self._auto, lease=self._lease)
        runtime.driver.wake()

    def visit(self, item: object, now: int) -> None:
        """The driver's turn: addresses have changed."""
        self.station.news = 0
        current = set(self.station.interface.prefixes)
        came, went = current - self._known, self._known - current
        self._known = current
        if came or went:
            self._moved(tuple(came), tuple(went))
        if self.station.is_settled or self.station.conflicts:
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)
            self._waiting.clear()

    async def settled(self) -> None:
        """Until every address that was asked for is there. OSError(EADDRINUSE) when somebody else has it."""
        station = self.station
        while not station.is_settled and not station.conflicts:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        if station.conflicts:
            prefix, rival = station.conflicts[0]
            raise OSError(
                errno.EADDRINUSE,
                f"{prefix} is used by another station of the segment, {ethernet.format_mac(rival)}: choose another address",
            )

    def close(self, now: int) -> None:
        """The host ends: give back what is lent. Whoever waits waits in vain."""
        self.station.close(now)
        for future in self._waiting:
            if not future.done():
                future.set_exception(ConnectionAbortedError(errno.ECONNABORTED, "the host was closed"))
        self._waiting.clear()

    def name_servers(self) -> list[str]:
        """Where names are asked for, as routers and the DHCP server say."""
        return [str(ipaddress.ip_address(each)) for each in self.station.name_servers]

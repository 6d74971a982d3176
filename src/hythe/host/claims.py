"""Addresses of one interface from the first probe to the last second: is anybody else there, and until when is it ours?

Theory of operation. An address is *tentative* while we ask whether somebody has it: ARP probes (RFC 5227, 2.1) or
neighbor solicitations (RFC 4862, 5.4). Hearing from the other ends the claim. Otherwise it becomes the host's, is
announced, and is kept as long as its lifetimes allow; when the preferred one is over it is *deprecated*: new
connections use another if there is one.

An IPv4 address in use is defended by one announcement in 10 s (RFC 5227, 2.4). One that was lent to us (DHCP) is given up
when that does not help; one that somebody has configured by hand is not.
"""

from __future__ import annotations

from random import Random
from typing import Final, Protocol

from hythe.config import EthernetConfig
from hythe.host.interfaces import Prefix
from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER

# Where an address is from.
STATIC: Final = "static"
LINK_LOCAL: Final = "link-local"
ROUTER: Final = "router"
DHCP: Final = "dhcp"


class Claim:
    """One address. `on_link`: its prefix is the segment's; times are instants, NEVER for no end."""

    __slots__ = (
        "_claims",
        "address",
        "deadline",
        "defended",
        "deprecated",
        "filed",
        "on_link",
        "origin",
        "preferred",
        "prefix",
        "sent",
        "step_at",
        "tentative",
        "valid",
    )

    def __init__(self, claims: Claims, prefix: Prefix, origin: str, on_link: bool, valid: int, preferred: int) -> None:
        self._claims = claims
        self.prefix = prefix
        self.address = prefix.address
        self.origin = origin
        self.on_link = on_link
        self.valid = valid
        self.preferred = preferred
        self.tentative = True
        self.deprecated = False
        self.sent = 0  # probes, then announcements
        self.step_at = NEVER  # when the next one is due
        self.defended = -NEVER
        self.deadline = NEVER
        self.filed = NEVER

    def fire(self, now: int) -> None:
        """A probe, an announcement, or the end of a lifetime is due."""
        self._claims.step(self, now)


class Keeper(Protocol):
    """Who has the claims made good."""

    def claimed(self, claim: Claim, now: int) -> None:
        """It is going to be probed, and `released` in the end."""

    def probe(self, address: bytes, now: int) -> None:
        """Ask whether anybody has it."""

    def announce(self, address: bytes, now: int) -> None:
        """Say that we have it."""

    def assigned(self, claim: Claim, now: int) -> None:
        """It is ours."""

    def deprecated(self, claim: Claim, now: int) -> None:
        """Its preferred lifetime has ended, or begun anew: look at `claim.deprecated`."""

    def released(self, claim: Claim, now: int, rival: bytes) -> None:
        """It is ours no more, or never was; `rival`: the MAC address of who has it, empty when its time was over."""


class Claims:
    """All claims of one interface, by address."""

    __slots__ = ("_config", "_keeper", "_random", "_timers", "all", "retransmit_time")

    def __init__(self, config: EthernetConfig, timers: TimerQueue, random: Random, keeper: Keeper) -> None:
        self._config = config
        self._timers = timers
        self._random = random
        self._keeper = keeper
        self.retransmit_time = config.retransmit_time
        self.all: dict[bytes, Claim] = {}

    def add(
        self,
        prefix: Prefix,
        origin: str,
        now: int,
        *,
        on_link: bool = True,
        valid: int = NEVER,
        preferred: int = NEVER,
    ) -> Claim:
        """Claim an address; of one that is claimed already the lifetimes are renewed."""
        claim = self.all.get(prefix.address)
        if claim is not None:
            self.renew(claim, valid, preferred, now)
            return claim
        claim = self.all[prefix.address] = Claim(self, prefix, origin, on_link, valid, preferred)
        self._keeper.claimed(claim, now)
        wait = self._config.arp_probe_wait if len(claim.address) == 4 else self._config.dad_delay
        if self._probes(claim):
            self._next(claim, now + int(wait * self._random.random()))
        else:
            self._assign(claim, now)
        return claim

    def renew(self, claim: Claim, valid: int, preferred: int, now: int) -> None:
        """New lifetimes."""
        claim.valid, claim.preferred = valid, preferred
        self._next(claim, claim.step_at)
        if claim.deprecated and preferred > now:
            claim.deprecated = False
            self._keeper.deprecated(claim, now)

    def release(self, claim: Claim, now: int, rival: bytes = b"") -> None:
        """Give an address back."""
        if self.all.pop(claim.address, None) is claim:
            self._timers.cancel(claim)
            self._keeper.released(claim, now, rival)

    def close(self) -> None:
        """Let go of all timers; the host ends."""
        for claim in self.all.values():
            self._timers.cancel(claim)
        self.all.clear()

    def conflict(self, address: bytes, rival: bytes, now: int, *, probing: bool = False) -> None:
        """`rival` (a MAC address) uses `address` too, or with `probing` asks whether it may."""
        claim = self.all.get(address)
        if claim is None:
            return
        if claim.tentative:
            self.release(claim, now, rival)
        elif not probing and len(address) == 4:  # RFC 4862 has no defence: a duplicate there is found while tentative
            if now - claim.defended >= self._config.arp_defend_interval:
                claim.defended = now
                self._keeper.announce(address, now)
            elif claim.origin != STATIC:
                self.release(claim, now, rival)

    def step(self, claim: Claim, now: int) -> None:
        """A claim's timer has fired."""
        if claim.valid <= now:
            self.release(claim, now)
            return
        if claim.preferred <= now and not claim.deprecated and not claim.tentative:
            claim.deprecated = True
            self._keeper.deprecated(claim, now)
        if claim.step_at > now:
            self._next(claim, claim.step_at)
        elif not claim.tentative:
            self._announce(claim, now)
        elif claim.sent < self._probes(claim):
            claim.sent += 1
            self._keeper.probe(claim.address, now)
            self._next(claim, now + self._after_probe(claim))
        else:
            self._assign(claim, now)

    # --- Inside

    def _probes(self, claim: Claim) -> int:
        return self._config.arp_probes if len(claim.address) == 4 else self._config.dad_transmits

    def _after_probe(self, claim: Claim) -> int:
        config = self._config
        if len(claim.address) == 16:
            return self.retransmit_time
        if claim.sent < config.arp_probes:
            return self._random.randint(config.arp_probe_min, config.arp_probe_max)
        return config.arp_announce_wait

    def _assign(self, claim: Claim, now: int) -> None:
        claim.tentative = False
        claim.sent = 0
        self._keeper.assigned(claim, now)
        self._announce(claim, now)

    def _announce(self, claim: Claim, now: int) -> None:
        """RFC 5227, 2.3; for IPv6 once (RFC 9131, 6.1.1), so that routers know us before the first answer comes."""
        config = self._config
        times = config.arp_announces if len(claim.address) == 4 else 1
        if claim.sent < times:
            claim.sent += 1
            self._keeper.announce(claim.address, now)
        self._next(claim, now + config.arp_announce_interval if claim.sent < times else NEVER)

    def _next(self, claim: Claim, step_at: int) -> None:
        claim.step_at = step_at
        preferred = NEVER if claim.deprecated or claim.tentative else claim.preferred
        claim.deadline = min(step_at, claim.valid, preferred)
        self._timers.file(claim)

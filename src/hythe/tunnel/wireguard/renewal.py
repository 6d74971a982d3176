"""A configuration that has changed while its tunnel runs: which peers have come, gone and changed, and what else has.

A peer is known by its key. One that has changed in where it is, what it may send from or how often it gives signs of life
keeps its session, as with wg(8)'s syncconf; one with another pre-shared key shakes hands anew, as gone and come again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from hythe.tunnel.wireguard.config import Configuration, PeerConfig


@dataclass(frozen=True, slots=True)
class Renewal:
    """From `before` to `after`. `rest`: has something of [Interface] changed, but for where names are asked?"""

    before: Configuration
    after: Configuration
    came: tuple[PeerConfig, ...]
    went: tuple[PeerConfig, ...]
    changed: tuple[PeerConfig, ...]
    rest: bool
    names: bool

    @classmethod
    def between(cls, before: Configuration, after: Configuration) -> Renewal:
        """What is to be done."""
        old = {each.public_key: each for each in before.peers}
        new = {each.public_key: each for each in after.peers}
        stayed = [
            (old[each], new[each]) for each in new if each in old and old[each].preshared_key == new[each].preshared_key
        ]
        kept = {each.public_key for each, _ in stayed}
        return cls(
            before,
            after,
            came=tuple(each for each in after.peers if each.public_key not in kept),
            went=tuple(each for each in before.peers if each.public_key not in kept),
            changed=tuple(each for was, each in stayed if _matter(was) != _matter(each)),
            rest=_rest(before) != _rest(after),
            names=(before.dns, before.search) != (after.dns, after.search),
        )

    @property
    def moved(self) -> list[PeerConfig]:
        """Those whose endpoint is said anew."""
        old = {each.public_key: each for each in self.before.peers}
        return [
            *(each for each in self.came if each.endpoint is not None),
            *(each for each in self.changed if each.endpoint not in (None, old[each.public_key].endpoint)),
        ]

    def __str__(self) -> str:
        """What has become of the peers, in a few words; empty for nothing."""
        signs = [("+", self.came), ("-", self.went), ("~", self.changed)]
        return ", ".join(f"{sign}{each.label}" for sign, peers in signs for each in peers)


def _matter(peer: PeerConfig) -> PeerConfig:
    """Where it stands in the file, and its name, make no difference to a session."""
    return dataclasses.replace(peer, line=0, name="")


def _rest(configuration: Configuration) -> Configuration:
    return dataclasses.replace(configuration, peers=(), warnings=(), listen_line=0, dns=(), search=())

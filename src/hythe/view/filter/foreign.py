"""Networks that are not the Internet, as far as filters ask for them: OSI's protocols, and DECnet's nodes."""

from __future__ import annotations

from typing import Final

from hythe.view.filter.checks import Check, Load, either, equal, every, masked
from hythe.view.filter.layers import Layer
from hythe.view.filter.names import ETHERTYPES, ISIS, OSI

#: Where an IS-IS packet says of what kind it is (ISO 10589, 9).
_KIND_AT: Final = 4


def osi_protocol(layer: Layer, number: int) -> Check:
    """A protocol of OSI's network layer, by its first byte."""
    return every(layer.carries(ETHERTYPES["iso"]), layer.osi(0, number))


def isis_kind(layer: Layer, kind: int) -> Check:
    """An IS-IS packet of this kind."""
    return every(osi_protocol(layer, OSI["isis"]), layer.osi(_KIND_AT, kind))


def osi(layer: Layer, word: str) -> Check:
    """A protocol by its name, or the IS-IS packets that a word stands for."""
    if word in OSI:
        return osi_protocol(layer, OSI[word])
    return either(*(isis_kind(layer, kind) for kind in ISIS[word]))


def decnet(layer: Layer, address: int) -> tuple[Check, Check]:
    """Does a packet come from this node, and does it go there?

    In short and in long headers, behind a byte of padding or not.
    `address`: as two bytes in network order show it.
    """
    at = layer.network
    flags, both = masked(Load(1, at + 2), 0x07), masked(Load(2, at + 2), 0xFF07)
    source, target = (
        every(
            layer.carries(ETHERTYPES["decnet"]),
            either(
                every(equal(flags, 2), equal(Load(2, at + short), address)),
                every(equal(both, 0x8102), equal(Load(2, at + short + 1), address)),
                every(equal(flags, 6), equal(Load(2, at + long), address)),
                every(equal(both, 0x8106), equal(Load(2, at + long + 1), address)),
            ),
        )
        for short, long in ((5, 17), (3, 9))
    )
    return source, target

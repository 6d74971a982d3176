"""Neighbor discovery: router and neighbor solicitations and advertisements, redirects, and their options (RFC 4861).

`parse` refuses what the RFC has a node discard silently (6.1, 7.1, 8.1): a hop limit below 255, which means that a router
has passed the packet on, a code, a wrong checksum, addresses that cannot be, an option without length. Options that are
not known are skipped, whatever they are (4.6).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError
from hythe.wire import icmpv6
from hythe.wire.checksum import Octets, pseudo_sum, require

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTER_SOLICITATION: Final = 133
ROUTER_ADVERTISEMENT: Final = 134
NEIGHBOR_SOLICITATION: Final = 135
NEIGHBOR_ADVERTISEMENT: Final = 136
REDIRECT: Final = 137

#: RFC 4861, 3.1: what nobody off the link can send.
HOP_LIMIT: Final = 255
INFINITE: Final = 0xFFFFFFFF
UNSPECIFIED: Final = bytes(16)
ALL_NODES: Final = b"\xff\x02" + bytes(13) + b"\x01"
ALL_ROUTERS: Final = b"\xff\x02" + bytes(13) + b"\x02"
_SOLICITED_NODE: Final = b"\xff\x02" + bytes(9) + b"\x01\xff"

# Options (RFC 4861, 4.6; RFC 3971, 5.3.2; RFC 8106, 5.1).
_SOURCE_LINK: Final = 1
_TARGET_LINK: Final = 2
_PREFIX: Final = 3
_MTU: Final = 5
_NONCE: Final = 14
_NAME_SERVERS: Final = 25
#: Of each kind of option that may be repeated, so many are kept.
REPEATS_MAX: Final = 16

_LEAST: Final = {
    ROUTER_SOLICITATION: 8,
    ROUTER_ADVERTISEMENT: 16,
    NEIGHBOR_SOLICITATION: 24,
    NEIGHBOR_ADVERTISEMENT: 24,
    REDIRECT: 40,
}
_ROUTER: Final = struct.Struct(">BBHBBHII")
_PREFIX_OPTION: Final = struct.Struct(">BBBBIII16s")
_OVERRIDE, _SOLICITED, _IS_ROUTER = 0x20, 0x40, 0x80
_ON_LINK, _AUTONOMOUS = 0x80, 0x40
_MANAGED, _OTHER = 0x80, 0x40


@dataclass(slots=True)
class RouterSolicitation:
    """4.1. `link`: the sender's MAC address, if told."""

    link: bytes | None = None


@dataclass(slots=True)
class PrefixInformation:
    """4.6.2. `prefix`: 16 bytes, those past `length` bits are no matter; lifetimes in seconds, `INFINITE` for ever."""

    prefix: bytes
    length: int
    on_link: bool
    autonomous: bool
    valid: int
    preferred: int


@dataclass(slots=True)
class RouterAdvertisement:
    """4.2. `lifetime` in seconds, 0 for no default router; `reachable` and `retransmit` in milliseconds, 0 unsaid.

    `name_servers`: (address, lifetime in seconds) each, RFC 8106.
    """

    hop_limit: int = 0
    managed: bool = False
    other: bool = False
    lifetime: int = 0
    reachable: int = 0
    retransmit: int = 0
    link: bytes | None = None
    mtu: int | None = None
    prefixes: list[PrefixInformation] = field(default_factory=list)
    name_servers: list[tuple[bytes, int]] = field(default_factory=list)


@dataclass(slots=True)
class NeighborSolicitation:
    """4.3. `nonce` tells one's own probe, reflected, from another's (RFC 7527)."""

    target: bytes
    link: bytes | None = None
    nonce: bytes = b""


@dataclass(slots=True)
class NeighborAdvertisement:
    """4.4."""

    target: bytes
    link: bytes | None = None
    router: bool = False
    solicited: bool = False
    override: bool = False


@dataclass(slots=True)
class Redirect:
    """4.5: `destination` is better reached by `target`; the two are equal for a neighbor."""

    target: bytes
    destination: bytes
    link: bytes | None = None


Message = RouterSolicitation | RouterAdvertisement | NeighborSolicitation | NeighborAdvertisement | Redirect


def is_link_local(address: bytes) -> bool:
    """fe80::/10 (RFC 4291, 2.5.6)."""
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


def solicited_node(address: bytes) -> bytes:
    """The multicast address at which a node hears questions about its `address` (RFC 4291, 2.7.1)."""
    return _SOLICITED_NODE + address[13:]


def parse(
    view: Octets, length: int, source: bytes, destination: bytes, hop_limit: int = HOP_LIMIT, verify: bool = True
) -> Message:
    """The message `view[:length]`, ICMPv6 header first, of a packet between these addresses. Raises `ParseError`."""
    length = min(length, len(view))
    if length < icmpv6.HEADER_SIZE:
        raise ParseError(f"neighbor discovery needs {icmpv6.HEADER_SIZE} bytes, {length} are there")
    message = bytes(view[:length])
    kind, code = message[0], message[1]
    if kind not in _LEAST:
        raise ParseError(f"ICMPv6 type {kind} is not neighbor discovery")
    if length < _LEAST[kind]:
        raise ParseError(f"ICMPv6 type {kind} needs {_LEAST[kind]} bytes, {length} are there")
    if hop_limit != HOP_LIMIT:
        raise ParseError(f"neighbor discovery with hop limit {hop_limit} comes from another link")
    if code:
        raise ParseError(f"neighbor discovery with code {code}")
    if verify:
        require(message, "ICMPv6", pseudo_sum(source, destination, icmpv6.PROTOCOL, length))
    options = list(_options(message, _LEAST[kind]))
    if kind == ROUTER_SOLICITATION:
        return _router_solicitation(options, source)
    if kind == ROUTER_ADVERTISEMENT:
        return _router_advertisement(message, options, source)
    if kind == NEIGHBOR_SOLICITATION:
        return _neighbor_solicitation(message, options, source, destination)
    if kind == NEIGHBOR_ADVERTISEMENT:
        return _neighbor_advertisement(message, options, destination)
    return _redirect(message, options, source)


def _options(message: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """(kind, the option's bytes with its two of header) each."""
    while at < len(message):
        size = 8 * message[at + 1] if at + 1 < len(message) else 0
        if not size or at + size > len(message):
            raise ParseError(f"neighbor discovery option at byte {at} has length {size}")
        yield message[at], message[at : at + size]
        at += size


def _link(options: list[tuple[int, bytes]], wanted: int) -> bytes | None:
    """The MAC address of a link-layer address option; one of another length is not Ethernet's (RFC 2464, 6)."""
    for kind, option in options:
        if kind == wanted and len(option) == 8:
            if option[2] & 1:
                raise ParseError("link-layer address option bears a group address")
            return option[2:]
    return None


def _router_solicitation(options: list[tuple[int, bytes]], source: bytes) -> RouterSolicitation:
    link = _link(options, _SOURCE_LINK)
    if source == UNSPECIFIED and link is not None:
        raise ParseError("router solicitation from the unspecified address bears a link-layer address")
    return RouterSolicitation(link)


def _router_advertisement(message: bytes, options: list[tuple[int, bytes]], source: bytes) -> RouterAdvertisement:
    if not is_link_local(source):
        raise ParseError("router advertisement does not come from a link-local address")
    _, _, _, hops, flags, lifetime, reachable, retransmit = _ROUTER.unpack_from(message)
    told = RouterAdvertisement(hops, bool(flags & _MANAGED), bool(flags & _OTHER), lifetime, reachable, retransmit)
    told.link = _link(options, _SOURCE_LINK)
    for kind, option in options:
        if kind == _PREFIX and len(option) == 32 and len(told.prefixes) < REPEATS_MAX:
            _, _, length, bits, valid, preferred, _, prefix = _PREFIX_OPTION.unpack(option)
            if length > 128:
                raise ParseError(f"prefix information has prefix length {length}")
            told.prefixes.append(
                PrefixInformation(prefix, length, bool(bits & _ON_LINK), bool(bits & _AUTONOMOUS), valid, preferred)
            )
        elif kind == _MTU and len(option) == 8:
            told.mtu = int.from_bytes(option[4:], "big")
        elif kind == _NAME_SERVERS and len(option) >= 24 and len(option) % 16 == 8:
            life = int.from_bytes(option[4:8], "big")
            servers = [(option[at : at + 16], life) for at in range(8, len(option), 16)]
            told.name_servers += servers[: REPEATS_MAX - len(told.name_servers)]
    return told


def _neighbor_solicitation(
    message: bytes, options: list[tuple[int, bytes]], source: bytes, destination: bytes
) -> NeighborSolicitation:
    target = _one(message[8:24], "solicited")
    link = _link(options, _SOURCE_LINK)
    if source == UNSPECIFIED and (link is not None or destination[:13] != _SOLICITED_NODE):
        raise ParseError("neighbor solicitation from the unspecified address is no duplicate address detection")
    nonce = next((option[2:] for kind, option in options if kind == _NONCE), b"")
    return NeighborSolicitation(target, link, nonce)


def _neighbor_advertisement(message: bytes, options: list[tuple[int, bytes]], destination: bytes) -> NeighborAdvertisement:
    flags = message[4]
    target = _one(message[8:24], "advertised")
    if destination[0] == 0xFF and flags & _SOLICITED:
        raise ParseError("neighbor advertisement to a multicast address claims to be solicited")
    return NeighborAdvertisement(
        target,
        _link(options, _TARGET_LINK),
        bool(flags & _IS_ROUTER),
        bool(flags & _SOLICITED),
        bool(flags & _OVERRIDE),
    )


def _redirect(message: bytes, options: list[tuple[int, bytes]], source: bytes) -> Redirect:
    target, destination = message[8:24], _one(message[24:40], "redirected")
    if not is_link_local(source):
        raise ParseError("redirect does not come from a link-local address")
    if target != destination and not is_link_local(target):
        raise ParseError("redirect leads neither to a router's link-local address nor to the destination itself")
    return Redirect(target, destination, _link(options, _TARGET_LINK))


def _one(address: bytes, what: str) -> bytes:
    if address[0] == 0xFF:
        raise ParseError(f"the {what} address is a multicast address")
    return address


def build(message: Message) -> bytes:
    """The ICMPv6 message, its checksum zero: for `packet`."""
    if isinstance(message, RouterSolicitation):
        return bytes((ROUTER_SOLICITATION,)) + bytes(7) + _link_option(_SOURCE_LINK, message.link)
    if isinstance(message, RouterAdvertisement):
        return _build_advertisement(message)
    if isinstance(message, NeighborSolicitation):
        nonce = message.nonce
        if len(nonce) % 8 != 6 and nonce:
            raise ValueError("a nonce has 6 bytes, or 8 more, or 16 more")
        option = bytes((_NONCE, (2 + len(nonce)) // 8)) + nonce if nonce else b""
        head = bytes((NEIGHBOR_SOLICITATION,)) + bytes(7) + message.target
        return head + _link_option(_SOURCE_LINK, message.link) + option
    if isinstance(message, NeighborAdvertisement):
        flags = _IS_ROUTER * message.router | _SOLICITED * message.solicited | _OVERRIDE * message.override
        head = bytes((NEIGHBOR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0)) + message.target
        return head + _link_option(_TARGET_LINK, message.link)
    head = bytes((REDIRECT,)) + bytes(7) + message.target + message.destination
    return head + _link_option(_TARGET_LINK, message.link)


def packet(source: bytes, destination: bytes, message: Message) -> bytes:
    """The whole IPv6 packet of a message, its hop limit 255."""
    return icmpv6.packet(source, destination, build(message), hop_limit=HOP_LIMIT)


def _link_option(kind: int, mac: bytes | None) -> bytes:
    return b"" if mac is None else bytes((kind, 1)) + mac


def _build_advertisement(told: RouterAdvertisement) -> bytes:
    flags = _MANAGED * told.managed | _OTHER * told.other
    parts = [
        _ROUTER.pack(ROUTER_ADVERTISEMENT, 0, 0, told.hop_limit, flags, told.lifetime, told.reachable, told.retransmit),
        _link_option(_SOURCE_LINK, told.link),
    ]
    if told.mtu is not None:
        parts.append(struct.pack(">BBHI", _MTU, 1, 0, told.mtu))
    for each in told.prefixes:
        bits = _ON_LINK * each.on_link | _AUTONOMOUS * each.autonomous
        parts.append(_PREFIX_OPTION.pack(_PREFIX, 4, each.length, bits, each.valid, each.preferred, 0, each.prefix))
    for address, life in told.name_servers:
        parts.append(struct.pack(">BBHI16s", _NAME_SERVERS, 3, 0, life, address))
    return b"".join(parts)

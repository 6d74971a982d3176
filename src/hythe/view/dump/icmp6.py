"""ICMPv6 messages (RFC 4443); those of neighbor discovery and multicast listeners have files of their own."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump import mld, ndp
from hythe.view.dump.nodeinfo import node_information
from hythe.view.dump.renumbering import renumbering
from hythe.view.dump.rpl import rpl
from hythe.view.dump.show import ENDS, Carrier, ShortError, Show, address_at, hexadecimal, should_be

_HEADER_SIZE: Final = 8
_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "destination unreachable",
        2: "packet too big",
        3: "time exceeded in-transit",
        4: "parameter problem",
        128: "echo request",
        129: "echo reply",
        130: "multicast listener query",
        131: "multicast listener report",
        132: "multicast listener done",
        133: "router solicitation",
        134: "router advertisement",
        135: "neighbor solicitation",
        136: "neighbor advertisement",
        137: "redirect",
        138: "router renumbering",
        139: "who-are-you request",
        140: "who-are-you reply",
        141: "inverse neighbor solicitation",
        142: "inverse neighbor advertisement",
        143: "multicast listener report v2",
        144: "ha discovery request",
        145: "ha discovery reply",
        146: "mobile router solicitation",
        147: "mobile router advertisement",
        155: "RPL",
        200: "mtrace response",
        201: "mtrace message",
    }
)
_DISCOVERY: Final = range(133, 138)
#: Of these -v tells the length before anything else.
_MEASURED: Final = frozenset((*_DISCOVERY, 145, 147))
#: Those whose bytes are shown, because nobody reads them.
_UNREAD: Final = frozenset({200, 201})
#: Codes of "destination unreachable"; the second has two spaces.
_UNREACHABLE: Final = (
    ", unreachable route",
    ",  unreachable prohibited",
    ", beyond scope",
    ", unreachable address",
    ", unreachable port",
)
_PROBLEMS: Final = ("erroneous", "next header", "option", "incomplete header chain")
_PROTOCOL_NAMES: Final[Mapping[int, str]] = MappingProxyType({6: "tcp", 17: "udp"})


def icmp6(show: Show, data: bytes, at: int, length: int, carrier: Carrier) -> None:
    """The message at `at`, of which the IP header promised `length` bytes."""
    try:
        _icmp6(show, data, at, length, carrier)
    except ENDS as error:
        show.left = not isinstance(error, ShortError)
        show.put(" [|icmp6]")


def _icmp6(show: Show, data: bytes, at: int, length: int, carrier: Carrier) -> None:
    put, style = show.put, show.style
    if not length:
        put("ICMP6, length 0 (invalid)")
        return
    kind = data[at]
    if style.verbose and not carrier.fragment and len(carrier.source) == 16 and at + length <= len(data):
        left = carrier.checks(data, at, length, 58)
        (found,) = struct.unpack_from(">H", data, at + 2)
        put(f"[bad icmp6 cksum 0x{found:04x} -> 0x{should_be(found, left):04x}!] " if left else "[icmp6 sum ok] ")
    name = _NAMES.get(kind, f"unknown icmp6 type ({kind})")
    put(f"ICMP6, {name}")
    if style.verbose and kind in _MEASURED:
        put(f", length {length}")
    data[at + 1]
    match kind:
        case 1 if _unreachable(show, data, at, length):
            return
        case 2:
            put(f", mtu {struct.unpack_from('>I', data, at + 4)[0]}")
        case 3:
            _time_exceeded(show, data, at)
        case 4:
            _problem(show, data, at)
        case 128 | 129:
            identifier, number = struct.unpack_from(">HH", data, at + 4)
            put(f", id {identifier}, seq {number}")
        case 130 | 131 | 132 | 143:
            mld.listeners(show, data, at, length)
        case _ if kind in _DISCOVERY:
            ndp.discovery(show, data, at, length)
        case 138:
            renumbering(show, data, at)
        case 139 | 140:
            node_information(show, data, at, length)
        case 144 | 146:
            put(f", id 0x{struct.unpack_from('>H', data, at + 4)[0]:04x}")
        case 155:
            rpl(show, data, at, length)
        case 145 | 147 if style.verbose:
            _mobility(show, data, at, length)
    if not style.verbose or kind not in _NAMES or kind in _UNREAD:
        put(f", length {length}")
    if (kind in _UNREAD or kind not in _NAMES) and style.verbose < 2:
        put(hexadecimal(data[at : at + length]))


def _mobility(show: Show, data: bytes, at: int, length: int) -> None:
    """Home agents that were found, and prefixes of one (RFC 6275, 6.6 and 6.8)."""
    put = show.put
    put(f", id 0x{struct.unpack_from('>H', data, at + 4)[0]:04x}")
    if data[at] == 147:
        (flags,) = struct.unpack_from(">H", data, at + 6)
        letters = ("M" if flags & 0x8000 else "") + ("O" if flags & 0x4000 else "")
        put(f" {letters}" if letters else "")
        ndp.options(show, data, at + _HEADER_SIZE, at + length)
        return
    for place in range(at + _HEADER_SIZE, at + length, 16):
        put(f", {show.names.host(address_at(data, place))}")


def _unreachable(show: Show, data: bytes, at: int, length: int) -> bool:
    """Tells whether its bytes were shown instead, since its code means nothing."""
    code, put = data[at + 1], show.put
    inner = at + _HEADER_SIZE
    if code > 4:
        put(f", unknown unreach code ({code})")
        if show.style.verbose < 2:
            put(hexadecimal(data[at : at + length]))
        return True
    put(_UNREACHABLE[code])
    protocol, port = _quoted_port(data, inner) if code == 4 else (0, 0)
    target = show.names.host(address_at(data, inner + 24))
    if code < 4:
        put(f" {target}")
        if code == 2:
            put(f", source address {show.names.host(address_at(data, inner + 8))}")
        return False
    name = _PROTOCOL_NAMES[protocol]
    put(f", {target} {name} port {show.names.port(port, name)}")
    return False


def _quoted_port(data: bytes, at: int) -> tuple[int, int]:
    """The protocol of a quoted packet and the port that it is for. Raises `ShortError`."""
    try:
        protocol, place = _transport_of(data, at)
        return protocol, struct.unpack_from(">H", data, place + 2)[0]
    except ENDS:
        raise ShortError("the port is not there") from None


def _transport_of(data: bytes, at: int) -> tuple[int, int]:
    """Which protocol with ports a quoted packet carries behind its extension headers, and where.

    Raises IndexError if there is none, or its header is not in this packet.
    """
    following, place = data[at + 6], at + 40
    while following not in _PROTOCOL_NAMES:
        match following:
            case 0 | 43 | 60:
                size = (data[place + 1] + 1) * 8
            case 44 if not struct.unpack_from(">H", data, place + 2)[0] & 0xFFF8:
                size = 8
            case 51:
                size = (data[place + 1] + 2) * 4
            case _:
                raise IndexError("nothing with ports")
        following = data[place]
        place += size
    return following, place


def _time_exceeded(show: Show, data: bytes, at: int) -> None:
    code = data[at + 1]
    inner = at + _HEADER_SIZE
    if code == 0:
        show.put(f" for {show.names.host(address_at(data, inner + 24))}")
    else:
        show.put(" (reassembly)" if code == 1 else f", unknown code ({code})")


def _problem(show: Show, data: bytes, at: int) -> None:
    code = data[at + 1]
    if len(data) < at + _HEADER_SIZE + 40:
        raise ShortError("the packet in question is cut off")
    (pointer,) = struct.unpack_from(">I", data, at + 4)
    if code < len(_PROBLEMS):
        show.put(f", {_PROBLEMS[code]} - octet {pointer}")
    else:
        show.put(f", code-#{code}")

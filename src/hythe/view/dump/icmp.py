"""ICMP messages (RFC 792), and with -v the packets that errors quote."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.icmpextension import EXTENSION_AT, extension
from hythe.view.dump.show import ENDS, Carrier, ShortError, Show, should_be
from hythe.wire.checksum import ones_sum

_SIZE: Final = 8
_QUOTING: Final = frozenset({3, 4, 5, 11, 12})
#: Those with which something may stand behind what they quote (RFC 4884, 4).
_EXTENDED: Final = frozenset({3, 11, 12})
_PLAIN: Final[Mapping[int, str]] = MappingProxyType(
    {
        4: "source quench",
        10: "router solicitation",
        15: "information request",
        16: "information reply",
        17: "address mask request",
    }
)
#: Codes of "destination unreachable" but those that tell more: which word, and what stands behind the address.
_UNREACHABLE: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        0: ("net ", " unreachable"),
        1: ("host ", " unreachable"),
        5: ("", " unreachable - source route failed"),
        6: ("net ", " unreachable - unknown"),
        7: ("host ", " unreachable - unknown"),
        8: ("", " unreachable - source host isolated"),
        9: ("net ", " unreachable - admin prohibited"),
        10: ("host ", " unreachable - admin prohibited"),
        11: ("net ", " unreachable - tos prohibited"),
        12: ("host ", " unreachable - tos prohibited"),
        13: ("host ", " unreachable - admin prohibited filter"),
        14: ("host ", " unreachable - host precedence violation"),
        15: ("host ", " unreachable - precedence cutoff"),
    }
)
_REDIRECTS: Final = (
    "redirect {0} to net {1}",
    "redirect {0} to host {1}",
    "redirect-tos {0} to net {1}",
    "redirect-tos {0} to host {1}",
)
_QUOTED: Final = struct.Struct(">BBHHHBBH4s4s").unpack_from
#: Lifetimes of router advertisements are told in the unit that fits.
_MINUTE, _HOUR = 60, 3600


def icmp(show: Show, data: bytes, at: int, length: int, carrier: Carrier) -> None:
    """The message at `at`, of which the IP header promised `length` bytes."""
    try:
        text = _text(show, data, at)
    except ENDS:
        show.left = not _looked_for(data[at:])
        show.put(" [|icmp]")
        return
    kind = data[at]
    show.put(f"ICMP {text}, length {length}")
    if not show.style.verbose:
        return
    if not carrier.fragment and at + length <= len(data):
        left = ones_sum(data[at : at + length]) ^ 0xFFFF
        if left:
            found = int.from_bytes(data[at + 2 : at + 4], "big")
            show.put(f" (wrong icmp cksum {found:x} (->{should_be(found, left):x})!)")
    if kind not in _QUOTING:
        return
    show.put("\n\t")
    inner = at + _SIZE
    promised = int.from_bytes(data[inner + 2 : inner + 4], "big")
    quoted = data[: inner + promised]  # an extension may stand behind it
    if len(quoted) < inner + 4:
        show.left = True
        show.put(" [|icmp]")
        return
    show.within(True, quoted, inner, promised)
    if kind in _EXTENDED and length > EXTENSION_AT:
        try:
            extension(show, data, at, length)
        except ENDS as error:
            show.left = not isinstance(error, ShortError)
            show.put(" [|icmp]")


def _looked_for(message: bytes) -> bool:
    """Is this one of which tcpdump looks first whether all is there?"""
    if len(message) < 2:
        return False
    return message[0] in (9, 11, 14) or (message[:2] == b"\3\3" and len(message) < _SIZE + 10)


def _text(show: Show, data: bytes, at: int) -> str:
    kind, code = data[at], data[at + 1]
    match kind:
        case 0 | 8:
            identifier, number = struct.unpack_from(">HH", data, at + 4)
            return f"echo {'request' if kind else 'reply'}, id {identifier}, seq {number}"
        case 3:
            return _unreachable(show, data, at, code)
        case 5:
            target = show.names.host(_QUOTED(data, at + _SIZE)[9])
            gateway = show.names.host(data[at + 4 : at + 8])
            form = _REDIRECTS[code] if code < len(_REDIRECTS) else f"redirect-#{code} {{0}} to {{1}}"
            return form.format(target, gateway)
        case 9:
            return _advertisement(show, data, at)
        case 11:
            _QUOTED(data, at + _SIZE)  # whatever it is about has to be there
            return (
                ("time exceeded in-transit", "ip reassembly time exceeded")[code] if code < 2 else f"time exceeded-#{code}"
            )
        case 12:
            return f"parameter problem - octet {data[at + 4]}" if not code else f"parameter problem - code {code}"
        case 18:
            (mask,) = struct.unpack_from(">I", data, at + 8)
            return f"address mask is 0x{mask:08x}"
        case 13 | 14:
            return _stamps(data, at, kind)
    return _PLAIN.get(kind, f"type-#{kind}")


def _unreachable(show: Show, data: bytes, at: int, code: int) -> str:
    inner = at + _SIZE
    header = _QUOTED(data, inner)
    target, protocol = show.names.host(header[9]), header[6]
    if code == 2:
        return f"{target} protocol {protocol} unreachable"
    if code == 3:
        place = inner + (header[0] & 15) * 4
        (port,) = struct.unpack_from(">H", data, place + 2)
        if protocol in (6, 17):
            name = "tcp" if protocol == 6 else "udp"
            return f"{target} {name} port {show.names.port(port, name)} unreachable"
        return f"{target} protocol {protocol} port {port} unreachable"
    if code == 4:
        (mtu,) = struct.unpack_from(">H", data, at + 6)
        return f"{target} unreachable - need to frag" + (f" (mtu {mtu})" if mtu else "")
    before, behind = _UNREACHABLE.get(code, ("", f" unreachable - #{code}"))
    return before + target + behind


def _advertisement(show: Show, data: bytes, at: int) -> str:
    """RFC 1256, 3."""
    count, size, lifetime = struct.unpack_from(">BBH", data, at + 4)
    if lifetime < _MINUTE:
        text = f"{lifetime}"
    elif lifetime < _HOUR:
        text = f"{lifetime // 60}:{lifetime % 60:02}"
    else:
        text = f"{lifetime // 3600}:{lifetime % 3600 // 60:02}:{lifetime % 60:02}"
    text = f"router advertisement lifetime {text} {count}:"
    if size != 2:
        return f"{text} [size {size}]"
    for place in range(at + 8, at + 8 + 8 * count, 8):
        address, preference = struct.unpack_from(">4sI", data, place)
        text += f" {{{show.names.host(address)} {preference}}}"
    return text


def _stamps(data: bytes, at: int, kind: int) -> str:
    identifier, number = struct.unpack_from(">HH", data, at + 4)
    if kind == 13:
        return f"time stamp query id {identifier} seq {number}"
    times = ", ".join(
        f"{word} {_of_day(stamp)}"
        for word, stamp in zip(("org", "recv", "xmit"), struct.unpack_from(">III", data, at + 8), strict=True)
    )
    return f"time stamp reply id {identifier} seq {number}: {times}"


def _of_day(milliseconds: int) -> str:
    """Since midnight UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"

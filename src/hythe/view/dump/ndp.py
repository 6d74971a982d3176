"""Neighbor discovery (RFC 4861; RFC 4191, 8106): one line, and with -v the flags and every option."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.ethertypes import mac_text
from hythe.view.dump.show import Show, address_at, hexadecimal
from hythe.wire.dns import parse_name

_ROUTER_SOLICITATION, _ROUTER_ADVERTISEMENT, _SOLICITATION, _ADVERTISEMENT, _REDIRECT = range(133, 138)
_FOREVER: Final = 0xFFFF_FFFF
#: Where options begin, by type.
_OPTIONS_AT: Final[Mapping[int, int]] = MappingProxyType(
    {_ROUTER_SOLICITATION: 8, _ROUTER_ADVERTISEMENT: 16, _SOLICITATION: 24, _ADVERTISEMENT: 24, _REDIRECT: 40}
)
_OPTIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "source link-address",
        2: "destination link-address",
        3: "prefix info",
        4: "redirected header",
        5: "mtu",
        7: "advertisement interval",
        8: "homeagent information",
        24: "route info",
        25: "rdnss",
        31: "dnssl",
    }
)
_PREFERENCES: Final = ("medium", "high", "reserved", "low")


def discovery(show: Show, data: bytes, at: int, length: int) -> None:
    """What stands behind the name of the message, and with -v behind its length."""
    put, host, kind = show.put, show.names.host, data[at]
    match kind:
        case 135:
            put(f", who has {host(address_at(data, at + 8))}")
        case 136:
            put(f", tgt is {host(address_at(data, at + 8))}")
        case 137:
            put(f", {host(address_at(data, at + 24))} to {host(address_at(data, at + 8))}")
    if not show.style.verbose:
        return
    if kind == _ROUTER_ADVERTISEMENT:
        hops, flags, lifetime, reachable, retransmit = struct.unpack_from(">BBHII", data, at + 4)
        words = _words(flags, ((0x80, "managed"), (0x40, "other stateful"), (0x20, "home agent")))
        put(f"\n\thop limit {hops}, Flags [{words}], pref {_PREFERENCES[flags >> 3 & 3]}, router lifetime {lifetime}s")
        put(f", reachable time {reachable}ms, retrans timer {retransmit}ms")
    elif kind == _ADVERTISEMENT:
        put(f", Flags [{_words(data[at + 4], ((0x80, 'router'), (0x40, 'solicited'), (0x20, 'override')))}]")
    begin = at + _OPTIONS_AT[kind]
    _options(show, data, begin, at + length)


def _words(flags: int, names: tuple[tuple[int, str], ...]) -> str:
    return ", ".join(name for bit, name in names if flags & bit) or "none"


def _options(show: Show, data: bytes, begin: int, end: int) -> None:
    """Those up to the end of the message; one of which a part is missing ends in IndexError."""
    at = begin
    while at < min(end, len(data)):
        kind, units = struct.unpack_from(">BB", data, at)
        if not units:
            raise IndexError("an option of no length")
        option = data[at : at + units * 8]
        data[at + units * 8 - 1]
        show.put(f"\n\t  {_OPTIONS.get(kind, 'unknown')} option ({kind}), length {units * 8} ({units}): ")
        if kind == 4:
            # As tcpdump does, from where the options begin and not this one.
            show.put(hexadecimal(data[begin : begin + units * 8], "\n\t    "))
        elif kind in _OPTIONS:
            show.put(_option(show, kind, option))
        elif show.style.verbose < 2:
            show.put(hexadecimal(option[2:], "\n\t  "))
        if show.style.verbose > 1:
            show.put(hexadecimal(option[2:], "\n\t    "))
        at += units * 8


def _option(show: Show, kind: int, option: bytes) -> str:
    host = show.names.host
    match kind:
        case 1 | 2:
            return mac_text(option[2:])
        case 3:
            size, flags, valid, preferred = struct.unpack_from(">BBII", option, 2)
            names = _words(flags, ((0x80, "onlink"), (0x40, "auto"), (0x20, "router")))
            return (
                f"{host(option[16:32])}/{size}{'' if len(option) == 32 else '(Invalid option length)'}, Flags [{names}], "
                f"valid time {_seconds(valid)}, pref. time {_seconds(preferred)}"
            )
        case 5:
            return f" {struct.unpack_from('>I', option, 4)[0]}{'' if len(option) == 8 else ', bad option length'}"
        case 7:
            return f" {struct.unpack_from('>I', option, 4)[0]}ms"
        case 8:
            preference, lifetime = struct.unpack_from(">hH", option, 4)
            return f" preference {preference}, lifetime {lifetime}"
        case 24:
            size, flags, lifetime = struct.unpack_from(">BBI", option, 2)
            prefix = option[8:24].ljust(16, b"\0")
            return f" {host(prefix)}/{size}, pref={_PREFERENCES[flags >> 3 & 3]}, lifetime={_seconds(lifetime)}"
        case 25:
            (lifetime,) = struct.unpack_from(">I", option, 4)
            addresses = "".join(f" addr: {host(option[at : at + 16])}" for at in range(8, len(option) - 15, 16))
            return f" lifetime {lifetime}s,{addresses}"
    (lifetime,) = struct.unpack_from(">I", option, 4)
    return f" lifetime {lifetime}s, domain(s):{_domains(option[8:])}"


def _domains(data: bytes) -> str:
    text, at = "", 0
    while at < len(data) and data[at]:
        try:
            name, at = parse_name(data, at)
        except ValueError:
            break
        text += " " + "".join(label.decode("latin-1") + "." for label in name)
    return text


def _seconds(value: int) -> str:
    return "infinity" if value == _FOREVER else f"{value}s"

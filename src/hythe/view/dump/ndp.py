"""Neighbor discovery (RFC 4861; RFC 4191, 8106): one line, and with -v the flags and every option."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.dnsnames import NoNameError, read
from hythe.view.dump.ethertypes import mac_text
from hythe.view.dump.show import ShortError, Show, address_at, hexadecimal

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
_ROUTER_FLAGS: Final = ((0x80, "managed"), (0x40, "other stateful"), (0x20, "home agent"), (0x02, "ipv6 only"))
_PREFERENCES: Final = ("medium", "high", "rsv", "low")


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
        words = _words(flags, _ROUTER_FLAGS)
        put(f"\n\thop limit {hops}, Flags [{words}], pref {_PREFERENCES[flags >> 3 & 3]}, router lifetime {lifetime}s")
        put(f", reachable time {reachable}ms, retrans timer {retransmit}ms")
    elif kind == _ADVERTISEMENT:
        put(f", Flags [{_words(data[at + 4], ((0x80, 'router'), (0x40, 'solicited'), (0x20, 'override')))}]")
    begin = at + _OPTIONS_AT[kind]
    options(show, data, begin, at + length)


def _words(flags: int, names: tuple[tuple[int, str], ...]) -> str:
    return ", ".join(name for bit, name in names if flags & bit) or "none"


def options(show: Show, data: bytes, begin: int, end: int) -> None:
    """Those up to the end of the message; one of which a part is missing ends in `ShortError`."""
    at = begin
    while at < min(end, len(data)):
        kind, units = data[at], data[at + 1] if at + 1 < len(data) else 0
        if not units or at + units * 8 > len(data):
            raise ShortError("an option of no length, or one that is cut off")
        option = data[at : at + units * 8]
        show.put(f"\n\t  {_OPTIONS.get(kind, 'unknown')} option ({kind}), length {units * 8} ({units}): ")
        if kind == 4:
            # As tcpdump does, from where the options begin and not this one.
            show.put(hexadecimal(data[begin : begin + units * 8], "\n\t    "))
        elif kind == 31:
            _domains(show, data, at, at + units * 8, begin)
        elif kind in _OPTIONS:
            show.put(_option(show, kind, data[at:], units * 8))
        elif show.style.verbose < 2:
            show.put(hexadecimal(option[2:], "\n\t  "))
            return
        if show.style.verbose > 1:
            show.put(hexadecimal(option[2:], "\n\t    "))
        at += units * 8


def _option(show: Show, kind: int, option: bytes, size: int) -> str:
    """`size`: what it says of itself, which is no reason for tcpdump not to read what should be there."""
    host = show.names.host
    match kind:
        case 1 | 2:
            return mac_text(option[2:size])
        case 3:
            width, flags, valid, preferred = struct.unpack_from(">BBII", option, 2)
            names = _words(flags, ((0x80, "onlink"), (0x40, "auto"), (0x20, "router")))
            return (
                f"{host(address_at(option, 16))}/{width}{'' if size == 32 else 'badlen'}, Flags [{names}], "
                f"valid time {_seconds(valid)}, pref. time {_seconds(preferred)}"
            )
        case 5:
            return f" {struct.unpack_from('>I', option, 4)[0]}{'' if size == 8 else 'bad option length'}"
        case 7:
            return f" {struct.unpack_from('>I', option, 4)[0]}ms"
        case 8:
            preference, lifetime = struct.unpack_from(">HH", option, 4)
            return f" preference {preference}, lifetime {lifetime}"
        case 24:
            width, flags, lifetime = struct.unpack_from(">BBI", option, 2)
            if size > 24:
                raise ShortError("the prefix is longer than an address")
            prefix = option[8:size].ljust(16, b"\0")
            return f" {host(prefix)}/{width}, pref={_PREFERENCES[flags >> 3 & 3]}, lifetime={_seconds(lifetime)}"
    (lifetime,) = struct.unpack_from(">I", option, 4)
    addresses = "".join(f" addr: {host(option[at : at + 16])}" for at in range(8, size - 15, 16))
    return f" lifetime {lifetime}s,{addresses}"


def _domains(show: Show, data: bytes, at: int, end: int, begin: int) -> None:
    """Names of RFC 8106, 5.2; a pointer in one, which should not be there, counts from where the options begin."""
    (lifetime,) = struct.unpack_from(">I", data, at + 4)
    show.put(f" lifetime {lifetime}s, domain(s):")
    at += 8
    while at < end and data[at]:
        show.put(" ")
        try:
            name, at = read(data, at, begin)
        except NoNameError as error:
            show.put(str(error))
            raise ShortError from error
        show.put(name)


def _seconds(value: int) -> str:
    return "infinity" if value == _FOREVER else f"{value}s"

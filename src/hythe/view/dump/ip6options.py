"""The options of IPv6's Hop-by-Hop and Destination Options headers (RFC 8200, 4.2; RFC 2675, RFC 2711, RFC 6275)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hythe.view.dump.show import Show, address_at

_PAD1, _PADN, _ALERT, _JUMBO, _HOME = 0x00, 0x01, 0x05, 0xC2, 0xC9
#: RFC 2675, 3: what needs no such option has none.
_JUMBO_MIN: Final = 65_536
#: Kind, length and value of each that has one size.
_ALERT_SIZE: Final = 4
_JUMBO_SIZE: Final = 6
_HOME_SIZE: Final = 18


class OptionError(Exception):
    """Options that end too early, or have a length that they cannot have."""


@dataclass(slots=True)
class Payload:
    """How long a packet says that it is: in its header, or in an option if it is larger than a header can say."""

    length: int
    jumbo: bool = False


def options(show: Show, data: bytes, at: int, end: int, payload: Payload | None) -> None:
    """Those from `at` to `end`. `payload`: of the packet, if they are Hop-by-Hop options, and may change it.

    Raises `OptionError`.
    """
    verbose, jumbo = show.style.verbose, False
    while at < end:
        kind = data[at]
        if kind == _PAD1:
            show.put("(pad1)" if verbose else "")
            at += 1
            continue
        if at + 1 >= end or at + 2 + data[at + 1] > end:
            raise OptionError
        size = data[at + 1]
        match kind:
            case 0x01:
                show.put("(padn)" if verbose else "")
            case 0x05:
                _fits(show, "rtalert", end - at, size, _ALERT_SIZE)
                show.put(f"(rtalert: 0x{int.from_bytes(data[at + 2 : at + 4], 'big'):04x}) " if verbose else "")
            case 0xC2:
                _fits(show, "jumbo", end - at, size, _JUMBO_SIZE)
                found = int.from_bytes(data[at + 2 : at + 6], "big")
                why = " - already seen" if jumbo else _jumbo(found, payload)
                show.put(f"(jumbo: {found}{why}) " if verbose else "")
                jumbo = True
            case 0xC9:
                _home(show, data, at, end)
            case _:
                show.put(f"(opt_type 0x{kind:02x}: len={size})" if verbose else "")
        at += 2 + size
    show.put(" " if verbose else "")


def _fits(show: Show, name: str, room: int, size: int, wanted: int) -> None:
    """Raises `OptionError`, and says it, unless an option has the size that all of its kind have."""
    if room < wanted:
        show.put(f"({name}: trunc)")
        raise OptionError
    if size != wanted - 2:
        show.put(f"({name}: invalid len {size})")
        raise OptionError


def _jumbo(found: int, payload: Payload | None) -> str:
    """What is wrong with it; if nothing is, it is the length of the packet from now on."""
    if payload is None:
        return " - not a hop-by-hop option"
    if payload.length:
        return " - payload len != 0"
    if found < _JUMBO_MIN:
        return " - < 65536"
    payload.length, payload.jumbo = found, True
    return ""


def _home(show: Show, data: bytes, at: int, end: int) -> None:
    """RFC 6275, 6.3; further options may lie in it."""
    put, size = show.put, data[at + 1]
    if end - at < _HOME_SIZE:
        put("(homeaddr: trunc)")
        raise OptionError
    if size < _HOME_SIZE - 2:
        put(f"(homeaddr: invalid len {size})")
        raise OptionError
    if not show.style.verbose:
        return
    put(f"(homeaddr: {show.names.host(address_at(data, at + 2))}")
    place, inner_end = at + _HOME_SIZE, at + 2 + size
    while place < inner_end:
        kind = data[place]
        if kind == _PAD1:
            put(", pad1")
            place += 1
            continue
        if place + 1 >= inner_end or place + 2 + data[place + 1] > inner_end:
            raise OptionError
        put(", padn" if kind == _PADN else f", sopt_type 0x{kind:02x}: len={data[place + 1]}")
        place += 2 + data[place + 1]
    put(")")

"""The routing tables, as the kernel writes them in /proc/net: IPv4's main table, and all of IPv6."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from hythe.view.netstat.table import as_json as to_json
from hythe.view.netstat.table import columns

#: RTF_* (linux/route.h, linux/ipv6_route.h) by netstat's letter.
_FLAGS: Final = ((1, "U"), (2, "G"), (4, "H"), (8, "R"), (16, "D"), (32, "M"), (0x200, "!"))
_FLAGS6: Final = (*_FLAGS, (0x0010_0000, "a"), (0x0004_0000, "A"), (0x0100_0000, "C"), (0x8000_0000, "l"))
_HEADINGS4: Final = ("Destination", "Gateway", "Genmask", "Flags", "Metric", "MSS", "Window", "irtt", "Iface")
_HEADINGS6: Final = ("Destination", "Next Hop", "Flags", "Metric", "Ref", "Use", "Iface")


@dataclass(frozen=True, slots=True)
class Route:
    """One route. Addresses as text; `prefix`: bits; the rest as the kernel counts it, 0 where it does not."""

    family: int
    destination: str
    prefix: int
    gateway: str
    flags: str
    metric: int
    mss: int
    window: int
    irtt: int
    references: int
    used: int
    interface: str

    @property
    def is_default(self) -> bool:
        """Does it lead to whatever has no other route?"""
        return self.prefix == 0 and "U" in self.flags and "!" not in self.flags


def routes(families: frozenset[int]) -> list[Route]:
    """All routes of `families` (4, 6)."""
    found = list(_routes4()) if 4 in families else []
    return found + (list(_routes6()) if 6 in families else [])


def _routes4() -> Iterator[Route]:
    for line in _lines("/proc/net/route")[1:]:
        name, target, gateway, flags, references, used, metric, mask, mss, window, irtt = line.split()[:11]
        bits = int(mask, 16).bit_count()
        yield Route(
            *(4, _ipv4(target), bits, _ipv4(gateway), _letters(int(flags, 16), _FLAGS), int(metric)),
            *(int(mss), int(window), int(irtt), int(references), int(used), name),
        )


def _routes6() -> Iterator[Route]:
    for line in _lines("/proc/net/ipv6_route"):
        target, bits, _, _, gateway, metric, references, used, flags, name = line.split()[:10]
        letters = _letters(int(flags, 16), _FLAGS6)
        yield Route(
            *(6, _ipv6(target), int(bits, 16), _ipv6(gateway), letters, int(metric, 16)),
            *(0, 0, 0, int(references, 16), int(used, 16), name),
        )


def _lines(path: str) -> list[str]:
    """None where the kernel does not have that family."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def _ipv4(text: str) -> str:
    """The kernel writes the four bytes as a number of the machine's own order."""
    return socket.inet_ntop(socket.AF_INET, int(text, 16).to_bytes(4, "little" if socket.htons(1) != 1 else "big"))


def _ipv6(text: str) -> str:
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(text))


def _letters(flags: int, known: tuple[tuple[int, str], ...]) -> str:
    return "".join(letter for bit, letter in known if flags & bit)


def report(families: frozenset[int], *, numeric: bool, as_json: bool) -> str:
    """A table for each family, or an array."""
    found = routes(families)
    if as_json:
        return to_json([asdict(each) for each in found]) + "\n"
    parts = []
    if 4 in families:
        rows = [_row4(each, numeric=numeric) for each in found if each.family == 4]
        parts.append("Kernel IP routing table\n" + columns([_HEADINGS4, *rows]))
    if 6 in families:
        rows = [_row6(each) for each in found if each.family == 6]
        parts.append("Kernel IPv6 routing table\n" + columns([_HEADINGS6, *rows]))
    return "".join(parts)


def _row4(each: Route, *, numeric: bool) -> tuple[str, ...]:
    mask = socket.inet_ntop(socket.AF_INET, (0xFFFF_FFFF << 32 - each.prefix & 0xFFFF_FFFF).to_bytes(4, "big"))
    destination = each.destination if numeric or each.prefix else "default"
    gateway = each.gateway if numeric or "G" in each.flags else "*"
    numbers = map(str, (each.metric, each.mss, each.window, each.irtt))
    return (destination, gateway, mask, each.flags, *numbers, each.interface)


def _row6(each: Route) -> tuple[str, ...]:
    numbers = map(str, (each.metric, each.references, each.used))
    return (f"{each.destination}/{each.prefix}", each.gateway, each.flags, *numbers, each.interface)

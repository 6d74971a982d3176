"""The routing tables, as the kernel writes them in /proc/net: IPv4's main table, and all of IPv6."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from hythe.view.netstat.table import as_json as to_json
from hythe.view.netstat.table import columns

if TYPE_CHECKING:
    from hythe.view.names import HostNames

#: Where the kernel writes them.
_PLACE: Final = "/proc/net"
#: Networks by name: networks(5).
_NETWORKS: Final = "/etc/networks"
#: RTF_* (linux/route.h, linux/ipv6_route.h) by netstat's letter.
_FLAGS4: Final = (
    *((1, "U"), (0x200, "!"), (2, "G"), (4, "H"), (8, "R"), (0x10, "D"), (0x20, "M"), (0x40, "u"), (0x80, "w")),
    *((0x100, "i"), (0x400, "n")),
)
_FLAGS6: Final = (
    *((1, "U"), (0x200, "!"), (2, "G"), (4, "H"), (0x1_0000, "D"), (0x4_0000, "A"), (0x2_0000, "a"), (0x40_0000, "e")),
    *((0x20, "m"), (0x20_0000, "n"), (0x200_0000, "f")),
)
_UP: Final = 1
_GATEWAY: Final = 2
_REJECT: Final = 0x200
#: RTF_CACHE: not a route of the table, but what a look-up has left.
_CACHED: Final = 0x100_0000
_HEADINGS4: Final = ("Destination", "Gateway", "Genmask", "Flags", "MSS", "Window", "irtt", "Iface")
_HEADINGS6: Final = ("Destination", "Next Hop", "Flag", "Met", "Ref", "Use", "If")


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


def routes(families: frozenset[int], place: str = _PLACE) -> list[Route]:
    """All routes of `families` (4, 6)."""
    found = list(_routes4(_lines(f"{place}/route"))) if 4 in families else []
    return found + (list(_routes6(_lines(f"{place}/ipv6_route"))) if 6 in families else [])


def _routes4(lines: list[str]) -> Iterator[Route]:
    for line in lines[1:]:
        name, target, gateway, flags, references, used, metric, mask, mss, window, irtt = line.split()[:11]
        bits, set_flags = int(mask, 16).bit_count(), int(flags, 16)
        if not set_flags & _UP:
            continue
        if set_flags & _REJECT:  # it is up, and leads nowhere
            set_flags &= ~(_UP | _GATEWAY)
        yield Route(
            *(4, _ipv4(target), bits, _ipv4(gateway), _letters(set_flags, _FLAGS4), int(metric)),
            *(int(mss), int(window), int(irtt), int(references), int(used), name),
        )


def _routes6(lines: list[str]) -> Iterator[Route]:
    for line in lines:
        target, bits, _, _, gateway, metric, references, used, flags, name = line.split()[:10]
        if int(flags, 16) & _CACHED:
            continue
        letters = _letters(int(flags, 16), _FLAGS6)
        yield Route(
            *(6, _ipv6(target), int(bits, 16), _ipv6(gateway), letters, int(metric, 16)),
            *(0, 0, 0, int(references, 16), int(used, 16), name),
        )


def _lines(path: str) -> list[str]:
    """None where there is no such file: a kernel without that family."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
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


def report(families: frozenset[int], names: HostNames | None, *, as_json: bool) -> str:
    """A table for each family, or an array. `names`: of hosts and gateways; None has all shown as numbers."""
    found = routes(families)
    if as_json:
        return to_json([asdict(each) for each in found]) + "\n"
    if names is not None:
        names.ask(address for each in found for address in _hosts(each))
        names.wait()
    return "".join(table(family, [each for each in found if each.family == family], names) for family in sorted(families))


def table(family: int, found: Sequence[Route], names: HostNames | None) -> str:
    """The columns of net-tools' netstat."""
    if family == 6:
        return "Kernel IPv6 routing table\n" + columns([_HEADINGS6, *(_row6(each, names) for each in found)])
    networks = _networks() if names is not None else {}
    return "Kernel IP routing table\n" + columns([_HEADINGS4, *(_row4(each, names, networks) for each in found)])


def _hosts(each: Route) -> list[bytes]:
    """The addresses of a route that can have names: its gateway's, and that of a host to which it leads."""
    size = 4 if each.family == 4 else 16
    hosts = [each.gateway, *([each.destination] if each.prefix == 8 * size else ())]
    packed = (ip_address(host).packed for host in hosts)
    return [address for address in packed if any(address)]


def _networks() -> dict[str, str]:
    """/etc/networks by address. Trailing zeros may be left out there."""
    found = {}
    for line in _lines(_NETWORKS):
        words = line.partition("#")[0].split()
        if len(words) > 1:
            found[".".join((words[1].split(".") + ["0"] * 4)[:4])] = words[0]
    return found


def _host(address: str, names: HostNames | None) -> str:
    return (names.get(ip_address(address).packed) if names is not None else None) or address


def _row4(each: Route, names: HostNames | None, networks: Mapping[str, str]) -> tuple[str, ...]:
    mask = socket.inet_ntop(socket.AF_INET, (0xFFFF_FFFF << 32 - each.prefix & 0xFFFF_FFFF).to_bytes(4, "big"))
    if each.prefix == 32:
        destination = _host(each.destination, names)
    elif names is None:
        destination = each.destination
    else:
        destination = networks.get(each.destination, each.destination) if each.prefix else "default"
    if "!" in each.flags:  # it leads nowhere
        return (destination, "-", mask, each.flags, "-", "-", "-", "-")
    numbers = map(str, (each.mss, each.window, each.irtt))
    return (destination, _host(each.gateway, names), mask, each.flags, *numbers, each.interface)


def _row6(each: Route, names: HostNames | None) -> tuple[str, ...]:
    destination = _host(each.destination, names) if each.prefix == 128 else each.destination
    metric = each.metric - (1 << 32) if each.metric >> 31 else each.metric
    numbers = map(str, (metric, each.references, each.used))
    return (f"{destination}/{each.prefix}", _host(each.gateway, names), each.flags, *numbers, each.interface)

"""The interfaces: counters of /proc/net/dev, and what netdevice(7) tells of each; the one of the default route is marked."""

from __future__ import annotations

import fcntl
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from hythe.view.netstat.routes import routes
from hythe.view.netstat.table import as_json as to_json
from hythe.view.netstat.table import columns

_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFMTU: Final = 0x8921
_SIOCGIFHWADDR: Final = 0x8927
_IFREQ: Final = struct.Struct("@16sH14s8x")
_UP: Final = 1
#: IFF_* (linux/if.h) by netstat's letter.
_FLAGS: Final = (
    *((0x200, "A"), (0x2, "B"), (0x4, "D"), (0x8, "L"), (0x1000, "M"), (0x8000, "d"), (0x100, "P"), (0x20, "N")),
    *((0x80, "O"), (0x10, "P"), (0x800, "s"), (0x400, "m"), (0x40, "R"), (0x1, "U")),
)
_HEADINGS: Final = (
    *("Iface", "MTU", "RX-OK", "RX-ERR", "RX-DRP", "RX-OVR", "TX-OK", "TX-ERR", "TX-DRP", "TX-OVR"),
    *("Flg", "MAC", "Default"),
)
_RIGHT: Final = frozenset(range(1, 10))
_PARTS: Final = re.compile(r"(\D*)(\d*)")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface. Counters are packets, but for `rx_bytes` and `tx_bytes`.

    `default`: the families whose default route it has; `mac`: none where the link has no addresses.
    """

    name: str
    mtu: int
    rx_bytes: int
    rx_ok: int
    rx_errors: int
    rx_dropped: int
    rx_overruns: int
    tx_bytes: int
    tx_ok: int
    tx_errors: int
    tx_dropped: int
    tx_overruns: int
    flags: str
    mac: str | None
    default: tuple[int, ...]

    @property
    def is_up(self) -> bool:
        """Is it in use?"""
        return "U" in self.flags


def interfaces() -> Iterator[Interface]:
    """All interfaces of our network namespace, in the kernel's order."""
    leads: dict[str, set[int]] = {}
    for route in routes(frozenset({4, 6})):
        if route.is_default:
            leads.setdefault(route.interface, set()).add(route.family)
    with open("/proc/net/dev", encoding="utf-8") as file, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for line in file.read().splitlines()[2:]:
            name, _, rest = line.rpartition(":")
            name = name.strip()
            numbers = [int(each) for each in rest.split()]
            try:
                flags, mtu, mac = _device(asking, name)
            except OSError:
                continue  # gone meanwhile
            received, sent = numbers[:8], numbers[8:]
            yield Interface(
                *(name, mtu, received[0], received[1], received[2], received[3], received[4]),
                *(sent[0], sent[1], sent[2], sent[3], sent[4]),
                *("".join(letter for bit, letter in _FLAGS if flags & bit), mac, tuple(sorted(leads.get(name, ())))),
            )


def _device(asking: socket.socket, name: str) -> tuple[int, int, str | None]:
    """Flags, MTU and MAC."""
    request = _IFREQ.pack(name.encode(), 0, bytes(14))
    (flags,) = struct.unpack_from("@H", fcntl.ioctl(asking, _SIOCGIFFLAGS, request), 16)
    (mtu,) = struct.unpack_from("@i", fcntl.ioctl(asking, _SIOCGIFMTU, request), 16)
    kind, address = struct.unpack_from("@H6s", fcntl.ioctl(asking, _SIOCGIFHWADDR, request), 16)
    return flags, mtu, address.hex(":") if kind == 1 else None  # ARPHRD_ETHER


def report(*, everything: bool, as_json: bool) -> str:
    """A table of those that are up, with `everything` of all; or an array."""
    found = sorted((each for each in interfaces() if everything or each.is_up), key=_by_name)
    if as_json:
        return to_json([asdict(each) for each in found]) + "\n"
    return "Kernel Interface table\n" + columns([_HEADINGS, *map(_row, found)], _RIGHT)


def _by_name(each: Interface) -> list[tuple[str, int]]:
    """As net-tools sorts them: eth2 comes before eth10."""
    return [(letters, int(digits or 0)) for letters, digits in _PARTS.findall(each.name)]


def _row(each: Interface) -> tuple[str, ...]:
    received = (each.rx_ok, each.rx_errors, each.rx_dropped, each.rx_overruns)
    sent = (each.tx_ok, each.tx_errors, each.tx_dropped, each.tx_overruns)
    default = "default (" + ", ".join(f"IPv{family}" for family in each.default) + ")" if each.default else ""
    return (each.name, str(each.mtu), *map(str, received + sent), each.flags, each.mac or "-", default)

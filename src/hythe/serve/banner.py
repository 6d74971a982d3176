"""The interface that leads to the world, and its MAC address."""

from __future__ import annotations

from typing import Final

#: Bits of /proc/net/route's flags, <linux/route.h>: the route is up, and by a gateway.
_UP: Final = 0x1
_ANYWHERE: Final = "00000000"
_ANYWHERE6: Final = "0" * 32


def default_interface() -> str | None:
    """The name of the interface of the default route with the lowest metric, IPv4 before IPv6; None without one."""
    routes = []
    for words in _table("/proc/net/route"):
        if len(words) >= 8 and words[1] == words[7] == _ANYWHERE and int(words[3], 16) & _UP:
            routes.append((4, int(words[6]), words[0]))
    for words in _table("/proc/net/ipv6_route"):
        if len(words) >= 10 and words[0] == _ANYWHERE6 and words[1] == "00" and words[9] != "lo":
            routes.append((6, int(words[5], 16), words[9]))
    return min(routes)[2] if routes else None


def mac_address(interface: str) -> str:
    """Its MAC address; empty for an interface that has none."""
    try:
        with open(f"/sys/class/net/{interface}/address", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def sentence() -> str:
    """One line for people."""
    name = default_interface()
    if name is None:
        return "Default interface: none"
    return f"Default interface: {name}, MAC {mac_address(name) or 'none'}"


def _table(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="ascii") as file:
            return [line.split() for line in file]
    except OSError:  # no such family here
        return []

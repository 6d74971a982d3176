"""The interface that leads to the world, and its addresses."""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import Final

#: Bits of /proc/net/route's flags, <linux/route.h>: the route is up, and by a gateway.
_UP: Final = 0x1
_ANYWHERE: Final = "00000000"
#: Requests for an interface's addresses, <linux/sockios.h>, and where in struct ifreq they are answered (netdevice(7)).
#: /sys would tell of the network that it was mounted in, which need not be ours.
_SIOCGIFADDR: Final = 0x8915
_SIOCGIFHWADDR: Final = 0x8927
_NAME_MAX: Final = 15
_ADDRESS_AT: Final = slice(20, 24)
_KIND_AT: Final = slice(16, 18)
_MAC_AT: Final = slice(18, 24)
_ETHERNET: Final = struct.pack("H", 1)  # ARPHRD_ETHER
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
    answer = _asked(interface, _SIOCGIFHWADDR)
    return answer[_MAC_AT].hex(":") if answer[_KIND_AT] == _ETHERNET else ""


def address(interface: str) -> str:
    """Its IPv4 address; empty for an interface that has none."""
    answer = _asked(interface, _SIOCGIFADDR)
    return socket.inet_ntoa(answer[_ADDRESS_AT]) if answer else ""


def sentence() -> str:
    """One line for people."""
    name = default_interface()
    if name is None:
        return "Default interface: none"
    own = address(name)
    return f"Default interface: {name}{f', address {own}' if own else ''}, MAC {mac_address(name) or 'none'}"


def _asked(interface: str, request: int) -> bytes:
    """The answer of the kernel; none where the interface has no such address."""
    wanted = struct.pack("256s", interface.encode()[:_NAME_MAX])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            return fcntl.ioctl(asking, request, wanted)
        except OSError:
            return b""


def _table(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="ascii") as file:
            return [line.split() for line in file]
    except OSError:  # no such family here
        return []

"""Addresses at the edge: text as people and `socket` write it, packed bytes as the host reads it.

Names are somebody else's matter: `find` asks the `resolve` it is given. Socket addresses have the standard library's
shape, ``(host, port)`` for IPv4 and ``(host, port, flowinfo, scope_id)`` for IPv6, so that programs which print or compare
them need not know whose they are.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

from hythe.errors import UsageError

#: Turns a name into numeric addresses, best first. Raises `OSError` (`socket.gaierror`) when it cannot.
Resolve = Callable[[str], Awaitable[Iterable[str]]]

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


def pack(text: str) -> bytes | None:
    """The 4 or 16 bytes of a numeric address; None when `text` is not one."""
    try:
        return ipaddress.ip_address(text).packed
    except ValueError:
        return None


async def find(name: str, resolve: Resolve | None) -> list[bytes]:
    """The packed addresses of `name`, best first; a numeric one stands for itself.

    Raises `socket.gaierror` for a name without `resolve`, and for one that resolves to nothing.
    """
    numeric = pack(name)
    if numeric is not None:
        return [numeric]
    if resolve is None:
        raise socket.gaierror(
            socket.EAI_NONAME,
            f"{name!r} is a name, and this host has no resolver: use a numeric address or give the host resolve=",
        )
    found = [pack(each) for each in await resolve(name)]
    addresses = [each for each in found if each is not None]
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, f"{name!r} has no address")
    return addresses


def check_port(port: int | None) -> int:
    """`port`, if it is one. Raises `UsageError`."""
    if not isinstance(port, int) or not 0 <= port <= 65_535:
        raise UsageError(f"{port!r} is not a port: give a number from 0 to 65535")
    return port


def sockaddr(address: bytes, port: int) -> SocketAddress:
    """As `socket.getsockname` gives it."""
    if len(address) == 4:
        return socket.inet_ntop(socket.AF_INET, address), port
    return socket.inet_ntop(socket.AF_INET6, address), port, 0, 0


def endpoint(address: bytes, port: int) -> str:
    """For messages: ``10.0.0.1:80``, ``[fd00::1]:80``."""
    host = sockaddr(address, port)[0]
    return f"{host}:{port}" if len(address) == 4 else f"[{host}]:{port}"

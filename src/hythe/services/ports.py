"""A port as people write it: a number, a service, a range of either; and what a number is called.

/etc/services comes first, as it does for every other program of this machine; what it does not know, IANA's registry may.
This is read before the first fork of `hythe run`: the registry is read when it is asked for.
"""

from __future__ import annotations

import socket

#: Above it is no port.
PORT_MAX = 65_535
#: The last well-known port, the last registered one (RFC 6335, section 6); the rest is private, or for a while somebody's.
WELL_KNOWN_MAX = 1023
REGISTERED_MAX = 49_151


def port_number(text: str, protocol: str = "tcp") -> int | None:
    """The port that `text` means, a number or a service of `protocol` (tcp, udp, sctp, dccp); None if it means none."""
    if text.isascii() and text.isdecimal():
        value = int(text)
        return value if value <= PORT_MAX else None
    try:
        return socket.getservbyname(text, protocol)
    except (OSError, UnicodeError, ValueError):
        from hythe.services.registry import registry

        return registry().port(text, protocol)


def port_range(text: str, protocol: str = "tcp") -> range | None:
    """The ports that `text` means: one (see `port_number`), or ``FIRST-LAST``; None if it means none.

    Names have hyphens, too: a name as a whole is meant before a range is.
    """
    one = port_number(text, protocol)
    if one is not None:
        return range(one, one + 1)
    for at in (at for at, sign in enumerate(text) if sign == "-"):
        first, last = port_number(text[:at], protocol), port_number(text[at + 1 :], protocol)
        if first is not None and last is not None and first <= last:
            return range(first, last + 1)
    return None


def service_name(port: int, protocol: str) -> str | None:
    """What /etc/services calls it; a well-known port that is not there, what IANA does. None: it has no name."""
    try:
        return socket.getservbyport(port, protocol)
    except (OSError, OverflowError):
        if not 0 < port <= WELL_KNOWN_MAX:
            return None
        from hythe.services.registry import registry

        found = registry().at(port, protocol)
        return found.name if found is not None and found.name else None


def category(port: int) -> str:
    """``well-known``, ``registered`` or ``private`` (RFC 6335, section 6); 0 is ``reserved``."""
    if port == 0:
        return "reserved"
    if port <= WELL_KNOWN_MAX:
        return "well-known"
    return "registered" if port <= REGISTERED_MAX else "private"

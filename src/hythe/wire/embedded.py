"""IPv6 addresses that carry an IPv4 address: who connects to one may be led to the other.

A NAT64, a 6to4 relay or the machine's own kernel would lead there. Whoever forbids an IPv4 address must ask here, or it is
reached in another spelling.
"""

from __future__ import annotations

from typing import Final

#: Twelve bytes before an embedded IPv4 address: IPv4-compatible and IPv4-mapped (RFC 4291, 2.5.5; :: and ::1 are among
#: the former), IPv4-translated (RFC 2765, 2.1), the well-known prefix of NAT64 (RFC 6052, 2.1).
_EMBEDDING: Final = frozenset(
    {
        bytes(12),
        bytes(10) + b"\xff\xff",
        bytes(8) + b"\xff\xff\0\0",
        b"\0\x64\xff\x9b" + bytes(8),
    }
)
#: NAT64 prefixes for use within one network (RFC 8215): taken to be 96 bits long.
_LOCAL_NAT64: Final = b"\0\x64\xff\x9b\0\x01"
#: 6to4: the IPv4 address follows the first two bytes (RFC 3056, 2).
_SIX_TO_FOUR: Final = b"\x20\x02"


def embedded(address: bytes) -> bytes | None:
    """The IPv4 address that an IPv6 address (packed) carries; None where it carries none."""
    if address[:12] in _EMBEDDING or address.startswith(_LOCAL_NAT64):
        return address[12:]
    return address[2:6] if address.startswith(_SIX_TO_FOUR) else None

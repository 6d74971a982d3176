"""ICMP errors and errnos: what "unreachable" means to a program, and how a program's errno is told by ICMP.

The mapping is Linux's (icmp_err_convert, icmpv6_err_convert), which is what programs expect; RFC 1122, 4.2.3.9.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.wire import icmp, icmpv6

_NET, _HOST, _REFUSED = errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED

#: Codes of ICMP "destination unreachable", 0 to 15.
_UNREACHABLE4: Final = (
    _NET,
    _HOST,
    errno.ENOPROTOOPT,
    _REFUSED,
    errno.EMSGSIZE,
    errno.EOPNOTSUPP,
    _NET,
    errno.EHOSTDOWN,
    errno.ENONET,
    _NET,
    _HOST,
    _NET,
    _HOST,
    _HOST,
    _HOST,
    _HOST,
)
#: Codes of ICMPv6 "destination unreachable", 0 to 6.
_UNREACHABLE6: Final = (_NET, errno.EACCES, _HOST, _HOST, _REFUSED, errno.EACCES, errno.EACCES)

#: The way back, as (type, code). What is not here is told as "host unreachable".
_TOLD4: Final[Mapping[int, int]] = MappingProxyType(
    {
        errno.ENETUNREACH: icmp.NET_UNREACHABLE,
        errno.ENETDOWN: icmp.NET_UNREACHABLE,
        errno.ENOPROTOOPT: icmp.PROTOCOL_UNREACHABLE,
        errno.ECONNREFUSED: icmp.PORT_UNREACHABLE,
        errno.EACCES: icmp.ADMINISTRATIVELY_PROHIBITED,
        errno.EPERM: icmp.ADMINISTRATIVELY_PROHIBITED,
    }
)
_TOLD6: Final[Mapping[int, int]] = MappingProxyType(
    {
        errno.ENETUNREACH: icmpv6.NO_ROUTE,
        errno.ENETDOWN: icmpv6.NO_ROUTE,
        errno.ECONNREFUSED: icmpv6.PORT_UNREACHABLE,
        errno.EACCES: icmpv6.ADMINISTRATIVELY_PROHIBITED,
        errno.EPERM: icmpv6.ADMINISTRATIVELY_PROHIBITED,
    }
)


def errno_of(version: int, kind: int, code: int) -> int:
    """What an ICMP error of this type and code means to the socket it concerns; 0 for nothing (RFC 6633: quench)."""
    if version == 4:
        if kind == icmp.UNREACHABLE:
            return _UNREACHABLE4[code] if code < len(_UNREACHABLE4) else _HOST
        return {icmp.TIME_EXCEEDED: _HOST, icmp.PARAMETER_PROBLEM: errno.EPROTO}.get(kind, 0)
    if kind == icmpv6.UNREACHABLE:
        return _UNREACHABLE6[code] if code < len(_UNREACHABLE6) else _HOST
    return {icmpv6.PACKET_TOO_BIG: errno.EMSGSIZE, icmpv6.TIME_EXCEEDED: _HOST, icmpv6.PARAMETER_PROBLEM: errno.EPROTO}.get(
        kind, 0
    )


def icmp_of(version: int, number: int) -> tuple[int, int]:
    """(type, code) of the "destination unreachable" that tells of the errno `number`."""
    if version == 4:
        return icmp.UNREACHABLE, _TOLD4.get(number, icmp.HOST_UNREACHABLE)
    return icmpv6.UNREACHABLE, _TOLD6.get(number, icmpv6.ADDRESS_UNREACHABLE)


def by_the_host_itself(version: int, kind: int, code: int) -> bool:
    """Whether the destination itself sends this error, not a router on the way there."""
    if version == 4:
        return (
            (kind == icmp.UNREACHABLE and code in (icmp.PROTOCOL_UNREACHABLE, icmp.PORT_UNREACHABLE))
            or (kind == icmp.TIME_EXCEEDED and code == icmp.REASSEMBLY_EXCEEDED)
            or kind == icmp.PARAMETER_PROBLEM
        )
    return (
        (kind == icmpv6.UNREACHABLE and code == icmpv6.PORT_UNREACHABLE)
        or (kind == icmpv6.TIME_EXCEEDED and code == icmpv6.REASSEMBLY_EXCEEDED)
        or kind == icmpv6.PARAMETER_PROBLEM
    )

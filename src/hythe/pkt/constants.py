"""What the names in a script stand for: Linux's numbers, whatever machine the script runs on."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.pkt.script import ANYTHING, Anything, Apply, Expression, Name, Struct

CONSTANTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "AF_INET": 2, "AF_INET6": 10, "PF_INET": 2, "PF_INET6": 10,
        "SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_NONBLOCK": 0o4000, "SOCK_CLOEXEC": 0o2000000,
        "IPPROTO_IP": 0, "IPPROTO_TCP": 6, "IPPROTO_UDP": 17, "IPPROTO_IPV6": 41,
        "INADDR_ANY": 0, "INADDR_LOOPBACK": 0x7F000001,
        "SOL_IP": 0, "SOL_SOCKET": 1, "SOL_TCP": 6, "SOL_UDP": 17, "SOL_IPV6": 41,
        "SO_REUSEADDR": 2, "SO_TYPE": 3, "SO_ERROR": 4, "SO_BROADCAST": 6, "SO_SNDBUF": 7, "SO_RCVBUF": 8,
        "SO_KEEPALIVE": 9, "SO_LINGER": 13, "SO_REUSEPORT": 15, "SO_RCVLOWAT": 18, "SO_ACCEPTCONN": 30,
        "SO_PROTOCOL": 38, "SO_DOMAIN": 39,
        "IP_TOS": 1, "IP_TTL": 2, "IP_MTU_DISCOVER": 10, "IP_RECVERR": 11, "IP_MTU": 14,
        "IPV6_UNICAST_HOPS": 16, "IPV6_MTU": 24, "IPV6_V6ONLY": 26, "IPV6_TCLASS": 67,
        "IP_PMTUDISC_DONT": 0, "IP_PMTUDISC_WANT": 1, "IP_PMTUDISC_DO": 2,
        "TCP_NODELAY": 1, "TCP_MAXSEG": 2, "TCP_CORK": 3, "TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6,
        "TCP_SYNCNT": 7, "TCP_LINGER2": 8, "TCP_DEFER_ACCEPT": 9, "TCP_WINDOW_CLAMP": 10, "TCP_INFO": 11,
        "TCP_QUICKACK": 12, "TCP_CONGESTION": 13, "TCP_FASTOPEN": 23, "TCP_NOTSENT_LOWAT": 25,
        "TCP_FASTOPEN_CONNECT": 30, "TCP_FASTOPEN_KEY": 33, "TCP_INQ": 36, "TCP_CM_INQ": 36, "AF_UNSPEC": 0,
        "SO_PRIORITY": 12, "SO_OOBINLINE": 10, "SO_MARK": 36, "SO_ZEROCOPY": 60, "IP_FREEBIND": 15,
        "EPOLLIN": 1, "EPOLLPRI": 2, "EPOLLOUT": 4, "EPOLLERR": 8, "EPOLLHUP": 0x10, "EPOLLRDNORM": 0x40,
        "EPOLLRDBAND": 0x80, "EPOLLWRNORM": 0x100, "EPOLLWRBAND": 0x200, "EPOLLRDHUP": 0x2000, "EPOLLEXCLUSIVE": 1 << 28,
        "EPOLLONESHOT": 1 << 30, "EPOLLET": 1 << 31, "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3,
        "POLLRDNORM": 0x40, "POLLRDBAND": 0x80, "POLLWRNORM": 0x100, "POLLWRBAND": 0x200,
        "IPV6_MTU_DISCOVER": 23, "IPV6_RECVERR": 25, "IPV6_HOPLIMIT": 52, "IP_PMTUDISC_PROBE": 3,
        "TCP_FASTOPEN_NO_COOKIE": 34, "TCP_TIMESTAMP": 24, "TCP_MD5SIG": 14, "TCP_THIN_LINEAR_TIMEOUTS": 16,
        "TCP_THIN_DUPACK": 17, "TCP_USER_TIMEOUT": 18, "TCP_TX_DELAY": 37,
        "SO_DEBUG": 1, "SO_DONTROUTE": 5, "SO_SNDLOWAT": 19, "SO_RCVTIMEO": 20, "SO_SNDTIMEO": 21, "SO_INCOMING_CPU": 49,
        "SO_SNDBUFFORCE": 32, "SO_RCVBUFFORCE": 33, "SO_BINDTODEVICE": 25, "SO_TIMESTAMP": 29, "SO_TIMESTAMPING": 37,
        "SO_BUSY_POLL": 46, "SO_MAX_PACING_RATE": 47, "SO_INCOMING_NAPI_ID": 56, "SO_TXREHASH": 74,
        "MSG_DONTROUTE": 4, "MSG_CTRUNC": 8, "MSG_CONFIRM": 0x800, "MSG_SYN": 0x400, "MSG_RST": 0x1000, "MSG_FIN": 0x200,
        "MSG_CMSG_CLOEXEC": 0x40000000, "SOCK_RAW": 3, "IPPROTO_ICMP": 1, "IPPROTO_ICMPV6": 58, "SOMAXCONN": 4096,
        "F_GETFD": 1, "F_SETFD": 2, "F_DUPFD": 0, "FD_CLOEXEC": 1, "O_CREAT": 0o100, "O_APPEND": 0o2000, "O_TRUNC": 0o1000,
        "SO_EE_ORIGIN_NONE": 0, "SO_EE_ORIGIN_LOCAL": 1, "SO_EE_ORIGIN_ICMP": 2, "SO_EE_ORIGIN_ICMP6": 3,
        "SO_EE_ORIGIN_TIMESTAMPING": 4, "SO_EE_ORIGIN_ZEROCOPY": 5, "SO_EE_CODE_ZEROCOPY_COPIED": 1,
        "SPLICE_F_MOVE": 1, "SPLICE_F_NONBLOCK": 2, "SPLICE_F_MORE": 4,
        "MSG_EOR": 0x80, "MSG_ERRQUEUE": 0x2000, "MSG_ZEROCOPY": 0x4000000,
        "F_GETFL": 3, "F_SETFL": 4, "O_RDWR": 2, "O_RDONLY": 0, "O_WRONLY": 1, "O_NONBLOCK": 0o4000,
        "SHUT_RD": 0, "SHUT_WR": 1, "SHUT_RDWR": 2,
        "MSG_OOB": 1, "MSG_PEEK": 2, "MSG_TRUNC": 0x20, "MSG_DONTWAIT": 0x40, "MSG_WAITALL": 0x100,
        "MSG_NOSIGNAL": 0x4000, "MSG_MORE": 0x8000, "MSG_FASTOPEN": 0x20000000,
        "POLLIN": 1, "POLLPRI": 2, "POLLOUT": 4, "POLLERR": 8, "POLLHUP": 0x10, "POLLNVAL": 0x20, "POLLRDHUP": 0x2000,
        "SIOCINQ": 0x541B, "FIONREAD": 0x541B, "SIOCOUTQ": 0x5411, "SIOCOUTQNSD": 0x894B, "NULL": 0,
    }
)  # fmt: skip


def value(expression: Expression) -> object:
    """What an expression stands for: an int, bytes (addresses too), ANYTHING, a list, or a dictionary of fields.

    KeyError with the name nobody knows.
    """
    if isinstance(expression, int | bytes | Anything):
        return expression
    if isinstance(expression, Name):
        return constant(expression.text)
    if isinstance(expression, tuple):
        return [value(each) for each in expression]
    if isinstance(expression, Struct):
        return {name: value(each) for name, each in expression.fields}
    return _apply(expression)


def constant(name: str) -> int:
    """The number of a name; KeyError for one nobody knows."""
    found = CONSTANTS.get(name)
    if found is None and name.startswith("E"):
        found = getattr(errno, name, None)
    if found is None:
        raise KeyError(name)
    return found


def _apply(expression: Apply) -> object:
    arguments = [value(each) for each in expression.arguments]
    if expression.function == "|":
        total = 0
        for each in arguments:
            total |= each if isinstance(each, int) else 0
        return total
    if expression.function in ("htons", "htonl", "inet_addr", "inet_pton", "inet6_addr", "ntohs"):
        return arguments[-1]  # a port stays the number it is written as, an address its text
    if expression.function in ("msg_name", "msg_iov", "msg_control"):
        return ANYTHING
    raise KeyError(expression.function)

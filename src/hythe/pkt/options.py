"""Socket options on hythe: each sets a field of the connection's configuration, or is kept and told again."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from hythe.pkt.constants import CONSTANTS
from hythe.pkt.script import ANYTHING
from hythe.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from hythe.pkt.descriptor import Socket

_SOCKET: Final = CONSTANTS["SOL_SOCKET"]
_TCP: Final = CONSTANTS["SOL_TCP"]
#: The option by which `Sockets` tells what else could be read.
INQ: Final = (_TCP, CONSTANTS["TCP_INQ"])
_TOS: Final = (CONSTANTS["SOL_IP"], CONSTANTS["IP_TOS"])
_TCLASS: Final = (CONSTANTS["SOL_IPV6"], CONSTANTS["IPV6_TCLASS"])
#: The option by which MSG_ZEROCOPY is heeded.
ZEROCOPY: Final = (_SOCKET, CONSTANTS["SO_ZEROCOPY"])
#: tcp(7), TCP_MAXSEG: what a program may ask for.
_MSS_MOST: Final = 32_767
_SEGMENT: Final = 1_460


def _of(level: int, name: str) -> tuple[int, int]:
    return level, CONSTANTS[name]


#: Fields of TcpConfig that an option is a number of, with the scale.
_NUMBERS: Final[Mapping[tuple[int, int], tuple[str, int]]] = MappingProxyType(
    {
        _of(_TCP, "TCP_KEEPIDLE"): ("keepalive_idle", SECOND),
        _of(_TCP, "TCP_KEEPINTVL"): ("keepalive_interval", SECOND),
        _of(_TCP, "TCP_KEEPCNT"): ("keepalive_probes", 1),
        _of(_TCP, "TCP_SYNCNT"): ("syn_retries", 1),
        _of(_TCP, "TCP_LINGER2"): ("fin_wait_2", SECOND),
        _of(_TCP, "TCP_USER_TIMEOUT"): ("user_timeout", MILLISECOND),
    }
)
#: Options that change nothing here, and are told as they were set; their defaults.
_KEPT: Final[Mapping[tuple[int, int], int]] = MappingProxyType(
    {
        _of(_SOCKET, "SO_REUSEADDR"): 0,
        _of(_SOCKET, "SO_REUSEPORT"): 0,
        _of(_SOCKET, "SO_SNDBUF"): 16_384,
        _of(_TCP, "TCP_FASTOPEN"): 0,
        _of(_TCP, "TCP_FASTOPEN_CONNECT"): 0,
        _of(_TCP, "TCP_FASTOPEN_NO_COOKIE"): 0,
        _of(_SOCKET, "SO_BROADCAST"): 0,
        _of(_SOCKET, "SO_RCVLOWAT"): 1,
        _of(_SOCKET, "SO_PRIORITY"): 0,
        _of(_SOCKET, "SO_MARK"): 0,
        _of(_TCP, "TCP_NOTSENT_LOWAT"): 0,
        INQ: 0,
        ZEROCOPY: 0,
        _of(_TCP, "TCP_DEFER_ACCEPT"): 0,
        _of(_TCP, "TCP_QUICKACK"): 1,
        _of(_TCP, "TCP_WINDOW_CLAMP"): 0,
        _of(CONSTANTS["SOL_IP"], "IP_TOS"): 0,
        _of(CONSTANTS["SOL_IPV6"], "IPV6_TCLASS"): 0,
        _of(CONSTANTS["SOL_IPV6"], "IPV6_UNICAST_HOPS"): 64,
        _of(CONSTANTS["SOL_IPV6"], "IPV6_V6ONLY"): 0,
        _of(CONSTANTS["SOL_IPV6"], "IPV6_MTU_DISCOVER"): 1,
        _of(CONSTANTS["SOL_IPV6"], "IPV6_RECVERR"): 0,
        _of(CONSTANTS["SOL_IP"], "IP_TTL"): 64,
        _of(CONSTANTS["SOL_IP"], "IP_FREEBIND"): 0,
        _of(CONSTANTS["SOL_IP"], "IP_MTU_DISCOVER"): 1,
        _of(CONSTANTS["SOL_IP"], "IP_RECVERR"): 0,
    }
)


def put(socket: Socket, level: int, name: int, given: Any, now: int) -> None:
    """setsockopt; OSError(ENOPROTOOPT) for what hythe has no such thing of."""
    which = (level, name)
    if which == _of(_SOCKET, "SO_LINGER"):
        socket.linger = given["l_linger" if "l_linger" in given else "linger"] if _on(given) else None
        return
    value = given[0] if isinstance(given, list) else given
    if which == _of(_TCP, "TCP_CONGESTION") and isinstance(value, bytes):
        socket.configure(now, congestion=value.decode())
    elif which == _of(_TCP, "TCP_NODELAY"):
        socket.configure(now, nagle=not value)
    elif which == _of(_TCP, "TCP_CORK"):
        socket.corked = bool(value)
        if socket.connection is not None and not value:
            socket.connection.uncork()
    elif which == _of(_SOCKET, "SO_KEEPALIVE"):
        socket.configure(now, keepalive=bool(value))
    elif which == _of(_SOCKET, "SO_RCVBUF"):
        whole = value - value % _SEGMENT if value > _SEGMENT else value  # as Linux offers it
        socket.configure(now, receive_buffer=whole, receive_buffer_max=whole)
        socket.options[which] = value * 2  # socket(7), as for the other
    elif which == _of(_TCP, "TCP_MAXSEG"):
        if not 88 <= value <= _MSS_MOST:
            raise OSError(errno.EINVAL, "MSS out of range")
        socket.configure(now, mss_max=value)
    elif which in _NUMBERS and hasattr(socket.config, _NUMBERS[which][0]):
        field, scale = _NUMBERS[which]
        socket.configure(now, **{field: value * scale})
    elif which == _of(_SOCKET, "SO_SNDBUF"):
        socket.options[which] = value * 2  # socket(7): the kernel doubles it, and tells so
    elif which in _KEPT:
        socket.options[which] = value
        mark(socket)
    else:
        raise OSError(errno.ENOPROTOOPT, f"hythe has no option {name} of level {level}")


def mark(socket: Socket) -> None:
    """Have the connection's packets bear what IP_TOS and IPV6_TCLASS say; the two bits of ECN are TCP's own."""
    if socket.connection is not None:
        which = _TOS if socket.connection.envelope.version == 4 else _TCLASS
        value = socket.options.get(which, 0)
        kept = socket.connection.envelope.tos & 3
        socket.connection.envelope.tos = (value if isinstance(value, int) else 0) & 0xFC | kept


def get(socket: Socket, level: int, name: int) -> object:
    """getsockopt; what stands in the list that a script writes."""
    which, config = (level, name), socket.config
    if which == _of(_SOCKET, "SO_ERROR"):
        return [_error(socket)]
    if which == _of(_TCP, "TCP_INFO"):
        return ANYTHING
    if which == _of(_SOCKET, "SO_LINGER"):
        return {"onoff": int(socket.linger is not None), "linger": socket.linger or 0}
    if which == _of(_TCP, "TCP_CONGESTION"):
        return config.congestion.encode()
    if which == _of(_TCP, "TCP_NODELAY"):
        return [int(not config.nagle)]
    if which == _of(_TCP, "TCP_CORK"):
        return [int(socket.corked)]
    if which == _of(_TCP, "TCP_MAXSEG"):
        asked = config.mss_max if config.mss_max <= _MSS_MOST else config.mss_default4
        return [socket.connection.snd_mss if socket.connection is not None else asked]
    if which == _of(_SOCKET, "SO_KEEPALIVE"):
        return [int(config.keepalive)]
    if which == _of(_SOCKET, "SO_RCVBUF"):
        return [socket.options.get(which, config.receive_buffer * 2)]
    if which == _of(_SOCKET, "SO_TYPE"):
        return [CONSTANTS["SOCK_STREAM" if socket.stream else "SOCK_DGRAM"]]
    if which == _of(_SOCKET, "SO_ACCEPTCONN"):
        return [int(socket.listener is not None)]
    if which == _of(_SOCKET, "SO_PROTOCOL"):
        return [CONSTANTS["IPPROTO_TCP" if socket.stream else "IPPROTO_UDP"]]
    if which in (_of(CONSTANTS["SOL_IP"], "IP_MTU"), _of(CONSTANTS["SOL_IPV6"], "IPV6_MTU")):
        if socket.connection is None:
            raise OSError(errno.ENOTCONN, "no path yet")
        return [socket.connection.mss_path + socket.connection.envelope.header_size]
    if which in _NUMBERS and hasattr(config, _NUMBERS[which][0]):
        field, scale = _NUMBERS[which]
        return [getattr(config, field) // scale]
    if which in _KEPT:
        return [socket.options.get(which, _KEPT[which])]
    raise OSError(errno.ENOPROTOOPT, f"hythe has no option {name} of level {level}")


def _on(given: Mapping[str, Any]) -> bool:
    return bool(given.get("onoff", given.get("l_onoff")))


def _error(socket: Socket) -> int:
    if socket.endpoint is not None:
        complaints = socket.endpoint.take_complaints()
        return complaints[0].number if complaints else 0
    return socket.take_error()

"""SOCKS as bytes: addresses, requests, replies, datagrams (RFC 1928, 4 to 7; SOCKS 4 and its extension 4A for names).

Hosts are text: an address as `socket` writes it, or a name. A name on the wire is refused unless it looks like one, so that
what stands behind a proxy is never asked about anything else.
"""

from __future__ import annotations

import errno
import re
import socket
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from hythe.errors import ParseError

SOCKS4: Final = 4
SOCKS5: Final = 5
#: Of the negotiation that follows where a password is asked for (RFC 1929, 2).
PASSWORD_VERSION: Final = 1

CONNECT: Final = 1
BIND: Final = 2
ASSOCIATE: Final = 3

NO_AUTHENTICATION: Final = 0
PASSWORD: Final = 2
NONE_ACCEPTABLE: Final = 0xFF

IPV4: Final = 1
NAME: Final = 3
IPV6: Final = 4
#: Bytes of an address by its kind; that of a name stands before it.
SIZES: Final[Mapping[int, int]] = MappingProxyType({IPV4: 4, IPV6: 16})

SUCCEEDED: Final = 0
GENERAL_FAILURE: Final = 1
NOT_ALLOWED: Final = 2
NETWORK_UNREACHABLE: Final = 3
HOST_UNREACHABLE: Final = 4
REFUSED: Final = 5
TTL_EXPIRED: Final = 6
COMMAND_NOT_SUPPORTED: Final = 7
ADDRESS_TYPE_NOT_SUPPORTED: Final = 8

#: SOCKS 4 knows granted and not granted; the two others are about ident, which nobody runs any more.
GRANTED4: Final = 90
REJECTED4: Final = 91

NAME_MAX: Final = 255
_NAME = re.compile(rb"[0-9A-Za-z._:-]+")
_PORT = struct.Struct(">H")

#: What a reply means as an errno, and in RFC 1928's words (6).
ERRORS: Final[Mapping[int, tuple[int, str]]] = MappingProxyType(
    {
        GENERAL_FAILURE: (errno.ECONNABORTED, "general failure"),
        NOT_ALLOWED: (errno.EACCES, "not allowed by its rules"),
        NETWORK_UNREACHABLE: (errno.ENETUNREACH, "network unreachable"),
        HOST_UNREACHABLE: (errno.EHOSTUNREACH, "host unreachable"),
        REFUSED: (errno.ECONNREFUSED, "connection refused"),
        TTL_EXPIRED: (errno.ETIMEDOUT, "TTL expired"),
        COMMAND_NOT_SUPPORTED: (errno.EOPNOTSUPP, "command not supported"),
        ADDRESS_TYPE_NOT_SUPPORTED: (errno.EAFNOSUPPORT, "address type not supported"),
    }
)
_REPLIES: Final[Mapping[int, int]] = MappingProxyType(
    {number: reply for reply, (number, _) in ERRORS.items()}
    | {errno.EPERM: NOT_ALLOWED, errno.ENETDOWN: NETWORK_UNREACHABLE}
)


class Request(NamedTuple):
    """What a client wants. `user`: as it was authenticated, or, of SOCKS 4, as it says; empty for nobody."""

    version: int
    command: int
    host: str
    port: int
    user: str = ""


class Bound(NamedTuple):
    """The address of a reply."""

    host: str
    port: int


UNKNOWN: Final = Bound("0.0.0.0", 0)


def reply_of(error: OSError) -> int:
    """The reply that tells a client of `error`."""
    if isinstance(error, socket.gaierror):
        return HOST_UNREACHABLE
    if isinstance(error, TimeoutError):
        return TTL_EXPIRED
    return _REPLIES.get(error.errno or 0, GENERAL_FAILURE)


def build_address(host: str, port: int) -> bytes:
    """Kind, address and port (RFC 1928, 5). ValueError for a name that has no place there."""
    host = host.partition("%")[0]
    for kind, family in ((IPV4, socket.AF_INET), (IPV6, socket.AF_INET6)):
        try:
            return bytes((kind,)) + socket.inet_pton(family, host) + _PORT.pack(port)
        except OSError:
            continue
    name = host.encode("ascii") if host.isascii() else host.encode("idna")
    if not 0 < len(name) <= NAME_MAX:
        raise ValueError(f"{host!r} is no name for a proxy: it has 1 to {NAME_MAX} bytes")
    return bytes((NAME, len(name))) + name + _PORT.pack(port)


def parse_address(kind: int, data: bytes) -> Bound:
    """The address of `kind` and the port behind it; of a name, without its length."""
    raw, port = data[:-2], _PORT.unpack(data[-2:])[0]
    if kind == NAME:
        return Bound(parse_name(raw), port)
    return Bound(socket.inet_ntop(socket.AF_INET if kind == IPV4 else socket.AF_INET6, raw), port)


def parse_name(raw: bytes) -> str:
    """A name, or an address that is written where names are."""
    if _NAME.fullmatch(raw) is None or len(raw) > NAME_MAX:
        raise ParseError(f"{raw[:40]!r} is not a name")
    return raw.decode("ascii")


def build_reply5(reply: int, bound: Bound = UNKNOWN) -> bytes:
    """RFC 1928, 6."""
    return bytes((SOCKS5, reply, 0)) + build_address(*bound)


def build_reply4(granted: bool, bound: Bound = UNKNOWN) -> bytes:
    """SOCKS 4: a version of its own, 0. An address that is none of IPv4 has no place there."""
    try:
        address = socket.inet_pton(socket.AF_INET, bound.host)
    except OSError:
        address = bytes(4)
    return bytes((0, GRANTED4 if granted else REJECTED4)) + _PORT.pack(bound.port) + address


def build_request4(command: int, host: str, port: int, user: str) -> bytes:
    """SOCKS 4; a name is sent behind an address that is none (0.0.0.1), which is SOCKS 4A. ValueError as above."""
    head = bytes((SOCKS4, command)) + _PORT.pack(port)
    tail = user.encode() + b"\0"
    try:
        return head + socket.inet_pton(socket.AF_INET, host) + tail
    except OSError:
        name = build_address(host, port)
        if name[0] == IPV6:
            name = b"\0\0" + host.encode("ascii") + b"\0\0"  # not in the text of 4A, but servers look it up as any name
        return head + b"\0\0\0\1" + tail + name[2:-2] + b"\0"


def build_datagram(host: str, port: int, data: bytes | bytearray | memoryview) -> bytes:
    """The header of a datagram (RFC 1928, 7), and `data`."""
    return b"\0\0\0" + build_address(host, port) + data


def parse_datagram(data: bytes) -> tuple[Bound, bytes]:
    """Whom it is for or from, and what it says. ParseError for one that is broken, or a fragment: nobody sends any."""
    if len(data) < 5 or data[2]:
        raise ParseError("no datagram of SOCKS, or a fragment of one")
    kind = data[3]
    start, size = (5, data[4]) if kind == NAME else (4, SIZES.get(kind, 0))
    end = start + size + 2
    if not size or len(data) < end:
        raise ParseError("the address of a datagram is cut off, or of no known kind")
    return parse_address(kind, data[start:end]), data[end:]

"""PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): who the client of a proxy in front of us is.

A header is read from what has come so far, again when there is as much more as it takes. A sender that is not named in the
configuration is never asked for one, for whoever may send it may claim to be anybody. `LOCAL`, `UNKNOWN` and families that
no TCP client has mean that the connection is the sender's own. Of the TLVs behind the addresses, the checksum is looked at,
and no other.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import Final, NamedTuple

from hythe.errors import ParseError

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
#: Longest line of version 1, its end included; longest header of version 2 that is waited for.
_LINE_MAX: Final = 107
HEADER_MAX: Final = 4_096

_FIXED: Final = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
#: Bytes of two addresses and two ports, or of two paths, by address family.
_SIZES: Final = {0: 0, 1: 12, 2: 36, 3: 216}
_STREAM: Final = 1
_CRC32C: Final = 0x03
_NUMBER: Final = re.compile(r"0|[1-9]\d{0,4}")

#: Castagnoli's polynomial, reflected (RFC 9260, A).
_POLYNOMIAL: Final = 0x82F63B78


class End(NamedTuple):
    """An address as text, and a port."""

    host: str
    port: int


class Header(NamedTuple):
    """`source`: whose the connection is, `destination`: where it was made to; None: the sender's own. `size`: in bytes."""

    source: End | None
    destination: End | None
    size: int


def read(data: bytes) -> Header | int:
    """The header that `data` begins with, or the size of `data` that it takes. ParseError."""
    if data[:1] == b"P":
        return _read1(data)
    if not _SIGNATURE.startswith(data[:12]):
        raise ParseError("it does not begin with a header of the PROXY protocol")
    return _read2(data) if len(data) >= _FIXED.size else _FIXED.size


def _read1(data: bytes) -> Header | int:
    end = data.find(b"\r\n", 0, _LINE_MAX)
    if end < 0:
        if len(data) >= _LINE_MAX or not b"PROXY ".startswith(data[:6]):
            raise ParseError("its header of the PROXY protocol does not end")
        return len(data) + 1
    words = data[:end].decode("latin-1").split(" ")
    if words[:2] == ["PROXY", "UNKNOWN"]:
        return Header(None, None, end + 2)
    if len(words) != 6 or words[0] != "PROXY" or words[1] not in ("TCP4", "TCP6"):
        raise ParseError("its header of the PROXY protocol is not one")
    family = socket.AF_INET if words[1] == "TCP4" else socket.AF_INET6
    return Header(_end1(family, words[2], words[4]), _end1(family, words[3], words[5]), end + 2)


def _end1(family: int, host: str, port: str) -> End:
    try:
        address = socket.inet_ntop(family, socket.inet_pton(family, host))
    except (OSError, ValueError) as error:
        raise ParseError(f"its header of the PROXY protocol has no address {host!r}") from error
    if not _NUMBER.fullmatch(port) or int(port) > 0xFFFF:
        raise ParseError(f"its header of the PROXY protocol has no port {port!r}")
    return End(address, int(port))


def _read2(data: bytes) -> Header | int:
    _, command, kind, length = _FIXED.unpack_from(data)
    size: int = _FIXED.size + length
    if command not in (_LOCAL, _PROXY):
        raise ParseError("its header of the PROXY protocol has an unknown version or command")
    if size > HEADER_MAX:
        raise ParseError(f"its header of the PROXY protocol has more than {HEADER_MAX} bytes")
    if len(data) < size:
        return size
    family, transport = kind >> 4, kind & 15
    addresses = _SIZES.get(family)
    if addresses is None or transport > 2 or length < addresses:
        raise ParseError("its header of the PROXY protocol has no addresses of its family")
    _check(data[:size], _FIXED.size + addresses)
    if command == _LOCAL or transport != _STREAM or family not in (1, 2):
        return Header(None, None, size)
    width = 4 if family == 1 else 16
    at = _FIXED.size
    hosts = [_host(data[at : at + width]), _host(data[at + width : at + 2 * width])]
    ports = struct.unpack_from("!HH", data, at + 2 * width)
    return Header(End(hosts[0], ports[0]), End(hosts[1], ports[1]), size)


def _host(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _check(header: bytes, at: int) -> None:
    """Walk over the TLVs, and hold the header to its checksum where it has one (2.2.3). ParseError."""
    while at < len(header):
        if at + 3 > len(header):
            raise ParseError("its header of the PROXY protocol is cut off")
        kind, length = header[at], header[at + 1] << 8 | header[at + 2]
        value = at + 3
        at = value + length
        if at > len(header):
            raise ParseError("its header of the PROXY protocol is cut off")
        if kind != _CRC32C:
            continue
        zeroed = header[:value] + bytes(4) + header[value + 4 :]
        if length != 4 or crc32c(zeroed) != int.from_bytes(header[value : value + 4], "big"):
            raise ParseError("its header of the PROXY protocol has another checksum than it says")


def build1(ends: tuple[End, End] | None) -> bytes:
    """Version 1, of source and destination; None: the connection is our own. Two families are both written as IPv6."""
    if ends is None:
        return b"PROXY UNKNOWN\r\n"
    source, destination = _alike(*ends)
    family = "TCP6" if ":" in source.host else "TCP4"
    return f"PROXY {family} {source.host} {destination.host} {source.port} {destination.port}\r\n".encode()


def build2(ends: tuple[End, End] | None) -> bytes:
    """Version 2, with its checksum; otherwise as `build1`."""
    if ends is None:
        return _FIXED.pack(_SIGNATURE, _LOCAL, 0, 0)
    source, destination = _alike(*ends)
    six = ":" in source.host
    family = socket.AF_INET6 if six else socket.AF_INET
    body = b"".join(socket.inet_pton(family, each.host) for each in (source, destination))
    body += struct.pack("!HHBH", source.port, destination.port, _CRC32C, 4)
    head = _FIXED.pack(_SIGNATURE, _PROXY, _TCP6 if six else _TCP4, len(body) + 4)
    return head + body + crc32c(head + body + bytes(4)).to_bytes(4, "big")


def _alike(source: End, destination: End) -> tuple[End, End]:
    """Both of one family: IPv4-mapped where they are not (RFC 4291, 2.5.5.2)."""
    plain = [End(each.host.partition("%")[0], each.port) for each in (source, destination)]
    if any(":" in each.host for each in plain):
        plain = [each if ":" in each.host else End(f"::ffff:{each.host}", each.port) for each in plain]
    return plain[0], plain[1]


def _reflected(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_reflected(each) for each in range(256))


def crc32c(data: bytes) -> int:
    """The checksum of SCTP and iSCSI (RFC 9260, A), which zlib does not have."""
    found = 0xFFFFFFFF
    for byte in data:
        found = found >> 8 ^ _TABLE[(found ^ byte) & 0xFF]
    return found ^ 0xFFFFFFFF

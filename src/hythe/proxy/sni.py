"""What a TLS client says before anything is encrypted: the name that it wants, and the protocols that it speaks.

The ClientHello (RFC 8446, 4.1.2) is read from what has come so far, again when there is as much more as it takes. It may
lie in several records, cut anywhere (5.1), but not in ever so many: each may cost a look. Where the name is encrypted, too
(ECH), the outer one is told, which is what leads to the right server.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from hythe.errors import ParseError

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_RECORD_MAX: Final = 16_384
#: Longest ClientHello that is waited for: those of today have some 2 KiB, with keys of post-quantum methods.
HELLO_MAX: Final = 16_384
_RECORDS_MAX: Final = 64
#: And as it comes, in records.
STREAM_MAX: Final = 4 + HELLO_MAX + _RECORDS_MAX * 5 + _RECORD_MAX

_SERVER_NAME: Final = 0
_ALPN: Final = 16
_HOST_NAME: Final = 0
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?")


class Hello(NamedTuple):
    """`name` in small letters without a dot at its end, empty where the client says none; `protocols`: of ALPN."""

    name: str
    protocols: tuple[bytes, ...]


class _Reader:
    """A piece of a message. Whatever is asked of it that it does not have is a ParseError."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """So many bytes."""
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise ParseError("a ClientHello that is cut off within")
        self._at += size
        return found

    def number(self, size: int) -> int:
        """A number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> _Reader:
        """A piece whose length stands in so many bytes before it (RFC 8446, 3.4)."""
        return _Reader(self.take(self.number(size)))

    def rest(self) -> bytes:
        """What is left."""
        return self._data[self._at :]


def read(data: bytes) -> Hello | int:
    """What the stream that begins with `data` says, or the size of `data` that it takes. ParseError: it is not TLS."""
    message = _message(data)
    if isinstance(message, int):
        return message
    reader = _Reader(message)
    reader.take(2 + 32)  # the version of old, the random
    if len(reader.vector(1).rest()) > 32:
        raise ParseError("a ClientHello with too long a session")
    ciphers = reader.vector(2).rest()
    methods = reader.vector(1).rest()
    if not ciphers or len(ciphers) % 2 or not methods:
        raise ParseError("a ClientHello without methods")
    extensions = reader.vector(2) if reader else _Reader(b"")
    if reader:
        raise ParseError("a ClientHello with something behind it")
    return _extensions(extensions)


def _message(data: bytes) -> bytes | int:
    """The body of the ClientHello, put together from its records, or the size of `data` that it takes."""
    message = b""
    at = 0
    for _ in range(_RECORDS_MAX):
        record = data[at : at + 5]
        if record[:1] not in (b"", bytes((_HANDSHAKE,))) or record[1:2] not in (b"", b"\x03"):
            raise ParseError("it does not begin with TLS")
        if len(record) < 5:
            return at + 5
        length = record[3] << 8 | record[4]
        if not 0 < length <= _RECORD_MAX:
            raise ParseError("a record of TLS of no length that it may have")
        message += data[at + 5 : at + 5 + length]
        at += 5 + length
        if message[:1] not in (b"", bytes((_CLIENT_HELLO,))):
            raise ParseError("TLS that does not begin with a ClientHello")
        size = int.from_bytes(message[1:4], "big") if len(message) >= 4 else 0
        if size > HELLO_MAX:
            raise ParseError(f"a ClientHello of more than {HELLO_MAX} bytes")
        if len(message) >= 4 + size and size:
            return message[4 : 4 + size]
        if at > len(data):
            return at
    raise ParseError(f"a ClientHello in more than {_RECORDS_MAX} records")


def _extensions(reader: _Reader) -> Hello:
    name = ""
    protocols: tuple[bytes, ...] = ()
    seen = set()
    while reader:
        kind, body = reader.number(2), reader.vector(2)
        if kind in seen:
            raise ParseError("a ClientHello that says something twice")
        seen.add(kind)
        if kind == _SERVER_NAME:
            name = _name(body.vector(2))
        elif kind == _ALPN:
            protocols = tuple(_protocols(body.vector(2)))
    return Hello(name, protocols)


def _name(names: _Reader) -> str:
    """The one of kind host_name (RFC 6066, 3)."""
    found = None
    while names:
        kind, name = names.number(1), names.vector(2).rest()
        if kind != _HOST_NAME:
            continue
        if found is not None:
            raise ParseError("a ClientHello with two names")
        found = name.decode("latin-1").lower().removesuffix(".")
        if not _NAME.fullmatch(found):
            raise ParseError("a ClientHello with a name that is none")
    return found or ""


def _protocols(names: _Reader) -> list[bytes]:
    """RFC 7301, 3.1."""
    found = []
    while names:
        protocol = names.vector(1).rest()
        if not protocol:
            raise ParseError("a ClientHello with a protocol without a name")
        found.append(protocol)
    return found

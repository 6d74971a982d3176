"""What TLS says before anything is encrypted: the client's name and protocols, the server's version and choice.

The ClientHello (RFC 8446, 4.1.2) is read from what has come so far, again when there is as much more as it takes. It may
lie in several records, cut anywhere (5.1), but not in ever so many: each may cost a look. Where the name is encrypted, too
(ECH), the outer one is told, which is what leads to the right server. The ServerHello (4.1.3) is read in the same way; of
the protocols the server chooses one there up to TLS 1.2 (RFC 7301, 3.1), since 1.3 where nobody else can read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from hythe.errors import ParseError

#: Types of records (RFC 8446, 5.1).
CHANGE_CIPHER_SPEC: Final = 20
HANDSHAKE: Final = 22
APPLICATION_DATA: Final = 23
#: What a record begins with: its type, a version, and the length of the rest.
RECORD_SIZE: Final = 5
_CLIENT_HELLO: Final = 1
_SERVER_HELLO: Final = 2
_RECORD_MAX: Final = 16_384
#: Longest ClientHello that is waited for: those of today have some 2 KiB, with keys of post-quantum methods.
HELLO_MAX: Final = 16_384
_RECORDS_MAX: Final = 64
#: And as it comes, in records.
STREAM_MAX: Final = 4 + HELLO_MAX + _RECORDS_MAX * 5 + _RECORD_MAX

_SERVER_NAME: Final = 0
_ALPN: Final = 16
_SUPPORTED_VERSIONS: Final = 43
_VERSIONS: Final[Mapping[int, str]] = MappingProxyType(
    {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
)
_HOST_NAME: Final = 0
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?")


class Hello(NamedTuple):
    """`name` in small letters without a dot at its end, empty where the client says none; `protocols`: of ALPN."""

    name: str
    protocols: tuple[bytes, ...]


class Answer(NamedTuple):
    """`version`: ``TLS 1.3``; `protocol`: of ALPN, empty where the server chooses none, or not where it can be read."""

    version: str
    protocol: bytes


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
            raise ParseError("a hello that is cut off within")
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
    message = _message(data, _CLIENT_HELLO)
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
    name = ""
    protocols: tuple[bytes, ...] = ()
    for kind, body in _extensions(reader):
        if kind == _SERVER_NAME:
            name = _name(body.vector(2))
        elif kind == _ALPN:
            protocols = tuple(_protocols(body.vector(2)))
    return Hello(name, protocols)


def read_answer(data: bytes) -> Answer | int:
    """The same of a server, whose stream begins with its ServerHello. ParseError: it is none, or is an alert."""
    message = _message(data, _SERVER_HELLO)
    if isinstance(message, int):
        return message
    reader = _Reader(message)
    version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    reader.take(2 + 1)  # cipher and compression
    protocol = b""
    for kind, body in _extensions(reader):
        if kind == _SUPPORTED_VERSIONS:
            version = body.number(2)
        elif kind == _ALPN:
            protocol = (*_protocols(body.vector(2)), b"")[0]
    if version not in _VERSIONS:
        raise ParseError(f"a ServerHello of version {version:#06x}")
    return Answer(_VERSIONS[version], protocol)


def _message(data: bytes, kind: int) -> bytes | int:
    """The body of the hello, put together from its records, or the size of `data` that it takes."""
    message = b""
    at = 0
    for _ in range(_RECORDS_MAX):
        record = data[at : at + 5]
        if record[:1] not in (b"", bytes((HANDSHAKE,))) or record[1:2] not in (b"", b"\x03"):
            raise ParseError("it does not begin with TLS")
        if len(record) < RECORD_SIZE:
            return at + RECORD_SIZE
        length = record[3] << 8 | record[4]
        if not 0 < length <= _RECORD_MAX:
            raise ParseError("a record of TLS of no length that it may have")
        message += data[at + RECORD_SIZE : at + RECORD_SIZE + length]
        at += RECORD_SIZE + length
        if message[:1] not in (b"", bytes((kind,))):
            raise ParseError("TLS that does not begin with such a hello")
        size = int.from_bytes(message[1:4], "big") if len(message) >= 4 else 0
        if size > HELLO_MAX:
            raise ParseError(f"a hello of more than {HELLO_MAX} bytes")
        if len(message) >= 4 + size and size:
            return message[4 : 4 + size]
        if at > len(data):
            return at
    raise ParseError(f"a hello in more than {_RECORDS_MAX} records")


def _extensions(reader: _Reader) -> Iterator[tuple[int, _Reader]]:
    """Those at the end of a hello, if there are any."""
    extensions = reader.vector(2) if reader else _Reader(b"")
    if reader:
        raise ParseError("a hello with something behind it")
    seen = set()
    while extensions:
        kind, body = extensions.number(2), extensions.vector(2)
        if kind in seen:
            raise ParseError("a hello that says something twice")
        seen.add(kind)
        yield kind, body


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

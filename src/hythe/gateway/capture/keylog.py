"""The secrets of the command's TLS connections, as its library logs them (SSLKEYLOGFILE), and which packets need them.

A reader of the file that goes through it once decrypts only what comes after the secrets. The library logs them when it has
seen the server's hello, so they come later than the packet: the writer holds that back until it has them. In TLS 1.3
(RFC 8446) those of the application's data are needed as well, for they take over within the server's flight.
Format: draft-ietf-tls-keylogfile.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

#: Connections whose secrets are remembered to be there, and the longest line that can be one.
_CONNECTIONS: Final = 65_536
_LINE_MAX: Final = 1_024

_LINE: Final = re.compile(rb"([A-Z0-9_]{1,64}) ([0-9a-fA-F]{64}) [0-9a-fA-F]+")
#: What the last secrets that are needed are called: of TLS 1.2 and before one for both directions, of 1.3 one for each.
_CLIENT, _SERVER = 1, 2
_NEEDED: Final[Mapping[bytes, int]] = {
    b"CLIENT_RANDOM": _CLIENT | _SERVER,
    b"CLIENT_TRAFFIC_SECRET_0": _CLIENT,
    b"SERVER_TRAFFIC_SECRET_0": _SERVER,
}

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_HELLO: Final = 2
_RECORD_SIZE: Final = 5
#: Where the random begins in a record with a hello, and where it ends.
_RANDOM: Final = slice(11, 43)
#: Of a ServerHello that asks for another ClientHello, and is no answer yet (RFC 8446, 4.1.3).
_HELLO_RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class KeyLog:
    """What has been logged. Never printed, and kept nowhere but in the file."""

    __slots__ = ("_known", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._known: OrderedDict[bytes, int] = OrderedDict()

    def feed(self, data: bytes) -> bytes:
        """Some of what was written to the log. The whole lines among it that tell a secret; others are left out."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LINE_MAX]
        found = []
        for line in lines:
            match = _LINE.fullmatch(line.strip())
            if match is not None:
                found.append(match[0] + b"\n")
                client = bytes.fromhex(match[2].decode())
                self._known[client] = self._known.get(client, 0) | _NEEDED.get(match[1], 0)
        while len(self._known) > _CONNECTIONS:
            self._known.popitem(last=False)
        return b"".join(found)

    def knows(self, random: bytes) -> bool:
        """Are there all secrets of the connection whose client began with `random`?"""
        return self._known.get(random) == _CLIENT | _SERVER


def client_random(text: memoryview) -> bytes:
    """The random of the ClientHello that a segment's payload begins with; empty where it does not (RFC 8446, 4.1.2)."""
    return bytes(text[_RANDOM]) if _is_hello(text, _CLIENT_HELLO) else b""


def is_server_hello(text: memoryview) -> bool:
    """Does a segment's payload begin with a ServerHello, after which there are secrets?"""
    return _is_hello(text, _SERVER_HELLO) and text[_RANDOM] != _HELLO_RETRY


def _is_hello(text: memoryview, kind: int) -> bool:
    return len(text) >= _RANDOM.stop and text[0] == _HANDSHAKE and text[1] == 3 and text[_RECORD_SIZE] == kind

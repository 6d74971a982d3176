"""ClientHellos as OpenSSL makes them, and cut into records as one likes."""

from __future__ import annotations

import ssl
from collections.abc import Sequence


def hello(name: str | None, protocols: Sequence[str] = ()) -> bytes:
    """The first flight of a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("a handshake with nobody")


def records(flight: bytes, sizes: Sequence[int]) -> bytes:
    """The same message in records of such lengths; the last has the rest."""
    message, out = flight[5:], b""
    for size in (*sizes, len(message)):
        part, message = message[:size], message[size:]
        if part:
            out += flight[:3] + len(part).to_bytes(2, "big") + part
    return out

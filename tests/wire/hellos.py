"""ClientHellos as OpenSSL makes them, and cut into records as one likes."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress

from hythe.serve.certificate import made


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


def flights(
    version: ssl.TLSVersion, offered: Sequence[str], spoken: Sequence[str], answer: bytes
) -> list[tuple[int, bytes]]:
    """A whole conversation between OpenSSL and OpenSSL, in turns: (0 for the client's, bytes).

    At its end the client asks with 100 bytes, alone, and the server says `answer`.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    server, _ = made(["192.0.2.1"])
    for context, protocols in ((client, offered), (server, spoken)):
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(list(protocols))
    pipes = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(pipes[1], pipes[0], server_hostname="a.example")
    far = server.wrap_bio(pipes[0], pipes[1], server_side=True)
    said = []
    hands = [False, False]
    while not all(hands):
        for way, end in enumerate((near, far)):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
                hands[way] = True
            flight = pipes[way].read()
            if flight:
                said.append((way, flight))
                pipes[way].write(flight)
    near.write(bytes(100))
    said.append((0, pipes[0].read()))
    far.write(answer)
    said.append((1, pipes[1].read()))
    return said

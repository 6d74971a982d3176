"""Secrets: which lines of a key log are some, when they are enough, and which packets need them."""

from __future__ import annotations

import hashlib
import random
import ssl

import pytest

from hythe.gateway.capture.keylog import KeyLog, client_random, is_server_hello

RANDOM = bytes(range(32))


def line(label: str, client: bytes = RANDOM) -> bytes:
    return f"{label} {client.hex()} {'5a' * 48}\n".encode()


@pytest.mark.parametrize(
    "labels", [["CLIENT_RANDOM"], ["SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0"]]
)
def test_a_connection_is_known_when_its_data_can_be_read_in_both_directions(labels: list[str]) -> None:
    log = KeyLog()
    for label in labels:
        assert not log.knows(RANDOM)
        assert log.feed(line(label)) == line(label)
    assert log.knows(RANDOM)
    assert not log.knows(RANDOM[::-1])


def test_what_is_no_secret_is_left_out(rng: random.Random) -> None:
    log = KeyLog()
    garbage = b"# a comment\n\nCLIENT_RANDOM 12 34\n" + rng.randbytes(100).replace(b"\n", b"") + b"\n" + b"x" * 5_000 + b"\n"
    assert log.feed(garbage + line("CLIENT_RANDOM")) == line("CLIENT_RANDOM")


def test_lines_come_in_pieces() -> None:
    log = KeyLog()
    whole = line("CLIENT_RANDOM") + line("CLIENT_RANDOM", RANDOM[::-1])
    assert b"".join(log.feed(whole[at : at + 7]) for at in range(0, len(whole), 7)) == whole
    assert log.knows(RANDOM[::-1])


def test_hellos_are_told_by_openssl_itself() -> None:
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="hythe.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    assert client_random(memoryview(hello)) == hello[11:43]
    assert not is_server_hello(memoryview(hello))
    reply = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + RANDOM + bytes(80)  # RFC 8446, 4.1.3
    assert is_server_hello(memoryview(reply))
    retry = reply.replace(RANDOM, hashlib.sha256(b"HelloRetryRequest").digest())
    assert not is_server_hello(memoryview(retry))
    assert client_random(memoryview(reply)) == b""
    assert client_random(memoryview(hello[:42])) == b""
    assert client_random(memoryview(b"GET / HTTP/1.1\r\n" * 9)) == b""

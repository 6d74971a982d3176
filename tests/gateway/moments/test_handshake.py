"""TLS between OpenSSL and OpenSSL, followed: what belongs to the handshake, and what answers."""

from __future__ import annotations

import ssl
from random import Random

import pytest

from hythe.gateway.moments.handshake import Handshake
from hythe.gateway.moments.record import Moments
from tests.wire.hellos import flights

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
UP, DOWN = 0, 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cut", [False, True])
def test_a_handshake_is_over_when_the_client_may_ask(version: ssl.TLSVersion, cut: bool, rng: Random) -> None:
    moments = Moments()
    handshake = Handshake(moments)
    said = flights(version, ("h2", "http/1.1"), ("h2",), bytes(1000))
    for now, (way, flight) in enumerate(said, start=10):
        data = flight
        while data:
            size = rng.randrange(1, 60) if cut else len(data)
            handshake.feed(way, data[:size], now)
            data = data[size:]
    asked, answered = 10 + len(said) - 2, 10 + len(said) - 1
    assert (moments.tls_began, moments.first_up, moments.first_down) == (10, asked, answered)
    # Of 1.3 the server's tickets come behind the client's Finished, and are no answer; of 1.2 its Finished is the last.
    assert moments.tls_ended == asked - 1 - (version == ssl.TLSVersion.TLSv1_3)
    assert moments.hello is not None
    assert moments.answer is not None
    assert (moments.hello.name, moments.hello.protocols) == ("a.example", (b"h2", b"http/1.1"))
    assert moments.answer == ("TLS 1.2", b"h2") if version == ssl.TLSVersion.TLSv1_2 else ("TLS 1.3", b"")
    assert handshake.done


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ([(UP, b"GET / HTTP/1.0\r\n\r\n")], (1, 0)),
        ([(DOWN, b"220 mail.example\r\n")], (0, 1)),
        ([(UP, b"\x16\x03\x01"), (UP, b"nonsense")], (2, 0)),
    ],
)
def test_what_is_not_tls_has_no_handshake(said: list[tuple[int, bytes]], first: tuple[int, int]) -> None:
    moments = Moments()
    handshake = Handshake(moments)
    for now, (way, data) in enumerate(said, start=1):
        handshake.feed(way, data, now)
    assert handshake.done
    assert (moments.tls_began, moments.tls_ended) == (0, 0)
    assert (moments.first_up, moments.first_down) == first


def test_a_refused_handshake_never_ends() -> None:
    """An alert instead of a hello."""
    moments = Moments()
    handshake = Handshake(moments)
    handshake.feed(UP, flights(VERSIONS[1], ("h2",), ("h2",), b"")[0][1], 1)
    handshake.feed(DOWN, b"\x15\x03\x03\0\2\2\x28", 2)
    assert handshake.done
    assert (moments.tls_began, moments.tls_ended, moments.first_down) == (1, 0, 0)
    assert moments.hello is not None
    assert moments.answer is None

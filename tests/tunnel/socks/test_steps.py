"""A negotiation by steps, for whoever watches the socket himself: in any pieces, and nothing is read beyond its end."""

from __future__ import annotations

import socket

import pytest

from hythe.tunnel.socks.messages import CONNECT, SOCKS4, SOCKS5, Request
from hythe.tunnel.socks.server import UnwelcomeError, request
from hythe.tunnel.socks.steps import Exchange

FIVE = b"\5\2\0\2" + b"\5\1\0\3\4host\0\x50"
FOUR = b"\4\1\0\x50\0\0\0\1me\0host\0"


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(20)
    return ours, theirs


@pytest.mark.parametrize(
    ("said", "found", "answer"),
    [
        (FIVE, Request(SOCKS5, CONNECT, "host", 80), b"\5\0"),
        (FOUR, Request(SOCKS4, CONNECT, "host", 80, "me"), b""),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_in_any_pieces(
    ends: tuple[socket.socket, socket.socket], said: bytes, found: Request, answer: bytes, size: int
) -> None:
    ours, theirs = ends
    with ours, theirs:
        asking = Exchange(request())
        came = None
        for at in range(0, len(said), size):
            assert came is None
            theirs.sendall(said[at : at + size])
            came = asking.go_on(ours)
        for _ in range(2):  # what has been said at once is there, and nobody is told so twice
            came = came or asking.go_on(ours)
        assert came == found
        if answer:
            assert theirs.recv(10) == answer
        theirs.sendall(b"beyond")
        assert ours.recv(10) == b"beyond"


def test_its_end_in_the_middle_and_who_is_not_welcome(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    with ours, theirs:
        asking = Exchange(request())
        assert asking.go_on(ours) is None
        theirs.sendall(b"\5\1\1")
        with pytest.raises(UnwelcomeError):
            asking.go_on(ours)
        assert theirs.recv(10) == b"\5\xff"
        asking = Exchange(request())
        theirs.sendall(b"\5")
        theirs.shutdown(socket.SHUT_WR)
        assert asking.go_on(ours) is None
        with pytest.raises(ConnectionResetError):
            asking.go_on(ours)

"""The direct way out, towards this machine: what it answers is known when `open_stream` returns."""

from __future__ import annotations

import errno
import socket

import pytest

from hythe.gateway.egress.base import Destination
from hythe.gateway.egress.direct import Direct

LOOPBACK = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


@pytest.mark.parametrize(("family", "address"), LOOPBACK)
def test_who_listens_here_is_connected_at_once(family: int, address: str) -> None:
    with socket.create_server((address, 0), family=family) as server:
        stream, connected = Direct().open_stream(Destination(address, server.getsockname()[1]))
        with stream:
            assert connected
            stream.send(b"at once")
            with server.accept()[0] as far:
                assert far.recv(100) == b"at once"


@pytest.mark.parametrize(("family", "address"), LOOPBACK)
def test_a_closed_port_here_is_refused_at_once(family: int, address: str) -> None:
    with socket.socket(family) as taken:
        taken.bind((address, 0))  # and nobody listens
        with pytest.raises(ConnectionRefusedError):
            Direct().open_stream(Destination(address, taken.getsockname()[1]))


def test_a_listener_that_does_not_answer_is_waited_for() -> None:
    """Its queue is full, so that the SYN is dropped: the connect goes on, as one through the network does."""
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        stream, connected = Direct().open_stream(Destination(*full.getsockname()))
        with stream:
            assert not connected
            assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            assert stream.connect_ex(full.getsockname()) == errno.EALREADY

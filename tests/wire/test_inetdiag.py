"""What the kernel tells of sockets, asked of the kernel."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hythe.errors import ParseError
from hythe.wire import inetdiag
from hythe.wire.inetdiag import IPV4, IPV6, LISTEN, TCP, UDP, Socket

NETLINK_SOCK_DIAG = 4


def ask(family: int, protocol: int, *, counters: bool = False) -> list[Socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as diag:
        diag.sendall(inetdiag.request(family, protocol, 7, counters=counters))
        found: list[Socket] = []
        while True:
            for each in inetdiag.read(diag.recv(65_536), protocol, 7):
                if each is None:
                    return found
                found.append(each)


def test_the_kernel_knows_our_sockets() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=5))
        port = server.getsockname()[1]
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        accepted = stack.enter_context(server.accept()[0])
        client.sendall(b"unread")
        loopback = bytes((127, 0, 0, 1))
        found = {each.inode: each for each in ask(IPV4, TCP)}
        listener = found[os.fstat(server.fileno()).st_ino]
        assert (listener.state, listener.local, listener.local_port) == (LISTEN, loopback, port)
        assert (listener.remote, listener.remote_port, listener.send_queue) == (bytes(4), 0, 5)
        ours = found[os.fstat(client.fileno()).st_ino]
        assert (ours.remote, ours.remote_port, ours.local_port) == (loopback, port, client.getsockname()[1])
        assert found[os.fstat(accepted.fileno()).st_ino].receive_queue == len(b"unread")
        assert ours.user == os.getuid()
        assert ours.counters is None
        counted = {each.inode: each.counters for each in ask(IPV4, TCP, counters=True)}
        ours_counted, theirs = counted[os.fstat(client.fileno()).st_ino], counted[os.fstat(accepted.fileno()).st_ino]
        assert ours_counted is not None
        assert theirs is not None
        assert 0 < ours_counted.rtt < 1_000_000
        assert (theirs.received, theirs.retransmits, ours_counted.received) == (len(b"unread"), 0, 0)
        assert ours_counted.sent >= len(b"unread")


def test_an_ipv6_socket_that_speaks_ipv4_has_ipv4s_addresses() -> None:
    with ExitStack() as stack:
        dual = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", dual.getsockname()[1])))
        accepted = stack.enter_context(dual.accept()[0])
        datagrams = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        datagrams.bind(("::1", 0))
        found = {each.inode: each for each in ask(IPV6, TCP) + ask(IPV6, UDP)}
        other = found[os.fstat(accepted.fileno()).st_ino]
        assert (other.remote, other.remote_port) == (bytes((127, 0, 0, 1)), client.getsockname()[1])
        assert found[os.fstat(datagrams.fileno()).st_ino].local == bytes(15) + b"\1"


def test_an_error_of_the_kernels_is_raised() -> None:
    with pytest.raises(OSError, match="does not tell of sockets"):
        ask(IPV4, 254)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(ParseError, OSError):
        list(inetdiag.read(data, TCP, 7))


@given(st.binary(max_size=120), st.sampled_from((2, 3, 20)))
def test_any_message_is_read_or_refused(body: bytes, kind: int) -> None:
    with suppress(ParseError, OSError):
        list(inetdiag.read(struct.pack("=IHHII", 16 + len(body), kind, 0, 7, 0) + body, TCP, 7))

"""The gate for streams, on real sockets: what it makes of a SYN in the turn that brings it."""

from __future__ import annotations

import errno
import socket

import pytest

from hythe.tcp.states import ESTABLISHED
from hythe.wire.segment import RST, SYN, Envelope4, Envelope6
from tests.gateway.relay import HOST4, HOST6, Relay, port_of, within
from tests.host.hosts import packed

BOTH = pytest.mark.parametrize(
    ("address", "inside", "command"),
    [("127.0.0.1", HOST4, packed("10.83.64.100")), ("::1", HOST6, packed("fd68:7974:6865::64"))],
)


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@BOTH
def test_who_listens_here_answers_in_the_turn_of_the_syn(address: str, inside: bytes, command: bytes) -> None:
    def test(relay: Relay) -> None:
        with socket.create_server((address, 0), family=family_of(address)) as server:
            connection = relay.command.host.connect(inside, port_of(server), 0)
            relay.command.turn(0)
            relay.driver.turn()
            relay.command.turn(0)
            assert connection.state == ESTABLISHED
            connection.write(b"hello")
            relay.turn()
            with server.accept()[0] as far:
                far.settimeout(2)
                assert far.recv(100) == b"hello"
                far.send(b"good bye")
                far.shutdown(socket.SHUT_WR)
                relay.turn()
                assert (b"".join(connection.views()), connection.fin_received) == (b"good bye", True)
                connection.consume(8)
                connection.close(0)
                relay.turn()
                assert far.recv(100) == b""
        assert not relay.streams.flows
        assert not relay.session.live

    within(test)


@BOTH
def test_a_closed_port_here_refuses_in_the_turn_of_the_syn(address: str, inside: bytes, command: bytes) -> None:
    def test(relay: Relay) -> None:
        with socket.socket(family_of(address)) as taken:
            taken.bind((address, 0))
            connection = relay.command.host.connect(inside, port_of(taken), 0)
            relay.command.turn(0)
            relay.driver.turn()
            relay.command.turn(0)
        assert connection.error == errno.ECONNREFUSED
        assert [record.error for record in relay.session.records()] == [errno.ECONNREFUSED]

    within(test)


@BOTH
def test_a_syn_that_is_taken_back_at_once_leaves_nothing(address: str, inside: bytes, command: bytes) -> None:
    def test(relay: Relay) -> None:
        with socket.create_server((address, 0), family=family_of(address)) as server:
            envelope = (Envelope6 if ":" in address else Envelope4)(command, inside, 5_000, port_of(server))
            relay.warm()  # so that both packets are there before anybody is visited
            relay.command.interface.link.send(0, envelope.head(100, 0, SYN, 65_535))
            relay.command.interface.link.send(0, envelope.head(101, 0, RST, 0))
            relay.driver.turn()
            with server.accept()[0] as far:
                far.settimeout(2)
                with pytest.raises(ConnectionResetError):
                    far.recv(1)
        assert not relay.streams.flows
        assert not relay.session.live
        assert not relay.driver.host.connections

    within(test)


@BOTH
def test_what_a_server_says_before_it_resets_arrives(address: str, inside: bytes, command: bytes) -> None:
    """It has had enough of an upload; the next piece cannot be passed on in the turn in which its answer is there."""

    def test(relay: Relay) -> None:
        with socket.create_server((address, 0), family=family_of(address)) as server:
            connection = relay.command.host.connect(inside, port_of(server), 0)
            relay.turn()
            with server.accept()[0] as far:
                connection.write(b"a part")
                relay.turn()
                far.sendall(b"too much")
            connection.write(b"another part")
            relay.turn()
        assert (connection.bytes_received, connection.error) == (len(b"too much"), errno.ECONNRESET)
        assert [record.bytes_down for record in relay.session.records()] == [len(b"too much")]
        assert not relay.streams.flows

    within(test)

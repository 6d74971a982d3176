"""This machine's sockets as a source, beside what the test itself does with some."""

from __future__ import annotations

import os
import socket

from hythe.session.model import Changes, Figures
from hythe.view.watch.machine import Machine
from hythe.view.watch.model import Watch


def test_a_socket_is_told_when_it_comes_moves_and_goes() -> None:
    machine, watch = Machine(), Watch()

    def look() -> Changes:
        found = machine.changes(watch.serial)
        assert found is not None
        watch.feed(watch.now + 1_000_000_000, found)
        return found

    assert look().complete
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        with client, server.accept()[0] as accepted:
            ends = client.getsockname()[1], server.getsockname()[1]
            found = look()
            assert not found.complete
            whole = next(each for each in found.connections if (each.inside.port, each.remote.port) == ends)
            assert (whole.state, whole.ended) == ("ESTABLISHED", None)
            assert not any(each.remote.port == 0 for each in found.connections)
            client.sendall(bytes(5_000))
            accepted.recv(5_000, socket.MSG_WAITALL)
            figures = told(look(), whole.id)
            assert 5_000 <= figures.bytes_up <= 5_001  # the SYN is counted
            assert figures.bytes_down == 0
            assert figures.rtt
            assert 5_000 <= watch.connections[whole.id].up <= 5_001
            watch.hold(machine.holders())
            owner = watch.connections[whole.id].owner
            assert owner is not None
            assert owner.pid == os.getpid()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert told(look(), whole.id).ended
    assert machine.changes(12_345).complete  # type: ignore[union-attr]


def told(found: Changes, number: int) -> Figures:
    return next(each for each in found.figures if each.id == number)

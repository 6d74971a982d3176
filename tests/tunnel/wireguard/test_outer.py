"""The UDP socket under a tunnel: batches both ways, marks, and a kernel that does not cut."""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Iterator

import pytest

from hythe.tunnel.wireguard.admission import Source
from hythe.tunnel.wireguard.around import Outgoing
from hythe.tunnel.wireguard.outer import OuterSocket

#: linux/socket.h SO_NO_CHECK: whoever sends without checksums has the kernel cut nothing.
SO_NO_CHECK = 11


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=str)
def both(request: pytest.FixtureRequest) -> Iterator[tuple[OuterSocket, OuterSocket, str]]:
    """Two sockets of a family, and the address by which they reach each other."""
    family, host = request.param
    made = []
    for _ in range(2):
        if family == socket.AF_INET:
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            made.append(OuterSocket(sock=sock))
        else:
            made.append(OuterSocket())
    yield made[0], made[1], host
    for each in made:
        each.close()


def message(rng: random.Random, count: int, size: int, last: int) -> list[bytes]:
    """Pieces in pairs, as a session makes them: a head of 16 bytes and the rest of each datagram."""
    parts = []
    for number in range(count):
        parts += [rng.randbytes(16), rng.randbytes((last if number == count - 1 else size) - 16)]
    return parts


def received(outer: OuterSocket, count: int) -> tuple[list[bytes], set[int], set[Source], int]:
    """`count` datagrams: they, their marks, their sources, and how many reads it took."""
    found: list[bytes] = []
    marks: set[int] = set()
    sources: set[Source] = set()
    reads = 0
    while len(found) < count:
        assert select.select([outer.fileno()], [], [], 5)[0]
        read = outer.receive()
        assert read is not None
        reads += 1
        marks.add(read.ecn)
        sources.add(read.source)
        whole = bytes(read.view[: read.size])
        found += [whole[at : at + read.step] for at in range(0, len(whole), read.step)]
    assert outer.receive() is None
    return found, marks, sources, reads


@pytest.mark.parametrize(("count", "last"), [(1, 100), (2, 1_452), (45, 700), (100, 17), (150, 1_452)])
def test_batches_arrive_as_they_were(
    rng: random.Random, both: tuple[OuterSocket, OuterSocket, str], count: int, last: int
) -> None:
    near, far, host = both
    size = 1_452 if count > 1 else last
    parts = message(rng, count, size, last)
    target = far.address(host, far.port)
    assert near.send(Outgoing(target, parts, size, 0)) == 0
    found, marks, sources, reads = received(far, count)
    assert found == [parts[at] + parts[at + 1] for at in range(0, len(parts), 2)]
    assert marks == {0}
    assert sources == {near.address(host, near.port)}
    assert reads <= 1 + count // 20


@pytest.mark.parametrize("mark", [1, 2, 3])
def test_marks_go_and_come(rng: random.Random, both: tuple[OuterSocket, OuterSocket, str], mark: int) -> None:
    near, far, host = both
    target = far.address(host, far.port)
    assert near.send(Outgoing(target, message(rng, 10, 500, 500), 500, 0x88 | mark)) == 0
    assert received(far, 10)[1] == {mark}


def test_where_the_kernel_does_not_cut_they_go_one_by_one(rng: random.Random) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    near, far = OuterSocket(sock=sock), OuterSocket()
    try:
        for _ in range(2):
            parts = message(rng, 30, 1_452, 99)
            assert near.send(Outgoing(("127.0.0.1", far.port), parts, 1_452, 0)) == 0
            found, _, _, _ = received(far, 30)
            assert found == [parts[at] + parts[at + 1] for at in range(0, len(parts), 2)]
        assert not near._cuts
    finally:
        near.close()
        far.close()


def test_what_cannot_be_sent_is_counted(rng: random.Random) -> None:
    near = OuterSocket()
    try:
        refused = near.address("255.255.255.255", 9)  # broadcasts take SO_BROADCAST
        assert near.send(Outgoing(refused, message(rng, 3, 500, 500), 500, 0)) == 3
        assert near.send(Outgoing(refused, [b"x" * 148], 148, 0)) == 1
    finally:
        near.close()

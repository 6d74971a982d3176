"""A wire between two ends of a test, which may flip a bit, be cut, or fall silent."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator


class Wire:
    """Carries what comes to `port` to `target`.

    `flip`: how many bits are still to be flipped, "up" or "down", one in each `every`-th message.
    """

    def __init__(self, target: int, kind: socket.SocketKind) -> None:
        self.target = target
        self.flip = {"up": 0, "down": 0}
        self.every = 1
        self.silent = False
        self._count = 0
        self._kind = kind
        self._near = socket.socket(socket.AF_INET, kind)
        self._near.bind(("127.0.0.1", 0))
        self.port: int = self._near.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._client: tuple[str, int] | None = None
        self._wake, self._waker = socket.socketpair()
        self._is_cut = threading.Event()

    def cut(self) -> None:
        """Break every connection off. It is done by who watches them."""
        self._is_cut.clear()
        self._waker.send(b"x")
        assert self._is_cut.wait(20)

    def serve(self) -> None:
        """Until `close`."""
        if self._kind == socket.SOCK_STREAM:
            self._near.listen()
            self._streams()
        else:
            self._datagrams()

    def close(self) -> None:
        self._waker.close()

    def _spoiled(self, data: bytes, way: str) -> bytes:
        # What a data message of WireGuard, and a packet of SSH, has at its head is no secret, but guarded as well.
        if self.flip[way] and len(data) > 64:
            self._count += 1
            if self._count % self.every:
                return data
            self.flip[way] -= 1
            changed = bytearray(data)
            changed[len(data) // 2] ^= 0x10
            return bytes(changed)
        return data

    def _streams(self) -> None:
        with self._near:
            while True:
                pairs = list(self._pairs)
                ways = {one: (other, "up") for one, other in pairs} | {other: (one, "down") for one, other in pairs}
                readable, _, _ = select.select([self._near, self._wake, *ways], [], [], None)
                if self._wake in readable:
                    if not self._wake.recv(1):
                        break
                    self._close_all()
                    self._is_cut.set()
                    continue
                if self._near in readable:
                    client = self._near.accept()[0]
                    try:
                        self._pairs.append((client, socket.create_connection(("127.0.0.1", self.target))))
                    except ConnectionRefusedError:
                        client.close()
                for one in readable:
                    if one in ways and one.fileno() >= 0:
                        self._pass(one, *ways[one])
        self._close_all()

    def _close_all(self) -> None:
        for pair in self._pairs:
            for each in pair:
                each.close()
        self._pairs = []

    def _pass(self, one: socket.socket, other: socket.socket, way: str) -> None:
        try:
            data = one.recv(65_536)
            if self.silent and data:
                return
            if data:
                other.sendall(self._spoiled(data, way))
                return
        except OSError:
            pass  # either has gone: so does the other
        self._pairs = [each for each in self._pairs if one not in each]
        one.close()
        other.close()

    def _datagrams(self) -> None:
        with self._near, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.connect(("127.0.0.1", self.target))
            while True:
                readable, _, _ = select.select([self._near, far, self._wake], [], [], None)
                if self._wake in readable:
                    break
                with contextlib.suppress(ConnectionRefusedError):  # nobody is there yet, or any more
                    if self._near in readable:
                        data, self._client = self._near.recvfrom(65_535)
                        far.send(self._spoiled(data, "up"))
                    if far in readable and self._client is not None:
                        self._near.sendto(self._spoiled(far.recv(65_535), "down"), self._client)


@contextlib.contextmanager
def wire(target: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[Wire]:
    """One, until the end of `with`."""
    made = Wire(target, kind)
    thread = threading.Thread(target=made.serve)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(10)
        made._wake.close()

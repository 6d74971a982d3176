"""A proxy whose world is not this machine's: what it knows of names and addresses only the test knows."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hythe.via.base import Buffer, Receive
from hythe.via.direct import Direct, KernelDatagrams
from tests.tunnel.socks.serving import Serving, serving

#: What the proxy's world has, wherever the test's servers really are.
WORLD = {"far.test": "127.0.0.1", "192.0.2.1": "127.0.0.1", "9.9.9.9": "127.0.0.1"}


class Elsewhere(Direct):
    """The world as the proxy sees it: it has its own idea of names and addresses."""

    async def open(self, host: str, port: int) -> socket.socket:
        return await super().open(WORLD.get(host, "no-such-name.invalid"), port)

    async def datagrams(self, receive: Receive, broken: object) -> KernelDatagrams:
        return _Elsewhere(lambda data, host, port: receive(data, "192.0.2.1", port))


class _Elsewhere(KernelDatagrams):
    __slots__ = ()

    def send(self, data: Buffer, host: str, port: int) -> None:
        super().send(data, WORLD[host], port)


@contextmanager
def proxy() -> Iterator[Serving]:
    with serving(way=Elsewhere()) as it:
        yield it


@contextmanager
def udp_echo() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))

        def answer() -> None:
            while True:
                data, client = far.recvfrom(100)
                if not data:
                    return
                far.sendto(data.upper(), client)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield far.getsockname()[1]
        finally:
            far.sendto(b"", far.getsockname())
            thread.join(5)

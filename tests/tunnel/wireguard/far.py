"""A wireguard-go in a network of its own, and a wire to it that a test can bend: another address, a loss, a recording.

Everything is on that network's loopback: wireguard-go's socket, ours, and between them a relay, as which each sees the
other. Inside the tunnel is the kernel.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from hythe.tunnel.wireguard.config import Configuration
from hythe.tunnel.wireguard.keys import key_text
from tests import needs
from tests.aio.kernel import Kernel

#: The kernel's addresses in the tunnel, and its port on the wire.
INNER = {4: "10.7.0.1", 6: "fd07::1"}
PORT = 51_820
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


class Far:
    """`configuration`: a server's; its peers are ours. Needs root, for wireguard-go's device and control socket."""

    def __init__(self, configuration: Configuration, folder: Path) -> None:
        for each in ("wireguard-go", "wg", "ip"):
            needs.program(each)
        self.kernel = Kernel(privileged=True)
        self.name = f"hw{os.getpid() % 1_000_000}"
        self._folder = folder
        self.run("wireguard-go", self.name)
        self.set("private-key", self._file("private", configuration.private_key.reveal()), "listen-port", str(PORT))
        for peer in configuration.peers:
            words = ["peer", key_text(peer.public_key), "allowed-ips", ",".join(map(str, peer.allowed_ips))]
            if peer.preshared_key is not None:
                words += ["preshared-key", self._file("preshared", peer.preshared_key.reveal())]
            self.set(*words)
        for address in configuration.addresses:
            # Else the kernel looks for others with that address in its own time, and nobody can listen there until then.
            once = ["nodad"] if address.version == 6 else []
            self.run("ip", "addr", "add", str(address), "dev", self.name, *once)
        self.run("ip", "link", "set", self.name, "mtu", str(configuration.mtu), "up")

    def _file(self, name: str, key: bytes) -> str:
        path = self._folder / name
        path.write_text(key_text(key))
        path.chmod(0o600)
        return str(path)

    def run(self, *argv: str) -> str:
        """Run a program there."""
        status, output, complaints = self.kernel.run(*argv)
        assert status == 0, f"{argv}: {complaints}"
        return output.decode()

    def set(self, *words: str) -> None:
        """``wg set``."""
        self.run("wg", "set", self.name, *words)

    def dump(self) -> list[list[str]]:
        """``wg show dump``: for each peer its key, psk, endpoint, allowed-ips, handshake, received, sent, keepalive."""
        return [line.split("\t") for line in self.run("wg", "show", self.name, "dump").splitlines()[1:]]

    def udp_socket(self, version: int = 4) -> socket.socket:
        """A UDP socket there, bound to loopback."""
        made = self.kernel.make_socket(version, socket.SOCK_DGRAM)
        made.bind((LOOPBACK[version], 0))
        return made

    def listen(self, version: int, port: int) -> socket.socket:
        """A TCP socket there that listens inside the tunnel."""
        made = self.kernel.make_socket(version, socket.SOCK_STREAM)
        made.bind((INNER[version], port))
        made.listen()
        return made

    def close(self) -> None:
        """End it: wireguard-go goes with its device."""
        self.run("ip", "link", "del", self.name)
        self.kernel.close()


class Wire:
    """A relay between our socket and wireguard-go's. On the running loop.

    `near`: the address for our side to send to. `pass_on(datagram, from_far)`: what becomes of a datagram; the default
    is that it arrives. `log`: everything that came, and whether from the far side.
    """

    def __init__(self, far: Far, version: int = 4) -> None:
        self._far = far
        self._version = version
        self._loop = asyncio.get_running_loop()
        self._ours: tuple[object, ...] | None = None
        self._inside = far.udp_socket(version)
        self.near = self._inside.getsockname()
        self._outside = far.udp_socket(version)
        self.port = PORT
        self.log: list[tuple[bool, bytes]] = []
        self.pass_on: Callable[[bytes, bool], list[bytes]] = lambda datagram, _: [datagram]
        self._loop.add_reader(self._inside.fileno(), self._from_near)
        self._loop.add_reader(self._outside.fileno(), self._from_far)

    @property
    def outside(self) -> str:
        """Where the far side sees us, as ``wg show`` writes it."""
        host, port = self._outside.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def meet(self, ours: socket.socket) -> None:
        """Our side is there, though it has not sent yet."""
        self._ours = ours.getsockname()

    def move(self) -> None:
        """From now on the far side sees another address of ours."""
        self._loop.remove_reader(self._outside.fileno())
        self._outside.close()
        self._outside = self._far.udp_socket(self._version)
        self._loop.add_reader(self._outside.fileno(), self._from_far)

    def inject(self, datagram: bytes) -> None:
        """One more datagram to the far side, as if it were ours."""
        self._outside.sendto(datagram, (LOOPBACK[self._version], self.port))

    def flood(self, datagrams: bytes, size: int) -> None:
        """Many at once (UDP_SEGMENT), each of `size` bytes."""
        cut = (socket.IPPROTO_UDP, 103, size.to_bytes(2, sys.byteorder))
        self._outside.sendmsg([datagrams], [cut], 0, (LOOPBACK[self._version], self.port))

    def _from_near(self) -> None:
        for datagram, source in _read(self._inside):
            self._ours = source
            self.log.append((False, datagram))
            for each in self.pass_on(datagram, False):
                self.inject(each)

    def _from_far(self) -> None:
        for datagram, source in _read(self._outside):
            self.port = source[1]
            self.log.append((True, datagram))
            for each in self.pass_on(datagram, True):
                if self._ours is not None:
                    self._inside.sendto(each, self._ours)

    def close(self) -> None:
        """Cut it."""
        for each in (self._inside, self._outside):
            self._loop.remove_reader(each.fileno())
            each.close()


def _read(sock: socket.socket) -> list[tuple[bytes, tuple]]:
    found = []
    for _ in range(64):
        try:
            found.append(sock.recvfrom(65_536))
        except BlockingIOError:
            break
    return found

"""The UDP socket that a tunnel stands on: many datagrams a system call, both ways.

Datagrams of one length for one endpoint leave together (UDP_SEGMENT), and what came from one source in a row is read
together (UDP_GRO); the ECN codepoint goes and comes beside them. One socket takes both families where the machine has
IPv6: IPv4 addresses are then written as ::ffff:192.0.2.1. The outer packets may be fragmented on the way, as Linux's
may: WireGuard does not find out about the path's MTU.
Sources: udp(7), ip(7), ipv6(7); linux/udp.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Final

from hythe.errors import MachineError
from hythe.tunnel.wireguard.admission import Source
from hythe.tunnel.wireguard.around import Outgoing
from hythe.tunnel.wireguard.ecn import MASK

_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_IP_RECVTOS: Final = 13
_PMTUDISC_DONT: Final = 0

#: Linux UDP_MAX_SEGMENTS (64 until 6.9), and what one IP packet holds of them.
_SEGMENTS: Final = 64
_BYTES: Final = 65_535 - 40 - 8
#: What wireguard-go asks for; without the right to more the kernel gives its own limit.
_BUFFER: Final = 7 << 20
_ROOM: Final = 65_536
_ANCILLARY: Final = 4 * socket.CMSG_SPACE(4)
_WORD: Final = struct.Struct("=H")
_INT: Final = struct.Struct("=i")
#: What the kernel says where it cannot cut: the device sums nothing, the path is too narrow, the kernel is too old.
_CANNOT_CUT: Final = frozenset({errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.EOPNOTSUPP, errno.ENOPROTOOPT})


class Received:
    """What one read brought: `view[:size]`, cut every `step` bytes; `ecn`: the codepoint of all."""

    __slots__ = ("ecn", "size", "source", "step", "view")

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_ROOM))
        self.size = 0
        self.step = 0
        self.source: Source = ()
        self.ecn = 0


class OuterSocket:
    """Bound to `port` of every address, 0 for any; or `sock`, bound already.

    Raises `MachineError`, which begins with `where`.
    """

    __slots__ = ("_cuts", "_received", "_sock", "_vector", "family", "port")

    def __init__(self, port: int = 0, sock: socket.socket | None = None, where: str = "") -> None:
        self._sock = _bound(port, where) if sock is None else sock
        self._sock.setblocking(False)
        self.family = self._sock.family
        self.port = int(self._sock.getsockname()[1])
        self._cuts = True
        self._received = Received()
        self._vector = (self._received.view,)
        _set_options(self._sock)

    def fileno(self) -> int:
        """Its descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close it. Harmless when repeated."""
        self._sock.close()

    def address(self, host: str, port: int) -> Source:
        """An address, not a name, in the form that this socket's sources have."""
        if self.family == socket.AF_INET:
            return (host, port)
        return (host if ":" in host else f"::ffff:{host}", port, 0, 0)

    def receive(self) -> Received | None:
        """What has arrived, good until the next call; None if nothing has."""
        received = self._received
        try:
            size, ancillary, _, source = self._sock.recvmsg_into(self._vector, _ANCILLARY)
        except BlockingIOError:
            return None
        received.size = received.step = size
        received.source = source
        received.ecn = 0
        for level, kind, data in ancillary:
            if level == socket.IPPROTO_UDP and kind == _UDP_GRO:
                received.step = _INT.unpack(data)[0]
            elif kind in (socket.IP_TOS, socket.IPV6_TCLASS):
                received.ecn = data[0] & MASK
        return received

    def send(self, outgoing: Outgoing) -> int:
        """Send datagrams; how many the kernel did not take. Full buffers and unreachable networks lose, as a wire does."""
        parts = outgoing.parts
        ancillary = self._traffic_class(outgoing) if outgoing.tos else []
        if len(parts) <= 2:
            return self._send_one(parts, ancillary, outgoing.endpoint)
        lost = 0
        each = 2 * max(1, min(_SEGMENTS, _BYTES // outgoing.size)) if self._cuts else 2
        cut = (socket.IPPROTO_UDP, _UDP_SEGMENT, _WORD.pack(outgoing.size))
        for at in range(0, len(parts), each):
            some = parts[at : at + each]
            if len(some) <= 2:
                lost += self._send_one(some, ancillary, outgoing.endpoint)
                continue
            try:
                self._sock.sendmsg(some, [cut, *ancillary], 0, outgoing.endpoint)
            except OSError as error:
                if error.errno not in _CANNOT_CUT:
                    lost += len(some) // 2
                    continue
                self._cuts = False
                for first in range(0, len(some), 2):
                    lost += self._send_one(some[first : first + 2], ancillary, outgoing.endpoint)
        return lost

    def _send_one(self, parts: list[bytes], ancillary: list[tuple[int, int, bytes]], endpoint: Source) -> int:
        try:
            self._sock.sendmsg(parts, ancillary, 0, endpoint)
        except OSError:
            return 1
        return 0

    def _traffic_class(self, outgoing: Outgoing) -> list[tuple[int, int, bytes]]:
        host = outgoing.endpoint[0]
        if self.family == socket.AF_INET or host.startswith("::ffff:"):
            return [(socket.IPPROTO_IP, socket.IP_TOS, _INT.pack(outgoing.tos))]
        return [(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _INT.pack(outgoing.tos))]


def _bound(port: int, where: str) -> socket.socket:
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    except OSError:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("", port))
    except OSError as error:
        sock.close()
        remedy = "write another ListenPort, or none" if port else "see whether this machine has a network"
        raise MachineError(f"{where}UDP port {port} cannot be listened on ({error.strerror}): {remedy}") from error
    return sock


def _set_options(sock: socket.socket) -> None:
    """Only what makes it faster may be missing; marks of congestion and fragments are old."""
    for forced, plain in ((_SO_SNDBUFFORCE, socket.SO_SNDBUF), (_SO_RCVBUFFORCE, socket.SO_RCVBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, plain, _BUFFER)
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError as error:
        if error.errno not in _CANNOT_CUT:
            raise
    sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
    sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTOS, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)

"""Pings by this machine's own sockets: unprivileged ICMP ones, raw ones where those are forbidden and we may.

A ping socket (`SOCK_DGRAM`) needs its user's group in net.ipv4.ping_group_range; the kernel chooses the identifier and
hands over only our replies. A raw socket needs CAP_NET_RAW and sees every reply from the destination, so the identifier
tells which are ours. Source: icmp(7), raw(7).
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from hythe.gateway.egress.base import Buffer, Destination, EchoLost, EchoReply
from hythe.gateway.egress.kernel import queue_errors, queued_errors, socket_address
from hythe.wire import icmp, icmpv6

_SOL_RAW: Final = 255
#: Filters of raw sockets: a bit for each type that is kept away.
_ICMP_FILTER: Final = 1
_ICMP6_FILTER: Final = 1
_ONLY_REPLIES4: Final = struct.pack("=I", 0xFFFFFFFF & ~(1 << icmp.ECHO_REPLY))
_ONLY_REPLIES6: Final = ((1 << 256) - 1 & ~(1 << icmpv6.ECHO_REPLY)).to_bytes(32, "little")

_HEAD: Final = struct.Struct(">BBHHH")
_LONGEST: Final = 65_535
#: Replies taken in a row.
_BATCH: Final = 16


class KernelEcho:
    """As `egress.base.Echoer`: one connected socket. Raises PermissionError where neither kind is allowed."""

    __slots__ = ("_family", "_identifier", "_reply", "_socket", "is_raw")

    def __init__(self, destination: Destination, identifier: int) -> None:
        self._family = socket.AF_INET6 if ":" in destination.host else socket.AF_INET
        protocol, self._reply = (
            (socket.IPPROTO_ICMP, icmp.ECHO_REPLY)
            if self._family == socket.AF_INET
            else (socket.IPPROTO_ICMPV6, icmpv6.ECHO_REPLY)
        )
        self._identifier = identifier
        self.is_raw = False
        try:
            self._socket = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, protocol)
        except PermissionError:
            self._socket = socket.socket(self._family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
            self.is_raw = True
        try:
            if self.is_raw and self._family == socket.AF_INET:
                self._socket.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_REPLIES4)
            elif self.is_raw:
                self._socket.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _ONLY_REPLIES6)
            queue_errors(self._socket, self._family)
            self._socket.connect(socket_address(self._family, destination.host, 0))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def send(self, sequence: int, data: Buffer) -> None:
        """As `Echoer.send`; of a ping socket the kernel puts in the identifier."""
        build = icmp.echo_message if self._family == socket.AF_INET else icmpv6.echo_message
        self._socket.send(build(False, self._identifier, sequence, data))

    def receive(self) -> list[EchoReply]:
        """As `Echoer.receive`."""
        replies: list[EchoReply] = []
        for _ in range(_BATCH):
            try:
                message = self._socket.recv(_LONGEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error: `errors` has it
            if self.is_raw and self._family == socket.AF_INET:
                message = message[(message[0] & 0x0F) * 4 :]  # raw IPv4 sockets give the IP header, too
            if len(message) >= _HEAD.size:
                kind, _, _, identifier, sequence = _HEAD.unpack_from(message)
                if kind == self._reply and (not self.is_raw or identifier == self._identifier):
                    replies.append(EchoReply(sequence, message[_HEAD.size :]))
        return replies

    def errors(self) -> list[EchoLost]:
        """As `Echoer.errors`."""
        lost = []
        for data, _, _, told, by in queued_errors(self._socket, self._family):
            if told is not None:
                whole = len(data) >= _HEAD.size
                if not (self.is_raw and whole and _HEAD.unpack_from(data)[3] != self._identifier):
                    lost.append(EchoLost(_HEAD.unpack_from(data)[4] if whole else None, told, by))
        return lost

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

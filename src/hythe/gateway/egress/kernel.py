"""UDP on this machine's own sockets, many datagrams a system call where the kernel can.

Equal datagrams leave as one `sendmsg` with UDP_SEGMENT, and UDP_GRO lets joined ones come in as one. What the kernel
refuses to segment (a route whose MTU is smaller, a device without checksums) is sent one by one, and the refusal is
remembered. IP_RECVERR has the ICMP errors queued for us, with the peer that they concern; without it an unconnected socket
would never hear of them. Source: udp(7), ip(7), linux/errqueue.h.

The two ECN bits of the traffic class are carried both ways (RFC 3168, 5; RFC 8085, 3.1.7): IP_TOS with what is sent,
IP_RECVTOS with what is received. Datagrams that differ in them are not of one run.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final

from hythe.gateway.egress.base import Buffer, Destination, Lost, Peer, Run
from hythe.units import MIB

UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
IP_RECVERR: Final = 11
IPV6_RECVERR: Final = 25
#: Datagrams of one UDP_SEGMENT send: UDP_MAX_SEGMENTS up to Linux 6.8.
SEGMENTS_MAX: Final = 64
#: Bytes of one such send, and of what is handed on as one run: what a UDP length field can say, headers off.
RUN_MAX: Final = 65_507
#: The longest that can be received: 65,535 less the UDP header, over IPv6.
LONGEST: Final = 65_527

_BUFFER: Final = 1 * MIB
_U16: Final = struct.Struct("=H")
_INT: Final = struct.Struct("=i")
#: ``struct sock_extended_err``: errno, origin, type, code, pad, info, data; the offender's address follows.
_EXTENDED: Final = struct.Struct("=IBBBxII")
_ORIGIN_ICMP: Final = frozenset((2, 3))  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
_SEGMENTATION_REFUSED: Final = frozenset((errno.EIO, errno.EINVAL, errno.ENOPROTOOPT, errno.EMSGSIZE, errno.EOPNOTSUPP))
_LOW: Final = 0 if sys.byteorder == "little" else 3
_ANCILLARY_ROOM: Final = 2 * socket.CMSG_SPACE(_INT.size)
Ancillary = tuple[tuple[int, int, bytes], ...]
#: What sends with each of the four ECN codepoints: nothing for the default of 0.
MARKS4: Final[tuple[Ancillary, ...]] = (
    (),
    *(((socket.IPPROTO_IP, socket.IP_TOS, _INT.pack(ecn)),) for ecn in range(1, 4)),
)
MARKS6: Final[tuple[Ancillary, ...]] = (
    (),
    *(((socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _INT.pack(ecn)),) for ecn in range(1, 4)),
)


class KernelDatagrams:
    """As `egress.base.Datagrams`: one unconnected UDP socket, bound by its first send."""

    __slots__ = ("_family", "_marks", "_segment_limit", "_socket")

    def __init__(self, version: int) -> None:
        self._family = socket.AF_INET if version == 4 else socket.AF_INET6
        self._marks = MARKS4 if version == 4 else MARKS6
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._segment_limit = RUN_MAX
        try:
            _prepare(self._socket, self._family)
            self._socket.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:  # before Linux 5.0: nothing comes joined
                self._socket.close()
                raise

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def peer(self, destination: Destination) -> Peer:
        """The socket address, as `recvfrom` spells it."""
        return socket_address(self._family, destination.host, destination.port)

    def send(self, pieces: Sequence[Buffer], gso_size: int, peer: Peer, ecn: int = 0) -> None:
        """As `Datagrams.send`."""
        mark = self._marks[ecn]
        if not gso_size:
            self._send(pieces, mark, peer)
            return
        if gso_size <= self._segment_limit:
            try:
                self._send(pieces, ((socket.IPPROTO_UDP, UDP_SEGMENT, _U16.pack(gso_size)), *mark), peer)
                return
            except OSError as error:
                if error.errno not in _SEGMENTATION_REFUSED:
                    raise
                self._segment_limit = gso_size - 1 if error.errno in (errno.EINVAL, errno.EMSGSIZE) else 0
        for piece in pieces:
            for at in range(0, len(piece), gso_size):
                self._send((piece[at : at + gso_size],), mark, peer)

    def _send(self, pieces: Sequence[Buffer], ancillary: Ancillary, peer: Peer) -> None:
        try:
            self._socket.sendmsg(pieces, ancillary, 0, peer)
        except ConnectionRefusedError:
            # What an earlier datagram met; `errors` tells of it. The kernel has forgotten it by now.
            self._socket.sendmsg(pieces, ancillary, 0, peer)

    def receive(self, buffer: memoryview, limit: int) -> tuple[list[Run], bool]:
        """As `Datagrams.receive`; equal datagrams of one peer in a row become one run."""
        runs: list[Run] = []
        receive = self._socket.recvmsg_into
        at = start = step = count = ecn = 0
        peer: Peer | None = None
        last = len(buffer) - LONGEST
        more = True
        while limit and at <= last:
            limit -= 1
            try:
                size, ancillary, _, source = receive((buffer[at:],), _ANCILLARY_ROOM)
            except BlockingIOError:
                more = False
                break
            except OSError:
                continue  # an ICMP error: `errors` has it
            joined = mark = 0
            for _, kind, value in ancillary:
                if kind == UDP_GRO:
                    joined = _INT.unpack_from(value)[0]
                else:
                    mark = mark_of(value)
            if (
                source == peer
                and 0 < size <= step
                and count < SEGMENTS_MAX
                and at + size - start <= RUN_MAX
                and not joined
                and mark == ecn
            ):
                at += size
                count += 1
                if size < step:  # only the last may be shorter
                    count = SEGMENTS_MAX
                continue
            if peer is not None:
                runs.append(Run(peer, start, at, step if at - start > step else 0, ecn))
            start, peer, count, ecn = at, source, 1, mark
            at += size
            step = size
            if joined:
                step = joined
                count = SEGMENTS_MAX
        if peer is not None:
            runs.append(Run(peer, start, at, step if at - start > step else 0, ecn))
        return runs, more

    def errors(self) -> list[Lost]:
        """As `Datagrams.errors`."""
        return [
            Lost(peer, number, len(data), icmp, by)
            for data, peer, number, icmp, by in queued_errors(self._socket, self._family)
        ]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _prepare(sock: socket.socket, family: int) -> None:
    """Room for bursts (the kernel cuts it to its limit), the traffic class of what comes, and ICMP errors queued."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    tell_marks(sock)
    queue_errors(sock, family)


def tell_marks(sock: socket.socket) -> None:
    """Have the traffic class come with each datagram."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)


def mark_of(value: bytes) -> int:
    """The ECN codepoint in what IP_TOS (a byte) or IPV6_TCLASS (an int) tells."""
    return value[_LOW if len(value) > 1 else 0] & 3


def queue_errors(sock: socket.socket, family: int) -> None:
    """Have ICMP errors queued for `queued_errors`."""
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)


def socket_address(family: int, host: str, port: int) -> Peer:
    """The address as `recvfrom` spells it, so that the two compare equal."""
    text = socket.inet_ntop(family, socket.inet_pton(family, host))
    return (text, port) if family == socket.AF_INET else (text, port, 0, 0)


QueuedError = tuple[bytes, Peer, int, tuple[int, int] | None, str | None]


def queued_errors(sock: socket.socket, family: int) -> list[QueuedError]:
    """Empty the error queue: (what we had sent, to whom, errno, (ICMP type, code) or None, who said so or None)."""
    found: list[QueuedError] = []
    while True:
        try:
            data, ancillary, _, peer = sock.recvmsg(2_048, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            break
        for level, kind, value in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                number, origin, icmp_type, icmp_code, _, _ = _EXTENDED.unpack_from(value)
                told = (icmp_type, icmp_code) if origin in _ORIGIN_ICMP else None
                found.append((data, peer, number, told, _offender(value[_EXTENDED.size :], family) if told else None))
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # else the socket would stay readable for it
    return found


def _offender(address: bytes, family: int) -> str | None:
    """The address in a ``struct sockaddr``, where there is one of this family."""
    at, size = (4, 4) if family == socket.AF_INET else (8, 16)
    if len(address) < at + size or _U16.unpack_from(address)[0] != family:
        return None
    return socket.inet_ntop(family, address[at : at + size])

"""Questions to NETLINK_SOCK_DIAG about the sockets of a network namespace, and its answers (sock_diag(7)).

One request asks for all sockets of a family and protocol, or for the one that a packet would go to; the answer is a row of
messages, each with an `inet_diag_msg` and attributes, of which TCP's counters are read. Numbers are the machine's own, ports
and addresses the network's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hythe.errors import ParseError

IPV4: Final = 2  # AF_INET
IPV6: Final = 10  # AF_INET6
TCP: Final = 6
UDP: Final = 17
#: States of TCP as the kernel numbers them (linux/tcp_states.h); a UDP socket is ESTABLISHED or CLOSE.
LISTEN: Final = 10
CLOSE: Final = 7

_BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
_ERROR: Final = 2
_DONE: Final = 3
_REQUESTED: Final = 0x001  # NLM_F_REQUEST
_FLAGS: Final = 0x301  # NLM_F_REQUEST, NLM_F_DUMP
_ALL_STATES: Final = 0xFFF
_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_REQUEST: Final = struct.Struct("=BBBxI48x")  # inet_diag_req_v2: family, protocol, extensions, states, inet_diag_sockid
#: The same, with ports and addresses, of any interface and with any cookie.
_ONE: Final = struct.Struct("=BBBxI2s2s16s16sIQ")
_ANY_COOKIE: Final = (1 << 64) - 1
_NUMBER: Final = struct.Struct("=i")
#: inet_diag_msg: family, state, timer, retransmits; of inet_diag_sockid the ports and addresses, interface, cookie; then
#: expires, receive queue, send queue, user, inode.
_ANSWER: Final = struct.Struct("=BBBx2s2s16s16sI8xIIIII")
_RETRANSMITS: Final = 3
#: Attributes behind it: length, type; INET_DIAG_INFO is TCP's `tcp_info` (linux/tcp.h), of which a few are read here.
_ATTRIBUTE: Final = struct.Struct("=HH")
_INFO: Final = 2
_INFO_WANTED: Final = 1 << (_INFO - 1)
_COUNTERS: Final = struct.Struct("=68xI28xI16xQQ")  # tcpi_rtt, tcpi_total_retrans, tcpi_bytes_acked, tcpi_bytes_received
_MAPPED: Final = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Counters:
    """Of a TCP connection. `rtt`: microseconds; `sent`: bytes that were acknowledged."""

    rtt: int
    retransmits: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket. Addresses are packed, 4 bytes also where an IPv6 socket speaks IPv4; a listener's remote is all zeros.

    `receive_queue`, `send_queue`: bytes, of a listener connections that wait and their limit. `inode` 0: nobody's any more.
    `family`: IPV4 or IPV6, of the socket; `interface`: the index of the one it is bound to, or 0. `counters`: if asked for.
    """

    protocol: int
    state: int
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    receive_queue: int
    send_queue: int
    user: int
    inode: int
    retransmits: int
    family: int
    interface: int
    counters: Counters | None = None


def request(family: int, protocol: int, sequence: int, *, counters: bool = False) -> bytes:
    """Ask for all sockets of IPV4 or IPV6, TCP or UDP; with `counters`, of TCP's."""
    body = _REQUEST.pack(family, protocol, _INFO_WANTED if counters else 0, _ALL_STATES)
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _FLAGS, sequence, 0) + body


def request_one(protocol: int, local: bytes, local_port: int, remote: bytes, remote_port: int, sequence: int) -> bytes:
    """Ask for the socket that a packet from `remote` would go to, a listener maybe. The answer has no end mark."""
    source, destination = (local_port.to_bytes(2, "big"), local), (remote_port.to_bytes(2, "big"), remote)
    if protocol == UDP:  # which takes the packet's view (net/ipv4/udp_diag.c, udp_dump_one)
        source, destination = destination, source
    family = IPV4 if len(local) == 4 else IPV6
    (port, address), (far_port, far) = source, destination
    body = _ONE.pack(family, protocol, 0, _ALL_STATES, port, far_port, address, far, 0, _ANY_COOKIE)
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUESTED, sequence, 0) + body


def read(data: bytes, protocol: int, sequence: int) -> Iterator[Socket | None]:
    """The sockets in one datagram of the answer to `request`; None at its end.

    Raises OSError where the kernel reports one, `ParseError` for messages that do not fit.
    """
    at = 0
    while at < len(data):
        if at + _HEADER.size > len(data):
            raise ParseError(f"netlink message at byte {at} is cut off")
        length, kind, _, number, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            raise ParseError(f"netlink message at byte {at} has length {length}, {len(data) - at} bytes are there")
        body = data[at + _HEADER.size : at + length]
        at += length + -length % 4
        if number != sequence:
            continue
        if kind in (_DONE, _ERROR):
            error = -_NUMBER.unpack_from(body)[0] if len(body) >= _NUMBER.size else 0
            if error:  # of a dump it stands in its end
                raise OSError(error, "the kernel does not tell of sockets")
            yield None
        elif kind == _BY_FAMILY:
            yield _socket(body, protocol)


def _socket(body: bytes, protocol: int) -> Socket:
    if len(body) < _ANSWER.size:
        raise ParseError(f"inet_diag_msg has {len(body)} bytes, {_ANSWER.size} at least")
    family, state, _, local_port, remote_port, local, remote, interface, _, incoming, outgoing, user, inode = (
        _ANSWER.unpack_from(body)
    )
    return Socket(
        protocol,
        state,
        _address(family, local),
        int.from_bytes(local_port, "big"),
        _address(family, remote),
        int.from_bytes(remote_port, "big"),
        incoming,
        outgoing,
        user,
        inode,
        body[_RETRANSMITS],
        family,
        interface,
        _counters(body) if len(body) > _ANSWER.size and protocol == TCP else None,
    )


def _counters(body: bytes) -> Counters | None:
    at = _ANSWER.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size or at + length > len(body):
            raise ParseError(f"attribute at byte {at} has length {length}, {len(body) - at} bytes are there")
        if kind == _INFO and length >= _ATTRIBUTE.size + _COUNTERS.size:
            return Counters(*_COUNTERS.unpack_from(body, at + _ATTRIBUTE.size))
        at += length + -length % 4
    return None


def _address(family: int, field: bytes) -> bytes:
    if family == IPV4:
        return field[:4]
    return field[12:] if field.startswith(_MAPPED) else field

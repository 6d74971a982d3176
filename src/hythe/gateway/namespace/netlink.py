"""The few rtnetlink requests that set an interface up (RFC 3549; linux/rtnetlink.h), and the dump of all routes.

A message is a header (length, type, flags, sequence, port), a fixed body by type, then attributes (length, type,
value), each padded to four bytes. Every request asks for an acknowledgement, so an error belongs to the request
that caused it.
"""

from __future__ import annotations

import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, device type, index, flags, which flags to change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst len, src len, tos, table, protocol, scope, type, flags
_INT = struct.Struct("=i")
_UINT = struct.Struct("=I")

NETLINK_SOCK_DIAG = 4

_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_REQUEST = 0x1
_NLM_F_ACK = 0x4
_NLM_F_DUMP = 0x300
_NLM_F_CREATE_EXCL = 0x600

_RTM_NEWLINK = 16
_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_RTM_NEWROUTE = 24
_RTM_GETROUTE = 26

_IFF_UP = 0x1
_IFLA_MTU = 4
_IFLA_TXQLEN = 13
_IFLA_AF_SPEC = 26
_IFLA_INET6_ADDR_GEN_MODE = 8
_ADDR_GEN_NONE = 1
_NLA_F_NESTED = 0x8000

_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_F_NODAD = 0x02

_RTA_DST = 1
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RTA_PREFSRC = 7
_RT_SCOPE_LINK = 253
_RT_TABLE_MAIN = 254
_RTPROT_STATIC = 4
_RTN_UNICAST = 1
RTN_LOCAL = 2
RTN_BROADCAST = 3
_RTN_ANYCAST = 4
_RTN_MULTICAST = 5
#: Kinds of routes that end at this machine or are no single machine's.
OWN_KINDS = (RTN_LOCAL, RTN_BROADCAST, _RTN_ANYCAST, _RTN_MULTICAST)
_RTM_F_CLONED = 0x200

#: One read of a dump; the kernel fills at most 32 KiB.
_DUMP_BYTES = 65_536


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def _attributes(data: bytes, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
    while offset + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + (-length % 4)


class RouteSocket:
    """A NETLINK_ROUTE socket of the network namespace it is opened in. Errors of requests are `OSError`."""

    __slots__ = ("_sequence", "socket")

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def bring_up(self, index: int) -> None:
        """Bring interface `index` up."""
        self._request(_RTM_NEWLINK, 0, _LINK.pack(socket.AF_UNSPEC, 0, index, _IFF_UP, _IFF_UP))

    def set_mtu(self, index: int, mtu: int) -> None:
        """Set the MTU of interface `index`, in bytes."""
        body = _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)
        self._request(_RTM_NEWLINK, 0, body + _attribute(_IFLA_MTU, _UINT.pack(mtu)))

    def set_queue(self, index: int, packets: int) -> None:
        """Let so many packets wait for whoever reads from interface `index`."""
        body = _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)
        self._request(_RTM_NEWLINK, 0, body + _attribute(_IFLA_TXQLEN, _UINT.pack(packets)))

    def without_link_local(self, index: int) -> None:
        """Before it is up: give interface `index` no IPv6 link-local address.

        From one the kernel would send router solicitations and multicast reports (RFC 4861, RFC 3810) to a gateway that
        has no use for them.
        """
        mode = _attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes((_ADDR_GEN_NONE,)))
        family = _attribute(socket.AF_INET6 | _NLA_F_NESTED, mode)
        body = _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)
        self._request(_RTM_NEWLINK, 0, body + _attribute(_IFLA_AF_SPEC | _NLA_F_NESTED, family))

    def add_address(self, index: int, address: bytes, prefix: int) -> None:
        """Give interface `index` a packed address; an IPv6 one is usable at once (no duplicate address detection)."""
        family, flags = (socket.AF_INET, 0) if len(address) == 4 else (socket.AF_INET6, _IFA_F_NODAD)
        body = _ADDRESS.pack(family, prefix, flags, 0, index)
        attributes = _attribute(_IFA_LOCAL, address) + _attribute(_IFA_ADDRESS, address)
        self._request(_RTM_NEWADDR, _NLM_F_CREATE_EXCL, body + attributes)

    def add_default_route(self, index: int, gateway: bytes, source: bytes = b"") -> None:
        """Send everything that has no better route through `gateway` (packed) on interface `index`.

        `source`: the address to send it from, which is otherwise the kernel's choice.
        """
        family = socket.AF_INET if len(gateway) == 4 else socket.AF_INET6
        body = _ROUTE.pack(family, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, 0, _RTN_UNICAST, 0)
        attributes = _attribute(_RTA_GATEWAY, gateway) + _attribute(_RTA_OIF, _UINT.pack(index))
        if source:
            attributes += _attribute(_RTA_PREFSRC, source)
        self._request(_RTM_NEWROUTE, _NLM_F_CREATE_EXCL, body + attributes)

    def add_network(self, index: int, address: bytes, prefix: int, source: bytes) -> None:
        """The network of `address` (packed) is on the link of interface `index`, to be sent to from `source`."""
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        shift = 8 * len(address) - prefix
        network = (int.from_bytes(address, "big") >> shift << shift).to_bytes(len(address), "big")
        body = _ROUTE.pack(family, prefix, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_LINK, _RTN_UNICAST, 0)
        attributes = _attribute(_RTA_DST, network) + _attribute(_RTA_OIF, _UINT.pack(index))
        self._request(_RTM_NEWROUTE, _NLM_F_CREATE_EXCL, body + attributes + _attribute(_RTA_PREFSRC, source))

    def addresses(self, index: int) -> list[tuple[bytes, int]]:
        """The addresses of interface `index`: (packed, prefix length)."""
        found = []
        for data, offset, end in self._dump(_RTM_GETADDR, _ADDRESS.pack(*[0] * 5)):
            _, prefix, _, _, of = _ADDRESS.unpack_from(data, offset)
            if of == index:
                attributes = dict(_attributes(data, offset + _ADDRESS.size, end))
                found.append((attributes.get(_IFA_LOCAL) or attributes[_IFA_ADDRESS], prefix))
        return found

    def networks(self) -> list[tuple[bytes, int]]:
        """All destinations of all routing tables as (packed address, prefix length), own addresses included."""
        return [(address, bits) for address, bits, _ in self._routes()]

    def own_networks(self) -> list[tuple[bytes, int, int]]:
        """What this machine does not send on: (packed address, prefix length, RTN_LOCAL, RTN_BROADCAST, … )."""
        return [route for route in self._routes() if route[2] in OWN_KINDS]

    def _routes(self) -> Iterator[tuple[bytes, int, int]]:
        for family, size in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
            for data, offset, end in self._dump(_RTM_GETROUTE, _ROUTE.pack(family, *[0] * 8)):
                answer = _ROUTE.unpack_from(data, offset)
                # A kernel without IPv6 answers with the routes of every family it has.
                if answer[0] == family and not answer[8] & _RTM_F_CLONED:
                    attributes = dict(_attributes(data, offset + _ROUTE.size, end))
                    yield attributes.get(_RTA_DST, bytes(size)), answer[1], answer[7]

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self.socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags | _NLM_F_REQUEST, self._sequence, 0) + body)

    def _request(self, kind: int, flags: int, body: bytes) -> None:
        self._send(kind, flags | _NLM_F_ACK, body)
        for answer, data, offset, _ in self._answers():
            if answer == _NLMSG_ERROR:
                _raise_error(data, offset)
                return

    def _dump(self, kind: int, body: bytes) -> Iterator[tuple[bytes, int, int]]:
        self._send(kind, _NLM_F_DUMP, body)
        for answer, data, offset, end in self._answers():
            if answer == _NLMSG_ERROR:
                _raise_error(data, offset)
            elif answer == _NLMSG_DONE:
                return
            else:
                yield data, offset, end

    def _answers(self) -> Iterator[tuple[int, bytes, int, int]]:
        """Messages that answer the last request: (type, buffer, where the body starts, where it ends)."""
        while True:
            data = self.socket.recv(_DUMP_BYTES)
            start = 0
            while start + _HEADER.size <= len(data):
                length, kind, _, sequence, _ = _HEADER.unpack_from(data, start)
                if sequence == self._sequence:
                    yield kind, data, start + _HEADER.size, start + length
                start += length + (-length % 4)


def _raise_error(data: bytes, offset: int) -> None:
    (number,) = _INT.unpack_from(data, offset)
    if number != 0:  # zero is the acknowledgement
        raise OSError(-number, os.strerror(-number))

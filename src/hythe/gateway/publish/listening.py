"""The sockets outside: bound before the command starts, so that what is in the way is told at once."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, Final

from hythe.errors import MachineError
from hythe.gateway.publish.publications import LOOPBACK, Publication

#: Clients that the kernel holds for us.
_BACKLOG: Final = 1_024
#: Ports picked at random that are free on one loopback may be taken on the other.
_PICKS: Final = 16
#: A machine without IPv6 has one loopback.
_NO_SUCH_LOOPBACK: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(publication: Publication) -> list[socket.socket]:
    """Non-blocking sockets for every address of a publication, listening or, for UDP, bound. Raises `MachineError`."""
    for _ in range(_PICKS):
        try:
            return _listen(publication)
        except OSError as error:
            if publication.outside or error.errno != errno.EADDRINUSE:
                raise _explained(publication, error) from error
    raise MachineError(f"-p {publication.text}: no free port was found: name one")


def _listen(publication: Publication) -> list[socket.socket]:
    port = publication.outside
    opened: list[socket.socket] = []
    try:
        for address in publication.addresses:
            try:
                opened.append(bound(address, port, udp=publication.udp))
            except OSError as error:
                if publication.addresses is not LOOPBACK or not opened or error.errno not in _NO_SUCH_LOOPBACK:
                    raise
            port = opened[0].getsockname()[1]
    except BaseException:
        for each in opened:
            each.close()
        raise
    return opened


def bound(address: str, port: int, *, udp: bool, shared: bool = False) -> socket.socket:
    """A non-blocking socket at a numeric address, listening (without Nagle) or, for UDP, bound. Raises OSError.

    `shared`: other processes of this user listen there, too, and the kernel deals out what comes (SO_REUSEPORT).
    """
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    # Not bind's own look-up: it would lose the zone of an IPv6 address. Bytes: Python chokes on labels that are none.
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    found: list[Any] = socket.getaddrinfo(os.fsencode(address), port, type=kind, flags=flags)
    family, _, _, _, name = found[0]
    opened = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if not udp:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted has it from here (tcp(7))
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(name)
        if not udp:
            opened.listen(_BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def _explained(publication: Publication, error: OSError) -> MachineError:
    addresses = " or ".join(publication.addresses)
    what = f"-p {publication.text}: {publication.protocol.upper()} port {publication.outside}"
    if error.errno == errno.EADDRINUSE:
        return MachineError(f"{what} of {addresses} is in use: end what listens there, or publish on another port")
    if error.errno in (errno.EACCES, errno.EPERM):
        return MachineError(
            f"{what} is privileged: publish on a port from 1024 on, or as root, run: "
            f"sysctl net.ipv4.ip_unprivileged_port_start={publication.outside}"
        )
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return MachineError(
            f"-p {publication.text}: this machine does not have the address {addresses}: "
            "write one that `ip address` shows, or 0.0.0.0 or [::] for all"
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return MachineError(
            f"-p {publication.text}: no more descriptors: publish fewer ports, or raise the hard limit (ulimit -Hn)"
        )
    return MachineError(f"{what} of {addresses} cannot be listened on ({error.strerror}): publish on another port")

"""The way out of a gateway whose packets go through a tunnel: there is none, or with `--host-loopback` this machine alone.

What is not for the network inside never comes here. Should it ever, it finds no socket: that nothing leaves beside the
tunnel does not rest on one check.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from hythe.gateway.egress.base import Destination, Peer
from hythe.gateway.egress.direct import Direct
from hythe.gateway.egress.echo import KernelEcho
from hythe.gateway.egress.kernel import KernelDatagrams

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


def _refuse() -> OSError:
    return OSError(errno.EACCES, os.strerror(errno.EACCES))


class Closed(Direct):
    """`loopback`: streams, datagrams and pings to 127.0.0.1 and ::1 pass, which `host.hythe.internal` stands for."""

    def __init__(self, *, loopback: bool) -> None:
        self._open = _LOOPBACK if loopback else frozenset()

    def open_stream(self, destination: Destination) -> tuple[socket.socket, bool]:
        """As `StreamEgress.open_stream`."""
        if destination.host not in self._open:
            raise _refuse()
        return super().open_stream(destination)

    def open_datagrams(self, version: int) -> KernelDatagrams:
        """As `DatagramEgress.open_datagrams`."""
        if not self._open:
            raise _refuse()
        return _LoopbackDatagrams(version)

    def open_echo(self, destination: Destination, identifier: int) -> KernelEcho:
        """As `EchoEgress.open_echo`."""
        if destination.host not in self._open:
            raise _refuse()
        return super().open_echo(destination, identifier)


class _LoopbackDatagrams(KernelDatagrams):
    """A socket that knows no other peers."""

    __slots__ = ()

    def peer(self, destination: Destination) -> Peer:
        """As `Datagrams.peer`."""
        if destination.host not in _LOOPBACK:
            raise _refuse()
        return super().peer(destination)

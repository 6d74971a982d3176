"""The direct way out: this machine's own sockets."""

from __future__ import annotations

import errno
import os
import socket

from hythe.gateway.egress.base import Destination
from hythe.gateway.egress.echo import KernelEcho
from hythe.gateway.egress.kernel import KernelDatagrams


class Direct:
    """Streams are kernel TCP sockets, non-blocking, without Nagle (the command's own kernel has done that).

    Datagrams are those of a kernel UDP socket, pings those of an ICMP one.
    """

    def open_datagrams(self, version: int) -> KernelDatagrams:
        """As `DatagramEgress.open_datagrams`."""
        return KernelDatagrams(version)

    def open_echo(self, destination: Destination, identifier: int) -> KernelEcho:
        """As `EchoEgress.open_echo`."""
        return KernelEcho(destination, identifier)

    def open_stream(self, destination: Destination) -> tuple[socket.socket, bool]:
        """As `StreamEgress.open_stream`; the address must be numeric.

        What this machine itself answers, it has answered before `connect` returns: asking again tells (connect(2)).
        """
        address = (destination.host, destination.port)
        family = socket.AF_INET6 if ":" in destination.host else socket.AF_INET
        stream = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            outcome = stream.connect_ex(address)
            if outcome == errno.EINPROGRESS:
                outcome = stream.connect_ex(address)
        except BaseException:
            stream.close()
            raise
        if outcome not in (0, errno.EALREADY):
            stream.close()
            raise OSError(outcome, os.strerror(outcome))
        return stream, outcome == 0

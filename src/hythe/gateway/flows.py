"""Stream flows: one TCP connection of the command, spliced to one stream on the way out.

The command's SYN is held until the way out has connected (or failed: then it is refused, answered with ICMP, or left to
time out, just as it went outside). After that it is a splice like any other (`pumps`).
"""

from __future__ import annotations

import errno
import socket
from typing import Protocol

from hythe.gateway import pumps
from hythe.gateway.egress.base import Stream
from hythe.gateway.session import FlowRecord
from hythe.tcp.connection import Connection


class Gate(pumps.Gate, Protocol):
    """What a flow needs of the gate that made it."""

    def turn_down(self, connection: Connection, record: FlowRecord, number: int, now: int) -> None:
        """The connect ended with errno `number`."""


class StreamFlow(pumps.Splice):
    """A splice that begins with a held SYN."""

    __slots__ = ()

    gate: Gate

    def __init__(self, connection: Connection, stream: Stream, gate: Gate, record: FlowRecord, *, connected: bool) -> None:
        """`connected`: the stream is, and the SYN accepted."""
        super().__init__(connection, stream, gate, record, writable=connected)
        self.connected = connected

    def stream_news(self, now: int) -> None:
        """The connect has ended, one way or the other."""
        number = self.stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self.let_go()
            self.gate.turn_down(self.connection, self.record, number, now)
        elif self.writable:
            self.connected = True
            self.connection.accept()

    def kill(self, now: int) -> None:
        """As `LiveFlow.kill`; what is not open yet is turned down."""
        if self.connected:
            super().kill(now)
        else:
            self.let_go()
            self.gate.turn_down(self.connection, self.record, errno.ECONNABORTED, now)

"""The two pumps of a splice: a TCP connection with the command on one side, a stream of the world outside on the other.

Theory of operation. Once both sides are open a splice is two pumps, run when either side has news:

*up*: what the connection received goes from the link's ring into the stream, without a copy. What the stream does not
take stays in the connection, whose window closes: back-pressure.
*down*: the stream is read straight into the connection's send queue while there is room; when there is none the stream is
left unread, and the far side's window closes.

An end of data is passed on as a half-close, a reset as a reset. A splice is two slotted objects and a socket: no task, no
transport. It ends when both directions have; the connection may outlive it (FIN, TIME-WAIT).

How both sides come to be open is a subclass's matter: `flows` for what the command opens, `publish.streams` for what is
opened towards it.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from typing import Final, Protocol

from hythe.aio.driver import EDGE, READABLE_EDGE, Driver
from hythe.gateway.egress.base import Stream
from hythe.gateway.session import FlowRecord, Session
from hythe.tcp.block import READABLE
from hythe.tcp.connection import Connection
from hythe.tcp.states import CLOSED, LABELS

_INCOMING: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_ENDING: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
#: What makes a short read no proof that all is read: an error waits behind it, or the urgent mark (tcp(7)).
_DOUBTFUL: Final = select.EPOLLHUP | select.EPOLLERR | select.EPOLLPRI
#: SO_LINGER with time 0: close sends RST.
RESET: Final = struct.pack("ii", 1, 0)
#: Super-segments read from a stream in one visit: the others' turn comes after that.
_READS: Final = 4
_ALL: Final = 1 << 20
#: Views passed to one sendmsg: Linux takes no more than 1024 (UIO_MAXIOV).
_PIECES: Final = 256


class Gate(Protocol):
    """What a splice needs of whoever made it. `flows`: those that are open outside."""

    driver: Driver
    flows: set[Splice]
    session: Session


class Splice:
    """One spliced connection. `on_events` and `visit` are called by the driver; `connected`: both sides are open."""

    __slots__ = (
        "at_end",
        "connected",
        "connection",
        "ended_down",
        "ended_up",
        "events",
        "fd",
        "gate",
        "hung_up",
        "readable",
        "record",
        "stream",
        "writable",
    )

    def __init__(
        self, connection: Connection, stream: Stream, gate: Gate, record: FlowRecord, *, writable: bool = False
    ) -> None:
        """`writable`: the stream is connected already, so that it need not tell of that."""
        self.connection = connection
        self.stream = stream
        self.fd = stream.fileno()
        self.gate = gate
        self.record = record
        self.connected = False
        self.readable = False
        self.writable = writable
        self.events = READABLE_EDGE if writable else EDGE  # what the driver watches
        self.hung_up = False
        self.at_end = False  # FIN is here, and nothing behind what can be read
        self.ended_up = False  # the command's FIN was passed on
        self.ended_down = False  # the far side's
        connection.owner = self

    def on_events(self, events: int, now: int) -> None:
        """The stream's edge: noted, and the connection put in line for a visit."""
        if events & select.EPOLLOUT:
            self.writable = True
        if events & _INCOMING:
            self.readable = True
            if events & _ENDING:
                self.hung_up = True
                self.at_end = not events & _DOUBTFUL
        if not self.connected:
            self.stream_news(now)
        self.connection.note(0)

    def visit(self, connection: Connection, now: int) -> None:
        """Pump both ways as far as it goes."""
        connection.news = 0
        if connection.state == CLOSED and not (connection.fin_received and connection.views()):
            self.connection_ended(now)
            return
        if not self.connected:
            self.connection_news(now)
            if not self.connected:
                return
        try:
            if connection.recvq.views or connection.fin_received:
                self._pump_up(connection)
            more = self.readable and self._pump_down(connection)
        except OSError as error:
            self._stream_failed(error, now)
            return
        if self.ended_up and self.ended_down:
            self._finish(connection, now)
        else:
            connection.news = READABLE if more else 0  # what we did to it ourselves is none

    def stream_news(self, now: int) -> None:
        """The stream has news before both sides are open."""

    def connection_news(self, now: int) -> None:
        """The connection has."""

    def connection_ended(self, now: int) -> None:
        """The command reset it, or it timed out: the far side sees a reset too, unless both had finished."""
        if not (self.ended_up and self.ended_down):
            self.record.error = self.record.error or self.connection.error
            self.reset_stream()
        self.close(now)

    def _pump_up(self, connection: Connection) -> None:
        """From the command into the stream. OSError when the stream has failed."""
        views = connection.recvq.views
        stream = self.stream
        while views and self.writable:
            try:
                if len(views) == 1:
                    offered = len(views[0])
                    taken = stream.send(views[0])
                else:
                    pieces = views[:_PIECES]
                    offered = sum(map(len, pieces))
                    taken = stream.sendmsg(pieces)
            except BlockingIOError:
                self._wait_for_room()
                return
            connection.consume(taken)
            if taken < offered:
                self._wait_for_room()
        if not views and connection.fin_received and not self.ended_up:
            self.ended_up = True
            if self.ended_down:
                return  # closing the stream, which comes next, says the same with one system call less
            try:
                stream.shutdown(socket.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:  # the far side has closed both ways already
                    raise

    def _wait_for_room(self) -> None:
        """The stream takes no more: its edge will tell."""
        self.writable = False
        if self.events != EDGE:
            self.events = EDGE
            self.gate.driver.watch(self.fd, EDGE)

    def _pump_down(self, connection: Connection) -> bool:
        """From the stream towards the command. True if there is more. OSError when the stream has failed."""
        stream = self.stream
        for _ in range(_READS):
            room = connection.reserve(_ALL)
            if not room:
                return False  # full: an acknowledgment will bring us back
            try:
                size = stream.recv_into(room)
            except BlockingIOError:
                connection.commit(0)
                self.readable = False
                return False
            except OSError:
                connection.commit(0)
                raise
            connection.commit(size)
            if size == 0 or (self.at_end and size < len(room)):
                self.readable = False
                self.ended_down = True
                connection.shutdown()
                return False
            if size < len(room) and not self.hung_up:
                self.readable = False
                return False
        return True  # the others first

    def _stream_failed(self, error: OSError, now: int) -> None:
        """Whatever it was that became of the stream, the command sees a reset, behind what came before that.

        A server that has said why it reads no further closes with data unread, which is a reset (RFC 9293, 3.10.4).
        """
        self.record.error = error.errno or errno.ECONNRESET
        if not self.ended_down:
            self._salvage(self.connection)
            self.connection.emit(now)  # what is queued when it aborts is lost
        self.connection.abort()
        self.close(now)

    def _salvage(self, connection: Connection) -> None:
        """Take what a stream that has failed still has to give: to be asked once more is no harm."""
        while room := connection.reserve(_ALL):
            try:
                size = self.stream.recv_into(room)
            except OSError:
                size = 0
            connection.commit(size)
            if not size:
                return

    def _finish(self, connection: Connection, now: int) -> None:
        """Both directions have ended: the stream goes, the connection sends what is left by itself."""
        connection.close(now)
        self.close(now)
        self.record.state = "CLOSED"

    def close(self, now: int) -> None:
        """The splice has ended: its figures are final."""
        self.let_go()
        self.refresh()
        self.gate.session.end(self.record, now)

    def kill(self, now: int) -> None:
        """As `LiveFlow.kill`."""
        self.record.error = errno.ECONNABORTED
        self.reset_stream()
        self.connection.abort()
        self.close(now)

    def reset_stream(self) -> None:
        """When the stream is closed, let the far side see a reset."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def let_go(self) -> None:
        """The stream goes; the connection has no owner any more."""
        driver = self.gate.driver
        driver.forget(self.fd)
        driver.put_off(self.stream.close)  # while a peer waits for an answer: closing takes as long as a send
        self.gate.flows.discard(self)
        self.connection.owner = None

    def fileno(self) -> int:
        """The stream's."""
        return self.fd

    def refresh(self) -> None:
        """The connection's figures into the record; `up` is what we received from the command."""
        connection, record = self.connection, self.record
        record.bytes_up = connection.bytes_received
        record.bytes_down = connection.bytes_sent
        record.rtt = connection.rtt.srtt
        record.retransmits = connection.retransmits
        record.state = LABELS[connection.state]

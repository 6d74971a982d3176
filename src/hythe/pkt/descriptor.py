"""What stands behind one descriptor of a script's program, and what poll(2) says of it."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any, Final

from hythe.config import TcpConfig
from hythe.host.udp import Endpoint
from hythe.pkt import sendbuffer
from hythe.pkt.constants import CONSTANTS
from hythe.tcp.connection import Connection
from hythe.tcp.listener import Listener
from hythe.tcp.states import CLOSED, ESTABLISHED

IN: Final = CONSTANTS["POLLIN"]
OUT: Final = CONSTANTS["POLLOUT"]
ERR: Final = CONSTANTS["POLLERR"]
HUP: Final = CONSTANTS["POLLHUP"]
RDHUP: Final = CONSTANTS["POLLRDHUP"]
_SNDBUF: Final = (CONSTANTS["SOL_SOCKET"], CONSTANTS["SO_SNDBUF"])
_LOWAT: Final = (CONSTANTS["SOL_TCP"], CONSTANTS["TCP_NOTSENT_LOWAT"])
#: So much never waits to be sent: no limit.
_NEVER_LOW: Final = 0xFFFFFFFF


class Socket:
    """One descriptor. `local`: (address, port) once bound; `options`: what setsockopt left, by (level, name)."""

    def __init__(self, *, stream: bool, blocking: bool, config: TcpConfig) -> None:
        self.stream = stream
        self.blocking = blocking
        self.config = config
        self.local: tuple[bytes | None, int] | None = None
        self.options: dict[tuple[int, int], object] = {}
        self.listener: Listener | None = None
        self.connection: Connection | None = None
        self.endpoint: Endpoint | None = None
        self.reported = False  # the error that ended the connection has been told
        self.read_shut = False
        self.linger: int | None = None
        self.corked = False  # TCP_CORK
        self.starved = False  # a write found no room
        self.written = 0  # bytes of a write that waits for more
        self.lowat = 0  # TCP_NOTSENT_LOWAT where it is not set: what tcp_notsent_lowat says
        self.deferred: tuple[bytes, int] | None = None  # where to, once there is text for the SYN
        self.opening: int | None = None  # so much text was given to a SYN that is not answered yet
        self._uncopied: list[int] = []  # where writes with MSG_ZEROCOPY end, as far as they are not acknowledged
        self._copies = 0  # so many are
        self.notices: list[tuple[int, int]] = []  # numbers of those of which the program has not been told, first and last
        self._relieved = 0  # so often there was some again

    def configure(self, now: int, **changes: Any) -> None:
        """Change the configuration, of the connection too if there is one. OSError(EISCONN) for what it settled."""
        self.config = replace(self.config, **changes)
        if self.connection is not None:
            try:
                self.connection.adjust(now, **changes)
            except ValueError as error:
                raise OSError(errno.EISCONN, str(error)) from error

    def take_error(self) -> int:
        """The errno that ended the connection, once; then 0."""
        connection = self.connection
        if connection is None or not connection.error or self.reported or connection.state != CLOSED:
            return 0
        self.reported = True
        return connection.error

    def events(self) -> int:
        """The bits of poll(2)."""
        if self.listener is not None:
            return IN if self.listener.arrivals else 0
        connection = self.connection
        if connection is None:
            return OUT | HUP if self.stream and not self.deferred else OUT
        if connection.state == CLOSED:
            error = ERR if connection.error and not self.reported else 0
            return error | HUP | IN | OUT | RDHUP
        self.look()
        events = (IN if connection.readable or self.read_shut else 0) | (ERR if self.notices else 0)
        if connection.fin_received or self.read_shut:
            events |= RDHUP | IN
            events |= HUP if connection.fin_queued else 0
        if connection.state >= ESTABLISHED and (connection.fin_queued or self._has_room(connection)):
            events |= OUT
        return events

    def _has_room(self, connection: Connection) -> bool:
        limit, lowat = self.buffer(connection)
        return sendbuffer.writable(connection, limit, lowat) if self.limited or lowat < _NEVER_LOW else connection.room() > 0

    @property
    def limited(self) -> bool:
        """Has the program said how much may be queued?"""
        return _SNDBUF in self.options

    def buffer(self, connection: Connection) -> tuple[int, int]:
        """Bytes that may be queued, and of those not sent yet."""
        limit, lowat = self.options.get(_SNDBUF), self.options.get(_LOWAT) or self.lowat
        allowed = limit if isinstance(limit, int) else connection.room() + len(connection.sendq)
        return allowed, lowat if isinstance(lowat, int) and lowat else _NEVER_LOW

    def take(self, size: int, *, waits: bool) -> int:
        """How much of a write of `size` bytes goes into the queue now. BlockingIOError for nothing."""
        connection = self.connection
        if connection is None or (waits and not self.limited):
            if connection is not None and connection.room() <= 0 and size:
                raise BlockingIOError(errno.EAGAIN, "no room")
            return size
        limit, lowat = self.buffer(connection)
        if waits and self.written and not sendbuffer.writable(connection, limit, lowat):
            connection.wanting(short=True)
            raise BlockingIOError(errno.EAGAIN, "no room worth the while")
        taken = sendbuffer.takes(connection, size, limit, lowat)
        self.starved = taken < size
        connection.wanting(short=self.starved)
        if not taken and size:
            raise BlockingIOError(errno.EAGAIN, "no room")
        return taken

    def copied(self) -> None:
        """A write with MSG_ZEROCOPY went into the queue."""
        if self.connection is not None:
            self._uncopied.append(self.connection.sendq.end)

    def look(self) -> None:
        """Notice the writes whose memory the program may use again."""
        connection = self.connection
        while self._uncopied and connection is not None and connection.snd_una >= self._uncopied[0]:
            del self._uncopied[0]
            first = self.notices.pop()[0] if self.notices else self._copies  # joined to the last one that waits
            self.notices.append((first, self._copies))
            self._copies += 1

    def take_notice(self) -> dict[str, int]:
        """The next of the error queue, as a ``sock_extended_err``. BlockingIOError if there is none."""
        self.look()
        if not self.notices:
            raise BlockingIOError(errno.EAGAIN, "nothing is here")
        first, last = self.notices.pop(0)
        origin, code = CONSTANTS["SO_EE_ORIGIN_ZEROCOPY"], CONSTANTS["SO_EE_CODE_ZEROCOPY_COPIED"]
        return {"ee_errno": 0, "ee_origin": origin, "ee_code": code, "ee_info": first, "ee_data": last}

    def queues(self) -> dict[int, int]:
        """What ioctl(2) tells: bytes to read, not acknowledged, not sent. OSError for what is not connected."""
        connection = self.connection
        if connection is None:
            raise OSError(errno.EINVAL, "not connected")
        end = connection.sendq.end + connection.fin_queued
        open_ = connection.state != CLOSED
        return {
            CONSTANTS["SIOCINQ"]: sum(map(len, connection.views())),
            CONSTANTS["SIOCOUTQ"]: end - connection.snd_una if open_ else 0,
            CONSTANTS["SIOCOUTQNSD"]: max(0, end - connection.snd_nxt) if open_ else 0,
        }

    def wakes(self) -> tuple[int, ...]:
        """What changes whenever somebody who waits for this descriptor would be woken: epoll's edges."""
        if self.listener is not None:
            return (len(self.listener.arrivals),)
        connection = self.connection
        if connection is None:
            return ()
        self.look()
        if self.starved and self.events() & OUT:
            self.starved = False
            self._relieved += 1
        told = (connection.fin_received, connection.error, self._relieved, self._copies)
        return (connection.bytes_received, connection.state, *told)

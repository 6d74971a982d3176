"""The socket calls of a script on hythe's host: descriptors, and what socket(7), tcp(7) and udp(7) say they do.

A call that cannot go on raises BlockingIOError; whoever made it tries again when something has happened, if the script
says that it blocks. What a call gives back stands in `Outcome.outputs` under the index of the argument it fills.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hythe.config import TcpConfig
from hythe.host.host import Host
from hythe.pkt import options
from hythe.pkt.arguments import into as into_buffer
from hythe.pkt.arguments import nobody, octets, sockaddr, total
from hythe.pkt.constants import CONSTANTS
from hythe.pkt.descriptor import Socket
from hythe.pkt.epoll import Epoll
from hythe.pkt.fastopen import CLIENT, CONNECT, KEY, Opener
from hythe.pkt.runner import Outcome
from hythe.pkt.settings import Settings
from hythe.pkt.wireform import filler
from hythe.tcp.connection import Connection
from hythe.tcp.states import CLOSED, ESTABLISHED, SYN_RECEIVED, SYN_SENT

_NONBLOCK = CONSTANTS["O_NONBLOCK"]
_STREAM = CONSTANTS["SOCK_STREAM"]
_MORE = CONSTANTS["MSG_MORE"]
_RECORD = CONSTANTS["MSG_EOR"]
#: Flags of send(2).
_KNOWN = _MORE | _RECORD | sum(CONSTANTS[f"MSG_{each}"] for each in ("FASTOPEN", "NOSIGNAL", "DONTWAIT", "ZEROCOPY"))


class Sockets:
    """All descriptors of the script's program, 3 and up."""

    def __init__(self, host: Host, settings: Settings, now: Callable[[], int]) -> None:
        self._host = host
        self._settings = settings
        self._remote = (settings.remote, settings.connect_port)
        self._now = now
        self._table: dict[int, Socket] = {}
        self._epolls: dict[int, Epoll] = {}
        self.fast_open = Opener(host, now)
        self.lowat = 0  # tcp_notsent_lowat
        self.last: Connection | None = None  # accepted or connected last

    def find(self, name: str) -> Callable[[Sequence[Any]], Outcome]:
        """What makes the call `name`; KeyError when there is none."""
        found: Callable[[Sequence[Any]], Outcome] | None = getattr(self, f"call_{name}", None)
        if found is None:
            raise KeyError(name)
        return found

    def blocking(self, fd: object) -> bool:
        """Does a call on this descriptor wait?"""
        socket = self._table.get(fd) if isinstance(fd, int) else None
        return socket is not None and socket.blocking

    def configure(self, change: Callable[[TcpConfig], TcpConfig]) -> None:
        """Change the configuration of all that there are."""
        for socket in self._table.values():
            socket.config = change(socket.config)
            if (connection := socket.connection) is not None:
                connection.config = change(connection.config)
                connection.rtt.early = connection.sack_on and connection.config.tail_probes
                connection.rtt.pto = connection.rtt.pto if connection.rtt.early else connection.rtt.rto

    def _new(self, socket: Socket) -> int:
        fd = self._free()
        self._table[fd] = socket
        socket.lowat = self.lowat
        return fd

    def _free(self) -> int:
        return next(each for each in range(3, 1 << 20) if each not in self._table and each not in self._epolls)

    def _get(self, fd: object) -> Socket:
        socket = self._table.get(fd) if isinstance(fd, int) else None
        if socket is None:
            raise OSError(errno.EBADF, "no such descriptor")
        return socket

    # --- Making and ending

    def call_socket(self, a: Sequence[Any]) -> Outcome:
        """socket(2)."""
        kind = a[1]
        socket = Socket(stream=kind & 15 == _STREAM, blocking=not kind & _NONBLOCK, config=self._host.config.tcp)
        return Outcome(self._new(socket))

    def call_bind(self, a: Sequence[Any]) -> Outcome:
        """bind(2)."""
        socket = self._get(a[0])
        address, port = sockaddr(a[1], (self._settings.local, self._settings.bind_port))
        if socket.local is not None:
            raise OSError(errno.EINVAL, "bound already")
        wild = None if not any(address) else address
        if wild is not None and wild not in self._host.addresses:
            raise OSError(errno.EADDRNOTAVAIL, "not ours")
        if socket.stream and any((each, port) in self._host.listeners for each in (wild, None)):
            raise OSError(errno.EADDRINUSE, "in use")
        if not socket.stream:
            socket.endpoint = self._host.bind(wild, port)
        socket.local = (wild, port)
        return Outcome(0)

    def call_listen(self, a: Sequence[Any]) -> Outcome:
        """listen(2)."""
        socket = self._get(a[0])
        if not socket.stream:
            raise OSError(errno.EOPNOTSUPP, "no stream")
        if socket.connection is not None:
            raise OSError(errno.EINVAL, "connected")
        if socket.listener is None:
            address, port = socket.local or (None, 0)
            self._host.config = replace(self._host.config, tcp=socket.config)  # what accepted connections begin with
            socket.listener = self._host.listen(address, port, max(a[1], 1))
            self.fast_open.told(socket)
        return Outcome(0)

    def call_accept(self, a: Sequence[Any]) -> Outcome:
        """accept(2)."""
        return self._accept(a, blocking=True)

    def call_accept4(self, a: Sequence[Any]) -> Outcome:
        """accept4(2)."""
        return self._accept(a, blocking=not (len(a) > 3 and a[3] & _NONBLOCK))

    def _accept(self, a: Sequence[Any], *, blocking: bool) -> Outcome:
        listening = self._get(a[0])
        if listening.listener is None:
            raise OSError(errno.EINVAL if listening.stream else errno.EOPNOTSUPP, "not listening")
        if not listening.listener.arrivals:
            raise BlockingIOError(errno.EAGAIN, "nobody is here")
        connection = listening.listener.arrivals.pop(0)
        socket = Socket(stream=True, blocking=blocking, config=connection.config)
        socket.connection = self.last = connection
        socket.linger = listening.linger
        socket.options = dict(listening.options)
        options.mark(socket)
        return Outcome(self._new(socket))

    def call_connect(self, a: Sequence[Any]) -> Outcome:
        """connect(2)."""
        socket = self._get(a[0])
        remote = sockaddr(a[1], self._remote)
        if socket.deferred is not None:
            raise OSError(errno.EISCONN, "connected, as far as anybody may know")
        local, port = socket.local or (None, 0)
        if not socket.stream:
            if socket.endpoint is not None:
                socket.endpoint.close()
            socket.endpoint = self._host.bind(local or self._settings.local, port, remote)
            return Outcome(0)
        if socket.listener is not None:
            raise OSError(errno.EISCONN, "listening")
        connection = socket.connection
        if connection is None and self.fast_open.defers(socket, remote):
            socket.deferred = remote
            return Outcome(0)
        if connection is None:
            connection = self._host.connect(*remote, self._now(), local=local, local_port=port, config=socket.config)
            socket.connection = self.last = connection
            options.mark(socket)
            if not socket.blocking:
                raise OSError(errno.EINPROGRESS, "begun")
            raise BlockingIOError(errno.EINPROGRESS, "begun")
        if connection.state in (SYN_SENT, SYN_RECEIVED):
            raise BlockingIOError(errno.EALREADY, "not yet")
        number = socket.take_error()
        if number:
            raise OSError(number, "failed")
        if connection.state == CLOSED:
            raise OSError(errno.ECONNABORTED, "failed")
        if not socket.reported and socket.blocking:
            return Outcome(0)
        raise OSError(errno.EISCONN, "connected")

    def call_shutdown(self, a: Sequence[Any]) -> Outcome:
        """shutdown(2)."""
        socket = self._get(a[0])
        connection = socket.connection
        if connection is None or connection.state == CLOSED:
            raise OSError(errno.ENOTCONN, "not connected")
        if a[1] in (CONSTANTS["SHUT_RD"], CONSTANTS["SHUT_RDWR"]):
            socket.read_shut = True
        if a[1] in (CONSTANTS["SHUT_WR"], CONSTANTS["SHUT_RDWR"]):
            connection.shutdown()
        connection.note(0)
        return Outcome(0)

    def call_close(self, a: Sequence[Any]) -> Outcome:
        """close(2), SO_LINGER of zero seconds being an abort."""
        if self._epolls.pop(a[0], None) is not None:
            return Outcome(0)
        socket = self._get(a[0])
        del self._table[a[0]]
        for epoll in self._epolls.values():
            epoll.forget(socket)
        if socket.listener is not None:
            self._host.unlisten(socket.listener)
        if socket.endpoint is not None:
            socket.endpoint.close()
        if socket.connection is not None:
            if socket.linger == 0:
                socket.connection.abort()
            else:
                socket.connection.close(self._now())
            socket.connection.note(0)
        return Outcome(0)

    # --- Reading

    def call_read(self, a: Sequence[Any]) -> Outcome:
        """read(2)."""
        return self._receive(a, a[2], 0, 1)

    def call_recv(self, a: Sequence[Any]) -> Outcome:
        """recv(2)."""
        return self._receive(a, a[2], a[3], 1)

    def call_recvfrom(self, a: Sequence[Any]) -> Outcome:
        """recvfrom(2)."""
        return self._receive(a, a[2], a[3], 1)

    def call_readv(self, a: Sequence[Any]) -> Outcome:
        """readv(2)."""
        return self._receive(a, total(a[1]), 0, -1)

    def call_recvmsg(self, a: Sequence[Any]) -> Outcome:
        """recvmsg(2)."""
        if a[2] & CONSTANTS["MSG_ERRQUEUE"]:
            notice = self._get(a[0]).take_notice()
            return Outcome(0, outputs={1: {"msg_control": [{"cmsg_data": notice}]}})
        return self._receive(a, total(a[1].get("msg_iov")), a[2], -1)

    def _receive(self, a: Sequence[Any], size: int, flags: int, into: int) -> Outcome:
        socket = self._get(a[0])
        into_buffer(a[1], size)
        if not socket.stream:
            return self._receive_datagram(socket, size, flags, into)
        connection = socket.connection
        if connection is None and socket.deferred:
            raise BlockingIOError(errno.EAGAIN, "not before a write")
        if connection is None:
            raise OSError(errno.ENOTCONN, "not connected")
        views = connection.views()
        if views and size:
            data = b"".join(views)[:size]
            if not flags & CONSTANTS["MSG_PEEK"]:
                connection.consume(len(data))
                connection.note(0)
            told: dict[int, object] = {into: data} if into >= 0 and len(data) < 4096 and _is_text(a) else {}
            if into < 0 and isinstance(a[1], dict) and socket.options.get(options.INQ):
                told[1] = {"msg_control": [{"cmsg_data": sum(map(len, connection.views())) or int(connection.at_eof)}]}
            return Outcome(len(data), outputs=told)
        number = socket.take_error()
        if number:
            raise OSError(number, "failed")
        if connection.at_eof or connection.state == CLOSED or socket.read_shut or not size:
            return Outcome(0)
        if connection.state in (SYN_SENT, SYN_RECEIVED) and not socket.blocking:
            raise BlockingIOError(errno.EAGAIN, "not yet")
        raise BlockingIOError(errno.EAGAIN, "nothing is here")

    def _receive_datagram(self, socket: Socket, size: int, flags: int, into: int) -> Outcome:
        endpoint = socket.endpoint
        if endpoint is None:
            raise BlockingIOError(errno.EAGAIN, "not bound")
        complaints = endpoint.take_complaints()
        if complaints:
            raise OSError(complaints[0].number, "complaint")
        waiting = endpoint.take()
        if not waiting:
            raise BlockingIOError(errno.EAGAIN, "nothing is here")
        for rest in waiting if flags & CONSTANTS["MSG_PEEK"] else waiting[1:]:
            endpoint.deliver(rest)
        return Outcome(waiting[0].size if flags & CONSTANTS["MSG_TRUNC"] else min(size, waiting[0].size))

    # --- Writing

    def call_write(self, a: Sequence[Any]) -> Outcome:
        """write(2)."""
        return self._write(a[0], octets(a[1], a[2]), 0)

    def call_send(self, a: Sequence[Any]) -> Outcome:
        """send(2)."""
        return self._write(a[0], octets(a[1], a[2]), a[3])

    def call_sendto(self, a: Sequence[Any]) -> Outcome:
        """sendto(2)."""
        if nobody(a):
            raise OSError(errno.EOPNOTSUPP, "to nobody")
        to = sockaddr(a[4], self._remote) if len(a) > 4 else None
        return self._write(a[0], octets(a[1], a[2]), a[3], to)

    def call_writev(self, a: Sequence[Any]) -> Outcome:
        """writev(2)."""
        return self._write(a[0], filler(total(a[1])), 0)

    def call_sendmsg(self, a: Sequence[Any]) -> Outcome:
        """sendmsg(2)."""
        to = sockaddr(a[1]["msg_name"], self._remote) if "msg_name" in a[1] else None
        return self._write(a[0], filler(total(a[1].get("msg_iov"))), a[2], to)

    def _write(self, fd: object, data: bytes, flags: int, to: tuple[bytes, int] | None = None) -> Outcome:
        socket = self._get(fd)
        outcome = self._send(socket, data, flags, to)
        if flags & CONSTANTS["MSG_ZEROCOPY"] and socket.options.get(options.ZEROCOPY):
            socket.copied()
        return outcome

    def _send(self, socket: Socket, data: bytes, flags: int, to: tuple[bytes, int] | None) -> Outcome:
        opened = self.fast_open.opened(socket)
        if opened is not None:
            return opened
        waits = socket.blocking and not flags & CONSTANTS["MSG_DONTWAIT"]
        fast = bool(flags & CONSTANTS["MSG_FASTOPEN"])
        first = to if fast and socket.deferred is None else socket.deferred
        if socket.connection is None and first is not None:
            try:
                return self.fast_open.send(socket, data, first, waits=waits)
            finally:
                self._opened(socket)
        unknown = flags & ~_KNOWN
        if unknown:
            raise OSError(errno.EOPNOTSUPP, f"hythe's sockets know no flags {unknown:#x}")
        if not socket.stream:
            return self._write_datagram(socket, data, to)
        connection = socket.connection
        if connection is None:
            raise OSError(errno.EPIPE, "not connected")
        number = socket.take_error()
        if number:
            raise OSError(number, "failed")
        if connection.state == CLOSED or connection.fin_queued:
            raise OSError(errno.EPIPE, "over")
        if fast and connection.state == SYN_SENT:
            raise OSError(errno.EALREADY, "connecting once is enough")
        if connection.state < ESTABLISHED and not connection.early:
            raise BlockingIOError(errno.EAGAIN, "not yet")
        size = socket.take(len(data) - socket.written, waits=waits)
        if socket.corked:
            connection.cork()
        size += socket.written
        connection.write(data[socket.written : size], more=bool(flags & _MORE), record=bool(flags & _RECORD))
        socket.written = size if waits and size < len(data) else 0
        if socket.written:
            raise BlockingIOError(errno.EAGAIN, "the rest waits for room")
        return Outcome(size)

    def _opened(self, socket: Socket) -> None:
        if socket.connection is not None:
            self.last = socket.connection
            options.mark(socket)

    def _write_datagram(self, socket: Socket, data: bytes, to: tuple[bytes, int] | None) -> Outcome:
        if socket.endpoint is None:
            socket.endpoint = self._host.bind(None, 0)
        complaints = socket.endpoint.take_complaints()
        if complaints:
            raise OSError(complaints[0].number, "complaint")
        socket.endpoint.send(self._now(), data, *(to or ()))
        return Outcome(len(data))

    # --- Asking and telling

    def call_setsockopt(self, a: Sequence[Any]) -> Outcome:
        """setsockopt(2)."""
        socket = self._get(a[0])
        if (a[1], a[2]) == KEY:
            self.fast_open.key(socket, a[3][: a[4]] if isinstance(a[3], bytes) else a[3])
            self.fast_open.told(socket)
            return Outcome(0)
        if (a[1], a[2]) == CONNECT and not self.fast_open.allowed & CLIENT:
            raise OSError(errno.EOPNOTSUPP, "tcp_fastopen says no")
        options.put(socket, a[1], a[2], a[3], self._now())
        self.fast_open.told(socket)
        if socket.listener is not None:
            self._host.config = replace(self._host.config, tcp=socket.config)
        return Outcome(0)

    def call_getsockopt(self, a: Sequence[Any]) -> Outcome:
        """getsockopt(2)."""
        return Outcome(0, outputs={3: options.get(self._get(a[0]), a[1], a[2])})

    def call_fcntl(self, a: Sequence[Any]) -> Outcome:
        """fcntl(2): F_GETFL and F_SETFL."""
        socket = self._get(a[0])
        if a[1] == CONSTANTS["F_GETFL"]:
            return Outcome(CONSTANTS["O_RDWR"] | (0 if socket.blocking else _NONBLOCK))
        if a[1] != CONSTANTS["F_SETFL"]:
            raise OSError(errno.EINVAL, "unknown")
        socket.blocking = not a[2] & _NONBLOCK
        return Outcome(0)

    def call_ioctl(self, a: Sequence[Any]) -> Outcome:
        """ioctl(2): SIOCINQ, SIOCOUTQ and SIOCOUTQNSD of a stream."""
        asked = self._get(a[0]).queues()
        if a[1] not in asked:
            raise OSError(errno.ENOTTY, "unknown")
        return Outcome(0, outputs={2: [asked[a[1]]]})

    def call_poll(self, a: Sequence[Any]) -> Outcome:
        """poll(2); a timeout other than 0 waits for something to happen."""
        answers = [each | {"revents": self._get(each["fd"]).events() & (each["events"] | 0x38)} for each in a[0]]
        count = sum(1 for each in answers if each["revents"])
        if not count and len(a) > 2 and a[2]:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        return Outcome(count, outputs={0: answers})

    def call_epoll_create(self, a: Sequence[Any]) -> Outcome:
        """epoll_create(2), and epoll_create1(2)."""
        fd = self._free()
        self._epolls[fd] = Epoll()
        return Outcome(fd)

    call_epoll_create1 = call_epoll_create

    def call_epoll_ctl(self, a: Sequence[Any]) -> Outcome:
        """epoll_ctl(2)."""
        self._epoll(a[0]).control(a[1], a[2], self._get(a[2]), a[3] if len(a) > 3 else None)
        return Outcome(0)

    def call_epoll_wait(self, a: Sequence[Any]) -> Outcome:
        """epoll_wait(2)."""
        found = self._epoll(a[0]).wait(a[2])
        if not found and a[3]:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        return Outcome(len(found), outputs={1: found} if found else {})

    def _epoll(self, fd: object) -> Epoll:
        epoll = self._epolls.get(fd) if isinstance(fd, int) else None
        if epoll is None:
            raise OSError(errno.EBADF, "no such descriptor")
        return epoll


def _is_text(a: Sequence[Any]) -> bool:
    """Does the script say what it expects to read?"""
    return isinstance(a[1], bytes)

"""The socket calls of a script on the kernel's sockets.

They are non-blocking underneath, whatever the script's program believes: a call that would block raises BlockingIOError
and is tried again (`begun`), so that one thread can watch the wire meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import ipaddress
import select
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hythe.pkt.arguments import into, nobody, octets, sockaddr, total
from hythe.pkt.constants import CONSTANTS
from hythe.pkt.runner import Outcome
from hythe.pkt.script import ANYTHING
from hythe.pkt.settings import Settings
from hythe.pkt.tcpinfo import SIZE
from hythe.pkt.wireform import filler

_NONBLOCK: Final = CONSTANTS["O_NONBLOCK"]
_OPTION_ROOM: Final = 256
_ERROR: Final = struct.Struct("=IBBBxII")


class KernelSockets:
    """All descriptors of the script's program, 3 and up."""

    def __init__(self, settings: Settings, congestion: str = "") -> None:
        self._settings = settings
        self.congestion = congestion.encode()  # for every socket, where not the namespace's
        self._table: dict[int, socket.socket] = {}
        self._epolls: dict[int, tuple[select.epoll, dict[int, dict[str, object]]]] = {}
        self._blocking: dict[int, bool] = {}
        self._connecting: set[int] = set()
        self._written: dict[int, int] = {}
        self.last: socket.socket | None = None

    def find(self, name: str) -> Callable[[Sequence[Any]], Outcome]:
        """What makes the call `name`; KeyError when there is none."""
        found: Callable[[Sequence[Any]], Outcome] | None = getattr(self, f"call_{name}", None)
        if found is None:
            raise KeyError(name)
        return found

    def waiting(self, name: str) -> Callable[[Sequence[Any]], Outcome]:
        """The same on a descriptor that really blocks meanwhile."""
        action = self.find(name)

        def call(a: Sequence[Any]) -> Outcome:
            waits = self._get(a[0])
            waits.setblocking(True)
            try:
                return action(a)
            finally:
                if waits.fileno() >= 0:
                    waits.setblocking(False)

        return call

    def blocking(self, fd: object) -> bool:
        """Does a call on this descriptor wait?"""
        return isinstance(fd, int) and self._blocking.get(fd, False)

    def info(self) -> bytes:
        """The ``struct tcp_info`` of the socket accepted or connected last."""
        if self.last is None or self.last.fileno() < 0:
            return b""
        return self.last.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SIZE)

    def _new(self, made: socket.socket, *, blocking: bool) -> int:
        made.setblocking(False)
        fd = self._free()
        self._table[fd] = made
        self._blocking[fd] = blocking
        return fd

    def _free(self) -> int:
        return next(each for each in range(3, 1 << 20) if each not in self._table and each not in self._epolls)

    def _get(self, fd: object) -> socket.socket:
        found = self._table.get(fd) if isinstance(fd, int) else None
        if found is None:
            raise OSError(errno.EBADF, "no such descriptor")
        return found

    @staticmethod
    def _address(given: object, default: tuple[bytes, int]) -> tuple[str, int]:
        packed, port = sockaddr(given, default)
        return str(ipaddress.ip_address(packed)), port

    # --- Making and ending

    def call_socket(self, a: Sequence[Any]) -> Outcome:
        """socket(2)."""
        family = socket.AF_INET if self._settings.version == 4 else socket.AF_INET6
        kind = a[1]
        made = socket.socket(family if a[0] is ANYTHING else a[0], kind & 15, 0)
        if self.congestion and made.type == socket.SOCK_STREAM:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, self.congestion)
        return Outcome(self._new(made, blocking=not kind & _NONBLOCK))

    def call_bind(self, a: Sequence[Any]) -> Outcome:
        """bind(2)."""
        self._get(a[0]).bind(self._address(a[1], (self._settings.local, self._settings.bind_port)))
        return Outcome(0)

    def call_listen(self, a: Sequence[Any]) -> Outcome:
        """listen(2)."""
        self._get(a[0]).listen(a[1])
        return Outcome(0)

    def call_accept(self, a: Sequence[Any]) -> Outcome:
        """accept(2)."""
        return self._accept(a, blocking=True)

    def call_accept4(self, a: Sequence[Any]) -> Outcome:
        """accept4(2)."""
        return self._accept(a, blocking=not (len(a) > 3 and a[3] & _NONBLOCK))

    def _accept(self, a: Sequence[Any], *, blocking: bool) -> Outcome:
        made, _ = self._get(a[0]).accept()
        self.last = made
        return Outcome(self._new(made, blocking=blocking))

    def call_connect(self, a: Sequence[Any]) -> Outcome:
        """connect(2)."""
        made = self._get(a[0])
        if a[0] in self._connecting:  # a blocking one that is tried again
            if not _events(made, select.POLLOUT | select.POLLERR):
                raise BlockingIOError(errno.EALREADY, "not yet")
            self._connecting.discard(a[0])
            number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, "failed")
            return Outcome(0)
        number = made.connect_ex(self._address(a[1], (self._settings.remote, self._settings.connect_port)))
        if number in (0, errno.EINPROGRESS):
            self.last = made if made.type == socket.SOCK_STREAM else self.last
        if number == errno.EINPROGRESS and self._blocking[a[0]]:
            self._connecting.add(a[0])
            raise BlockingIOError(number, "begun")
        if number:
            raise OSError(number, "failed")
        return Outcome(0)

    def call_shutdown(self, a: Sequence[Any]) -> Outcome:
        """shutdown(2)."""
        self._get(a[0]).shutdown(a[1])
        return Outcome(0)

    def call_close(self, a: Sequence[Any]) -> Outcome:
        """close(2)."""
        if a[0] in self._epolls:
            self._epolls.pop(a[0])[0].close()
            return Outcome(0)
        self._get(a[0]).close()
        del self._table[a[0]], self._blocking[a[0]]
        return Outcome(0)

    # --- Reading and writing

    def call_read(self, a: Sequence[Any]) -> Outcome:
        """read(2)."""
        return self._receive(a, a[2], 0)

    def call_recv(self, a: Sequence[Any]) -> Outcome:
        """recv(2)."""
        return self._receive(a, a[2], a[3])

    def call_recvfrom(self, a: Sequence[Any]) -> Outcome:
        """recvfrom(2)."""
        return self._receive(a, a[2], a[3])

    def call_readv(self, a: Sequence[Any]) -> Outcome:
        """readv(2)."""
        return self._receive(a, total(a[1]), 0)

    def call_recvmsg(self, a: Sequence[Any]) -> Outcome:
        """recvmsg(2)."""
        data, control, _, _ = self._get(a[0]).recvmsg(total(a[1].get("msg_iov")), _OPTION_ROOM, a[2])
        told = [{"cmsg_level": level, "cmsg_type": kind, "cmsg_data": _cmsg(kind, raw)} for level, kind, raw in control]
        return Outcome(len(data), outputs={1: {"msg_control": told}})

    def _receive(self, a: Sequence[Any], size: int, flags: int) -> Outcome:
        into(a[1], size)
        data = self._get(a[0]).recv(size, flags & ~CONSTANTS["MSG_TRUNC"])
        return Outcome(len(data), outputs={1: data} if isinstance(a[1], bytes) else {})

    def call_write(self, a: Sequence[Any]) -> Outcome:
        """write(2)."""
        return self._write(a[0], octets(a[1], a[2]), 0)

    def call_send(self, a: Sequence[Any]) -> Outcome:
        """send(2)."""
        return self._write(a[0], octets(a[1], a[2]), a[3])

    def call_sendto(self, a: Sequence[Any]) -> Outcome:
        """sendto(2)."""
        data = octets(a[1], a[2])
        if nobody(a):
            return self._send_to_nobody(self._get(a[0]), data, a[3])
        if len(a) <= 4 or (self._get(a[0]).type == socket.SOCK_STREAM and not a[3] & socket.MSG_FASTOPEN):
            return self._write(a[0], data, a[3])
        if self._get(a[0]).type == socket.SOCK_STREAM:
            self.last = self._get(a[0])
        to = self._address(a[4], (self._settings.remote, self._settings.connect_port))
        return Outcome(self._get(a[0]).sendto(data, a[3], to))

    @staticmethod
    def _send_to_nobody(made: socket.socket, data: bytes, flags: int) -> Outcome:
        """Python has no word for an address without a family."""
        libc = ctypes.CDLL(None, use_errno=True)
        result = libc.sendto(made.fileno(), data, ctypes.c_size_t(len(data)), flags, bytes(16), 16)
        if result < 0:
            raise OSError(ctypes.get_errno(), "to nobody")
        return Outcome(result)

    def call_writev(self, a: Sequence[Any]) -> Outcome:
        """writev(2)."""
        return self._write(a[0], filler(total(a[1])), 0)

    def call_sendmsg(self, a: Sequence[Any]) -> Outcome:
        """sendmsg(2)."""
        data = filler(total(a[1].get("msg_iov")))
        if "msg_name" in a[1] and a[2] & socket.MSG_FASTOPEN:
            return self.call_sendto((a[0], data, len(data), a[2], a[1]["msg_name"]))
        return self._write(a[0], data, a[2])

    def _write(self, fd: Any, data: bytes, flags: int) -> Outcome:
        done = self._written.pop(fd, 0)
        try:
            done += self._get(fd).send(data[done:], flags | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            if done:
                self._written[fd] = done
            raise
        if done < len(data) and self._blocking[fd]:
            self._written[fd] = done
            raise BlockingIOError(errno.EAGAIN, "not all of it")
        return Outcome(done)

    # --- Asking and telling

    def call_setsockopt(self, a: Sequence[Any]) -> Outcome:
        """setsockopt(2)."""
        given = a[3][0] if isinstance(a[3], list) else a[3]
        if isinstance(given, Mapping):
            given = struct.pack("ii", *given.values())
        if isinstance(given, int) and given >> 31:
            given = struct.pack("I", given & 0xFFFFFFFF)
        self._get(a[0]).setsockopt(a[1], a[2], given)
        return Outcome(0)

    def call_getsockopt(self, a: Sequence[Any]) -> Outcome:
        """getsockopt(2)."""
        raw = self._get(a[0]).getsockopt(a[1], a[2], _OPTION_ROOM)
        if a[2] == CONSTANTS["SO_LINGER"] and a[1] == CONSTANTS["SOL_SOCKET"]:
            return Outcome(0, outputs={3: dict(zip(("onoff", "linger"), struct.unpack("ii", raw), strict=True))})
        if len(raw) == 4:
            return Outcome(0, outputs={3: list(struct.unpack("i", raw))})
        return Outcome(0, outputs={3: raw.rstrip(b"\0") if isinstance(a[3], bytes) else ANYTHING})

    def call_fcntl(self, a: Sequence[Any]) -> Outcome:
        """fcntl(2): F_GETFL and F_SETFL."""
        self._get(a[0])
        if a[1] == CONSTANTS["F_GETFL"]:
            return Outcome(CONSTANTS["O_RDWR"] | (0 if self._blocking[a[0]] else _NONBLOCK))
        if a[1] != CONSTANTS["F_SETFL"]:
            raise OSError(errno.EINVAL, "unknown")
        self._blocking[a[0]] = not a[2] & _NONBLOCK
        return Outcome(0)

    def call_ioctl(self, a: Sequence[Any]) -> Outcome:
        """ioctl(2): SIOCINQ, SIOCOUTQ and SIOCOUTQNSD."""
        raw = fcntl.ioctl(self._get(a[0]).fileno(), a[1], struct.pack("i", 0))
        return Outcome(0, outputs={2: list(struct.unpack("i", raw))})

    def call_poll(self, a: Sequence[Any]) -> Outcome:
        """poll(2); a timeout other than 0 waits for something to happen."""
        answers = [each | {"revents": _events(self._get(each["fd"]), each["events"])} for each in a[0]]
        count = sum(1 for each in answers if each["revents"])
        if not count and len(a) > 2 and a[2]:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        return Outcome(count, outputs={0: answers})

    def call_epoll_create(self, a: Sequence[Any]) -> Outcome:
        """epoll_create(2), and epoll_create1(2)."""
        fd = self._free()
        self._epolls[fd] = (select.epoll(), {})
        return Outcome(fd)

    call_epoll_create1 = call_epoll_create

    def _epoll(self, fd: object) -> tuple[select.epoll, dict[int, dict[str, object]]]:
        found = self._epolls.get(fd) if isinstance(fd, int) else None
        if found is None:
            raise OSError(errno.EBADF, "no such descriptor")
        return found

    def call_epoll_ctl(self, a: Sequence[Any]) -> Outcome:
        """epoll_ctl(2)."""
        epoll, data = self._epoll(a[0])
        fd = self._get(a[2]).fileno()
        event = a[3] if len(a) > 3 and isinstance(a[3], Mapping) else {}
        if a[1] == CONSTANTS["EPOLL_CTL_DEL"]:
            epoll.unregister(fd)
        else:
            change = epoll.register if a[1] == CONSTANTS["EPOLL_CTL_ADD"] else epoll.modify
            change(fd, event.get("events", 0))
            data[fd] = {name: value for name, value in event.items() if name != "events"}
        return Outcome(0)

    def call_epoll_wait(self, a: Sequence[Any]) -> Outcome:
        """epoll_wait(2)."""
        epoll, data = self._epoll(a[0])
        found = [{"events": events, **data[fd]} for fd, events in epoll.poll(0, a[2])]
        if not found and a[3]:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        return Outcome(len(found), outputs={1: found} if found else {})


def _cmsg(kind: int, raw: bytes) -> object:
    """What a control message says: a ``struct sock_extended_err`` (linux/errqueue.h), or a number."""
    if kind in (CONSTANTS["IP_RECVERR"], CONSTANTS["IPV6_RECVERR"]) and len(raw) >= _ERROR.size:
        names = ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data")
        return dict(zip(names, _ERROR.unpack_from(raw), strict=True))
    return int.from_bytes(raw[:4], sys.byteorder)


def _events(made: socket.socket, wanted: int) -> int:
    poll = select.poll()
    poll.register(made, wanted)
    return next((events for _, events in poll.poll(0)), 0)

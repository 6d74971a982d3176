"""An event loop for many sockets that come and go: what watches them costs a fifth of what asyncio's does.

Theory of operation. `add_reader` and its three companions keep their sockets in an epoll(7) of their own, which asyncio's
selector watches as one descriptor. A callback is called as it is, without a `Handle` that is made for it, put into a queue
and run in a context; to watch a socket is one entry of a dictionary and one system call. `sock_recv` goes by that, too. All
else (tasks, timers, transports) is asyncio's, and what it watches for that is its own selector's: `remove_reader`, which it
calls for that as well, passes on what is not ours.

What is watched is so by level: an event that comes too late, for a descriptor that is another socket's by then, calls
somebody who finds nothing to read.
"""

from __future__ import annotations

import asyncio
import errno
import select
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVarTuple

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_READ: Final = select.EPOLLIN
_WRITE: Final = select.EPOLLOUT
_BOTH: Final = _READ | _WRITE
#: What else epoll tells (errors, hang-ups) is for whoever waits.
_NOT_READ: Final = ~select.EPOLLIN
_NOT_WRITE: Final = ~select.EPOLLOUT
#: Events in a row before others have their turn.
_BATCH: Final = 256

_Call = Callable[[], object]
_Ts = TypeVarTuple("_Ts")


def send_at_once(stream: socket.socket, data: bytes) -> None:
    """Send a few bytes by a non-blocking socket that has sent next to nothing before. OSError.

    There is room for them, unless the machine has no memory left for sockets; who waits then makes it no better.
    """
    try:
        sent = stream.send(data)
    except BlockingIOError:
        sent = 0
    if sent != len(data):
        raise OSError(errno.ENOBUFS, "there is no memory left for a connection")


class ReadyLoop(asyncio.SelectorEventLoop):
    """As asyncio's. Its `add_reader` is for sockets that no transport has."""

    def __init__(self) -> None:
        super().__init__()
        self._readers: dict[int, _Call] = {}
        self._writers: dict[int, _Call] = {}
        self._epoll = select.epoll()
        super().add_reader(self._epoll.fileno(), self._turn)

    def add_reader(self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        """As asyncio's: call this whenever there is something to read, or the end, or an error."""
        number = fd if isinstance(fd, int) else fd.fileno()
        known = number in self._readers
        self._readers[number] = partial(callback, *args) if args else callback
        if known:
            return
        if number in self._writers:
            self._epoll.modify(number, _BOTH)
        else:
            self._epoll.register(number, _READ)

    def remove_reader(self, fd: FileDescriptorLike) -> bool:
        """As asyncio's."""
        number = fd if isinstance(fd, int) else fd.fileno()
        if self._readers.pop(number, None) is None:
            return super().remove_reader(number)
        self._leave(number, _WRITE if number in self._writers else 0)
        return True

    def add_writer(self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        """As asyncio's: call this whenever there is room, or an error."""
        number = fd if isinstance(fd, int) else fd.fileno()
        known = number in self._writers
        self._writers[number] = partial(callback, *args) if args else callback
        if known:
            return
        if number in self._readers:
            self._epoll.modify(number, _BOTH)
        else:
            self._epoll.register(number, _WRITE)

    def remove_writer(self, fd: FileDescriptorLike) -> bool:
        """As asyncio's."""
        number = fd if isinstance(fd, int) else fd.fileno()
        if self._writers.pop(number, None) is None:
            return super().remove_writer(number)
        self._leave(number, _READ if number in self._readers else 0)
        return True

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        """As asyncio's."""
        while True:
            try:
                return sock.recv(nbytes)
            except BlockingIOError:
                await self._readable(sock.fileno())

    async def _readable(self, number: int) -> None:
        ready = self.create_future()
        self.add_reader(number, _wake, ready)
        try:
            await ready
        finally:
            self.remove_reader(number)

    def _leave(self, number: int, mask: int) -> None:
        """Watch no more than `mask`."""
        if mask:
            self._epoll.modify(number, mask)
            return
        try:
            self._epoll.unregister(number)
        except OSError:
            return  # closed already, and so forgotten

    def close(self) -> None:
        """As asyncio's."""
        if not self.is_closed():
            super().remove_reader(self._epoll.fileno())
            self._epoll.close()
        super().close()

    def _turn(self) -> None:
        readers, writers = self._readers, self._writers
        for number, events in self._epoll.poll(0, _BATCH):
            try:
                if events & _NOT_WRITE and (call := readers.get(number)) is not None:
                    call()
                if events & _NOT_READ and (call := writers.get(number)) is not None:
                    call()
            except Exception as error:  # noqa: BLE001 - what one of them raises must not keep the others waiting
                self.call_exception_handler({"message": f"whoever watches descriptor {number}", "exception": error})


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

"""A channel and a socket made one stream, both ways: half-close and back-pressure are kept.

Towards the peer the socket is read while the channel has a window and the connection is ready, else not: who writes into it
is held up by its kernel. From the peer data go to the socket at once; what it does not take is kept, and the peer is granted
a new window only for what it took.

A direction's end is passed on as one. A break is told as a break: a channel that closes without having ended its data
resets the socket, and a reset of the socket closes the channel without ending.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from asyncssh.session import SSHTCPSession, SSHUNIXSession

from hythe.errors import FAILURES

if TYPE_CHECKING:
    from hythe.tunnel.ssh.channel import TcpChannel, UnixChannel

#: Buffers of one sendmsg(2).
_PIECES: Final = 64
_RESET: Final = struct.pack("ii", 1, 0)


#: Told how much has moved: bytes up, bytes down.
Moved = Callable[[int, int], None]


class Standing(Protocol):
    """How many directions have ended, and how many are held up, as `hythe.via.base.Tally` has it."""

    ended: int
    waiting: int


class Splice(SSHTCPSession[bytes], SSHUNIXSession[bytes]):
    """One stream, as asyncssh's session on its channel. `ended`: None, or what broke it; the socket is closed by then.

    `first`: bytes for the socket before all that comes. `moved`: told of what moves. `standing`: kept up to date. `spoil`:
    called before a socket of a pair is closed that has to look broken.
    """

    def __init__(
        self,
        stream: socket.socket,
        *,
        first: bytes = b"",
        moved: Moved | None = None,
        standing: Standing | None = None,
        spoil: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.socket = stream
        self.ended: asyncio.Future[OSError | None] = self._loop.create_future()
        self._moved = moved
        self._standing = standing
        self._spoil = spoil
        self._channel: TcpChannel | UnixChannel | None = None
        self._pending: deque[memoryview] = deque()
        self._kept = 0  # of them, the first ones, that are ours to keep
        self._first = len(first)  # bytes in front that are not the channel's
        self._out_ended = False  # the socket's end was passed on
        self._in_ended = False  # the channel's end has come
        self._in_told = False  # and was passed on
        self._reading = self._writing = self._touched = False
        self._held_up = False  # the socket has something that the channel has no room for
        if first:
            self._pending.append(memoryview(first))
            self._kept = 1

    # --- asyncssh's session

    def connection_made(self, chan: Any) -> None:
        """The channel is open."""
        self._channel = chan
        chan.splice = self

    def session_started(self) -> None:
        """Both ends may talk."""
        if self._channel is None:
            return
        if self.ended.done():  # given up meanwhile
            self._channel.abort()
            return
        self._channel.resume_reading()
        self._read_on()
        if self._pending:
            self._touch()

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Data by asyncssh's own way."""
        self.take(memoryview(data))

    def eof_received(self) -> bool:
        """The peer has ended its direction; ours goes on."""
        self._in_ended = True
        self._touch()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is gone: in order if it had ended."""
        self._stop_reading()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.splice = None
            self._in_ended = self._in_ended or channel.ended
        if exc is None and self._in_ended:
            if not self._writing:
                self.flush(0)
            return  # what is left is still written
        self._finish(OSError(errno.ECONNRESET, str(exc) if exc is not None else "the far end broke the stream off"))

    # --- From the channel to the socket

    def take(self, data: memoryview) -> None:
        """A view that lives until the end of this turn."""
        if not self.ended.done():
            self._pending.append(data)
            self._touch()

    def _touch(self) -> None:
        carrier = self._channel.carrier if self._channel is not None else None
        if carrier is not None and not self._touched:
            self._touched = True
            carrier.touch(self)
            if not carrier.turning:
                self._loop.call_soon(carrier.flush)

    def flush(self, now: int) -> None:
        """The turn ends: pass on what the socket takes, keep the rest."""
        self._touched = False
        if self.ended.done():
            self._pending.clear()
        elif self._writing or not self._write(now):
            for at in range(self._kept, len(self._pending)):
                self._pending[at] = memoryview(bytes(self._pending[at]))
            self._kept = len(self._pending)

    def _write(self, now: int) -> bool:
        """True when nothing is left."""
        pending, passed = self._pending, 0
        try:
            while pending:
                pieces = [pending[at] for at in range(min(len(pending), _PIECES))]
                size = self.socket.sendmsg(pieces) if len(pieces) > 1 else self.socket.send(pieces[0])
                passed += size
                self._consume(size)
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self.socket, self._writable)
                self._note()
        except OSError as error:
            self._break(error)
            return True
        if passed:
            self._count(passed, now)
        if pending:
            return False
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self.socket)
            self._note()
        if self._in_ended:
            self._end_in()
        return True

    def _writable(self) -> None:
        self._write(time.monotonic_ns())

    def _consume(self, size: int) -> None:
        pending = self._pending
        while size:
            piece = pending[0]
            if size < len(piece):
                pending[0] = piece[size:]
                return
            size -= len(piece)
            pending.popleft()
            self._kept = max(0, self._kept - 1)

    def _count(self, passed: int, now: int) -> None:
        own = min(passed, self._first)
        self._first -= own
        if passed > own:
            if self._moved is not None:
                self._moved(0, passed - own)
            if self._channel is not None:
                self._channel.passed(passed - own, now or time.monotonic_ns())

    def _note(self) -> None:
        """Where it stands."""
        if self._standing is not None:
            self._standing.ended = self._out_ended + self._in_told
            self._standing.waiting = self._writing + self._held_up

    def _end_in(self) -> None:
        self._in_told = True
        self._note()
        if self._channel is None:
            self._finish(None)
        elif self._out_ended:
            self._channel.close()
        else:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    self._break(error)

    # --- From the socket to the channel

    def room(self) -> None:
        """Window or connection have room again, perhaps."""
        if not self._reading and not self._out_ended and not self.ended.done():
            self._read_on()

    def _read_on(self) -> None:
        if not self._reading and self._may_send():
            self._reading = True
            self._loop.add_reader(self.socket, self._readable)
            if self._held_up:
                self._held_up = False
                self._note()

    def _may_send(self) -> bool:
        channel = self._channel
        carrier = channel.carrier if channel is not None else None
        if channel is None or carrier is None:
            return False
        if not carrier.ready:
            carrier.wait(self)
            return False
        return channel.send_window > 0

    def _readable(self) -> None:
        channel = self._channel
        carrier = channel.carrier if channel is not None else None
        if channel is None or carrier is None or not self._may_send():
            self._stop_reading()
            self._held_up = True
            self._note()
            return
        try:
            size = carrier.send_from(self.socket, channel)
        except BlockingIOError:
            return
        except OSError as error:
            self._break(error)
            return
        if size:
            if self._moved is not None:
                self._moved(size, 0)
            return
        self._out_ended = True
        self._note()
        self._stop_reading()
        channel.write_eof()  # before the closing: without it that is a break
        if self._in_ended and not self._pending:
            channel.close()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self.socket)

    # --- The end

    def abort(self) -> None:
        """Break it off on both sides."""
        self._break(OSError(errno.ECONNABORTED, FAILURES[errno.ECONNABORTED]))

    def _break(self, error: OSError) -> None:
        if self._channel is not None:
            self._channel.abort()
        self._finish(error)

    def _finish(self, error: OSError | None) -> None:
        if self.ended.done():
            return
        self._stop_reading()
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self.socket)
        carrier = self._channel.carrier if self._channel is not None else None
        if carrier is not None:
            carrier.forget(self)
        self._pending.clear()
        if error is not None and self._spoil is not None:
            self._spoil()
        elif error is not None and self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()
        self.ended.set_result(error)


async def connect_unix(path: str) -> socket.socket:
    """A stream to whoever listens at a Unix socket's path, to be spliced. Raises OSError."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(stream, path)
    except BaseException:
        stream.close()
        raise
    return stream

"""Join two connected sockets: what comes from one leaves by the other, until both directions have ended.

Theory of operation. Each direction is a pump: a socket that is read, one that is written, and what the latter has not taken
yet. A pump either waits to read or waits to write, never both, so it holds one read at most: back-pressure is the sockets'
own. The end of what is read becomes a half-close of what is written; the other direction goes on. An error of either socket
ends both directions, and closes both sockets by a reset, so that the other end does not take half a stream for a whole one.

Who is to be slow (`Tally.pace`) is not read for a while, which the other end feels as back-pressure.

The sockets are watched by the loop's own callbacks. An idle pair costs no task that waits on each direction, and no buffer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from hythe.via.base import Tally
from hythe.via.pairs import reset

#: Most bytes read at once.
_CHUNK: Final = 256 * 1_024
#: And of one that has a pace, so that its pauses are short.
_CHUNK_PACED: Final = 16 * 1_024
#: What a pump watches.
_NOTHING: Final = 0
_READING: Final = 1
_WRITING: Final = 2


async def splice(near: socket.socket, far: socket.socket, tally: Tally | None = None) -> OSError | None:
    """Join `near` and `far`, both connected and non-blocking, and close them at the end.

    Returns the error that ended it before its time; the other end was told by a reset. Cancelled, both are reset.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[OSError | None] = loop.create_future()

    def ended(error: OSError | None) -> None:
        if not over.done():
            over.set_result(error)

    joint = Joint(loop, near, far, tally or Tally(), ended)
    try:
        return await over
    finally:
        joint.close()


async def join(near: socket.socket, far: socket.socket, first: bytes, tally: Tally | None = None) -> OSError | None:
    """The same, once `near` has got `first`."""
    try:
        if first:
            await asyncio.get_running_loop().sock_sendall(near, first)
    except OSError as error:  # it has gone while we connected
        far.close()
        near.close()
        return error
    except BaseException:
        far.close()
        raise
    return await splice(near, far, tally)


class Joint:
    """Both directions. `over` is called once each has ended, or with what broke one; `close` is to follow.

    `ended`: it has been called.
    """

    __slots__ = ("_over", "_pumping", "_pumps", "ended", "far", "near", "tally")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        near: socket.socket,
        far: socket.socket,
        tally: Tally,
        over: Callable[[OSError | None], object],
    ) -> None:
        self.near = near
        self.far = far
        self.tally = tally
        self.ended = False
        self._over = over
        self._pumping = 2
        self._pumps: tuple[_Pump, ...] = (_Pump(self, loop, near, far), _Pump(self, loop, far, near))

    @property
    def is_last(self) -> bool:
        """Has one of the directions ended?"""
        return self._pumping == 1

    def end(self, error: OSError | None) -> None:
        """One direction has ended."""
        self.tally.ended += 1
        if error is None:
            self._pumping -= 1
        if not self.ended and (error is not None or not self._pumping):
            self.ended = True
            self._over(error)

    def close(self) -> None:
        """Close both: by a reset unless both directions have run to their ends."""
        self.ended = True
        for pump in self._pumps:
            pump.watch(_NOTHING)
        self._pumps = ()  # each has this joint, and a circle is garbage that has to be looked for
        for each in (self.near, self.far):
            if self._pumping:
                reset(each)
            each.close()


class _Pump:
    """One direction. `rest`: what `sink` has not taken yet. `pause`: seconds without reading after that.

    The loop is given descriptors: for a socket that it does not watch it would first put together what to call it. It is
    told to watch no more only where it watches, which is what `watches` says.
    """

    __slots__ = ("joint", "loop", "pause", "rest", "sink", "sink_fd", "source", "source_fd", "watches")

    def __init__(self, joint: Joint, loop: asyncio.AbstractEventLoop, source: socket.socket, sink: socket.socket) -> None:
        self.joint = joint
        self.loop = loop
        self.source = source
        self.sink = sink
        self.source_fd = source.fileno()
        self.sink_fd = sink.fileno()
        self.rest: bytes | memoryview = b""
        self.pause = 0.0
        self.watches = _READING
        loop.add_reader(self.source_fd, self.read)

    def read(self) -> None:
        """`source` has something, or its end."""
        pace = self.joint.tally.pace
        try:
            data = self.source.recv(_CHUNK if pace is None else _CHUNK_PACED)
            if pace is not None and data:
                self.pause = pace(len(data))
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(error)
            return
        if not data:
            self._half_close()
        elif self._send(data):
            self.joint.tally.waiting += 1
            self.watch(_WRITING)
        elif self.pause:
            self.watch(_NOTHING)
            self._go_on()

    def write(self) -> None:
        """`sink` has room again."""
        if not self._send(self.rest):
            self.rest = b""
            self.joint.tally.waiting -= 1
            self.watch(_NOTHING)
            self._go_on()

    def _go_on(self) -> None:
        """Read again, at once or after a pause; by then it may all be over."""
        if self.joint.ended:
            return
        pause, self.pause = self.pause, 0.0
        if pause:
            self.loop.call_later(pause, self._go_on)
        else:
            self.watch(_READING)

    def watch(self, what: int) -> None:
        """Watch this, and nothing else."""
        if self.watches == _READING:
            self.loop.remove_reader(self.source_fd)
        elif self.watches == _WRITING:
            self.loop.remove_writer(self.sink_fd)
        self.watches = what
        if what == _READING:
            self.loop.add_reader(self.source_fd, self.read)
        elif what == _WRITING:
            self.loop.add_writer(self.sink_fd, self.write)

    def _send(self, data: bytes | memoryview) -> bool:
        """Whether some is left to send."""
        try:
            sent = self.sink.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(error)
            return False
        if self.source is self.joint.near:
            self.joint.tally.up += sent
        else:
            self.joint.tally.down += sent
        if sent == len(data):
            return False
        self.rest = memoryview(data)[sent:]
        return True

    def _half_close(self) -> None:
        self.watch(_NOTHING)
        if not self.joint.is_last:  # closing both sockets tells them as much
            try:
                self.sink.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._broken(error)
                return
        self.joint.end(None)

    def _broken(self, error: OSError) -> None:
        self.watch(_NOTHING)
        self.joint.end(error)

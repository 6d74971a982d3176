"""A client that needs no task: led to an address, and joined to it.

What most clients are: no TLS, no PROXY protocol, no login, no names, and an address that is reached directly. All that
happens is that they say what they want, a connection that is made, or is not, and a joint that ends; each is one callback. A
`Plain` is that for whatever entry; mapped ports, SOCKS and HTTP say what is theirs of it. Whoever turns out to want more
than that is handed over to a task.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hythe.aio.readiness import send_at_once
from hythe.proxy.clients import Client, Flow
from hythe.proxy.passage import Passage
from hythe.units import SECOND
from hythe.via.base import failure
from hythe.via.direct import Direct
from hythe.via.splice import Joint

if TYPE_CHECKING:
    from hythe.proxy.limits import Limits, Share
    from hythe.proxy.server import Entry
    from hythe.tunnel.accepting import Acceptor


@dataclass(frozen=True, slots=True)
class Port:
    """What the clients of an entry have in common. `room`: counts them, where several processes have them together."""

    entry: Entry
    passage: Passage
    room: Limits | None


class Plain(ABC):
    """One client, whose socket is `near`, as `hythe.tunnel.accepting.Served`. `mapped`: as in `Passage.permit`."""

    __slots__ = ("_acceptor", "_far", "_flow", "_joint", "_loop", "_port", "_share", "_timer", "_watching", "client", "near")

    asks: ClassVar[bool] = False
    mapped: ClassVar[bool] = False

    def __init__(self, port: Port, near: socket.socket, name: Any, acceptor: Acceptor) -> None:
        self._port = port
        self._acceptor = acceptor
        self._loop = asyncio.get_running_loop()
        self.near = near
        self.client = Client(port.entry, near, name, self.cancel)
        self._watching = False
        self._timer: asyncio.TimerHandle | None = None
        self._share: Share | None = None
        self._flow: Flow | None = None
        self._far: socket.socket | None = None
        self._joint: Joint | None = None

    def begin(self) -> None:
        """As `Served.begin`."""
        if self._port.room is not None:
            try:
                self._share = self._port.room.begin("")
            except OSError as error:
                self._port.passage.log.tell_refused(self.client, error)
                self._leave()
                return
        self._begin()

    # --- What differs

    @abstractmethod
    def _begin(self) -> None:
        """It is here, and counted."""

    @abstractmethod
    def _failed(self, flow: Flow, error: OSError) -> None:
        """Where it wants to go cannot be reached."""

    @abstractmethod
    def _refused(self, flow: Flow, error: OSError) -> None:
        """It may not go there, or have one connection more."""

    def _opened(self, flow: Flow, far: socket.socket) -> bytes:
        """The far end is there: what the client hears first. OSError."""
        return b""

    # --- Until it has said what it wants

    def _listen(self, read: Callable[[], None], seconds: float, silent: Callable[[], None]) -> None:
        """Call `read` whenever it has said something, or gone; `silent` when that takes so long."""
        self._watching = True
        self._loop.add_reader(self.near.fileno(), read)
        self._timer = self._loop.call_later(seconds, silent)

    def _stop(self) -> None:
        """Time does not matter any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _still(self) -> None:
        """Listen no more."""
        self._stop()
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self.near.fileno())

    def _go_on(self, serve: Coroutine[Any, Any, None]) -> None:
        """A task has it from now on."""
        self._still()
        client, share = self.client, self._share
        del self.client
        task = self._acceptor.go_on(self, self.near, serve)
        client.leave = task.cancel
        if share is not None:
            task.add_done_callback(lambda _: share.end())

    def _is_near(self, host: str, port: int) -> bool:
        """Is that an address, reached directly?"""
        way = self._port.entry.way.choose(host, port)
        return isinstance(way, Direct) and way.is_near(host)

    # --- From then on

    def _want(self, host: str, port: int, what: str) -> None:
        """It has said where to."""
        self._acceptor.greeted(self.near)
        passage = self._port.passage
        flow = self._flow = passage.make(self.client, host, port, what)
        try:
            passage.begin(flow)
        except OSError as error:
            self._refused(flow, error)
        else:
            self._lead(flow)

    def _lead(self, flow: Flow) -> None:
        """To where its record says, an address."""
        host, port = flow.record.far
        way = self._port.entry.way.choose(host, port)
        assert isinstance(way, Direct)
        try:
            self._port.passage.permit(self.client, host, host, port, mapped=self.mapped)
            self._far, connected = way.begin(host, port)
        except PermissionError as error:
            self._refused(flow, error)
        except OSError as error:
            self._failed(flow, error)
        else:
            if connected:
                self._join(flow, self._far)
            else:
                self._still()
                self._loop.add_writer(self._far.fileno(), self._connected, flow, self._far)
                self._timer = self._loop.call_later(self._port.entry.connect / SECOND, self._late, flow)

    def _late(self, flow: Flow) -> None:
        seconds = self._port.entry.connect / SECOND
        self._failed(flow, self._failure(flow, errno.ETIMEDOUT, f"no answer within {seconds:g} s"))

    def _connected(self, flow: Flow, far: socket.socket) -> None:
        """Or not."""
        number = far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._failed(flow, self._failure(flow, number))
        else:
            self._loop.remove_writer(far.fileno())
            self._join(flow, far)

    def _failure(self, flow: Flow, number: int, cause: str = "") -> OSError:
        host, port = flow.record.far
        return failure(number, self._port.entry.way.choose(host, port).name, host, port, cause)

    def _join(self, flow: Flow, far: socket.socket) -> None:
        self._stop()
        try:
            self._port.passage.reached(flow, far)
            answer = self._opened(flow, far)
        except OSError as error:  # it has gone again
            self._failed(flow, error)
            return
        try:
            if answer:
                send_at_once(self.near, answer)
        except OSError as error:  # the client has gone while we connected
            self._over(error)
            return
        self._watching = False  # from now on the joint's, who watches both
        self._joint = Joint(self._loop, self.near, far, flow.tally, self._over)

    def _over(self, error: OSError | None) -> None:
        """As `Joint` calls it."""
        if error is not None and self._flow is not None:
            self._flow.fail(error)
        self._leave()

    # --- The end

    def cancel(self) -> None:
        """As `Served.cancel`."""
        flow = self._flow
        if flow is not None and flow.error is None:
            flow.fail(OSError(errno.ECONNABORTED, "ended from this side"))
        if self.near.fileno() >= 0:
            self._leave()

    def _end(self, flow: Flow, error: OSError) -> None:
        """Its connection has come to nothing; the client is still there."""
        flow.fail(error)
        self._drop()
        self._flow = None
        self._port.passage.end(flow)

    def _drop(self) -> None:
        """Let go of the far end."""
        if self._joint is not None:
            self._joint.close()
            self._joint = None
        elif self._far is not None:
            self._stop()
            self._loop.remove_writer(self._far.fileno())
            self._far.close()
        self._far = None

    def _leave(self) -> None:
        """It is over."""
        self._still()
        self._drop()
        flow, self._flow = self._flow, None
        if flow is not None:
            self._port.passage.end(flow)
        if self._share is not None:
            self._share.end()
        self.near.close()
        del self.client  # which leads here, and a circle is garbage that has to be looked for
        self._acceptor.forget(self, self.near)

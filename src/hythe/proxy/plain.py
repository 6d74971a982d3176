"""A client of a mapped port with nothing in between: led to a destination, and joined to it, without a task.

What most mapped ports are: no TLS, no PROXY protocol, no names, no FTP, and destinations that are addresses, reached
directly. All that happens is a connection that is made, or is not, and a joint that ends; each is one callback. `mapping`
does the same for all other ports, in a task.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hythe.proxy.balance import Balance, Target
from hythe.proxy.clients import Client, Flow
from hythe.proxy.passage import Passage
from hythe.units import SECOND
from hythe.via.base import failure
from hythe.via.direct import Direct
from hythe.via.pairs import reset
from hythe.via.splice import Joint

if TYPE_CHECKING:
    from hythe.proxy.limits import Limits, Share
    from hythe.proxy.server import Entry


@dataclass(frozen=True, slots=True)
class PlainPort:
    """What the clients of a port have in common. `room`: counts them, where several processes have them together."""

    entry: Entry
    passage: Passage
    balance: Balance
    way: Direct
    room: Limits | None

    def make(self, near: socket.socket, gone: Callable[[Plain], object]) -> Plain | None:
        """Serve a client; None where it might go round, which takes a while to find out (`circles`)."""
        ours = self.passage.circles.ports
        if any(each.destination.port in ours for each in self.balance.targets):
            return None
        return Plain(self, near, gone)


class Plain:
    """One client, whose socket is `near`. `gone` is called with it at its end."""

    __slots__ = ("_far", "_flow", "_gone", "_joint", "_loop", "_near", "_port", "_share", "_target", "_timer", "_tried")

    def __init__(self, port: PlainPort, near: socket.socket, gone: Callable[[Plain], object]) -> None:
        self._port = port
        self._near = near
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._share: Share | None = None
        self._flow: Flow | None = None
        self._tried: tuple[Target, ...] = ()
        self._target: Target = port.balance.targets[0]
        self._far: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._joint: Joint | None = None

    def begin(self) -> None:
        """As `hythe.tunnel.accepting.Served.begin`."""
        port, to = self._port, self._target.destination
        try:
            client = Client(port.entry, self._near, self._near.getpeername(), self.cancel)
        except OSError:
            self._leave()  # it has gone already
            return
        try:
            self._share = port.room.begin("") if port.room is not None else None
        except OSError as error:
            port.passage.log.tell_refused(client, error)
            self._leave()
            return
        flow = self._flow = port.passage.make(client, to.host, to.port, self._target.words)
        try:
            port.passage.begin(flow)
        except OSError as error:
            self._give_up(flow, error)
            return
        self._try(flow)

    def _try(self, flow: Flow) -> None:
        """The next destination."""
        port = self._port
        target = port.balance.choose(self._tried)
        assert target is not None
        self._target = target
        to = target.destination
        flow.what = target.words
        flow.record.far = (to.host, to.port)
        try:
            port.passage.permit(flow.client, to.host, to.host, to.port, mapped=True)
            self._far, connected = port.way.begin(to.host, to.port)
        except PermissionError as error:
            self._give_up(flow, error)
        except OSError as error:
            self._failed(flow, error)
        else:
            if connected:
                self._join(flow, self._far)
            else:
                self._loop.add_writer(self._far.fileno(), self._connected, flow, self._far)
                self._timer = self._loop.call_later(port.entry.connect / SECOND, self._late, flow)

    def _connected(self, flow: Flow, far: socket.socket) -> None:
        """Or not."""
        number = far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._failed(flow, self._failure(number))
        else:
            self._wait_no_more()
            self._join(flow, far)

    def _late(self, flow: Flow) -> None:
        self._failed(flow, self._failure(errno.ETIMEDOUT, f"no answer within {self._port.entry.connect / SECOND:g} s"))

    def _failure(self, number: int, cause: str = "") -> OSError:
        to = self._target.destination
        return failure(number, self._port.way.name, to.host, to.port, cause)

    def _failed(self, flow: Flow, error: OSError) -> None:
        """It could not be reached."""
        self._drop()
        self._port.balance.failed(self._target)
        self._tried = (*self._tried, self._target)
        if len(self._tried) == len(self._port.balance.targets):
            self._give_up(flow, error)
        else:
            self._try(flow)

    def _join(self, flow: Flow, far: socket.socket) -> None:
        try:
            self._port.passage.reached(flow, far)
        except OSError as error:  # it has gone again
            self._failed(flow, error)
            return
        self._target.connections += 1
        self._joint = Joint(self._loop, self._near, far, flow.tally, self._over)

    def _over(self, error: OSError | None) -> None:
        """As `Joint` calls it."""
        if error is not None and self._flow is not None:
            self._flow.fail(error)
        self._leave()

    def _give_up(self, flow: Flow, error: OSError) -> None:
        flow.fail(error)
        reset(self._near)
        self._leave()

    def cancel(self) -> None:
        """As `hythe.tunnel.accepting.Served.cancel`."""
        flow = self._flow
        if flow is None:
            return  # it has ended
        if flow.error is None:
            flow.fail(OSError(errno.ECONNABORTED, "ended from this side"))
        self._leave()

    def _wait_no_more(self) -> None:
        """For a connection."""
        if self._timer is not None and self._far is not None:
            self._timer.cancel()
            self._timer = None
            self._loop.remove_writer(self._far.fileno())

    def _drop(self) -> None:
        """Let go of the far end."""
        if self._joint is not None:
            self._joint.close()
            self._joint = None
            self._target.connections -= 1
        elif self._far is not None:
            self._wait_no_more()
            self._far.close()
        self._far = None

    def _leave(self) -> None:
        """It is over."""
        self._drop()
        flow, self._flow = self._flow, None
        if flow is not None:
            self._port.passage.end(flow)
        if self._share is not None:
            self._share.end()
        self._near.close()
        self._gone(self)

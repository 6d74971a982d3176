"""One client of one entry, and its connections as the session knows them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from hythe.forward.flows import Flow as Record
from hythe.via.base import Tally
from hythe.via.pairs import reset

if TYPE_CHECKING:
    from hythe.proxy.kinds import Listen
    from hythe.proxy.limits import Share
    from hythe.via.base import Way


#: Seconds that the last of what somebody is sent may take to leave, where TLS is in between.
REST: Final = 30.0


def end_of(name: Any) -> tuple[str, int]:
    """The address of a socket's name, in its usual form, and the port."""
    return (name[0].removeprefix("::ffff:") if "." in name[0] else name[0]), name[1]


class Patience(Protocol):
    """How long what may last, in nanoseconds; 0 is for ever."""

    @property
    def idle(self) -> int:
        """That nothing moves."""

    @property
    def half_closed(self) -> int:
        """The same, where one direction has ended."""

    @property
    def unread(self) -> int:
        """That somebody takes nothing of what waits for him."""


class Entrance(Protocol):
    """What a client has come by. `kind` and `text`: for the log; `connect`: nanoseconds."""

    kind: str
    text: str
    connect: int
    way: Way
    listen: Listen
    resting: set[Client]

    @property
    def config(self) -> Patience:
        """As it is written."""

    def is_at(self, address: str, port: int) -> bool:
        """Does it listen there?"""


class Client:
    """Who has come to `entry`. `host` and `port`: whose it is, which a stage in front may know better than the socket.

    `came_from`: whose the socket says it is; `to`: the address and port that it has connected to. `user`: who it has logged
    in as. `leave` ends it, with all it has. `rest` is set when the last of what it is sent has left, where that is not the
    kernel's to see to.
    """

    __slots__ = ("came_from", "entry", "host", "leave", "port", "rest", "stream", "to", "user")

    def __init__(self, entry: Entrance, stream: socket.socket, name: Any, leave: Callable[[], object]) -> None:
        self.entry = entry
        self.stream = stream
        self.came_from = self.host, self.port = end_of(name)
        self.to = end_of(stream.getsockname())
        self.user = ""
        self.rest: asyncio.Event | None = None
        self.leave = leave


class Guest(Client):
    """One without a socket of ours: what it sends comes as packets."""

    __slots__ = ()

    def __init__(self, entry: Entrance, end: tuple[str, int], to: tuple[str, int], leave: Callable[[], object]) -> None:
        self.entry = entry
        self.came_from = self.host, self.port = end
        self.to = to
        self.user = ""
        self.rest = None
        self.leave = leave


async def rested(stream: socket.socket, rest: asyncio.Event | None) -> None:
    """Let the last of what a closed `stream` carried leave, where it is not the kernel's to see to, and then be gone."""
    if rest is None:
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(rest.wait(), REST)
    reset(stream)


class Flow:
    """A connection of a client to somewhere, while it goes on. `record`: what the session tells of it.

    `what` was asked for, in the words of the log; `address`: where that led; `reason`: why it ended before its time;
    `status`: of HTTP. `others`: connections that go on because of it, which it rests for and does not idle. `led`: its
    own end, of a connection to a port of ours.
    """

    __slots__ = ("address", "client", "error", "led", "moved", "others", "reason", "record", "shares", "status", "what")

    def __init__(self, client: Client, record: Record, what: str) -> None:
        self.client = client
        self.record = record
        self.what = what
        self.address = ""
        self.reason = ""
        self.status = 0
        self.others = 0
        self.led: tuple[str, int] | None = None
        self.shares: list[Share] = []
        self.error: OSError | None = None
        self.moved = ((0, 0, False), record.began)  # bytes, ends, somebody waiting; and since when
        record.kill = self.kill

    @property
    def tally(self) -> Tally:
        """Of its bytes."""
        return self.record.tally

    def limit(self) -> None:
        """It has its shares: be as fast as they are."""
        if self.shares and any(each.paces for each in self.shares):
            self.tally.pace = self.pace

    def fail(self, error: OSError) -> None:
        """It has come to nothing, or ended before its time."""
        self.error = error
        self.reason = str(error.strerror or error)

    def kill(self) -> None:
        """End it, because somebody wants it."""
        self.end(errno.ECONNABORTED, "ended from this side")

    def end(self, number: int, words: str) -> None:
        """End it, for a reason."""
        self.fail(OSError(number, words))
        self.client.leave()

    def pace(self, count: int) -> float:
        """As `hythe.via.base.Pace`."""
        return max([each.pace(count) for each in self.shares if each.paces], default=0.0)

"""One client of one entry, and its connections as the session knows them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from hythe.gateway.session import FlowRecord
from hythe.via.base import Tally
from hythe.wire.segment import make_key

if TYPE_CHECKING:
    from hythe.proxy.limits import Share
    from hythe.proxy.server import Entry

_NOWHERE: Final = "0.0.0.0"


class Client:
    """Who has come to `entry`. `host` and `port`: whose it is, which a stage in front may know better than the socket.

    `user`: who it has logged in as. `leave` ends it, with all it has.
    """

    __slots__ = ("entry", "host", "leave", "port", "stream", "user")

    def __init__(self, entry: Entry, stream: socket.socket, name: Any, leave: Callable[[], object]) -> None:
        self.entry = entry
        self.stream = stream
        self.host: str = name[0].removeprefix("::ffff:") if "." in name[0] else name[0]
        self.port: int = name[1]
        self.user = ""
        self.leave = leave


class Flow:
    """A connection of a client to somewhere, while it goes on (`hythe.gateway.session.LiveFlow`)."""

    __slots__ = ("client", "far", "moved", "reason", "record", "shares", "status", "tally", "what")

    def __init__(self, client: Client, record: FlowRecord, what: str) -> None:
        self.client = client
        self.record = record
        self.what = what  # was asked for, in the words of the log
        self.reason = ""  # why it ended before its time
        self.status = 0  # of HTTP
        self.shares: list[Share] = []
        self.tally = Tally()
        self.far: socket.socket | None = None
        self.moved = (0, record.began)  # bytes, and when there were first so many

    def fail(self, error: OSError) -> None:
        """It has come to nothing, or ended before its time."""
        self.record.error = error.errno or errno.EIO
        self.reason = str(error.strerror or error)

    def limit(self) -> None:
        """It has its shares: be as fast as they are."""
        if any(each.paces for each in self.shares):
            self.tally.pace = self.pace

    def reached(self, far: socket.socket | None) -> None:
        """The far end is there."""
        self.record.state = "ESTABLISHED"
        self.far = far
        if far is not None and far.family in (socket.AF_INET, socket.AF_INET6):
            name = far.getpeername()
            self.record.outside = name[:2]
            self.record.key = key(self.client.host, self.client.port, *name[:2])

    def refresh(self) -> None:
        """As `LiveFlow.refresh`."""
        self.record.bytes_up = self.tally.up
        self.record.bytes_down = self.tally.down

    def fileno(self) -> int:
        """As `LiveFlow.fileno`."""
        return self.far.fileno() if self.far is not None else -1

    def kill(self, now: int) -> None:
        """As `LiveFlow.kill`."""
        self.end(errno.ECONNABORTED)

    def end(self, number: int) -> None:
        """End it, for a reason."""
        self.record.error = number
        self.client.leave()

    def pace(self, count: int) -> float:
        """As `hythe.via.base.Pace`."""
        return max([each.pace(count) for each in self.shares if each.paces], default=0.0)


def key(host: str, port: int, to: str, to_port: int) -> bytes:
    """The socket pair of a client and where it goes, in one family; what is no address is nowhere."""
    near, far = _packed(host), _packed(to)
    if len(near) != len(far):
        near, far = (each if len(each) == 16 else bytes(10) + b"\xff\xff" + each for each in (near, far))
    return make_key(near, port, far, to_port)


def _packed(host: str) -> bytes:
    host = host.partition("%")[0]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, host)
        except OSError:
            continue
    return socket.inet_pton(socket.AF_INET, _NOWHERE)

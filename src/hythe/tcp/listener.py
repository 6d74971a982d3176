"""A listener: where SYNs for an address and port become connections, and wait to be accepted.

Two ways. Normally a SYN is answered at once and the connection enters `arrivals` when its handshake is done. With `hold`
it enters `arrivals` as soon as the SYN is here, unanswered: the owner finds out first whether it can serve it, then calls
`accept`, `refuse` or `drop` on the connection. That is what a gateway needs, whose own connect comes first. With Fast Open
(RFC 7413) one whose SYN bears a good cookie enters at once as well, answered, with the text of its SYN.

The backlog bounds both the half-open connections and those not yet taken together (Linux's two queues as one); a SYN
beyond it is answered by a SYN cookie (`hythe.host.accepting`), or not at all, so that its sender tries again (RFC 4987).

So few Fast Open requests may be pending because each is work for who may not be there: the address in the SYN may be
somebody else's, whose cookie the sender once got to know. The victim answers our SYN-ACK with a RST. If that made room at
once, there would be no limit to what the victim has to answer, so a request that is reset goes on being counted (5.1).
"""

from __future__ import annotations

import errno
from collections import deque
from typing import Any, Final

from hythe.tcp.block import READABLE, Surroundings
from hythe.tcp.connection import Connection
from hythe.tcp.states import LISTEN
from hythe.units import SECOND

#: How long a Fast Open request that was reset is counted as pending: Linux.
RESET_COUNTS: Final = 60 * SECOND


class Listener:
    """`address`: 4 or 16 bytes, or None for every local one. `port`: 0 stands for every port (a gateway)."""

    __slots__ = (
        "address",
        "around",
        "arrivals",
        "backlog",
        "closed",
        "cookies_until",
        "dropped",
        "early",
        "fast_open",
        "hold",
        "news",
        "owner",
        "pending",
        "port",
        "queued",
        "resets",
        "trusting",
    )

    state = LISTEN

    def __init__(
        self,
        address: bytes | None,
        port: int,
        backlog: int,
        around: Surroundings,
        *,
        hold: bool = False,
        fast_open: int = 0,
    ) -> None:
        self.address = address
        self.port = port
        self.backlog = backlog
        self.around = around
        self.hold = hold
        self.fast_open = fast_open  # at most so many whose text came before their handshake was done (RFC 7413, 5.1)
        self.trusting = False  # theirs counts without a cookie: only where a SYN's source cannot be forged
        self.early = 0  # so many are pending, those included that were reset:
        self.resets: deque[int] = deque()  # when each of them is to be forgotten
        self.arrivals: list[Connection] = []
        self.pending = 0  # half-open ones
        self.dropped = 0
        self.cookies_until = 0  # when the last SYN cookie given out for us expires
        self.closed = False
        self.owner: Any = None
        self.queued = False
        self.news = 0

    @property
    def full(self) -> bool:
        """Is there no room for another SYN?"""
        return self.pending + len(self.arrivals) >= self.backlog

    def begun(self, connection: Connection) -> None:
        """A SYN was taken."""
        if self.hold:
            self._arrive(connection)
        else:
            self.pending += 1
            connection.parent = self
            if connection.early:
                self.early += 1
                self._arrive(connection)

    def takes_text(self, now: int) -> bool | None:
        """May the text of another SYN be read at once? None: we do not offer that."""
        if not self.fast_open or self.hold:
            return None
        while self.resets and self.resets[0] <= now:
            self.resets.popleft()
            self.early -= 1
        return self.early < self.fast_open

    def established(self, connection: Connection) -> None:
        """Its handshake is done."""
        self._not_pending(connection)
        self.early -= bool(connection.early)
        if connection.early:
            return  # its owner has it since the SYN
        if self.closed:
            connection.abort()
        else:
            self._arrive(connection)

    def failed(self, connection: Connection, now: int) -> None:
        """It ended before its handshake was done."""
        self._not_pending(connection)
        if connection.early and connection.error == errno.ECONNRESET:
            self.resets.append(now + RESET_COUNTS)
        else:
            self.early -= bool(connection.early)

    def take(self) -> list[Connection]:
        """All that wait to be accepted; the caller owns them now."""
        arrivals, self.arrivals = self.arrivals, []
        return arrivals

    def close(self) -> None:
        """Nobody will take what is here or still to come: it is reset (Linux does that to its accept queue)."""
        self.closed = True
        for connection in self.take():
            connection.abort()

    def emit(self, now: int) -> None:
        """A listener has nothing to send."""

    def _not_pending(self, connection: Connection) -> None:
        connection.parent = None
        self.pending -= 1

    def _arrive(self, connection: Connection) -> None:
        self.arrivals.append(connection)
        self.news |= READABLE
        if not self.queued:
            self.queued = True
            self.around.ready.append(self)

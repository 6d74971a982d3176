"""Before a splice, as the owner of its connection: notes what each visit brings, and what is waited for after it.

Theory of operation. hythe stands between the two ends and knows of either whether it had something to say, and whether it
took what was there; so, other than in a capture, nothing has to be guessed. What the command has sent shows in the count of
bytes received, what the far end has in the end of the send queue. Behind a visit the connection waits for one of these:

*loss*: for packets of the command's wire that are sent again, or came out of order. *remote full*, *command full*: for an
end to take what is there. *remote*: for the far end, when the command has spoken last; unless it is the command again that
says something next, for then it was waited for the rest of that, *command more*. When the far end had spoken last, or
nobody, either may be next, and who it is tells for whom it was waited.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Final

from hythe.gateway.moments.handshake import Handshake
from hythe.gateway.moments.record import (
    COMMAND,
    COMMAND_FULL,
    COMMAND_MORE,
    LOSS,
    REMOTE,
    REMOTE_FULL,
    UNDECIDED,
    Moments,
)
from hythe.gateway.pumps import Splice
from hythe.tcp.connection import Connection
from hythe.tcp.states import CLOSED, ESTABLISHED
from hythe.units import KIB, MICROSECOND, MILLISECOND

#: Without a byte for so long, it pauses.
PAUSE: Final = 200 * MILLISECOND
#: ``struct tcp_info`` (linux/tcp.h) up to tcpi_busy_time.
_INFO: Final = struct.Struct("=8B24I4Q6I2Q")
_RTT: Final = 8 + 15
_RESENT: Final = 8 + 23
_BUSY: Final = -1
#: More than questions have: an upload, most of which may lie in the socket's buffer while it looks as if it had gone.
_UPLOAD: Final = 256 * KIB


class Watch:
    """Of one splice. `up`, `down`: how far either end has come, as its stream counts."""

    __slots__ = ("_early", "_flow", "_moved", "_resent", "_spoke", "down", "moments", "up")

    def __init__(self, flow: Splice, moments: Moments) -> None:
        self._flow = flow
        self.moments = moments
        self._early: Handshake | None = Handshake(moments)
        self._spoke = False  # the command, last
        self._moved = 0  # when something last did
        self._join(flow.connection)

    def _join(self, connection: Connection) -> None:
        self.up = connection.bytes_received
        self.down = connection.sendq.end
        self._resent = connection.retransmits
        connection.owner = self

    def visit(self, connection: Connection, now: int) -> None:
        """As the splice's."""
        flow, moments = self._flow, self.moments
        up = connection.bytes_received
        if self._early is not None and up != self.up:
            self._sniff_up(connection, up, now)
        flow.visit(connection, now)
        down = connection.sendq.end
        if not moments.connected:
            self._opens(connection, now)
        if up != self.up or down != self.down:
            if self._early is not None and connection.sendq.start <= self.down < down:
                self._sniff_down(connection, down, now)
            self._moves(up, down, now)
        elif moments.connected and moments.waiting not in (UNDECIDED, REMOTE):
            moments.spent[moments.waiting] += now - moments.at
            moments.at = now
        if flow.readable and not connection.news:
            waiting = COMMAND_FULL  # there was no room for it
        elif connection.recvq.views:
            waiting = REMOTE_FULL
        elif flow.ended_down and down > connection.snd_una:
            waiting = COMMAND_FULL
        elif self._spoke:
            waiting = REMOTE
        else:
            waiting = UNDECIDED
        if connection.retransmits != self._resent or connection.recvq.islands is not None:
            waiting = LOSS
        moments.waiting = waiting
        if connection.owner is not self:
            self._leaves(connection, now)

    def _moves(self, up: int, down: int, now: int) -> None:
        """Bytes have come, from either end or both."""
        moments = self.moments
        waited = moments.waiting
        if waited == UNDECIDED:
            waited = REMOTE if down != self.down else COMMAND
        elif waited == REMOTE and down == self.down:
            waited = COMMAND_MORE
        if moments.connected:
            moments.spent[waited] += now - moments.at
        if self._moved and now - self._moved >= PAUSE:
            moments.pause(self._moved, now, waited)
        moments.at = self._moved = now
        if up != self.up:
            self.up = up
            moments.last_up = now
            self._spoke = True
            if not moments.first_down:
                moments.asked = now
            if self._early is None and not moments.first_up:
                moments.first_up = now
        if down != self.down:
            self.down = down
            moments.last_down = now
            self._spoke = False
            if self._early is None and not moments.first_down:
                moments.first_down = now
        self._resent = self._flow.connection.retransmits

    def _opens(self, connection: Connection, now: int) -> None:
        moments = self.moments
        if not moments.reached and self._flow.connected:
            moments.reached = now
        if connection.state >= ESTABLISHED and connection.state != CLOSED:
            moments.connected = moments.at = now
            self._resent = connection.retransmits  # the handshake is told by itself
            moments.reached = moments.reached or now

    def _leaves(self, connection: Connection, now: int) -> None:
        """The splice has ended, or goes on with another connection."""
        flow, moments = self._flow, self.moments
        if moments.waiting == REMOTE and moments.at:
            moments.spent[REMOTE] += now - moments.at
            moments.waiting, moments.at = UNDECIDED, now
        if flow.connection is not connection:
            self._join(flow.connection)
            return
        if not isinstance(flow.stream, socket.socket):
            return
        with suppress(OSError):  # none of TCP's, or it has failed
            told = _INFO.unpack(flow.stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
            self.moments.outside_rtt = told[_RTT] * MICROSECOND
            self.moments.outside_resent = told[_RESENT]
            if self.up > _UPLOAD:
                self._blame(told[_BUSY] * MICROSECOND)

    def _blame(self, busy: int) -> None:
        """While its kernel had something to send or to hear of, `busy` ns in all, the far end was not asked for a word."""
        spent = self.moments.spent
        more = min(spent[REMOTE], max(0, busy - spent[REMOTE_FULL]))
        spent[REMOTE] -= more
        spent[REMOTE_FULL] += more

    # --- TLS

    def _sniff_up(self, connection: Connection, up: int, now: int) -> None:
        """What is new of what is to be taken."""
        views = b"".join(connection.recvq.views)
        self._sniff(0, views[self.up - (up - len(views)) :], now)

    def _sniff_down(self, connection: Connection, down: int, now: int) -> None:
        self._sniff(1, b"".join(connection.sendq.slices(self.down, down - self.down)), now)

    def _sniff(self, way: int, data: bytes, now: int) -> None:
        early, moments = self._early, self.moments
        if early is None or not data:
            return
        before = moments.tls_ended
        early.feed(way, data, now)
        if moments.tls_ended != before:
            moments.spent = [0] * len(moments.spent)  # what the handshake took is told by itself
            moments.pauses.clear()
            moments.waiting, moments.at = UNDECIDED, now
        if early.done:
            self._early = None

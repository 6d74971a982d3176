"""How much of a write Linux's send buffer takes, and when there is room again (SO_SNDBUF of socket(7), TCP_NOTSENT_LOWAT).

The buffer is filled by whole super-segments: one may be begun while there is room for anything, and is then filled. One
that is full goes out as far as the windows allow, and what stays behind of it is filled up again.
"""

from __future__ import annotations

from typing import Final

from hythe.tcp.connection import Connection

#: Linux: no super-segment is longer, nor longer than half the most the peer ever offered, unless that is tiny.
_LONGEST: Final = 65_535
_TINY: Final = 536


def takes(connection: Connection, size: int, limit: int, lowat: int) -> int:
    """So many of `size` bytes fit, if the buffer holds `limit` and `lowat` may wait to be sent."""
    una, nxt, mss = connection.snd_una, connection.snd_nxt, connection.snd_mss
    offered = connection.snd_max_wnd
    goal = min(_LONGEST, offered >> 1 if offered > _TINY else offered)
    goal = max(goal - goal % mss, mss)
    queued = connection.sendq.end - una
    unsent = connection.sendq.end - nxt
    may_go = min(connection.congestion.cwnd - connection.scoreboard.pipe(nxt - una), una + connection.snd_wnd - nxt)
    may_go = max(may_go - may_go % mss, 0)
    leaving = min(unsent, may_go)  # before Linux wakes the writer; a last small segment may wait for him
    leaving -= leaving % mss
    unsent -= leaving
    may_go -= leaving
    tail = -unsent % goal
    taken = 0
    while taken < size and (tail or (queued < limit and unsent < lowat)):
        piece = min(tail or goal, size - taken)
        tail = (tail or goal) - piece
        taken += piece
        queued += piece
        unsent += piece
        if not tail and may_go:
            gone = min(unsent, may_go)
            unsent -= gone
            may_go -= gone
            tail = -unsent % goal
    return taken


def writable(connection: Connection, limit: int, lowat: int) -> bool:
    """Is it worth waking a writer: a third of the buffer is free, and half of what may wait to be sent does not?"""
    end = connection.sendq.end
    return 3 * (end - connection.snd_una) <= 2 * limit and 2 * max(0, end - connection.snd_nxt) < lowat

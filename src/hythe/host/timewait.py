"""TIME-WAIT: what is left of a connection that we closed first (RFC 9293, 3.6.1; RFC 6191).

A full block for a minute each would be the memory of a busy host, so the host keeps a record of what the state needs: to
acknowledge the peer's FIN again, to tell an old duplicate from a new connection. Since all wait equally long they queue
in order, and one timer serves them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from hythe.tcp.block import ControlBlock, Send
from hythe.tcp.states import TIME_WAIT
from hythe.tcp.timers import TimerQueue
from hythe.units import MILLISECOND, NEVER
from hythe.wire.options import build_timestamps
from hythe.wire.options import parse as parse_options
from hythe.wire.segment import ACK, FIN, RST, SYN, Envelope, Segment

#: Linux tcp_invalid_ratelimit.
CHALLENGE_INTERVAL: Final = 500 * MILLISECOND


class TimeWait:
    """One record; stands in the demultiplexer where the connection stood."""

    __slots__ = (
        "challenged_at",
        "envelope",
        "expires",
        "key",
        "rcv_nxt",
        "send",
        "snd_nxt",
        "ts_offset",
        "ts_recent",
        "waits",
        "window",
    )

    state = TIME_WAIT

    def __init__(self, tcb: ControlBlock, expires: int, waits: TimeWaits) -> None:
        self.key = tcb.key
        self.envelope: Envelope = tcb.envelope
        self.send: Send = tcb.send
        self.snd_nxt = tcb.snd_nxt
        self.rcv_nxt = tcb.rcv_nxt
        self.ts_recent = tcb.ts_recent if tcb.ts_on else None
        self.window = min(tcb.rcv_adv - tcb.rcv_nxt >> tcb.rcv_scale, 0xFFFF)
        self.ts_offset = tcb.ts_offset
        self.challenged_at = -CHALLENGE_INTERVAL
        self.expires = expires
        self.waits = waits

    def receive(self, segment: Segment, now: int) -> None:
        """RFC 9293, 3.10.7.4 for TIME-WAIT: a RST at the right place ends it, a FIN is acknowledged again.

        What else is unacceptable is answered as well, but not more often than Linux does (RFC 5961, 7).
        """
        in_place = segment.seq == self.rcv_nxt & 0xFFFFFFFF
        if segment.flags & RST:
            if in_place:
                self.waits.end(self)
        elif segment.flags & FIN:
            self._acknowledge(now)
            self.waits.restart(self, now)
        elif (segment.length or not in_place) and now - self.challenged_at >= CHALLENGE_INTERVAL:
            self.challenged_at = now
            self._acknowledge(now)

    def _acknowledge(self, now: int) -> None:
        options = b""
        if self.ts_recent is not None:
            options = build_timestamps(now // MILLISECOND + self.ts_offset & 0xFFFFFFFF, self.ts_recent)
        self.send(now, self.envelope.head(self.snd_nxt, self.rcv_nxt, ACK, self.window, options=options), ())

    def allows(self, segment: Segment) -> bool:
        """May this SYN open the socket pair anew (RFC 6191, 2; RFC 9293, 3.10.7.4)? `ParseError` for bad options.

        With timestamps on both sides they decide; without, the sequence number must be beyond what was received.
        """
        if segment.flags & (SYN | ACK | RST) != SYN:
            return False
        beyond = 0 < (segment.seq - self.rcv_nxt) & 0xFFFFFFFF <= 0x7FFFFFFF
        if self.ts_recent is None or segment.options is None:
            return beyond
        value = parse_options(segment.options).ts_val
        if value is None:
            return beyond
        newer = (value - self.ts_recent) & 0xFFFFFFFF
        return newer <= 0x7FFFFFFF and (newer > 0 or beyond)


class TimeWaits:
    """All records of a host, oldest first, at most `limit`; `forget(record)` takes one out of the demultiplexer.

    The queue is in order of the time that each entry was filed under. A record that was restarted meanwhile goes to the
    end for another turn when its entry comes up, so that a peer who repeats its FIN adds nothing to the queue.
    """

    __slots__ = ("_forget", "_length", "_limit", "_queue", "_timers", "deadline", "filed")

    def __init__(self, length: int, limit: int, timers: TimerQueue, forget: Callable[[TimeWait], object]) -> None:
        self._length = length
        self._limit = limit
        self._timers = timers
        self._forget = forget
        self._queue: deque[tuple[int, TimeWait]] = deque()
        self.deadline = NEVER
        self.filed = NEVER

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, tcb: ControlBlock, now: int) -> TimeWait:
        """A record in the place of `tcb`; the oldest makes room when there are too many."""
        if len(self._queue) >= self._limit:
            self._drop(self._queue.popleft()[1])
        record = TimeWait(tcb, now + self._length, self)
        self._enter(record, record.expires)
        return record

    def restart(self, record: TimeWait, now: int) -> None:
        """The peer sent its FIN again: another 2 MSL."""
        if record.expires != NEVER:
            record.expires = now + self._length

    def end(self, record: TimeWait) -> None:
        """It is over before its time: a RST, or a new connection between the same endpoints."""
        self._drop(record)

    def fire(self, now: int) -> None:
        """Forget those whose time is up."""
        queue = self._queue
        while queue and queue[0][0] <= now:
            _, record = queue.popleft()
            if record.expires <= now:
                self._drop(record)
            elif record.expires != NEVER:
                self._enter(record, now + self._length)
        self.deadline = queue[0][0] if queue else NEVER

    def _enter(self, record: TimeWait, at: int) -> None:
        self._queue.append((at, record))
        self.deadline = self._queue[0][0]
        self._timers.file(self)

    def _drop(self, record: TimeWait) -> None:
        if record.expires != NEVER:  # else it has ended before
            record.expires = NEVER
            self._forget(record)

"""TIME-WAIT: what is left of a connection that we closed first (RFC 9293, 3.6.1; RFC 6191).

A full block for a minute each would be the memory of a busy host, so the host keeps a record of what the state needs: to
acknowledge the peer's FIN again, to tell an old duplicate from a new connection. Since all wait equally long they queue
in order, and one timer serves them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hythe.tcp.block import ControlBlock, Send
from hythe.tcp.states import TIME_WAIT
from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER
from hythe.wire.options import timestamps
from hythe.wire.segment import ACK, RST, SYN, Envelope, Segment


class TimeWait:
    """One record; stands in the demultiplexer where the connection stood."""

    __slots__ = ("envelope", "expires", "key", "rcv_nxt", "send", "snd_nxt", "ts_recent", "waits", "window")

    state = TIME_WAIT

    def __init__(self, tcb: ControlBlock, expires: int, waits: TimeWaits) -> None:
        self.key = tcb.key
        self.envelope: Envelope = tcb.envelope
        self.send: Send = tcb.send
        self.snd_nxt = tcb.snd_nxt
        self.rcv_nxt = tcb.rcv_nxt
        self.ts_recent = tcb.ts_recent if tcb.ts_on else None
        self.window = min(tcb.rcv_adv - tcb.rcv_nxt >> tcb.rcv_scale, 0xFFFF)
        self.expires = expires
        self.waits = waits

    def receive(self, segment: Segment, now: int) -> None:
        """RFC 9293, 3.10.7.4 for TIME-WAIT: a RST at the right place ends it, anything else is acknowledged again."""
        if segment.flags & RST:
            if segment.seq == self.rcv_nxt & 0xFFFFFFFF:
                self.waits.end(self)
            return
        if segment.length or segment.seq != self.rcv_nxt & 0xFFFFFFFF:
            self.send(now, self.envelope.head(self.snd_nxt, self.rcv_nxt, ACK, self.window), ())
            if segment.length:
                self.waits.restart(self, now)

    def allows(self, segment: Segment) -> bool:
        """May this SYN open the socket pair anew? Newer by timestamp or sequence number (RFC 6191, 2; RFC 9293)."""
        if segment.flags & (SYN | ACK | RST) != SYN:
            return False
        if self.ts_recent is not None and segment.options is not None:
            times = timestamps(segment.options)
            if times is not None and 0 < (times[0] - self.ts_recent) & 0xFFFFFFFF <= 0x7FFFFFFF:
                return True
        return 0 < (segment.seq - self.rcv_nxt) & 0xFFFFFFFF <= 0x7FFFFFFF


class TimeWaits:
    """All records of a host, oldest first, at most `limit`; `forget(key)` takes one out of the demultiplexer."""

    __slots__ = ("_forget", "_length", "_limit", "_queue", "_timers", "deadline", "filed")

    def __init__(self, length: int, limit: int, timers: TimerQueue, forget: Callable[[bytes], object]) -> None:
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
            self._pop()
        record = TimeWait(tcb, now + self._length, self)
        self._enter(record)
        return record

    def restart(self, record: TimeWait, now: int) -> None:
        """The peer sent its FIN again: another 2 MSL."""
        if record.expires < now + self._length:
            record.expires = now + self._length
            self._enter(record)

    def end(self, record: TimeWait) -> None:
        """It is over before its time."""
        record.expires = NEVER
        self._forget(record.key)

    def fire(self, now: int) -> None:
        """Forget those whose time is up."""
        while self._queue and self._queue[0][0] <= now:
            self._pop()
        self.deadline = self._queue[0][0] if self._queue else NEVER

    def _enter(self, record: TimeWait) -> None:
        self._queue.append((record.expires, record))
        self.deadline = self._queue[0][0]
        self._timers.file(self)

    def _pop(self) -> None:
        filed, record = self._queue.popleft()
        if record.expires == filed:  # else it was restarted and waits further back, or has ended
            self._forget(record.key)

"""One TCP connection: what the host does with it (`receive`, `fire`, `emit`) and what its owner asks of it.

Theory of operation. The driver's cycle is feed, visit, re-arm. *Feed*: `receive` changes the connection and notes news,
which puts it into the host's ready list. *Visit*: the owner takes `views()` and `consume(n)`s them, fills `reserve(n)` and
`commit(n)`s it, or calls one of the verbs below. *Re-arm*: `emit` sends what has become due and sets the timers. No verb
sends anything by itself: one called outside a visit asks the driver for a turn (`note` does, by way of the ready list).

`receive` opens with header prediction: the segment of a bulk transfer is in order, bears no flag but ACK and PSH, and
either brings text or acknowledges some; once the peer has sent its FIN, only the latter. Everything else is `arrive`'s.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any, Final

from hythe.tcp import alarms, ecn
from hythe.tcp.acknowledge import acknowledged
from hythe.tcp.arrive import arrive
from hythe.tcp.block import CORKED, MORE, ControlBlock
from hythe.tcp.chrono import NO_ROOM
from hythe.tcp.cookies import LIFE as COOKIE_LIFE
from hythe.tcp.deliver import accept_text, measure
from hythe.tcp.emit import emit
from hythe.tcp.info import Info, snapshot
from hythe.tcp.opening import synchronize, try_fast_open, welcome
from hythe.tcp.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_2,
    LAST_ACK,
    MAY_SEND,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Event,
    after,
)
from hythe.tcp.urgent import ahead
from hythe.units import NEVER
from hythe.wire.options import Options, timestamps
from hythe.wire.options import parse as parse_options
from hythe.wire.segment import ACK, PSH, Segment

#: The control bits that header prediction looks at: all but PSH, which says nothing that it would act upon.
_PREDICTED: Final = 0xFF & ~PSH
#: What `Connection.adjust` may change: SO_KEEPALIVE and the like, TCP_NODELAY, TCP_SYNCNT …
ADJUSTABLE: Final = frozenset(
    (
        "fin_wait_2",
        "keepalive",
        "keepalive_idle",
        "keepalive_interval",
        "keepalive_probes",
        "nagle",
        "syn_retries",
        "user_timeout",
    )
)


class Connection(ControlBlock):
    """A connection between `key`'s two endpoints; made by the host."""

    __slots__ = ()

    # --- What the host does

    def receive(self, segment: Segment, now: int) -> None:
        """One segment for this connection. Raises `ParseError` if its options are malformed."""
        nxt = self.rcv_nxt
        if (
            (self.state == ESTABLISHED or (self.state == CLOSE_WAIT and not segment.size))
            and segment.flags & _PREDICTED == ACK
            and segment.seq == nxt & 0xFFFFFFFF
            and nxt >= self.snd_wl1
            and (recvq := self.recvq).islands is None
            and not (recvq.charged and self.around.memory.short)
            and not (board := self.scoreboard).recovering
            and board.probe_end < 0
            and not self.deaf
        ):
            una = self.snd_una
            ack = una + ((segment.ack - una) & 0xFFFFFFFF)
            size = segment.size
            if (
                ack <= self.snd_nxt
                and size <= self.rcv_adv - nxt
                and (size or ack > una)
                and self._plain_options(segment, now)
            ):
                self.heard_at = now
                self.snd_wl1 = nxt
                self.snd_wl2 = ack
                self.snd_wnd = window = segment.window << self.snd_scale
                if window > self.snd_max_wnd:
                    self.snd_max_wnd = window
                if ack > una:
                    acknowledged(self, ack, now)
                if size:
                    if self.ecn_on and segment.tos & ecn.MASK == ecn.CE:
                        ecn.marked(self)
                    piece = segment.gso_size or size
                    if piece > self.rcv_mss:
                        measure(self, segment)
                    accept_text(self, segment.payload, size, now)
                return
        arrive(self, segment, now)

    def _plain_options(self, segment: Segment, now: int) -> bool:
        """Are the options none, or the usual timestamps and those not old? Takes the timestamp if so."""
        options = segment.options
        if options is None:
            return not self.ts_on
        times = timestamps(options) if self.ts_on else None
        if times is None or (times[0] - self.ts_recent) & 0xFFFFFFFF > 0x7FFFFFFF:
            return False
        if self.sizing is not None:
            self.sizing.echo = times[1]
        if self.rcv_nxt <= self.last_ack_sent:
            self.ts_recent = times[0]
            self.ts_recent_at = now
        return True

    def emit(self, now: int) -> None:
        """Send what is due and re-arm. The turn ends here: what the owner left unread moves out of the link's ring."""
        emit(self, now)
        recvq = self.recvq
        if len(recvq.views) > recvq.kept:
            recvq.keep()
        if recvq.charged != recvq.held and self.state not in (CLOSED, TIME_WAIT):
            recvq.charge(self.around.memory, recvq.held)

    def fire(self, now: int) -> None:
        """A timer is due."""
        alarms.fire(self, now)

    def open(self) -> None:
        """Active OPEN (RFC 9293, 3.10.1): a SYN leaves at the next `emit`, with the first text if Fast Open allows."""
        if self.config.fast_open:
            try_fast_open(self, self.opened_at)
        self.move(Event.OPEN)
        self.syn_due = True

    def answer(
        self, segment: Segment, now: int, *, hold: bool = False, fast_open: bool | None = None, trusting: bool = False
    ) -> None:
        """Passive open by a SYN. With `hold` nothing leaves until `accept`. Raises `ParseError` for bad options.

        `fast_open`: None if the listener does not offer it, else whether there is room for a SYN's text now;
        `trusting`: and needs no cookie for that.
        """
        options = parse_options(segment.options or b"")
        synchronize(self, segment, options, now)
        if hold:
            self.state = after(self.state, Event.SYN)  # no news before the listener's owner has decided
        else:
            self.move(Event.SYN)
        self.passive = True
        self.held = hold
        self.syn_due = not hold
        if fast_open is not None:
            welcome(self, segment, options, now, accept=fast_open, trusting=trusting)

    def resume(self, syn: Segment, options: Options, now: int) -> None:
        """Passive open by a SYN that was answered by a SYN cookie, our first sequence number."""
        synchronize(self, syn, options, now)
        self.move(Event.SYN)
        self.passive = True
        self.snd_nxt = self.iss + 1
        self.tries = 1  # when the SYN-ACK left is not known, so only timestamps can tell a round-trip time
        self.opened_at = now - COOKIE_LIFE

    # --- What the owner asks while it decides about a held SYN

    def accept(self) -> None:
        """Answer a held SYN with SYN-ACK."""
        if self.held:
            self.held = False
            self.syn_due = True
            self.note(0)

    def refuse(self) -> None:
        """Answer a held SYN with RST: connection refused."""
        if self.held:
            self.held = False
            self.snd_nxt = 0  # RFC 9293, 3.10.7.1: a RST for a segment without ACK has sequence number 0
            self.fail_loudly(errno.ECONNREFUSED)

    def drop(self) -> None:
        """Forget a held SYN without an answer: it will time out at the peer, as it did outside."""
        if self.held:
            self.fail(errno.ETIMEDOUT)

    # --- What the owner asks

    def views(self) -> list[memoryview]:
        """What may be read, in order; valid for this turn. `consume` what was taken."""
        return self.recvq.views

    def consume(self, size: int) -> None:
        """The first `size` bytes of `views()` are taken."""
        self.recvq.consume(size)

    def reserve(self, size: int) -> memoryview:
        """Room for at most `size` bytes of new data; an empty view while `room` says none. Then `commit`."""
        room = self.room()
        if room <= 0 or self.stall:
            self.wanting(short=room <= 0)
        return self.sendq.reserve(size if size < room else room)

    def wanting(self, *, short: bool) -> None:
        """The owner has more to write than there was room for (`short`), or no longer: for `Info.sndbuf_limited` only."""
        self.stall = self.stall | NO_ROOM if short else self.stall & ~NO_ROOM

    def commit(self, size: int) -> None:
        """`size` bytes were put into what `reserve` returned."""
        self.sendq.commit(size)

    def write(
        self, data: bytes | bytearray | memoryview, *, urgent: bool = False, more: bool = False, record: bool = False
    ) -> None:
        """Queue bytes whatever the room (`room` tells how much is wise). Once the connection has ended they are dropped.

        `urgent`: the peer is told at once that there are urgent data up to the last of these bytes (see `urgent`).
        `more`: the next write follows at once, so what is short of a full segment waits for it: until an ACK comes, or a
        time-out at most.
        `record`: a segment ends with the last of these bytes, whatever follows; what is short goes once more has come.
        BrokenPipeError after `shutdown`.
        """
        if self.fin_queued and self.state != CLOSED:
            raise BrokenPipeError(errno.EPIPE, "cannot write after shutdown: FIN is behind the last byte")
        if self.state in MAY_SEND:
            self.sendq.append(data)
            self.corked = self.corked & CORKED | (MORE if more else 0)
            if urgent:
                self.snd_up = self.sendq.end
            if record:
                self.records = [*(self.records or ()), self.sendq.end]
            self.note(0)

    def cork(self) -> None:
        """What is short of a full segment waits until `uncork`, or a time-out, whatever ACKs come."""
        self.corked |= CORKED

    def uncork(self) -> None:
        """Nothing more follows what was written with `more`, or since `cork`."""
        if self.corked:
            self.corked = 0
            self.note(0)

    def room(self) -> int:
        """Bytes that may be queued before the owner should wait for writable, none once it has shut down.

        Negative when `write` has gone beyond.
        """
        if self.state not in MAY_SEND or self.fin_queued:
            return 0
        sendq = self.sendq
        wanted = self.snd_nxt - self.snd_una + self.congestion.cwnd
        return self.around.pool.share(wanted) - (sendq.end - sendq.start)

    def shutdown(self) -> None:
        """Nothing more to send: FIN behind what is queued (RFC 9293, 3.10.4). Harmless when repeated."""
        if self.fin_queued or self.state not in MAY_SEND:
            return
        self.fin_queued = True
        if self.state not in (SYN_SENT, SYN_RECEIVED):  # there it waits for ESTABLISHED
            self.move(Event.SHUTDOWN)
        self.note(0)

    def close(self, now: int, *, linger: int | None = None) -> None:
        """The owner lets go: no more reads, FIN behind what is queued. Unread data means RST (RFC 2525, 2.17).

        `linger`: nanoseconds that what is queued may still take (SO_LINGER); the rest is dropped then, with RST. Linux
        returns from close(2) at that time and goes on trying; here nobody is blocked, so it is the trying that ends. 0
        means RST at once, as everywhere.
        """
        self.owner = None
        if linger == 0:
            self.abort()
            return
        if self.held:
            self.refuse()
        elif self.state == SYN_SENT:
            self.fail(errno.ECONNABORTED)
        elif self.recvq.views and self.state not in (CLOSED, TIME_WAIT):
            self.abort()
        elif self.state != CLOSED:
            self.deaf = True
            self.recvq.clear()  # islands: what they wait for will be answered with RST
            self.shutdown()
            if self.state == FIN_WAIT_2:
                self.linger_at = now + self.config.fin_wait_2
            elif linger is not None:
                self.linger_at = now + linger
            self.note(0)

    def abort(self) -> None:
        """End at once: RST to the peer, everything queued is dropped (RFC 9293, 3.10.5)."""
        if self.state in (CLOSED, TIME_WAIT):
            return
        self.recvq.clear()
        if self.held:
            self.refuse()
        elif self.state == SYN_SENT or (self.state in (CLOSING, LAST_ACK) and self.snd_nxt > self.sendq.end):
            self.fail(errno.ECONNABORTED)  # nobody to tell, or both sides have said their last word
        else:
            self.fail_loudly(errno.ECONNABORTED)

    def adjust(self, now: int, **changes: Any) -> None:
        """Change this connection's own options, named as in `TcpConfig`; those in `ADJUSTABLE` may be, at any time.

        ValueError for another. Only this connection's configuration becomes another one.
        """
        if wrong := changes.keys() - ADJUSTABLE:
            raise ValueError(f"{min(wrong)} is settled when a connection opens: give it to connect() or the host")
        self.config = config = replace(self.config, **changes)
        if "user_timeout" in changes:
            self.user_timeout = config.user_timeout
            self.user_at = now + config.user_timeout if config.user_timeout and (self.tries or self.probes) else NEVER
        if changes.get("nagle") is False:
            self.corked = 0  # who wants small segments to leave wants those that wait as well (Linux)
        if self.state >= ESTABLISHED and self.state != TIME_WAIT:
            self.keep_at = max(now, self.heard_at + config.keepalive_idle) if config.keepalive else NEVER
            self.note(0)

    def signal_error(self, number: int, *, hard: bool) -> None:
        """ICMP says that the peer cannot be reached: fatal while opening, else a reason to give when we time out.

        RFC 1122, 4.2.3.9; RFC 5927, 5.2: an established connection is never aborted by ICMP.
        """
        if hard and self.state in (SYN_SENT, SYN_RECEIVED):
            self.fail(number)
        else:
            self.pending_error = number

    # --- What views ask

    @property
    def readable(self) -> bool:
        """Is there something to read: bytes, or the end of them?"""
        return bool(self.recvq.views) or self.fin_received

    @property
    def at_eof(self) -> bool:
        """Has everything the peer will ever send been taken?"""
        return self.fin_received and not self.recvq.views

    def progressed(self, since: int) -> bool:
        """Has it made forward progress since then, which shows that the next hop receives what we send?

        RFC 4861, 7.3.1: new text came, or what was sent is acknowledged. Nobody notes when; but where something left and
        the peer was heard, and no retransmission time-out has come, it was.
        """
        return self.text_at >= since or (self.sent_at >= since and self.heard_at >= since and not self.tries)

    @property
    def urgent_mark(self) -> int | None:
        """Bytes to read before the end of the peer's urgent data; None if no such mark is ahead (RFC 6093)."""
        return ahead(self)

    def info(self, now: int | None = None) -> Info:
        """A snapshot. Who is busy or held up has been until `now`, else until the peer was last heard or text last left."""
        return snapshot(self, now)

"""The transmission control block: every variable of one connection (RFC 9293, 3.3.1), under the RFC's names.

`ControlBlock` holds state and the few operations that every part of TCP needs (unwrapping, noting news, filing a timer).
What a segment does to it is `arrive`, what leaves because of it is `emit`, what its owner may ask is `connection`.

Sequence numbers in here are unwrapped: plain ints that start as the wire's 32 bits and never wrap. `unwrap` is the only
door, so no comparison below it has to think modulo 2^32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from hythe.config import TcpConfig
from hythe.tcp.challenges import ChallengeLimit
from hythe.tcp.chrono import Stalls
from hythe.tcp.congestion import Controller, controller
from hythe.tcp.congestion.prr import ProportionalReduction
from hythe.tcp.fastopen import FastOpen
from hythe.tcp.isn import SequenceNumbers
from hythe.tcp.rack import Rack
from hythe.tcp.recovery import Scoreboard
from hythe.tcp.recvq import ReceiveMemory, ReceiveQueue
from hythe.tcp.rtt import RoundTrip
from hythe.tcp.sendq import SendPool, SendQueue
from hythe.tcp.states import CLOSED, Event, after
from hythe.tcp.timers import TimerQueue
from hythe.tcp.trace import Decision
from hythe.tcp.undo import Undo
from hythe.units import MILLISECOND, NEVER
from hythe.wire.segment import Envelope

if TYPE_CHECKING:
    from hythe.tcp.sizing import Sizing

#: Sends one packet: (now, virtio-net header and protocol headers, payload views).
Send = Callable[[int, bytes, Sequence[memoryview]], None]

#: `ControlBlock.news`: what its owner has not been told yet.
READABLE: Final = 1
WRITABLE: Final = 2
CHANGED: Final = 4  # opened, half-closed, closed or failed: look at `state`, `fin_received` and `error`

#: `ControlBlock.corked`: by the last write, until an ACK comes; by the owner.
MORE: Final = 1
CORKED: Final = 2

_HALF: Final = 1 << 31
_WRAP: Final = 0xFFFFFFFF
#: An IP packet's total length is 16 bits, so this is the longest super-segment, headers included.
_LONGEST: Final = 65_535


class Ready(Protocol):
    """What can be in a host's ready list: the driver lets its owner visit it, then has the host emit it."""

    owner: Any
    queued: bool
    news: int

    @property
    def state(self) -> int:
        """A number of `tcp.states`, as netstat would show it."""

    def emit(self, now: int) -> None:
        """Send what is due."""


class Surroundings:
    """What all connections of one host share: given to each by the constructor."""

    __slots__ = ("challenges", "fast_open", "memory", "owing", "pool", "ready", "sequence", "timers")

    def __init__(self, timers: TimerQueue, pool: SendPool, sequence: SequenceNumbers) -> None:
        self.timers = timers
        self.pool = pool
        self.memory = ReceiveMemory()
        self.sequence = sequence
        self.challenges: ChallengeLimit | None = None  # none in a world of one connection
        self.fast_open: FastOpen | None = None
        self.ready: list[Ready] = []
        self.owing: list[ControlBlock] = []  # those that owe an ACK before the driver sleeps (`eager_ack`)


class ControlBlock:
    """The variables. Those of RFC 9293, 3.3.1 and of the RFCs on top of it bear the names used there."""

    __slots__ = (
        "ack_at",
        "ack_now",
        "ack_owed",
        "answer_reset",
        "around",
        "ato",
        "busy",
        "busy_since",
        "bytes_received",
        "bytes_sent",
        "challenged_at",
        "config",
        "congestion",
        "corked",
        "cwr_due",
        "deadline",
        "deaf",
        "dsacks",
        "dsacks_received",
        "dup_acks_owed",
        "early",
        "ece_owed",
        "ecn_on",
        "ecn_point",
        "envelope",
        "error",
        "experimental",
        "fast_open",
        "fast_retransmits",
        "filed",
        "fin_after",
        "fin_queued",
        "fin_received",
        "heard_at",
        "held",
        "irs",
        "iss",
        "keep_at",
        "key",
        "last_ack_sent",
        "limited",
        "linger_at",
        "mss_local",
        "mss_path",
        "mss_peer",
        "news",
        "opened_at",
        "owing",
        "owner",
        "pace_next",
        "parent",
        "passive",
        "peak",
        "peak_until",
        "pending_error",
        "ping_pong",
        "probe_due",
        "probed_at",
        "probes",
        "prr",
        "queued",
        "quick",
        "rack",
        "rcv_adv",
        "rcv_limit",
        "rcv_mark",
        "rcv_mss",
        "rcv_nxt",
        "rcv_scale",
        "rcv_up",
        "records",
        "recvq",
        "reo_at",
        "retransmits",
        "rto_at",
        "rtt",
        "sack_on",
        "scoreboard",
        "send",
        "sendq",
        "sent_at",
        "sizing",
        "snd_max_wnd",
        "snd_mss",
        "snd_nxt",
        "snd_scale",
        "snd_sml",
        "snd_una",
        "snd_up",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "stall",
        "stalls",
        "state",
        "syn_due",
        "text_at",
        "timeouts",
        "trace",
        "tries",
        "ts_offset",
        "ts_on",
        "ts_recent",
        "ts_recent_at",
        "unanswered",
        "undo",
        "undone",
        "user_at",
        "user_timeout",
        "wake_at",
    )

    def __init__(
        self,
        key: bytes,
        envelope: Envelope,
        config: TcpConfig,
        around: Surroundings,
        send: Send,
        mtu: int,
        now: int,
        iss: int | None = None,
    ) -> None:
        self.key = key
        self.envelope = envelope
        self.config = config
        self.around = around
        self.send = send
        self.owner: Any = None
        self.parent: Any = None  # the listener that will be told when the handshake is done
        self.queued = False
        self.news = 0
        self.passive = False  # opened by the peer's SYN
        self.held = False  # SYN received, but the owner has not decided yet whether to answer

        self.state = CLOSED
        self.error = 0  # errno of what ended the connection, 0 for nothing or a clean end
        self.pending_error = 0  # soft error (RFC 1122, 4.2.3.9): becomes `error` if the connection times out
        self.syn_due = False  # a SYN or SYN-ACK is to leave
        # The cookie that our SYN bears, b"" to ask for one, `COOKIELESS` to do without; or that our SYN-ACK gives.
        self.fast_open: bytes | None = None
        self.experimental = False  # it has the form from before RFC 7413
        # Open before the handshake is done, by a good cookie (RFC 7413, 4.2), or all text of our SYN was taken: then one
        # more than the bytes of text that the SYN bore.
        self.early = 0
        self.deaf = False  # the owner reads no more: data that comes now is answered with RST (RFC 2525, 2.17)
        self.opened_at = now

        self._begin_sending(now, around.sequence.initial(key, now) if iss is None else iss)
        self._begin_receiving(now)
        self._begin_options(mtu)
        self._begin_timers(now)

    def _begin_sending(self, now: int, iss: int) -> None:
        config = self.config
        self.iss = iss
        self.snd_una = self.iss
        self.snd_nxt = self.iss
        self.snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.snd_max_wnd = 0
        self.snd_scale = 0
        self.snd_sml = 0  # end of the last segment sent that was short of a full one (Nagle, as Minshall would have it)
        self.snd_up = 0  # end of the last urgent data (RFC 9293, 3.8.5)
        self.limited = 0  # snd_nxt when the congestion window last held something back
        self.peak = 0  # the most bytes outstanding in this round trip, which ends when `peak_until` is acknowledged
        self.peak_until = 0
        self.sent_at = now  # when data last left
        self.pace_next = now if config.pacing else -1  # when the pace allows more; -1 for no pacing
        self.ecn_on = False
        self.ecn_point = -1  # snd_nxt when the window was last reduced: an echo up to here is of the same congestion
        self.cwr_due = False  # ... and the peer is to know of it
        self.ece_owed = False  # data came marked CE, and the peer has not answered yet
        self.sendq = SendQueue(self.around.pool, self.iss + 1)
        self.corked = 0  # CORKED, MORE: what is short of a segment waits for what is about to come, but not for long
        self.records: list[int] | None = None  # where the owner wants a segment to end (MSG_EOR), as far as not sent
        self.fin_queued = False  # the owner has said its last byte; FIN goes out behind the queue
        self.scoreboard = Scoreboard()
        self.rack: Rack | None = None  # once the peer has told that something arrived twice
        self.prr: ProportionalReduction | None = None  # of the latest fast recovery
        self.undo = Undo()
        self.trace: Callable[[Decision], None] | None = None  # gets every decision of the rare paths
        self.rtt = RoundTrip(config.rto_initial, config.rto_min, config.rto_max)
        self.tries = 0  # retransmissions of the same thing in a row
        self.probes = 0  # window probes since the window shut
        self.unanswered = 0  # probes of either kind since the peer was last heard
        self.busy = 0  # so long there was something to send, and since when there is, else -1 (see `chrono`)
        self.busy_since = -1
        self.stall = 0
        self.stalls: Stalls | None = None
        self.bytes_sent = 0
        self.bytes_received = 0
        self.retransmits = 0
        self.fast_retransmits = 0
        self.timeouts = 0
        self.undone = 0  # recoveries that proved needless
        self.dsacks_received = 0

    def _begin_receiving(self, now: int) -> None:
        config = self.config
        self.irs = 0
        self.rcv_nxt = 0
        self.rcv_adv = 0  # right edge of the window we have promised; never moves back
        self.rcv_scale = 0
        self.rcv_up = 0  # end of the peer's last urgent data
        self.rcv_limit = config.receive_buffer
        self.rcv_mark = NEVER  # bytes received from which on it is worth measuring whether that should grow
        self.sizing: Sizing | None = None
        self.rcv_mss = 0  # longest segment seen, by which "two full segments" are reckoned
        self.text_at = now - config.delayed_ack_max  # when text last came
        self.recvq = ReceiveQueue()
        self.fin_received = False
        self.fin_after: int | None = None  # a FIN beyond a gap: its sequence number

        self.ack_now = False
        self.ack_owed = 0  # bytes received since the last ACK left
        self.dup_acks_owed = 0
        self.dsacks: list[tuple[int, int]] | None = None  # what arrived twice and is to be told, once (RFC 2883, 4)
        self.answer_reset: int | None = None  # a RST with this sequence number is owed; with `error` it ends it all
        self.quick = config.quick_acks  # so many ACKs more leave at once, unless in
        self.ping_pong = False  # a dialogue, where an answer will carry them
        self.ato = config.delayed_ack_min  # how long an ACK may wait
        self.owing = False  # in `around.owing`
        self.last_ack_sent = 0
        self.probe_due = False  # a window or keep-alive probe is to leave

    def _begin_options(self, mtu: int) -> None:
        """What the SYNs agree on, and what follows from it."""
        config, envelope = self.config, self.envelope
        self.mss_local = max(min(mtu - envelope.header_size, config.mss_max), 48)
        self.mss_path = self.mss_local  # what the path MTU leaves
        self.mss_peer = 0  # what the peer announced
        self.snd_mss = config.mss_default4  # until `set_mss`, as the controller below
        self.ts_on = False
        self.ts_offset = self.around.sequence.timestamp_offset(self.key) if config.timestamps else 0
        self.ts_recent = 0
        self.ts_recent_at = 0
        self.sack_on = False
        self.congestion: Controller = controller(config.congestion)(config.mss_default4, config.initial_window)
        self.set_mss(config.mss_default4 if envelope.version == 4 else config.mss_default6)

    def _begin_timers(self, now: int) -> None:
        """`deadline` is the nearest of the others (see `emit.rearm`)."""
        self.rto_at = NEVER  # retransmission, or window probe while nothing is in flight
        self.ack_at = NEVER
        self.reo_at = NEVER  # RACK looks again (RFC 8985, 6.2 step 5)
        self.wake_at = NEVER  # the nearest of `reo_at` and of when the pace allows more
        self.keep_at = NEVER
        self.linger_at = NEVER  # FIN-WAIT-2 of an orphan, or the end of what `close(linger=…)` allows
        self.user_at = NEVER  # the owner's patience with what is not acknowledged ends (see `patience`)
        self.user_timeout = self.config.user_timeout  # that patience; 0: retransmissions are counted instead
        self.deadline = NEVER
        self.filed = NEVER
        self.heard_at = now  # when an acceptable segment last came
        self.probed_at = 0  # when a window or keep-alive probe last left
        self.challenged_at = -self.config.challenge_ack_interval + now

    def emit(self, now: int) -> None:
        """Send what is due and re-arm: `Connection` knows how."""
        raise NotImplementedError

    def fire(self, now: int) -> None:
        """A timer is due: `Connection` knows what that means."""
        raise NotImplementedError

    def unwrap(self, wire: int, near: int) -> int:
        """The unwrapped number nearest to `near` whose low 32 bits are `wire`."""
        return near + ((wire - near + _HALF) & _WRAP) - _HALF

    def note(self, news: int) -> None:
        """There is news for the owner: enter the ready list, once."""
        self.news |= news
        if not self.queued:
            self.queued = True
            self.around.ready.append(self)

    def move(self, event: Event) -> None:
        """Change state by the table in `states`, and tell the owner."""
        self.state = after(self.state, event)
        self.note(CHANGED)

    def set_mss(self, size: int) -> None:
        """The peer takes segments of `size` bytes: with our link's and the path's limit that makes `snd_mss`."""
        self.mss_peer = size
        size = max(min(size, self.mss_local, self.mss_path) - (12 if self.ts_on else 0), 36)
        if size != self.snd_mss:
            self.congestion.resized(size)
            self.snd_mss = size
        overhead = self.envelope.header_size + (12 if self.ts_on else 0)
        self.sendq.burst = (_LONGEST - overhead) // size * size

    def fail(self, number: int) -> None:
        """The connection is over for the reason `number` (errno); nothing is sent. Harmless once it is closed."""
        if self.state != CLOSED:
            self.error = number
            self.finish(Event.DELETE)

    def fail_loudly(self, number: int) -> None:
        """The connection is over for the reason `number`, and the peer is told so by a RST."""
        self.error = number
        self.answer_reset = self.snd_nxt
        self.note(CHANGED)

    def finish(self, event: Event) -> None:
        """To CLOSED: queues are given back, timers stop. What was received and not read stays readable."""
        self.move(event)
        self.sendq.clear()
        self.settle()
        self.held = self.syn_due = False
        self.answer_reset = None

    def settle(self) -> None:
        """To the quiet of TIME-WAIT or CLOSED: nothing is outstanding, no timer runs."""
        self.scoreboard.clear()
        self.rto_at = self.ack_at = self.wake_at = self.reo_at = self.keep_at = self.linger_at = NEVER
        self.user_at = NEVER
        self.around.timers.cancel(self)
        self.probe_due = False
        if self.state == CLOSED:
            self.ack_now = False
            self.ack_owed = self.dup_acks_owed = 0

    def timestamp(self, now: int) -> int:
        """TSval: a millisecond clock with an offset of this socket pair's own (RFC 7323, 5.4)."""
        return (now // MILLISECOND + self.ts_offset) & _WRAP

    def sample_echo(self, echo: int, now: int) -> None:
        """The echoed timestamp tells which sending was answered (RFC 7323, 4), if it is one that we can have sent."""
        elapsed = ((self.timestamp(now) - echo) & _WRAP) * MILLISECOND
        if elapsed <= now - self.opened_at + MILLISECOND:
            self.rtt.sample(elapsed)

    @property
    def fin_acknowledged(self) -> bool:
        """Has everything arrived that will ever be sent?"""
        return self.fin_queued and self.snd_una > self.sendq.end

    @property
    def flight(self) -> int:
        """Octets of sequence space sent and not acknowledged."""
        return self.snd_nxt - self.snd_una

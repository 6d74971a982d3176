"""What is due now: the only place where segments of a connection are built and sent.

Theory of operation. Everything that happens to a connection during a turn (segments, timers, the owner's verbs) only notes
what is owed. Once a turn `emit` looks at the sum of it and sends, in this order: a RST that ends it all; the handshake;
what is lost; what is new; and, if none of those carried it, the acknowledgment. So one segment often serves three
purposes, and an ACK a turn is enough for any number of segments.

New data leaves as super-segments: as much as the windows allow, at most one chunk of the send queue, cut to pieces of
`snd_mss` by the link. When a small segment should rather wait is silly-window avoidance (RFC 9293, 3.8.6.2.1) and Nagle's
algorithm (3.7.4).
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.tcp.acks import acknowledgment_due
from hythe.tcp.block import ControlBlock
from hythe.tcp.recovery import Sent
from hythe.tcp.states import CLOSED, ESTABLISHED, LISTEN, SYN_SENT, Event
from hythe.units import NEVER
from hythe.wire.segment import ACK, FIN, PSH, RST, SYN

_TIMESTAMPS: Final = struct.Struct(">III").pack
_TIMESTAMPS_HEAD: Final = 0x0101080A  # NOP NOP kind 8 length 10
#: SACK blocks that fit 40 bytes of options, without and with timestamps (RFC 2018, 3).
_BLOCKS: Final = (4, 3)


def emit(tcb: ControlBlock, now: int) -> None:
    """Send whatever is due, and re-arm the timers."""
    if tcb.answer_reset is not None:
        _send_reset(tcb, now)
    if tcb.state < ESTABLISHED:
        _open(tcb, now)
    else:
        sent = False
        board = tcb.scoreboard
        if board.lost > board.resent:
            sent = _resend(tcb, now)
        end = tcb.sendq.end
        if end > tcb.snd_nxt or (tcb.fin_queued and tcb.snd_nxt == end):
            sent = _send_new(tcb, now) or sent
        if tcb.probe_due:
            # An octet acknowledged long ago: the peer must answer, and need not find room for it (RFC 9293, 3.8.6.1).
            _acknowledge(tcb, tcb.snd_una - 1, now)
        elif not sent and acknowledgment_due(tcb, now):
            _acknowledge(tcb, tcb.snd_nxt, now)
        if (
            tcb.rto_at == NEVER
            and tcb.snd_nxt == tcb.snd_una
            and (end > tcb.snd_nxt or tcb.fin_queued)
            and (tcb.state != CLOSED and not tcb.fin_acknowledged)
        ):
            tcb.rto_at = now + tcb.rtt.rto  # nothing in flight and the window holds us up: ask in a while
    rearm(tcb)


def rearm(tcb: ControlBlock) -> None:
    """`deadline` is the nearest of the connection's timers; make sure that the host looks by then."""
    deadline = tcb.rto_at
    if tcb.ack_at < deadline:
        deadline = tcb.ack_at
    if tcb.keep_at < deadline:
        deadline = tcb.keep_at
    if tcb.linger_at < deadline:
        deadline = tcb.linger_at
    tcb.deadline = deadline
    if deadline < tcb.filed:
        tcb.around.timers.file(tcb)


# --- Opening


def _open(tcb: ControlBlock, now: int) -> None:
    """Send SYN or SYN-ACK, first or again."""
    if not tcb.syn_due or tcb.state in (CLOSED, LISTEN):
        return
    tcb.syn_due = False
    config = tcb.config
    active = tcb.state == SYN_SENT
    options = struct.pack(">BBH", 2, 4, tcb.mss_local)
    sack = config.sack if active else tcb.sack_on
    if config.timestamps if active else tcb.ts_on:
        echo = 0 if active else tcb.ts_recent
        lead = b"\x04\x02" if sack else b"\x01\x01"
        options += lead + struct.pack(">BBII", 8, 10, tcb.timestamp(now), echo)
    elif sack:
        options += b"\x01\x01\x04\x02"
    if config.window_scaling if active else tcb.rcv_scale or tcb.snd_scale:
        shift = max(0, min(14, (tcb.rcv_limit - 1).bit_length() - 16))
        options += b"\x01" + struct.pack(">BBB", 3, 3, shift)
    if not tcb.tries:
        tcb.opened_at = now
    tcb.snd_nxt = tcb.iss + 1
    flags = SYN if active else SYN | ACK
    tcb.send(
        now, tcb.envelope.head(tcb.iss, 0 if active else tcb.rcv_nxt, flags, min(tcb.rcv_limit, 0xFFFF), 0, 0, options), ()
    )
    tcb.rto_at = now + tcb.rtt.rto


def _send_reset(tcb: ControlBlock, now: int) -> None:
    """RFC 9293, 3.10.7.1: the sequence number is what the peer expects; it ends the connection if `error` is set."""
    seq = tcb.answer_reset or 0
    tcb.answer_reset = None
    if tcb.error:
        tcb.send(now, tcb.envelope.head(tcb.snd_nxt, tcb.rcv_nxt, RST | ACK, 0), ())
        if tcb.state != CLOSED:
            tcb.finish(Event.DELETE)
    else:
        tcb.send(now, tcb.envelope.head(seq, 0, RST, 0), ())


# --- Data


def _resend(tcb: ControlBlock, now: int) -> bool:
    """Resend what is lost, as far as the congestion window allows (RFC 6675, 5 (C)); the first of an episode always."""
    board = tcb.scoreboard
    sent = False
    while (record := board.next_lost()) is not None:
        room = tcb.congestion.cwnd - board.pipe(tcb.snd_nxt - tcb.snd_una)
        if room < min(record.end - record.start, tcb.snd_mss) and not board.urgent:
            break
        _send_again(tcb, record, max(room, tcb.snd_mss), now)
        board.urgent = False
        sent = True
    return sent


def _send_again(tcb: ControlBlock, record: Sent, room: int, now: int) -> None:
    """Retransmit the front of a record, whole segments of at most `room` bytes."""
    mss = tcb.snd_mss
    size = min(record.end - record.start, max(room - room % mss, mss), tcb.sendq.burst)
    tcb.scoreboard.take(record, size, now)
    data = min(record.end, tcb.sendq.end) - record.start
    fin = FIN if record.end > tcb.sendq.end else 0
    tcb.retransmits += -(-size // mss)
    _transmit(tcb, record.start, data, ACK | PSH | fin if data else ACK | fin, now)
    tcb.rto_at = now + tcb.rtt.rto


def _send_new(tcb: ControlBlock, now: int) -> bool:
    """Send what was never sent, as far as the windows allow. True if anything left."""
    sendq = tcb.sendq
    board = tcb.scoreboard
    mss = tcb.snd_mss
    end = sendq.end
    una = tcb.snd_una
    sent = False
    while True:
        nxt = tcb.snd_nxt
        unsent = end - nxt
        room = tcb.congestion.cwnd - (nxt - una - board.sacked - board.lost + board.resent)
        usable = una + tcb.snd_wnd - nxt
        if usable < room:
            room = usable
        size = min(room, unsent)
        if size > sendq.burst:
            size = sendq.burst
        if size > mss:
            if size < unsent:
                size -= size % mss
        elif size < mss and not (size == unsent and _may_be_small(tcb)):
            # A piece short of a segment leaves only if it is half of what the peer ever offered, or when that has been
            # waited for long enough (3.8.6.2.1 (3) and (4)).
            if size <= 0 or size == unsent or size < usable or not (2 * size >= tcb.snd_max_wnd or tcb.probe_due):
                return sent
        last = size == unsent
        flags = ACK | PSH if last and size else ACK
        if last and tcb.fin_queued:
            if nxt > end:
                return sent  # the FIN has left already
            flags |= FIN
        _transmit(tcb, nxt, size, flags, now)
        after = nxt + size + (flags & FIN)
        board.sent(nxt, after, now)
        tcb.snd_nxt = after
        tcb.bytes_sent += size
        if tcb.rto_at == NEVER or nxt == una:
            tcb.rto_at = now + tcb.rtt.rto
        sent = True
        if last:
            return True


def _may_be_small(tcb: ControlBlock) -> bool:
    """May the last piece of the queue leave though it is no full segment? Nagle: not while anything is unacknowledged."""
    return tcb.snd_nxt == tcb.snd_una or not tcb.config.nagle or tcb.fin_queued


def _transmit(tcb: ControlBlock, seq: int, size: int, flags: int, now: int) -> None:
    """One segment or super-segment, which acknowledges whatever is owed as well."""
    options = b""
    if tcb.ts_on:
        options = _TIMESTAMPS(_TIMESTAMPS_HEAD, tcb.timestamp(now), tcb.ts_recent)
    head = tcb.envelope.head(
        seq, tcb.rcv_nxt, flags, advertise(tcb), size, tcb.snd_mss if size > tcb.snd_mss else 0, options
    )
    tcb.send(now, head, tcb.sendq.slices(seq, size) if size else ())
    if size and tcb.ack_owed:
        tcb.ping_pong = True  # an answer carried the ACK: from now on wait for the next one (Linux's pingpong mode)
    _acknowledged_by_this(tcb)


# --- Acknowledgments


def _acknowledge(tcb: ControlBlock, seq: int, now: int) -> None:
    """A segment without data; for each out-of-order arrival one of its own (RFC 5681, 4.2)."""
    options = b""
    if tcb.ts_on:
        options = _TIMESTAMPS(_TIMESTAMPS_HEAD, tcb.timestamp(now), tcb.ts_recent)
    if tcb.sack_on and tcb.recvq.islands is not None:
        blocks = tcb.recvq.blocks(_BLOCKS[tcb.ts_on])
        edges = [edge & 0xFFFFFFFF for block in blocks for edge in block]
        options += struct.pack(f">BBBB{len(edges)}I", 1, 1, 5, 2 + 4 * len(edges), *edges)
    head = tcb.envelope.head(seq, tcb.rcv_nxt, ACK, advertise(tcb), 0, 0, options)
    for _ in range(max(tcb.dup_acks_owed, 1)):
        tcb.send(now, head, ())
    _acknowledged_by_this(tcb)


def _acknowledged_by_this(tcb: ControlBlock) -> None:
    tcb.last_ack_sent = tcb.rcv_nxt
    tcb.ack_now = False
    tcb.ack_owed = 0
    tcb.dup_acks_owed = 0
    tcb.probe_due = False
    tcb.ack_at = NEVER


def advertise(tcb: ControlBlock) -> int:
    """The window field; moves rcv_adv, never back (RFC 9293, 3.8.6), and not by slivers (3.8.6.2.2)."""
    limit = tcb.rcv_limit
    edge = tcb.rcv_nxt + limit - tcb.recvq.held
    adv = tcb.rcv_adv
    if edge - adv >= limit >> 1 or edge - adv >= tcb.rcv_mss:
        adv = edge
    window = adv - tcb.rcv_nxt
    scale = tcb.rcv_scale
    if not scale:
        field = min(65535, window)
    else:
        # Rounding up keeps the edge from moving back by part of a unit; rounding down once we are a unit beyond what
        # there is room for keeps it from creeping (RFC 7323, 2.4).
        field = -(-window >> scale)
        if tcb.rcv_nxt + (field << scale) > max(edge, adv) + (1 << scale):
            field = window >> scale
        if field > 0xFFFF:
            field = 0xFFFF
    tcb.rcv_adv = max(adv, tcb.rcv_nxt + (field << scale))
    return field

"""What is due now: the only place where segments of a connection are built and sent.

Theory of operation. Everything that happens to a connection during a turn (segments, timers, the owner's verbs) only notes
what is owed. Once a turn `emit` looks at the sum of it and sends, in this order: a RST that ends it all; the handshake;
duplicate ACKs; what is lost; what is new; and, if none of those carried it, the acknowledgment. So one segment often
serves three purposes, and an ACK a turn is enough for any number of segments.

New data leaves as super-segments: as much as the windows allow, at most one chunk of the send queue, cut to pieces of
`snd_mss` by the link. When a small segment should rather wait is silly-window avoidance (RFC 9293, 3.8.6.2.1) and Nagle's
algorithm (3.7.4) in Minshall's variant.
"""

from __future__ import annotations

import errno
import struct
from typing import Final

from hythe.tcp import chrono, ecn, pace
from hythe.tcp.acks import acknowledgment_due, free_room
from hythe.tcp.block import ControlBlock
from hythe.tcp.opening import fast_open_in_syn, scale_for
from hythe.tcp.patience import tell
from hythe.tcp.recovery import Sent
from hythe.tcp.sizing import right_size
from hythe.tcp.states import CLOSED, ESTABLISHED, LISTEN, SYN_RECEIVED, SYN_SENT, Event
from hythe.tcp.trace import Probe, Retransmitted
from hythe.tcp.urgent import pointer
from hythe.units import NEVER
from hythe.wire.options import Options, build, build_timestamps
from hythe.wire.segment import ACK, FIN, PSH, RST, SYN, URG

#: SACK blocks that fit 40 bytes of options, without and with timestamps (RFC 2018, 3).
_BLOCKS: Final = (4, 3)
#: A segment with this much less text than it may have carries SACK blocks as well.
_ROOM_FOR_SACK: Final = 40


def emit(tcb: ControlBlock, now: int) -> None:
    """Send whatever is due, and re-arm the timers."""
    if tcb.answer_reset is not None:
        _send_reset(tcb, now)
    if tcb.state < ESTABLISHED:
        _open(tcb, now)
        if tcb.early and tcb.state == SYN_RECEIVED and tcb.sendq.end > tcb.snd_nxt:
            _send_new(tcb, now)  # an answer need not wait for the ACK of our SYN (RFC 7413, 4.2.2)
    else:
        sent = False
        board = tcb.scoreboard
        if tcb.dup_acks_owed:
            _acknowledge(tcb, _acceptable_seq(tcb), now)  # a segment with data would not count as one (RFC 5681, 2)
        if board.tail_due:
            sent = _probe_tail(tcb, now)
        if board.lost > board.resent and not tcb.undo.waiting:
            sent = _resend(tcb, now) or sent
        end = tcb.sendq.end
        if end > tcb.snd_nxt or (tcb.fin_queued and tcb.snd_nxt == end):
            sent = _send_new(tcb, now) or sent
        if tcb.probe_due:
            # An octet acknowledged long ago: the peer must answer, and need not find room for it (RFC 9293, 3.8.6.1).
            _acknowledge(tcb, tcb.snd_una - 1, now)
        elif not sent and acknowledgment_due(tcb, now):
            _acknowledge(tcb, _acceptable_seq(tcb), now)
        if tcb.rto_at == NEVER and tcb.snd_nxt == tcb.snd_una and (end > tcb.snd_nxt or tcb.fin_queued):
            _arm_probe(tcb, now)
    rearm(tcb)


def rearm(tcb: ControlBlock) -> None:
    """`deadline` is the nearest of the connection's timers; make sure that the host looks by then."""
    deadline = tcb.rto_at
    if tcb.wake_at < deadline:
        deadline = tcb.wake_at
    if tcb.ack_at < deadline:
        deadline = tcb.ack_at
    if tcb.keep_at < deadline:
        deadline = tcb.keep_at
    if tcb.linger_at < deadline:
        deadline = tcb.linger_at
    if tcb.user_at < deadline:
        deadline = tcb.user_at
    tcb.deadline = deadline
    if deadline < tcb.filed:
        tcb.around.timers.file(tcb)


def _arm_probe(tcb: ControlBlock, now: int) -> None:
    """Nothing is in flight and the peer's window holds us up: ask in a while whether it still does (3.8.6.1)."""
    if not tcb.fin_acknowledged:
        tcb.rto_at = now + tcb.rtt.after(tcb.probes)


# --- Opening and ending


def _open(tcb: ControlBlock, now: int) -> None:
    """Send SYN or SYN-ACK, first or again; or the ACK that a segment out of place asks for."""
    if tcb.state in (CLOSED, LISTEN):
        return
    if not tcb.syn_due:
        if tcb.ack_now and tcb.state == SYN_RECEIVED:
            _acknowledge(tcb, tcb.snd_nxt, now)
        return
    tcb.syn_due = tcb.ack_now = False
    config = tcb.config
    active = tcb.state == SYN_SENT
    options = Options(mss=tcb.mss_local, sack_permitted=config.sack if active else tcb.sack_on)
    if config.timestamps if active else tcb.ts_on:
        options.ts_val = tcb.timestamp(now)
        options.ts_ecr = 0 if active else tcb.ts_recent
    if config.window_scaling if active else tcb.rcv_scale or tcb.snd_scale:
        options.wscale = scale_for(config.window_max)
    tell(tcb, options)
    tcb.opened_at = now  # an answer to an earlier SYN tells nothing of the path (`sample_echo`)
    size = fast_open_in_syn(tcb, options, now) if tcb.fast_open is not None else 0
    tcb.snd_nxt = max(tcb.snd_nxt, tcb.iss + 1 + size)
    flags, ack = (SYN, 0) if active else (SYN | ACK, tcb.rcv_nxt)
    flags |= ecn.of_syn(tcb, flags)
    window = min(tcb.rcv_limit if active else tcb.rcv_adv - tcb.rcv_nxt, 0xFFFF)
    head = tcb.envelope.head(tcb.iss, ack, flags, window, size, options=build(options))
    tcb.send(now, head, tcb.sendq.slices(tcb.iss + 1, size) if size else ())
    tcb.rto_at = now + tcb.rtt.rto


def _send_reset(tcb: ControlBlock, now: int) -> None:
    """RFC 9293, 3.10.7.1: the sequence number is what the peer expects; it ends a connection that is open."""
    seq = tcb.answer_reset or 0
    tcb.answer_reset = None
    if not tcb.error:
        tcb.send(now, tcb.envelope.head(seq, 0, RST, 0), ())
        if tcb.state >= ESTABLISHED:  # text came after the owner had let go
            tcb.fail(errno.ECONNABORTED)
        return
    options = build_timestamps(tcb.timestamp(now), tcb.ts_recent) if tcb.ts_on else b""  # RFC 7323, 3.2: SHOULD
    tcb.send(now, tcb.envelope.head(_acceptable_seq(tcb), tcb.rcv_nxt, RST | ACK, 0, options=options), ())
    if tcb.state != CLOSED:
        tcb.finish(Event.DELETE)


# --- Data


def _resend(tcb: ControlBlock, now: int) -> bool:
    """Resend what is lost, as far as the congestion window allows (RFC 6675, 5 (C)); the first of an episode always."""
    board = tcb.scoreboard
    before = board.resent
    while (record := board.next_lost()) is not None:
        room = tcb.congestion.cwnd - board.pipe(tcb.snd_nxt - tcb.snd_una)
        if tcb.pace_next >= 0 and not board.urgent:
            room = min(room, pace.allowance(tcb, room, now) - (board.resent - before))
        if room < min(record.end - record.start, tcb.snd_mss) and not board.urgent:
            break
        _send_again(tcb, record, max(room, tcb.snd_mss), now)
        board.urgent = False
    size = board.resent - before
    if tcb.pace_next >= 0 and size:
        pace.sent(tcb, size, now, more=board.lost > board.resent)
    return size > 0


def _send_again(tcb: ControlBlock, record: Sent, room: int, now: int) -> None:
    """Retransmit the front of a record, whole segments of at most `room` bytes."""
    mss = tcb.snd_mss
    board = tcb.scoreboard
    size = min(record.end - record.start, room - room % mss, mss if tcb.snd_up > record.start else tcb.sendq.burst)
    if board.recovering:
        why, sent_at = ("lost", "RFC 6675, 5 (C)"), now
    else:  # the SYN's text, ahead of all that is new in this turn
        why, sent_at = ("text of the SYN, not taken", "RFC 7413, 4.2.2"), now - 1
    board.take(record, size, sent_at)
    data = min(record.end, tcb.sendq.end) - record.start
    fin = FIN if record.end > tcb.sendq.end else 0
    _repeat(tcb, record, data, size, fin, now, *why)
    if tcb.prr is not None:
        tcb.prr.out += size
    if record.start == tcb.snd_una or tcb.rto_at == NEVER:
        tcb.rto_at = now + tcb.rtt.rto  # the oldest is on its way again (RFC 6298, 5.6; Linux)


def _repeat(tcb: ControlBlock, record: Sent, data: int, size: int, fin: int, now: int, reason: str, section: str) -> None:
    """The wire's part of resending the front of a record: `size` of sequence space, `data` bytes of it text."""
    tcb.retransmits += -(-size // tcb.snd_mss)
    tcb.undo.resent(record.start, size, tcb.timestamp(now) if tcb.ts_on else -1, first=record.resent == 1)
    if tcb.trace is not None:
        tcb.trace(Retransmitted(now, section, reason, record.start, record.start + size))
    _transmit(tcb, record.start, data, ACK | PSH | fin if data else ACK | fin, now)


def _probe_tail(tcb: ControlBlock, now: int) -> bool:
    """A tail loss probe: one new segment if there is one and the peer takes it, else the last again (RFC 8985, 7.3)."""
    board = tcb.scoreboard
    board.tail_due = False
    nxt, mss = tcb.snd_nxt, tcb.snd_mss
    if nxt == tcb.snd_una:
        return False
    unsent = tcb.sendq.end - nxt
    resent = not (unsent > 0 and tcb.snd_una + tcb.snd_wnd >= nxt + min(unsent, mss) and _send_new(tcb, now, mss))
    if resent:
        record = board.last(mss)
        data = min(record.end, tcb.sendq.end) - record.start
        size = record.end - record.start
        record.resent += 1
        record.sent_at = now
        _repeat(tcb, record, data, size, FIN if size > data else 0, now, "tail loss probe", "RFC 8985, 7.3")
    elif tcb.trace is not None:
        tcb.trace(Probe(now, "RFC 8985, 7.3", "tail"))
    board.probe_end = tcb.snd_nxt
    board.probe_resent = resent
    board.probed = tcb.snd_una
    tcb.rto_at = now + tcb.rtt.rto
    return True


def _send_new(tcb: ControlBlock, now: int, least: int = 0) -> bool:
    """Send what was never sent, as far as the windows allow, `least` bytes at least. True if anything left."""
    sendq = tcb.sendq
    board = tcb.scoreboard
    mss = tcb.snd_mss
    end = sendq.end
    una = tcb.snd_una
    nxt = first = tcb.snd_nxt
    edge = una + tcb.snd_wnd
    if nxt == una and edge > nxt and now - tcb.sent_at > tcb.rtt.rto and tcb.config.idle_restart:
        tcb.congestion.rested(now - tcb.sent_at, tcb.rtt.rto, tcb.config.initial_window * mss)
        tcb.sent_at = now
    if board.lost > board.resent and not tcb.undo.waiting:
        return False  # what was lost comes first, and the window has no room for all of it (RFC 6675, 4, NextSeg)
    room = tcb.congestion.cwnd - (nxt - una - board.sacked - board.lost + board.resent)
    if room < least:
        room = least
    elif tcb.pace_next >= 0:
        room = pace.allowance(tcb, room, now)
    sent = held = False
    while True:
        unsent = end - nxt
        usable = edge - nxt
        size = room if room < usable else usable
        if size > unsent:
            size = unsent
        if size > sendq.burst:
            size = sendq.burst
        if tcb.snd_up > nxt and size > mss:
            size = mss  # who cuts super-segments leaves the urgent pointer as it is
        whole = tcb.records is not None and _to_end_of_record(tcb, nxt)
        if whole and whole <= size and whole < unsent:
            size = whole
        elif size > mss:
            part = size % mss
            if part and (size < unsent or not _may_be_small(tcb)):
                size -= part
        elif size < mss and not _worth_sending(tcb, size, unsent, usable):
            if unsent > size:
                if room <= usable:
                    tcb.limited = nxt
                else:
                    held = True
            break
        last = size == unsent
        flags = ACK | PSH if size and (last or size == whole) else ACK
        if last and tcb.fin_queued:
            if usable > size:
                flags |= FIN
            elif not size:
                break  # FIN takes a place in the window, too
        _transmit(tcb, nxt, size, flags, now)
        after = nxt + size + (flags & FIN)
        board.sent(nxt, after, now)
        if tcb.rto_at == NEVER or nxt == una:
            tcb.rto_at = now + tcb.rtt.pto
            if tcb.busy_since < 0:
                tcb.busy_since = now
        tcb.snd_nxt = nxt = after
        tcb.bytes_sent += size
        room -= size
        sent = True
        if size % mss:
            tcb.snd_sml = after
        tcb.sent_at = now
        if last:
            break
    if held or tcb.stall:
        chrono.look(tcb, now, window=held)
    if tcb.pace_next >= 0 and sent:
        pace.sent(tcb, nxt - first, now, more=end > nxt)
    if board.recovering and tcb.prr is not None:
        tcb.prr.out += nxt - first
    return sent


def _to_end_of_record(tcb: ControlBlock, nxt: int) -> int:
    """Bytes from `nxt` on to where the owner wants a segment to end, 0 if it does not care."""
    ends = [end for end in tcb.records or () if end > nxt]
    tcb.records = ends or None
    return ends[0] - nxt if ends else 0


def _worth_sending(tcb: ControlBlock, size: int, unsent: int, usable: int) -> bool:
    """Tell whether a piece short of a segment may leave (RFC 9293, 3.8.6.2.1).

    The last of the queue may, if Nagle agrees (2). One that the peer's window cuts short may if it is half of what the
    peer ever offered (3), or when a fitting one has been waited for long enough (4).
    """
    if size == unsent:
        return _may_be_small(tcb)
    return 0 < size == usable and (2 * size >= tcb.snd_max_wnd or tcb.probe_due)


def _may_be_small(tcb: ControlBlock) -> bool:
    """Nagle (3.7.4), as Minshall has it: not while another small segment is unacknowledged. FIN does not wait.

    Nor does what the owner has corked, before a time-out (`_arm_probe`) shows that no more has come.
    """
    if tcb.corked and not (tcb.fin_queued or tcb.probe_due):
        return False
    return tcb.snd_sml <= tcb.snd_una or not tcb.config.nagle or tcb.fin_queued


def _transmit(tcb: ControlBlock, seq: int, size: int, flags: int, now: int) -> None:
    """One segment or super-segment, which acknowledges whatever is owed as well."""
    mss = tcb.snd_mss
    options = build_timestamps(tcb.timestamp(now), tcb.ts_recent) if tcb.ts_on else b""
    if tcb.recvq.islands is not None and tcb.sack_on and size <= mss - _ROOM_FOR_SACK:
        options += sack(tcb)
    gso_size = mss if size > mss else 0
    if tcb.ecn_on:
        flags = ecn.mark(tcb, flags, new=size > 0 and seq == tcb.snd_nxt)
    urgent = 0
    if tcb.snd_up > seq:
        flags |= URG
        urgent = pointer(tcb, seq)
    head = tcb.envelope.head(seq, tcb.rcv_nxt, flags, advertise(tcb, now), size, gso_size, options, urgent)
    tcb.send(now, head, tcb.sendq.slices(seq, size) if size else ())
    if not tcb.ping_pong and size and now - tcb.text_at < tcb.ato:
        tcb.ping_pong = True  # an answer: ACKs can wait for the next one (Linux's pingpong mode)
    _acknowledged_by_this(tcb)


# --- Acknowledgments


def _acknowledge(tcb: ControlBlock, seq: int, now: int) -> None:
    """A segment without data; for each out-of-order arrival one of its own (RFC 5681, 4.2)."""
    flags = ecn.mark(tcb, ACK, new=False) if tcb.ecn_on else ACK
    options = b""
    if tcb.ts_on:
        options = build_timestamps(tcb.timestamp(now), tcb.ts_recent)
    if tcb.sack_on and (tcb.dsacks or tcb.recvq.islands is not None):
        while tcb.dsacks and len(tcb.dsacks) > 1:
            told = options + sack(tcb)
            tcb.send(now, tcb.envelope.head(seq, tcb.rcv_nxt, flags, advertise(tcb, now), 0, 0, told), ())
        options += sack(tcb)
    urgent = 0
    if tcb.snd_up > tcb.snd_una and tcb.snd_up > seq:  # the window may be shut, but that there is something may be told
        flags |= URG
        urgent = pointer(tcb, seq)
    head = tcb.envelope.head(seq, tcb.rcv_nxt, flags, advertise(tcb, now), 0, 0, options, urgent)
    for _ in range(max(tcb.dup_acks_owed, 1)):
        tcb.send(now, head, ())
    _acknowledged_by_this(tcb)


def sack(tcb: ControlBlock) -> bytes:
    """The SACK option: a D-SACK first, told once (RFC 2883, 4), then the islands, the latest first (RFC 2018, 4)."""
    most = _BLOCKS[tcb.ts_on]
    blocks = []
    if tcb.dsacks:
        blocks.append(tcb.dsacks.pop(0))
        islands = tcb.recvq.blocks(most)
        # Above rcv_nxt the island that contains it must come second.
        islands.sort(key=lambda island: not island[0] <= blocks[0][0] < island[1])
        blocks += islands
    else:
        blocks = tcb.recvq.blocks(most)
    edges = [edge & 0xFFFFFFFF for block in blocks[:most] for edge in block]
    return struct.pack(f">BBBB{len(edges)}I", 1, 1, 5, 2 + 4 * len(edges), *edges) if edges else b""


def _acceptable_seq(tcb: ControlBlock) -> int:
    """What a segment without text bears: snd_nxt, unless the peer has shrunk its window and would not take that.

    A window that falls short by less than its unit was not shrunk but rounded (RFC 7323, 2.4).
    """
    nxt = tcb.snd_nxt
    edge = tcb.snd_una + tcb.snd_wnd
    return nxt if nxt < edge + (1 << tcb.snd_scale) else edge


def _acknowledged_by_this(tcb: ControlBlock) -> None:
    tcb.last_ack_sent = tcb.rcv_nxt
    tcb.ack_now = False
    tcb.ack_owed = 0
    tcb.dup_acks_owed = 0
    tcb.probe_due = False
    tcb.ack_at = NEVER


def advertise(tcb: ControlBlock, now: int) -> int:
    """The window field; moves rcv_adv, never back (RFC 9293, 3.8.6), and not by slivers (3.8.6.2.2).

    The field is rounded down: that the edge a peer computes may fall short of rcv_adv by part of a unit is foreseen
    (RFC 7323, 2.4), while rounding up would let it creep beyond the buffer.
    """
    nxt = tcb.rcv_nxt
    adv = tcb.rcv_adv
    if tcb.bytes_received >= tcb.rcv_mark:
        right_size(tcb, now)
    edge = nxt + (free_room(tcb) if tcb.recvq.held else tcb.rcv_limit)
    if edge <= adv or (edge - adv < tcb.rcv_mss and edge - adv < tcb.rcv_limit >> 1):
        edge = adv
    scale = tcb.rcv_scale
    field = (edge - nxt) >> scale
    if field > 0xFFFF:
        field = 0xFFFF
    edge = nxt + (field << scale)
    if edge > adv:
        tcb.rcv_adv = edge
    return field

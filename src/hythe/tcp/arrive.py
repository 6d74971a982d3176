"""SEGMENT ARRIVES: RFC 9293, 3.10.7, for every state but CLOSED and LISTEN (which have no block yet: see the host).

Theory of operation. The steps are the RFC's, in its order, one function each: check the sequence number, RST, SYN, ACK,
text, FIN. A step that ends the processing says so by returning False. Nothing is sent here: what is owed is noted
(`ack_now`, `dup_acks_owed`, the scoreboard's lost records) and leaves in `emit`, once for all segments of a turn.

The bulk of segments never comes here: `Connection.receive` predicts them.
"""

from __future__ import annotations

import errno

from hythe.tcp.acknowledge import acknowledged, duplicate, selectively
from hythe.tcp.block import CHANGED, READABLE, WRITABLE, ControlBlock
from hythe.tcp.states import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    MAY_RECEIVE,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Event,
)
from hythe.units import NEVER
from hythe.wire.options import Options
from hythe.wire.options import parse as parse_options
from hythe.wire.segment import ACK, FIN, RST, SYN, Segment

_NO_OPTIONS = Options()
#: RFC 7323, 5.5: a TS.Recent older than 24 days proves nothing.
_TIMESTAMP_LIFE = 24 * 86_400 * 1_000_000_000


def arrive(tcb: ControlBlock, segment: Segment, now: int) -> None:
    """One segment of this connection. Raises `ParseError` for malformed options, before anything is changed."""
    options = parse_options(segment.options) if segment.options is not None else _NO_OPTIONS
    if tcb.state == SYN_SENT:
        _syn_sent(tcb, segment, options, now)
        return
    if tcb.held:
        if segment.flags & RST:
            tcb.fail(errno.ECONNRESET)
        return  # the SYN again, or data with it: the owner has not decided yet
    seq = tcb.unwrap(segment.seq, tcb.rcv_nxt)
    tcb.heard_at = now
    if not _check_sequence(tcb, segment, options, seq, now):
        return
    if segment.flags & RST:
        _reset(tcb, seq, now)
        return
    if segment.flags & SYN:
        challenge(tcb, now)  # fourth: in a synchronized state it proves nothing (RFC 5961, 4.2)
        return
    if not segment.flags & ACK:
        return
    if not _check_ack(tcb, segment, options, seq, now):
        return
    if segment.size:
        _take_text(tcb, segment, seq)
    if segment.flags & FIN:
        _take_fin(tcb, seq + segment.size)


# --- SYN-SENT: 3.10.7.3


def _syn_sent(tcb: ControlBlock, segment: Segment, options: Options, now: int) -> None:
    flags = segment.flags
    ack = tcb.unwrap(segment.ack, tcb.snd_una)
    acceptable = bool(flags & ACK) and tcb.snd_una < ack <= tcb.snd_nxt
    if flags & ACK and not acceptable:
        if not flags & RST:
            tcb.answer_reset = ack
            tcb.note(0)
        return
    if flags & RST:
        if acceptable:
            tcb.fail(errno.ECONNREFUSED)
        return
    if not flags & SYN:
        return
    synchronize(tcb, segment, options, now)
    if acceptable:
        tcb.snd_una = ack
        tcb.rto_at = NEVER
        if not tcb.tries:
            tcb.rtt.sample(now - tcb.opened_at)
        _take_window(tcb, segment, tcb.irs)
        establish(tcb, Event.SYN_ACK, now)
        tcb.ack_now = True
        if segment.size:
            _take_text(tcb, segment, tcb.irs + 1)
        if flags & FIN:
            _take_fin(tcb, tcb.irs + 1 + segment.size)
    else:  # simultaneous open
        tcb.move(Event.SYN)
        tcb.syn_due = True


def synchronize(tcb: ControlBlock, segment: Segment, options: Options, now: int) -> None:
    """The peer's SYN: its sequence number and its options, each in force only if our SYN offered or will offer it."""
    config = tcb.config
    tcb.irs = segment.seq
    tcb.rcv_nxt = tcb.last_ack_sent = segment.seq + 1
    tcb.rcv_adv = tcb.rcv_nxt + min(tcb.rcv_limit, 0xFFFF)  # the window field of a SYN is never scaled
    tcb.sack_on = config.sack and options.sack_permitted
    if config.timestamps and options.ts_val is not None:
        tcb.ts_on = True
        tcb.ts_recent = options.ts_val
        tcb.ts_recent_at = now
    if config.window_scaling and options.wscale is not None:
        tcb.snd_scale = min(options.wscale, 14)  # RFC 7323, 2.3
        tcb.rcv_scale = _scale_for(tcb.rcv_limit)
    else:
        tcb.snd_scale = tcb.rcv_scale = 0
        tcb.rcv_limit = min(tcb.rcv_limit, 0xFFFF)
    default = config.mss_default4 if tcb.envelope.version == 4 else config.mss_default6
    tcb.set_mss(options.mss or default)
    tcb.rcv_mss = tcb.mss_local
    tcb.congestion.begin(tcb.snd_mss, config.initial_window)
    tcb.snd_wnd = tcb.snd_max_wnd = segment.window
    tcb.snd_wl1 = segment.seq


def _scale_for(limit: int) -> int:
    """The smallest shift by which the window field can tell of `limit` bytes."""
    return max(0, min(14, (limit - 1).bit_length() - 16))


def establish(tcb: ControlBlock, event: Event, now: int) -> None:
    """To ESTABLISHED; a close that was asked for meanwhile takes effect."""
    tcb.move(event)
    tcb.tries = 0
    tcb.note(WRITABLE)
    if tcb.parent is not None:
        tcb.parent.established(tcb)
    if tcb.config.keepalive:
        tcb.keep_at = now + tcb.config.keepalive_idle
    if tcb.fin_queued:
        tcb.move(Event.SHUTDOWN)


# --- Every other state: 3.10.7.4


def _check_sequence(tcb: ControlBlock, segment: Segment, options: Options, seq: int, now: int) -> bool:
    """First: is the segment in the window, and not an old duplicate (PAWS, RFC 7323 5.3)?"""
    flags = segment.flags
    if tcb.ts_on and not flags & RST and options.ts_val is not None:
        age = (options.ts_val - tcb.ts_recent) & 0xFFFFFFFF
        if age > 0x7FFFFFFF and now - tcb.ts_recent_at < _TIMESTAMP_LIFE:
            tcb.ack_now = True
            tcb.note(0)
            return False
    end = seq + segment.length
    nxt, edge = tcb.rcv_nxt, tcb.rcv_adv
    if end == seq:
        inside = nxt <= seq <= edge if edge > nxt else seq == nxt
    elif edge > nxt:
        inside = seq < edge and end > nxt
    else:
        # A closed window takes no text, but the ACK of a probe counts (RFC 9293, 3.10.7.4: "special allowance").
        inside = seq == nxt
    if inside:
        if tcb.ts_on and options.ts_val is not None and seq <= tcb.last_ack_sent and not flags & RST:
            tcb.ts_recent = options.ts_val  # RFC 7323, 4.3 (2)
            tcb.ts_recent_at = now
        return True
    if flags & RST:
        return False
    if flags & SYN and tcb.state == SYN_RECEIVED and seq == tcb.irs:
        tcb.syn_due = True  # our SYN-ACK was lost
        tcb.note(0)
    elif segment.size:
        tcb.ack_now = True
        tcb.note(0)
    else:
        challenge(tcb, now)
    return False


def challenge(tcb: ControlBlock, now: int) -> None:
    """Owe a challenge ACK, throttled (RFC 5961, 3.2, 4.2, 7)."""
    if now - tcb.challenged_at >= tcb.config.challenge_ack_interval:
        tcb.challenged_at = now
        tcb.ack_now = True
        tcb.note(0)


def _reset(tcb: ControlBlock, seq: int, now: int) -> None:
    """Second: RST counts only at exactly rcv_nxt (RFC 5961, 3.2)."""
    if seq != tcb.rcv_nxt:
        challenge(tcb, now)
    elif tcb.state == SYN_RECEIVED and tcb.parent is None:
        tcb.fail(errno.ECONNREFUSED)
    elif tcb.state in (CLOSING, LAST_ACK, TIME_WAIT):
        tcb.finish(Event.DELETE)
    else:
        tcb.fail(errno.ECONNRESET)


def _check_ack(tcb: ControlBlock, segment: Segment, options: Options, seq: int, now: int) -> bool:
    """Fifth: the acknowledgment, the window, SACK. False ends the processing."""
    ack = tcb.unwrap(segment.ack, tcb.snd_una)
    if tcb.state == SYN_RECEIVED:
        if not tcb.snd_una < ack <= tcb.snd_nxt:
            tcb.answer_reset = ack
            tcb.note(0)
            return False
        if not tcb.tries:
            tcb.rtt.sample(now - tcb.opened_at)
        tcb.snd_una = tcb.iss + 1
        tcb.rto_at = NEVER
        _take_window(tcb, segment, seq)
        establish(tcb, Event.ACK_OF_SYN, now)
    if ack > tcb.snd_nxt or ack < tcb.snd_una - tcb.snd_max_wnd:
        # Something not sent yet, or so old that it must be a guess (RFC 5961, 5.2).
        challenge(tcb, now)
        return False
    advanced = ack > tcb.snd_una
    if advanced:
        echo = options.ts_ecr if tcb.ts_on and options.ts_ecr is not None else -1
        acknowledged(tcb, ack, now, echo)
    window_moved = _take_window(tcb, segment, seq)
    if options.sack and tcb.sack_on:
        selectively(tcb, options.sack, now)
    elif (
        not advanced
        and not tcb.sack_on
        and not segment.size
        and not window_moved
        and ack == tcb.snd_una
        and tcb.snd_nxt > ack
        and not segment.flags & FIN
    ):
        duplicate(tcb, now)
    return tcb.state != TIME_WAIT or bool(segment.flags & FIN)


def _take_window(tcb: ControlBlock, segment: Segment, seq: int) -> bool:
    """Update snd_wnd from a segment that is not older than the last that did (SND.WL1, SND.WL2). True if it changed."""
    ack = tcb.unwrap(segment.ack, tcb.snd_una)
    if not (tcb.snd_wl1 < seq or (tcb.snd_wl1 == seq and tcb.snd_wl2 <= ack)):
        return False
    window = segment.window << (0 if segment.flags & SYN else tcb.snd_scale)
    changed = window != tcb.snd_wnd
    tcb.snd_wnd = window
    tcb.snd_wl1 = seq
    tcb.snd_wl2 = ack
    if window > tcb.snd_max_wnd:
        tcb.snd_max_wnd = window
    if changed:
        if tcb.probes:
            tcb.probes = 0
            tcb.rtt.relax()
            if tcb.snd_nxt == tcb.snd_una:
                tcb.rto_at = NEVER
        tcb.note(WRITABLE)
    return changed


def _take_text(tcb: ControlBlock, segment: Segment, seq: int) -> None:
    """Seventh: the text. In order it becomes readable, beyond a gap an island, seen before it is acknowledged again."""
    if tcb.state not in MAY_RECEIVE:
        return
    data = segment.payload
    end = min(seq + segment.size, tcb.rcv_adv)  # beyond the window is beyond what we have room for
    if tcb.deaf and end > tcb.rcv_nxt:
        tcb.answer_reset = tcb.snd_nxt  # RFC 2525, 2.17: nobody will ever read this
        tcb.error = errno.ECONNABORTED
        tcb.note(CHANGED)
        return
    if segment.gso_size:
        tcb.rcv_mss = segment.gso_size
    if end <= tcb.rcv_nxt:
        tcb.ack_now = True
        tcb.note(0)
        return
    if seq > tcb.rcv_nxt:
        tcb.recvq.add_island(seq, data[: end - seq])
        tcb.dup_acks_owed += 1  # RFC 5681, 4.2: at once, one for each
        tcb.note(0)
        return
    data = data[tcb.rcv_nxt - seq : end - seq]
    had_islands = tcb.recvq.islands is not None
    accept_text(tcb, data, len(data))
    if had_islands:
        before = tcb.rcv_nxt
        tcb.rcv_nxt = tcb.recvq.join(before)
        tcb.bytes_received += tcb.rcv_nxt - before
        tcb.ack_now = True  # RFC 5681, 4.2: a segment that fills a gap is acknowledged at once
        if tcb.fin_after is not None and tcb.fin_after == tcb.rcv_nxt:
            _take_fin(tcb, tcb.rcv_nxt)


def accept_text(tcb: ControlBlock, data: memoryview, size: int) -> None:
    """`size` bytes at rcv_nxt, within the window: theirs is the queue, ours the acknowledgment."""
    recvq = tcb.recvq
    recvq.views.append(data)
    recvq.held += size
    recvq.borrowed = True
    tcb.rcv_nxt += size
    tcb.ack_owed += size
    tcb.bytes_received += size
    tcb.note(READABLE)


def _take_fin(tcb: ControlBlock, position: int) -> None:
    """Eighth: FIN, at sequence number `position`, once everything before it is here."""
    if tcb.state in (CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT):
        tcb.ack_now = True
        tcb.note(0)
        return
    if position > tcb.rcv_nxt:
        if position <= tcb.rcv_adv:
            tcb.fin_after = position  # comes into force when the gap closes
        return
    if position < tcb.rcv_nxt or tcb.fin_received:
        return
    tcb.rcv_nxt = position + 1
    tcb.rcv_adv = max(tcb.rcv_adv, tcb.rcv_nxt)
    tcb.fin_received = True
    tcb.fin_after = None
    tcb.ack_now = True
    if tcb.state in (ESTABLISHED, FIN_WAIT_1):  # an ACK of our FIN with it has made this FIN-WAIT-2 in `_check_ack`
        tcb.move(Event.FIN)
    elif tcb.state == FIN_WAIT_2:
        tcb.move(Event.FIN)
        tcb.settle()
    tcb.note(READABLE)

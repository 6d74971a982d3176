"""SEGMENT ARRIVES: RFC 9293, 3.10.7.4, for every state that has a block and a peer.

Theory of operation. The steps are the RFC's, in its order, one function each: check the sequence number, RST, SYN, ACK,
URG, text, FIN (`deliver`). A step that ends the processing says so by returning False. Nothing is sent here: what is owed is
noted (`ack_now`, `dup_acks_owed`, the scoreboard's lost records) and leaves in `emit`, once for all segments of a turn.

SYN-SENT is `opening`'s; LISTEN and CLOSED have no block (see the host). The bulk of segments never comes here:
`Connection.receive` predicts them.
"""

from __future__ import annotations

import errno
from typing import Final

from hythe.tcp import ecn
from hythe.tcp.acknowledge import acknowledged, duplicate, repeated, selectively
from hythe.tcp.block import WRITABLE, ControlBlock
from hythe.tcp.deliver import arrived_twice, quicken, take_fin, take_text
from hythe.tcp.opening import arrive_syn_sent, establish, syn_text_answered
from hythe.tcp.patience import heed
from hythe.tcp.states import CLOSED, CLOSING, LAST_ACK, SYN_RECEIVED, SYN_SENT, TIME_WAIT, Event
from hythe.tcp.urgent import take_urgent
from hythe.units import MILLISECOND, NEVER, SECOND
from hythe.wire.options import SIGNATURE, Options, timestamps
from hythe.wire.options import parse as parse_options
from hythe.wire.segment import ACK, FIN, PSH, RST, SYN, URG, Segment

_NO_OPTIONS: Final = Options()
#: RFC 7323, 5.5: a TS.Recent older than 24 days proves nothing.
_TIMESTAMP_LIFE: Final = 24 * 86_400 * SECOND


def arrive(tcb: ControlBlock, segment: Segment, now: int) -> None:
    """One segment of this connection. Raises `ParseError` for malformed options, before anything is changed."""
    options = _read_options(segment.options)
    if options.unknown and any(kind == SIGNATURE for kind, _ in options.unknown):
        return  # it is signed by a key that this connection does not have: not the peer's (RFC 2385, 2.0; Linux)
    if tcb.state == SYN_SENT:
        arrive_syn_sent(tcb, segment, options, now)
    elif tcb.held:
        _held(tcb, segment, options, now)
    elif tcb.state != CLOSED:  # else it ended in this very turn, and the host has not let go of it yet
        _synchronized(tcb, segment, options, now)


def _read_options(raw: bytes | None) -> Options:
    """Nothing or timestamps alone nearly always, which need no parser."""
    if raw is None:
        return _NO_OPTIONS
    stamps = timestamps(raw)
    return parse_options(raw) if stamps is None else Options(ts_val=stamps[0], ts_ecr=stamps[1])


def _held(tcb: ControlBlock, segment: Segment, options: Options, now: int) -> None:
    """The owner has not decided yet whether to answer the SYN. It may come again, or be taken back."""
    seq = tcb.unwrap(segment.seq, tcb.rcv_nxt)
    if segment.flags & RST:
        if seq == tcb.rcv_nxt:
            tcb.fail(errno.ECONNRESET)
    elif segment.flags & SYN and seq == tcb.irs and tcb.ts_on and options.ts_val is not None:
        tcb.ts_recent = options.ts_val  # so that the peer's first sample does not contain the wait
        tcb.ts_recent_at = now


def _synchronized(tcb: ControlBlock, segment: Segment, options: Options, now: int) -> None:
    seq = tcb.unwrap(segment.seq, tcb.rcv_nxt)
    flags = segment.flags
    if flags & (SYN | RST) == SYN and tcb.state == SYN_RECEIVED and seq == tcb.irs:
        if not tcb.passive and flags & ACK:
            arrived_twice(tcb, seq, seq + 1)
            seq += 1  # the other half of a simultaneous open: the SYN is known, its ACK is news (3.5, figure 7)
        else:
            if tcb.ts_on and options.ts_val is not None:
                tcb.ts_recent = options.ts_val  # the answer's echo is of this one, or the peer's first sample is the wait
                tcb.ts_recent_at = now
            tcb.syn_due = True  # our SYN-ACK was lost
            tcb.note(0)
            return
    elif not _check_sequence(tcb, segment, options, seq, now):
        return
    elif flags & RST:
        _reset(tcb, seq, now)
        return
    elif flags & SYN:
        challenge(tcb, now)  # in a synchronized state it proves nothing (RFC 5961, 4.2)
        return
    tcb.heard_at = now
    flight = tcb.snd_nxt - tcb.snd_una
    if not flags & ACK or not _check_ack(tcb, segment, options, seq, now):
        return
    # Only now: a segment whose ACK is impossible must not move the clock on and have the peer's own be taken for old.
    if tcb.ts_on and options.ts_val is not None and seq <= tcb.last_ack_sent:
        tcb.ts_recent = options.ts_val  # RFC 7323, 4.3 (2)
        tcb.ts_recent_at = now
    if tcb.sizing is not None and options.ts_ecr is not None:
        tcb.sizing.echo = options.ts_ecr
    if flags & URG:
        take_urgent(tcb, seq + segment.urgent)
    if options.user_timeout is not None:
        heed(tcb, options.user_timeout)
    if tcb.ecn_on:
        ecn.arrived(tcb, segment, flight, now)
    if segment.size:
        take_text(tcb, segment, seq, now)
    if flags & FIN:
        take_fin(tcb, seq + segment.size)


def _check_sequence(tcb: ControlBlock, segment: Segment, options: Options, seq: int, now: int) -> bool:
    """First: is the segment in the window, and not an old duplicate (PAWS, RFC 7323 5.3)?"""
    flags = segment.flags
    if tcb.ts_on and not flags & RST and options.ts_val is not None:
        age = (options.ts_val - tcb.ts_recent) & 0xFFFFFFFF
        if age > 0x7FFFFFFF and now - tcb.ts_recent_at < _TIMESTAMP_LIFE:
            if not _overtaken(tcb, segment, seq, 0x100000000 - age):
                _unacceptable(tcb, segment, now)
            elif options.sack and tcb.sack_on:
                repeated(tcb, options.sack, tcb.snd_una, now)
                selectively(tcb, options.sack, now, tcb.snd_una + tcb.scoreboard.sacked, -1, advanced=False)
            return False
    nxt, edge = tcb.rcv_nxt, tcb.rcv_adv
    length = segment.length
    if not length:
        # An ACK that fell behind the data it was sent before is as good as ever, so the left edge is what we have
        # acknowledged (Linux's rcv_wup). On the right one from a sender that filled the window is at its very edge.
        inside = tcb.last_ack_sent <= seq <= edge
    elif edge > nxt:
        inside = seq < edge and seq + length > nxt
    else:
        # A closed window takes no text, but what comes with a probe counts (3.10.7.4: "special allowance").
        inside = seq == nxt
    if not inside:
        _unacceptable(tcb, segment, now)
        return False
    return True


def _overtaken(tcb: ControlBlock, segment: Segment, seq: int, late: int) -> bool:
    """A duplicate ACK, `late` ticks older than another that has overtaken it: PAWS need not fear it (Linux).

    It brings no text that could be a duplicate's. Window and timestamp are stale, but what it tells of SACK is as true
    as ever, and often told once: a D-SACK. A tick is taken for a millisecond, as Linux and we have it.
    """
    return (
        segment.flags & ~PSH == ACK
        and not segment.length
        and seq == tcb.rcv_nxt
        and tcb.unwrap(segment.ack, tcb.snd_una) == tcb.snd_una
        and late * MILLISECOND <= tcb.rtt.rto * 6 // 5
    )


def _unacceptable(tcb: ControlBlock, segment: Segment, now: int) -> None:
    """Answer with an ACK, unless it is a RST. One without text is throttled, or two ends could go on for ever."""
    if segment.flags & RST:
        return
    if segment.length and not segment.flags & SYN:
        seq = tcb.unwrap(segment.seq, tcb.rcv_nxt)
        arrived_twice(tcb, seq, min(seq + segment.size, tcb.rcv_nxt))
        quicken(tcb)
        tcb.ack_now = True
        tcb.note(0)
    else:
        challenge(tcb, now)


def challenge(tcb: ControlBlock, now: int) -> None:
    """Owe a challenge ACK, throttled (RFC 5961, 3.2, 4.2, 7)."""
    limit = tcb.around.challenges
    if now - tcb.challenged_at >= tcb.config.challenge_ack_interval and (limit is None or limit.allows(now)):
        tcb.challenged_at = now
        tcb.ack_now = True
        tcb.note(0)


def _reset(tcb: ControlBlock, seq: int, now: int) -> None:
    """Second: RST counts only at exactly rcv_nxt (RFC 5961, 3.2), or behind the last text that was SACKed (Linux)."""
    if seq != tcb.rcv_nxt and not (tcb.sack_on and seq == tcb.recvq.highest):
        challenge(tcb, now)
    elif tcb.state == SYN_RECEIVED and not tcb.passive:
        tcb.fail(errno.ECONNREFUSED)
    elif tcb.state in (CLOSING, LAST_ACK, TIME_WAIT):
        tcb.finish(Event.DELETE)
    else:
        tcb.fail(errno.ECONNRESET)


def _check_ack(tcb: ControlBlock, segment: Segment, options: Options, seq: int, now: int) -> bool:
    """Fifth: the acknowledgment, the window, SACK. False ends the processing."""
    ack = tcb.unwrap(segment.ack, tcb.snd_una)
    opening = tcb.state == SYN_RECEIVED
    if opening:
        if not tcb.snd_una < ack <= tcb.snd_nxt:
            tcb.answer_reset = ack
            tcb.note(0)
            return False
        if not tcb.passive:
            tcb.ack_now = True  # the peer waits for the ACK of its SYN as well
        establish(tcb, Event.ACK_OF_SYN, segment, options, now)
        if not tcb.passive:
            syn_text_answered(tcb, ack)
    una = tcb.snd_una
    if ack > tcb.snd_nxt or ack < max(una - tcb.snd_max_wnd, tcb.iss + 1):
        # Something not sent yet, or so old that it must be a guess (RFC 5961, 5.2).
        challenge(tcb, now)
        return False
    sacks = options.sack if tcb.sack_on else ()
    board = tcb.scoreboard
    troubled = tcb.sack_on and (bool(sacks) or board.recovering or board.sacked > 0)
    before = una + board.sacked
    if sacks:
        repeated(tcb, sacks, ack, now)
    sent_at = -1
    if ack > una:
        sent_at = acknowledged(tcb, ack, now, options.ts_ecr or 0 if tcb.ts_on else 0, blocks=bool(sacks))
    moved = _take_window(tcb, segment, seq, ack)
    if troubled:
        selectively(tcb, sacks, now, before, sent_at if sacks else -1, advanced=ack > una)
    elif ack == una < tcb.snd_nxt and not (tcb.sack_on or segment.length or moved or opening):
        duplicate(tcb, now)
    return True


def _take_window(tcb: ControlBlock, segment: Segment, seq: int, ack: int) -> bool:
    """Update snd_wnd from a segment that is not older than the last that did (SND.WL1, SND.WL2). True if it changed."""
    if not (tcb.snd_wl1 < seq or (tcb.snd_wl1 == seq and tcb.snd_wl2 <= ack)):
        return False
    window = segment.window << (0 if segment.flags & SYN else tcb.snd_scale)
    tcb.snd_wl1 = seq
    tcb.snd_wl2 = ack
    if window == tcb.snd_wnd:
        return False
    tcb.snd_wnd = window
    if window > tcb.snd_max_wnd:
        tcb.snd_max_wnd = window
    if window and tcb.probes:
        tcb.probes = 0
        if tcb.snd_nxt == tcb.snd_una:
            tcb.rto_at = NEVER  # it was the probe's; `emit` decides anew
    tcb.note(WRITABLE)
    return True

"""How a connection opens: the answer to our SYN (RFC 9293, 3.10.7.3), the peer's SYN, and reaching ESTABLISHED.

A SYN brings the peer's first sequence number and what it can do; an option is in force only if both SYNs bear it. Who
opens passively has its SYN read by `synchronize` as well, when the host makes the block (3.10.7.2).
"""

from __future__ import annotations

import errno

from hythe.tcp import ecn
from hythe.tcp.block import WRITABLE, ControlBlock
from hythe.tcp.deliver import accept_text, take_fin, take_text
from hythe.tcp.fastopen import COOKIELESS
from hythe.tcp.patience import heed
from hythe.tcp.sizing import FIRST_LOOK, most
from hythe.tcp.states import SYN_RECEIVED, Event
from hythe.units import MILLISECOND, NEVER
from hythe.wire.options import OPTIONS_MAX, WSCALE_MAX, Options
from hythe.wire.segment import ACK, FIN, RST, SYN, Segment

#: Linux TCP_MSS_DEFAULT: what "a full segment" is until a longer one has come.
_FULL_AT_FIRST = 536


def arrive_syn_sent(tcb: ControlBlock, segment: Segment, options: Options, now: int) -> None:
    """SEGMENT ARRIVES in SYN-SENT (3.10.7.3): the ACK is looked at first, then RST, then SYN."""
    flags = segment.flags
    ack = tcb.unwrap(segment.ack, tcb.snd_una)
    acceptable = bool(flags & ACK) and tcb.snd_una < ack <= tcb.snd_nxt and _echo_possible(tcb, options, now)
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
    tcb.heard_at = now
    synchronize(tcb, segment, options, now)
    if not acceptable:  # simultaneous open (3.5, figure 7)
        tcb.move(Event.SYN)
        tcb.syn_due = True
        tcb.fast_open = None  # our SYN-ACK bears neither cookie nor text; of the SYN's the peer may have taken some
        return
    tcb.ack_now = True
    establish(tcb, Event.SYN_ACK, segment, options, now)
    if tcb.fast_open is not None:
        _fast_open_answered(tcb, ack, options)
    if segment.size:
        take_text(tcb, segment, tcb.irs + 1, now)
    if flags & FIN:
        take_fin(tcb, tcb.irs + 1 + segment.size)


def _echo_possible(tcb: ControlBlock, options: Options, now: int) -> bool:
    """May one of our SYNs have borne what the answer echoes? If not, it answers another connection's (Linux)."""
    if not (options.ts_ecr and tcb.config.timestamps):
        return True
    elapsed = (tcb.timestamp(now) - options.ts_ecr) & 0xFFFFFFFF
    return elapsed * MILLISECOND <= now - tcb.heard_at + MILLISECOND  # nothing was heard: that is when it opened


def synchronize(tcb: ControlBlock, segment: Segment, options: Options, now: int) -> None:
    """The peer's SYN: its sequence number and its options, each in force only if our SYN offered or will offer it."""
    config = tcb.config
    tcb.irs = segment.seq
    tcb.rcv_nxt = tcb.last_ack_sent = segment.seq + 1
    tcb.rcv_adv = tcb.rcv_nxt + min(tcb.rcv_limit, 0xFFFF)  # the window field of a SYN is never scaled
    tcb.sack_on = config.sack and options.sack_permitted
    tcb.ecn_on = ecn.agreed(tcb, segment.flags)
    tcb.rtt.early = tcb.sack_on and config.tail_probes
    if config.timestamps and options.ts_val is not None:
        tcb.ts_on = True
        tcb.ts_recent = options.ts_val
        tcb.ts_recent_at = now
    if config.window_scaling and options.wscale is not None:
        tcb.snd_scale = options.wscale
        tcb.rcv_scale = scale_for(config.window_max)
    else:
        tcb.snd_scale = tcb.rcv_scale = 0
        tcb.rcv_limit = min(tcb.rcv_limit, 0xFFFF)
        tcb.rcv_adv = tcb.rcv_nxt + tcb.rcv_limit
    default = config.mss_default4 if tcb.envelope.version == 4 else config.mss_default6
    tcb.set_mss(options.mss or default)
    if options.user_timeout is not None:
        heed(tcb, options.user_timeout)
    if most(tcb) > tcb.rcv_limit:
        tcb.rcv_mark = FIRST_LOOK
    tcb.rcv_mss = min(tcb.mss_local, _FULL_AT_FIRST)
    tcb.snd_wnd = tcb.snd_max_wnd = segment.window
    tcb.snd_wl1 = segment.seq
    tcb.snd_wl2 = tcb.snd_una


def scale_for(limit: int) -> int:
    """The smallest shift by which the window field can tell of `limit` bytes (RFC 7323, 2.3)."""
    return max(0, min(WSCALE_MAX, (limit - 1).bit_length() - 16))


def establish(tcb: ControlBlock, event: Event, segment: Segment, options: Options, now: int) -> None:
    """To ESTABLISHED, our SYN being acknowledged by `segment`; a close that was asked for meanwhile takes effect."""
    config = tcb.config
    tcb.snd_una = tcb.iss + 1
    tcb.snd_wnd = segment.window << (0 if segment.flags & SYN else tcb.snd_scale)
    tcb.snd_max_wnd = max(tcb.snd_max_wnd, tcb.snd_wnd)
    tcb.snd_wl1 = tcb.unwrap(segment.seq, tcb.rcv_nxt)
    tcb.snd_wl2 = tcb.snd_una
    _first_sample(tcb, options, now)
    # RFC 6928, 2; but a handshake that twice got lost tells of a path that is full (Linux).
    tcb.congestion.begin(tcb.snd_mss, config.initial_window if tcb.tries < 2 else 1)
    tcb.tries = 0
    tcb.rto_at = now + tcb.rtt.rto if tcb.snd_nxt > tcb.snd_una else NEVER
    tcb.sent_at = now
    if config.keepalive:
        tcb.keep_at = now + config.keepalive_idle
    tcb.move(event)
    tcb.note(WRITABLE)
    if tcb.parent is not None:
        tcb.parent.established(tcb)
    if tcb.fin_queued:
        tcb.move(Event.SHUTDOWN)


def _first_sample(tcb: ControlBlock, options: Options, now: int) -> None:
    """The handshake's round trip, unless it cannot be told which of several SYNs was answered (RFC 6298, 3)."""
    if not tcb.tries:
        tcb.rtt.sample(now - tcb.opened_at)
    elif tcb.ts_on and options.ts_ecr:
        tcb.sample_echo(options.ts_ecr, now)
    tcb.rtt.opened()


# --- Fast Open (RFC 7413)


def try_fast_open(tcb: ControlBlock, now: int) -> None:
    """Before an active open: our SYN will bear the cookie we have, and text with it, or ask for one."""
    cookies = tcb.around.fast_open
    known = cookies.known(tcb.key, now) if cookies is not None else None
    if known is None:
        return
    if tcb.config.fast_open_cookies:
        tcb.fast_open = known.cookie
        tcb.experimental = known.experimental or (not known.cookie and known.unanswered == 1)
        if known.mss:
            tcb.set_mss(known.mss)
    else:
        tcb.fast_open = COOKIELESS
        tcb.set_mss(known.mss or tcb.mss_local)


def fast_open_in_syn(tcb: ControlBlock, options: Options, now: int) -> int:
    """Add the option to our SYN or SYN-ACK, and tell how many bytes of text a SYN may carry.

    Only the first SYN: one that is sent again is a plain one, in case the first was swallowed for what it bore (4.2.1).
    """
    if tcb.state == SYN_RECEIVED:
        options.fast_open, options.experimental = tcb.fast_open, tcb.experimental
        return 0
    if tcb.tries:
        if tcb.tries == 1 and tcb.around.fast_open is not None:
            tcb.around.fast_open.swallowed(tcb.key, now)
        return 0
    if tcb.fast_open != COOKIELESS:
        options.fast_open, options.experimental = tcb.fast_open, tcb.experimental
    return max(min(len(tcb.sendq), tcb.snd_mss - OPTIONS_MAX), 0) if tcb.fast_open else 0


def _fast_open_answered(tcb: ControlBlock, ack: int, options: Options) -> None:
    """The SYN-ACK brings a cookie, or confirms ours, or neither; and says how much of our SYN's text was taken."""
    taken = ack - tcb.snd_una
    cookies = tcb.around.fast_open
    cookie = b"" if tcb.fast_open == COOKIELESS else options.fast_open or b""  # not asked for, not kept (Linux)
    if cookies is not None and (cookie or taken):
        form = options.experimental if cookie else tcb.experimental
        cookies.learn(tcb.key, cookie, options.mss or 0, experimental=form)
    elif cookies is not None and not (tcb.fast_open or tcb.retransmits):
        cookies.unheard(tcb.key)
    tcb.fast_open = None
    syn_text_answered(tcb, ack)


def syn_text_answered(tcb: ControlBlock, ack: int) -> None:
    """Our SYN bore text up to snd_nxt: `ack` says how much of it was taken. The rest leaves again (RFC 7413, 4.2.2).

    It is a retransmission, but tells of no congestion: a server may take as little as it likes.
    """
    una, nxt = tcb.iss + 1, tcb.snd_nxt
    tcb.bytes_sent += nxt - una
    tcb.snd_una = tcb.snd_wl2 = ack
    tcb.sendq.release(ack)
    tcb.early = 1 + nxt - una if ack == nxt > una else 0
    tcb.rto_at = NEVER
    if nxt > ack:
        board = tcb.scoreboard
        board.sent(ack, nxt, tcb.opened_at)
        board.declare(board.records[0])
        board.urgent = True
        tcb.busy_since = tcb.opened_at


def welcome(tcb: ControlBlock, segment: Segment, options: Options, now: int, *, accept: bool, trusting: bool) -> None:
    """The peer's SYN bears the Fast Open option: give it a cookie, or if it has that let its text through (4.2.2).

    `trusting`: text is let through without any, where who may send SYNs is known otherwise.
    """
    cookie = options.fast_open
    if tcb.around.fast_open is None or (cookie is None and not (trusting and segment.size)):
        return
    good = tcb.around.fast_open.cookie(tcb.key)
    tcb.experimental = options.experimental
    if cookie != good and not trusting:
        tcb.fast_open = good
    elif accept:
        tcb.early = 1
        tcb.congestion.begin(tcb.snd_mss, tcb.config.initial_window)  # the answer does not wait for the handshake
        tcb.congestion.cwnd += 1  # and our SYN is in flight still,
        tcb.snd_wnd += 1  # which takes no room from the text behind it
        size = min(segment.size, tcb.rcv_adv - tcb.rcv_nxt)
        if size:
            tcb.early += size
            accept_text(tcb, segment.payload[:size], size, now)
            tcb.last_ack_sent = tcb.rcv_nxt  # by the SYN-ACK
            tcb.ack_owed = 0

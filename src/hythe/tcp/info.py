"""What a connection can tell of itself: Linux's ``tcp_info``, for views."""

from __future__ import annotations

from dataclasses import dataclass

from hythe.tcp import chrono, pace
from hythe.tcp.block import ControlBlock
from hythe.tcp.states import CLOSED, State
from hythe.wire.segment import split_key


@dataclass(frozen=True, slots=True)
class Info:
    """A snapshot of a connection. Times nanoseconds, sizes bytes."""

    state: State
    local: tuple[bytes, int]
    remote: tuple[bytes, int]
    cwnd: int
    ssthresh: int
    rtt: int
    rtt_variance: int
    rto: int
    mss: int
    unacknowledged: int
    unsent: int
    unread: int
    send_window: int
    receive_window: int
    bytes_sent: int
    bytes_received: int
    retransmits: int
    timeouts: int
    error: int
    rtt_min: int
    #: Bytes: arrived at the peer; SACKed, lost and resent of those outstanding; the farthest anything was overtaken.
    delivered: int
    sacked: int
    lost: int
    resent: int
    reordering: int
    #: Bytes a second that pacing would allow, or allows.
    pacing_rate: int
    congestion: str
    fast_retransmits: int
    backoff: int
    #: Recoveries that proved needless, and D-SACKs that came.
    undone: int
    dsacks: int
    ecn: bool
    receive_mss: int
    #: Of auto-tuning, as `tcp_info` names them: the round trip as a receiver sees it (0: not measured yet), the most that
    #: was taken in one, and the window that may be offered at present.
    rcv_rtt: int
    rcv_space: int
    rcv_ssthresh: int
    #: How long there was something to send; of that, how long the peer's window held it up, and how long the lack of room to
    #: queue more. `Connection.info` says until when.
    busy_time: int
    rwnd_limited: int
    sndbuf_limited: int


def snapshot(tcb: ControlBlock, now: int | None) -> Info:
    """As `Connection.info`."""
    last = max(tcb.heard_at, tcb.sent_at)
    busy, window, buffer = chrono.times(tcb, last if now is None or tcb.state == CLOSED else now)
    remote, remote_port, local, local_port = split_key(tcb.key)
    return Info(
        state=State(tcb.state),
        local=(local, local_port),
        remote=(remote, remote_port),
        cwnd=tcb.congestion.cwnd,
        ssthresh=tcb.congestion.ssthresh,
        rtt=tcb.rtt.srtt,
        rtt_variance=tcb.rtt.rttvar,
        rto=tcb.rtt.rto,
        mss=tcb.snd_mss,
        unacknowledged=tcb.flight,
        unsent=tcb.sendq.end - tcb.snd_nxt,
        unread=tcb.recvq.held,
        send_window=tcb.snd_wnd,
        receive_window=tcb.rcv_adv - tcb.rcv_nxt,
        bytes_sent=tcb.bytes_sent,
        bytes_received=tcb.bytes_received,
        retransmits=tcb.retransmits,
        timeouts=tcb.timeouts,
        error=tcb.error,
        rtt_min=tcb.rtt.least,
        delivered=max(0, tcb.snd_una - tcb.iss - 1) + tcb.scoreboard.sacked,
        sacked=tcb.scoreboard.sacked,
        lost=tcb.scoreboard.lost,
        resent=tcb.scoreboard.resent,
        reordering=max(tcb.config.dup_threshold * tcb.snd_mss, tcb.scoreboard.reordered),
        pacing_rate=pace.rate(tcb),
        congestion=tcb.congestion.name,
        fast_retransmits=tcb.fast_retransmits,
        backoff=tcb.rtt.backoff,
        undone=tcb.undone,
        dsacks=tcb.dsacks_received,
        ecn=tcb.ecn_on,
        receive_mss=tcb.rcv_mss,
        rcv_rtt=tcb.sizing.rtt if tcb.sizing is not None else 0,
        rcv_space=tcb.sizing.space if tcb.sizing is not None else 0,
        rcv_ssthresh=tcb.rcv_limit,
        busy_time=busy,
        rwnd_limited=window,
        sndbuf_limited=buffer,
    )

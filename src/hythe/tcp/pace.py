"""Pacing: a window leaves over a round trip, not in one burst. For any controller, as in Linux (sk_pacing, tcp_output.c).

The rate is a little above what the window says, twice in slow start, 1.2 times in congestion avoidance (Linux
tcp_pacing_ss_ratio, tcp_pacing_ca_ratio), so that the pace never is what limits. A burst has a millisecond's worth, two
segments at least. What is resent is paced as well, but for the one segment that waits for nothing (fast retransmit).
"""

from __future__ import annotations

from hythe.tcp.block import ControlBlock
from hythe.units import MILLISECOND, SECOND

#: A system that was late may catch up by so much.
_CREDIT = MILLISECOND


def rate(tcb: ControlBlock) -> int:
    """Bytes a second; 0 while no round trip is known."""
    srtt = tcb.rtt.srtt
    if not srtt:
        return 0
    control = tcb.congestion
    percent = 200 if 2 * control.cwnd < control.ssthresh else 120
    window = max(control.cwnd, tcb.flight)  # in recovery cwnd is little more than the pipe (Linux: packets_out)
    return max(window * percent * SECOND // (100 * srtt), 1)


def allowance(tcb: ControlBlock, room: int, now: int) -> int:
    """How much of `room` bytes may leave now. If none of it, the connection will be woken."""
    if room <= 0:
        return room
    if now < tcb.pace_next:
        tcb.wake_at = min(tcb.wake_at, tcb.pace_next)
        return 0
    pace = rate(tcb)
    return min(room, max(2 * tcb.snd_mss, pace * MILLISECOND // SECOND)) if pace else room


def sent(tcb: ControlBlock, size: int, now: int, *, more: bool) -> None:
    """`size` bytes have left; `more`: some wait for their time."""
    pace = rate(tcb)
    if pace:
        tcb.pace_next = max(tcb.pace_next, now - _CREDIT) + size * SECOND // pace
        if more:
            tcb.wake_at = min(tcb.wake_at, max(tcb.pace_next, now))

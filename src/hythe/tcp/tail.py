"""The tail loss probe: RFC 8985, 7.

The last segments of a flight have nothing behind them whose arrival would tell of their loss. So after two round trips of
silence one segment leaves, a new one or the last once more, and its SACK is what RACK needs. Only if that stays without an
answer, too, the retransmission timer does its work.
"""

from __future__ import annotations

from hythe.tcp.block import ControlBlock
from hythe.tcp.trace import RecoveryEntered


def due(tcb: ControlBlock, now: int) -> bool:
    """The timer fired early, for a probe: note that it is to leave. False when it is time for a time-out proper."""
    board = tcb.scoreboard
    if not tcb.rtt.early or board.recovering or board.lost or board.sacked or tcb.tries or not tcb.snd_wnd:
        return False
    if board.probe_end >= 0 or board.probed == tcb.snd_una:
        return False  # one probe is enough (7.2)
    last = board.records[-1]
    if now < last.sent_at + tcb.rtt.pto:  # each sending schedules the probe anew (7.2), but not beyond the time-out
        at = min(last.sent_at + tcb.rtt.pto, board.records[0].sent_at + tcb.rtt.rto)
        if now < at:
            tcb.rto_at = at
            return True
    if last.end - tcb.snd_una <= tcb.snd_mss and now - last.sent_at < tcb.rtt.rto:
        # One segment: its ACK may be a delayed one (7.2, TLP.max_ack_delay).
        tcb.rto_at = last.sent_at + tcb.rtt.rto
    else:
        board.tail_due = True
    return True


def answered(tcb: ControlBlock, ack: int, now: int) -> None:
    """`ack` covers the probe that is out (7.4.2). No D-SACK told of it: if more than it arrived, it repaired a loss."""
    board = tcb.scoreboard
    if not board.probe_resent:
        board.probe_end = -1
    elif ack > board.probe_end:
        board.probe_end = -1
        if not board.recovering:
            tcb.congestion.lost(now, tcb.snd_nxt - tcb.snd_una)
            if tcb.trace is not None:
                tcb.trace(RecoveryEntered(now, "RFC 8985, 7.4.2", "repaired by a probe", ack, tcb.congestion.ssthresh))

"""Decisions of a connection, as typed events: what was sent or changed, why, and by which section of which RFC.

`ControlBlock.trace` is a callable that gets them, None when nobody listens; only the rare paths look at it.
Positions are unwrapped sequence numbers (wire: low 32 bits), times nanoseconds, sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """At `now`, by `section`."""

    now: int
    section: str


@dataclass(frozen=True, slots=True)
class Retransmitted(Decision):
    """`[start, end)` was sent again, because of `reason`."""

    reason: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RecoveryEntered(Decision):
    """A loss was found by `reason`; the window falls to `ssthresh`; recovery lasts until `point` is acknowledged."""

    reason: str
    point: int
    ssthresh: int


@dataclass(frozen=True, slots=True)
class RecoveryEnded(Decision):
    """Everything that was outstanding when it began is acknowledged; the window is `cwnd`."""

    cwnd: int


@dataclass(frozen=True, slots=True)
class TimedOut(Decision):
    """The retransmission timer fired for the `tries`-th time in a row; the next waits `rto`."""

    tries: int
    rto: int


@dataclass(frozen=True, slots=True)
class Probe(Decision):
    """`kind`: "tail", "window" or "keep-alive"."""

    kind: str


@dataclass(frozen=True, slots=True)
class Undone(Decision):
    """A recovery was needless, says `reason`; the window is `cwnd` again."""

    reason: str
    cwnd: int


@dataclass(frozen=True, slots=True)
class CongestionEchoed(Decision):
    """The peer says that a router marked a packet of ours; the window falls to `ssthresh`."""

    ssthresh: int


@dataclass(frozen=True, slots=True)
class BlackHole(Decision):
    """Long segments vanish; from now on they have `mss` bytes."""

    mss: int

"""A faulty wire: delay, rate, loss and the rest between a host and its link, the same for the same seed.

`FaultLink` stacks on any link, `FaultFrameLink` on any frame link; each direction has a `Plan` that may be replaced at any
time.
"""

from __future__ import annotations

from hythe.link.faults.direction import Direction, Tally
from hythe.link.faults.frames import FaultFrameLink
from hythe.link.faults.link import FaultLink
from hythe.link.faults.plan import BurstLoss, NthLoss, Plan, RandomLoss

__all__ = ["BurstLoss", "Direction", "FaultFrameLink", "FaultLink", "NthLoss", "Plan", "RandomLoss", "Tally"]

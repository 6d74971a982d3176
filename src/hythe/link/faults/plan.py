"""What a faulty wire does to the packets of one direction: figures only, with their units.

All faults are independent of each other. Sizes are those of IP packets, since nothing else is on our wires.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Final

from hythe.errors import UsageError
from hythe.link.faults.flows import Flow
from hythe.units import MILLISECOND, SECOND

#: A draw is a number below this: the share p of all draws lies below p * DRAWS.
DRAWS: Final = 1 << 64
#: The queue that nobody described holds what the rate sends in this time, but at least twenty packets of 1500 bytes.
QUEUE_TIME: Final = 100 * MILLISECOND
QUEUE_LEAST: Final = 30_000


@dataclass(frozen=True, slots=True)
class RandomLoss:
    """Each packet is lost with the probability `share` (0 to 1), whatever happened to others."""

    share: float

    def __post_init__(self) -> None:
        _check_share("loss", self.share)

    def loses(self, flow: Flow, turn: int, draw: int) -> bool:
        """Is the packet lost?"""
        return draw < self.share * DRAWS


@dataclass(frozen=True, slots=True)
class BurstLoss:
    """Gilbert-Elliott: a flow is well or unwell; per packet it falls ill with `enter`, recovers with `leave`.

    `unwell` and `well` are the shares that are lost meanwhile. All four are probabilities, 0 to 1.
    """

    enter: float
    leave: float
    unwell: float = 1.0
    well: float = 0.0

    def __post_init__(self) -> None:
        for share in (self.enter, self.leave, self.unwell, self.well):
            _check_share("burst", share)

    @classmethod
    def of(cls, share: float, length: float) -> BurstLoss:
        """Losses of `share` altogether, in bursts of `length` packets on average. Raises `UsageError`."""
        _check_share("loss", share)
        enter = share / (1 - share) / length if share < 1 and length >= 1 else 2.0
        if enter > 1:
            raise UsageError(
                f"no bursts of {length:g} packets make a loss of {100 * share:.4g}%: lose less, or in longer bursts"
            )
        return cls(enter, 1 / length)

    def loses(self, flow: Flow, turn: int, draw: int) -> bool:
        """Is the packet lost? Moves the flow's state along."""
        flow.unwell = turn >= self.leave * DRAWS if flow.unwell else turn < self.enter * DRAWS
        return draw < (self.unwell if flow.unwell else self.well) * DRAWS


@dataclass(frozen=True, slots=True)
class NthLoss:
    """Of each flow that matches, the packets with these `ordinals`, counted from 1.

    `protocol` (IP protocol number) and `port` (the far one) say which flows match; None is any.
    """

    ordinals: frozenset[int]
    protocol: int | None = None
    port: int | None = None

    def loses(self, flow: Flow, turn: int, draw: int) -> bool:
        """Is the packet lost?"""
        return (
            flow.ordinal in self.ordinals
            and self.protocol in (None, flow.protocol)
            and self.port in (None, flow.port)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """One direction. The default does nothing.

    delay, jitter   ns: a packet takes `delay` and up to `jitter` more (uniform), and overtakes nobody by that
    rate            bits a second that leave the queue; 0 is without limit
    queue_bytes, queue_packets   what waits for the rate at most; a packet that finds no room is dropped (tail drop).
                    None is no such limit; without either, what the rate sends in 100 ms
    loss            what is lost behind the queue
    reorder         share of packets that come `reorder_by` (ns) late, so that others overtake them
    duplicate       share that arrives twice
    corrupt         share in which one bit is flipped, anywhere in the packet
    mark            share of the ECN-capable packets that arrive with Congestion Experienced (RFC 3168, 5)
    mtu             bytes: longer packets vanish without a word (RFC 2923, 2.1: a black hole); 0 is without limit

    Raises `UsageError`.
    """

    delay: int = 0
    jitter: int = 0
    rate: int = 0
    queue_bytes: int | None = None
    queue_packets: int | None = None
    loss: RandomLoss | BurstLoss | NthLoss | None = None
    reorder: float = 0.0
    reorder_by: int = MILLISECOND
    duplicate: float = 0.0
    corrupt: float = 0.0
    mark: float = 0.0
    mtu: int = 0
    #: Does anything here depend on the seed?
    dices: bool = field(init=False, repr=False, compare=False)
    #: Do all packets fare alike? Those too long for the MTU do not.
    steady: bool = field(init=False, repr=False, compare=False)
    #: What the queue holds at most: (bytes, packets).
    room: tuple[float, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("reorder", "duplicate", "corrupt", "mark"):
            _check_share(name, getattr(self, name))
        for name in ("delay", "jitter", "rate", "reorder_by", "mtu", "queue_bytes", "queue_packets"):
            if (getattr(self, name) or 0) < 0:
                raise UsageError(f"{name} cannot be negative, as {getattr(self, name)} is")
        chancy = self.loss is not None and not isinstance(self.loss, NthLoss)
        dices = chancy or any((self.jitter, self.reorder, self.duplicate, self.corrupt, self.mark))
        object.__setattr__(self, "dices", dices)
        object.__setattr__(self, "steady", not dices and self.loss is None and not self.rate)
        object.__setattr__(self, "room", self._room())

    def _room(self) -> tuple[float, float]:
        if self.queue_bytes is None and self.queue_packets is None:
            return max(QUEUE_LEAST, self.rate * QUEUE_TIME // (8 * SECOND)), inf
        return (
            inf if self.queue_bytes is None else self.queue_bytes,
            inf if self.queue_packets is None else self.queue_packets,
        )


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise UsageError(f"{name} is a share from 0 to 1, which {share} is not")

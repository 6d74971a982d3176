"""The situations that `hythe why` has to name, each with what causes it, and without.

A table: its name is the cause; `plays` has the situation at full length, and `calm` the same without the fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hythe.config import TcpConfig
from hythe.link.faults import NthLoss, Plan, RandomLoss
from hythe.units import KIB, MILLISECOND, SECOND
from hythe.view.analysis.findings import Cause
from tests.view.analysis.stage import Play, Program

#: Ten milliseconds each way: so far that what is waited for shows.
LINK = Plan(delay=10 * MILLISECOND)
BULK = 400 * KIB
#: Few enough that the path's own rate is not the matter.
LITTLE = 40 * KIB


def sends(size: int) -> Callable[[], Program]:
    return lambda: Program([(0, size)])


def reads() -> Program:
    return Program(ends=False)


def rows(count: int, pause: int, *sizes: int) -> Callable[[], Program]:
    """Writes these sizes one behind the other, `count` times, each `pause` after the last."""
    return lambda: Program([(turn * pause, size) for turn in range(count) for size in sizes])


@dataclass(frozen=True)
class Situation:
    """`way` is the one whose data suffer, 0 is up. `seen`: which captures show the cause (0 at the client, 1 the server)."""

    cause: Cause
    play: Play
    calm: Play
    way: int = 0
    seen: tuple[int, ...] = (0, 1)


UP = Play(sends(BULK), reads, LINK, LINK)
#: Room for all that the sender may have in flight: a queue that never overflows.
DEEP = replace(LINK, rate=8_000_000, queue_bytes=4_000_000)
#: A question in two writes, its answer, and the next: six times. The answerer acknowledges when its timer says so.
ASKED = (0, 100), (MILLISECOND, 100)
NAGLED = Play(
    lambda: Program(list(ASKED), ends=False, answer=lambda taken: list(ASKED), enough=300),
    lambda: Program(ends=False, answer=lambda taken: [(0, 50)] if taken % 200 == 0 else []),
    LINK,
    LINK,
    server_config=TcpConfig(quick_acks=0),
)

SITUATIONS = (
    Situation(
        Cause.SMALL_WINDOW,
        replace(UP, server_config=TcpConfig(receive_buffer=8 * KIB, receive_buffer_max=8 * KIB)),
        UP,
    ),
    Situation(
        Cause.SLOW_READER,
        replace(
            UP,
            server=lambda: Program(ends=False, greed=16 * KIB, pause=100 * MILLISECOND),
            server_config=TcpConfig(receive_buffer=64 * KIB, receive_buffer_max=64 * KIB),
        ),
        UP,
    ),
    Situation(Cause.SLOW_SENDER, replace(UP, client=rows(20, 150 * MILLISECOND, 5_000)), UP),
    Situation(Cause.LOSS, replace(UP, client=sends(2 * BULK), up=replace(LINK, loss=RandomLoss(0.01))), UP),
    Situation(
        Cause.TAIL_LOSS,
        Play(sends(12_000), reads, replace(LINK, loss=NthLoss(frozenset({10, 11}))), LINK),
        Play(sends(12_000), reads, LINK, LINK),
        seen=(0,),
    ),
    Situation(
        Cause.REORDERING, replace(UP, client=sends(4 * BULK), up=replace(LINK, reorder=0.01, reorder_by=3 * MILLISECOND)), UP
    ),
    Situation(
        Cause.BUFFERBLOAT,
        replace(UP, client=sends(4 * BULK), up=DEEP),
        replace(UP, client=sends(BULK), up=replace(LINK, rate=80_000_000, queue_bytes=400_000)),
    ),
    Situation(Cause.NAGLE, NAGLED, replace(NAGLED, client_config=TcpConfig(nagle=False))),
    Situation(
        Cause.BLACK_HOLE,
        replace(
            UP,
            up=replace(LINK, mtu=1_400),
            client=lambda: Program([(0, 300), (50 * MILLISECOND, 10_000)]),
            length=20 * SECOND,
        ),
        UP,
        seen=(0,),
    ),
    Situation(
        Cause.SYN_LOSS,
        Play(sends(LITTLE), reads, replace(LINK, loss=NthLoss(frozenset({1, 2}))), LINK),
        Play(sends(LITTLE), reads, LINK, LINK),
        seen=(0,),
    ),
    Situation(Cause.REFUSED, Play(sends(LITTLE), reads, LINK, LINK, listens=False), Play(sends(LITTLE), reads, LINK, LINK)),
    Situation(Cause.RESET, replace(UP, server=lambda: Program(ends=False, reset_at=200_000)), UP, way=1),
)

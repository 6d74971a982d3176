"""What is wrong with a conversation: the causes that a capture shows, with the packets that prove each.

Every rule asks for evidence that the others do not produce, and for more of it than chance does. What a capture cannot show
is not told: windows without the handshake that scales them, losses that nobody reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hythe.units import MILLISECOND, SECOND
from hythe.view.analysis.conversation import Conversation, address_text
from hythe.view.analysis.resent import Kind, Resent
from hythe.view.analysis.waits import Reason
from hythe.view.analysis.way import Way

#: Packets that are named as proof.
PROOF: Final = 12
#: What a wait must sum up to before it is worth a word.
_WORTH: Final = 100 * MILLISECOND
#: Extra delay of a full queue that people notice: voice and games suffer from there on (ITU-T G.114 asks for 150 ms).
_BLOATED: Final = 150 * MILLISECOND
#: Samples that a judgment of delay needs.
_SAMPLES: Final = 8
#: A round trip below this makes no window small.
_FAR: Final = 2 * MILLISECOND
#: SYNs that are closer to each other came twice from the network (RFC 6298, 2.1: a second; others wait less).
_SYN_LEAST: Final = 200 * MILLISECOND
#: Segments above this may be what a path does not carry (IPv4's 576 less headers).
_LONG: Final = 536


class Cause(Enum):
    """What limited a connection, or ended it. The value is its name in JSON and in the tests."""

    SMALL_WINDOW = "small receive window"
    SLOW_READER = "slow reader"
    SLOW_SENDER = "slow sender"
    LOSS = "loss"
    CONGESTION = "full queue"
    TAIL_LOSS = "tail loss"
    REORDERING = "reordering"
    BUFFERBLOAT = "bufferbloat"
    NAGLE = "Nagle with delayed ACK"
    BLACK_HOLE = "MTU black hole"
    SYN_LOSS = "SYN loss"
    NO_ANSWER = "no answer"
    REFUSED = "refused"
    RESET = "reset"
    SILENCE = "silence"
    UNREACHABLE = "unreachable"
    PATH_MTU = "path MTU"


@dataclass(frozen=True, slots=True)
class Finding:
    """`cause` in way `way` (0 is from who opened it); it cost `cost` ns. `figures` are what a sentence of it tells.

    `problem`: worth an alarm; else it is how TCP lives with its path. `packets`: the proof. `told`: who said what of it.
    """

    cause: Cause
    way: int
    cost: int
    packets: Sequence[int]
    problem: bool = True
    figures: tuple[int, ...] = ()
    told: tuple[str, ...] = ()


def findings(conversation: Conversation) -> list[Finding]:
    """All of a conversation, the costliest first."""
    found = list(_opening(conversation))
    refused = any(each.cause is Cause.REFUSED for each in found)
    for index, way in enumerate(conversation.ways):
        for rule in _RULES:
            one = rule(way, index)
            if one is not None and not (one.cause is Cause.RESET and refused):
                found.append(one)
    if any(each.cause is Cause.BLACK_HOLE for each in found):
        # What vanishes may be the handshake's last packet, if text is in it; and then there is nothing to answer.
        found = [each for each in found if each.cause not in (Cause.SILENCE, Cause.SYN_LOSS)]
    silent = any(each.cause is Cause.SILENCE for each in found)
    if silent:
        found = [each for each in found if each.cause is not Cause.LOSS]
    said = list(_complaints(conversation, silent))
    if any(each.cause is Cause.UNREACHABLE and each.problem for each in said):
        # Why nobody answered is known.
        found = [each for each in found if each.cause not in (Cause.NO_ANSWER, Cause.SYN_LOSS, Cause.SILENCE, Cause.REFUSED)]
    found += said
    return sorted(found, key=lambda each: (not each.problem, -each.cost))


def _opening(conversation: Conversation) -> Iterator[Finding]:
    opening, (near, far) = conversation.opening, conversation.ways
    syns, answers = opening.syns, opening.answers
    trip = max(way.round_trip for way in conversation.ways)
    if far.reset and syns and not answers:
        yield Finding(Cause.REFUSED, 0, 0, (syns[-1][0], far.reset))
        if len(syns) < 2 or syns[1][0] > far.reset:
            return  # who asks again after a refusal has lost nothing
        answers = [(far.reset, syns[-1][1])]
    for each in (syns, answers):
        if len(each) < 2 or each[-1][1] - each[0][1] < _SYN_LEAST or (each is answers and len(syns) > 1):
            continue
        numbers = [number for number, _ in each]
        if each is syns and not answers:
            if not near.reset:
                yield Finding(Cause.NO_ANSWER, 0, conversation.stop - each[0][1], numbers[:PROOF], True, (len(each),))
        else:
            end = answers[0] if each is syns else (opening.complete, opening.complete_time or each[-1][1])
            # Were answers lost, or what they answered? An answer before the second SYN tells.
            lost = 1 if each is answers or end[1] < each[1][1] else 0
            if opening.complete and _in_time(*((answers, opening.complete_time) if lost else (syns, end[1])), trip):
                continue
            cost = max(each[-1][1], end[1]) - each[0][1]
            proof = [*numbers[:PROOF], *([end[0]] if end[0] else [])]
            yield Finding(Cause.SYN_LOSS, lost, cost, proof, True, (len(each), lost))


def _in_time(tries: Sequence[tuple[int, int]], end: int, trip: int) -> bool:
    """Was it the first try that was answered at `end`? The others came too early then: the path is longer than a timer."""
    soon = trip * 3 // 4
    return 0 < soon <= end - tries[0][1] and all(end - time < soon for _, time in tries[1:])


def _complaints(conversation: Conversation, silent: bool) -> Iterator[Finding]:
    """What was said by ICMP, the last word of each kind and way. `silent`: the other end is not heard any more."""
    last = {(each.too_long, each.way): each for each in conversation.complaints if each.believed}
    for each in last.values():
        way = conversation.ways[each.way]
        proof = tuple(number for number in (each.about, each.number) if number)
        if each.too_long:
            again = [resent for resent in way.resent if resent.kind is Kind.PATH_MTU]
            proof += tuple(resent.number for resent in again[: PROOF // 2])
            yield Finding(Cause.PATH_MTU, each.way, 0, proof, False, (each.mtu, len(again)), (address_text(each.teller),))
            continue
        opening = not conversation.opening.answers
        gone_on = way.heard_time > each.time
        problem = (opening or silent) and not gone_on
        effect = "the attempt to connect came to nothing" if opening else "nothing was heard any more"
        if not problem:
            effect = "TCP takes that as a hint only, and the connection went on (RFC 1122, 4.2.3.9)"
        told = (address_text(each.teller), each.said, each.code, effect)
        start = conversation.start if opening else way.heard_time
        yield Finding(Cause.UNREACHABLE, each.way, max(0, conversation.stop - start), proof, problem, (), told)


# --- Waits


def _active(way: Way) -> int:
    return max(1, way.last_time - way.first_time)


def _waits(way: Way, reason: Reason) -> list[int]:
    """The packets of its longest waits."""
    found: dict[int, None] = {}
    for span in way.waits.longest[reason][: PROOF // 3]:
        found |= dict.fromkeys(number for number in (span.first, span.by, span.last) if number)
    return sorted(found)


def _window(way: Way, index: int) -> Finding | None:
    spent = way.waits.spent
    small, shrunk = spent[Reason.WINDOW], spent[Reason.READER]
    total = small + shrunk
    if way.other.scale is None or total < _WORTH or total * 5 < _active(way) * 2:
        return None
    if shrunk >= small:
        packets = sorted({*_waits(way, Reason.READER), *way.closings[:4]})
        return Finding(Cause.SLOW_READER, index, total, packets, True, (len(way.closings),))
    if way.waits.counts[Reason.WINDOW] < 3 or way.round_trip < _FAR:
        return None
    figures = (way.window_most, way.round_trip, way.window_most * SECOND // way.round_trip)
    return Finding(Cause.SMALL_WINDOW, index, total, _waits(way, Reason.WINDOW), True, figures)


def _sender(way: Way, index: int) -> Finding | None:
    spent, count = way.waits.spent[Reason.APPLICATION], way.waits.counts[Reason.APPLICATION]
    if spent < 2 * _WORTH or spent * 2 < _active(way) or count < 2:
        return None
    return Finding(Cause.SLOW_SENDER, index, spent, _waits(way, Reason.APPLICATION), True, (count,))


def _nagle(way: Way, index: int) -> Finding | None:
    cost = sum(each.end - each.start for each in way.nagled)
    if len(way.nagled) < 2 or cost < _WORTH:
        return None
    packets = [number for each in way.nagled[:4] for number in (each.first, each.by, each.last)]
    return Finding(Cause.NAGLE, index, cost, packets, True, (len(way.nagled), cost // len(way.nagled)))


def _bufferbloat(way: Way, index: int) -> Finding | None:
    for trips in (way.trips, way.other.echoed):
        high, low = trips.exceeded_by(0.25), trips.known
        if trips.prompt >= _SAMPLES and high - low >= _BLOATED and high >= 4 * low:
            return Finding(Cause.BUFFERBLOAT, index, high - low, (trips.lowest_at, trips.highest_at), True, (low, high))
    return None


# --- What was lost, or seemed so


def lost(way: Way) -> list[Resent]:
    """Retransmissions of text that were needed, as far as the capture shows."""
    return [
        each
        for each in way.resent
        if each.kind.repairs and each.kind is not Kind.SYN and not each.spurious and each.kind is not Kind.FIN
    ]


def _black(way: Way) -> list[Resent]:
    """Retransmissions of segments longer than any that arrived, while shorter ones do."""
    long = [each for each in lost(way) if each.end - each.start > max(way.acked_largest, _LONG)]
    again = {each.start for each in long if each.tries > 1}
    found = [each for each in long if each.start in again]
    alive = bool(way.sacked) or (bool(found) and way.heard_time > found[0].time)
    return long if found and alive else []


def _black_hole(way: Way, index: int) -> Finding | None:
    long = _black(way)
    if not long or way.other.scale is None:
        return None
    cost = way.last_time - long[0].time + long[0].waited
    packets = sorted({number for each in long[:PROOF] for number in (each.original, each.number) if number})
    smallest = min(each.end - each.start for each in long)
    return Finding(Cause.BLACK_HOLE, index, cost, packets[:PROOF], True, (smallest, way.acked_largest))


def _cost(found: list[Resent]) -> int:
    return sum(each.waited for each in found)


def _proof(found: list[Resent]) -> list[int]:
    named = ((each.original, each.evidence, each.number) for each in found[: PROOF // 3])
    return sorted({number for one in named for number in one if number})


def _losses(way: Way, index: int) -> Finding | None:
    if _black(way):
        return None
    tails = _tails(way)
    found = [each for each in lost(way) if not each.tail and not any(_follows(each, tail) for tail in tails)]
    if not found:
        return None
    full = 2 * sum(each.congested for each in found) > len(found)
    problem = len(found) * (100 if full else 2_000) >= way.segments
    cause = Cause.CONGESTION if full else Cause.LOSS
    cost = max(_cost(found), way.waits.spent[Reason.RECOVERY])
    return Finding(cause, index, cost, _proof(found), problem, (len(found), way.segments))


def _follows(each: Resent, tail: Resent) -> bool:
    """Was it outstanding when the tail's probe, or time-out, brought its loss to light?"""
    return each.time >= tail.time and each.start < tail.end


def _tails(way: Way) -> list[Resent]:
    return [each for each in lost(way) if each.tail and way.una >= each.end]


def _tail_loss(way: Way, index: int) -> Finding | None:
    found = [] if _black(way) else _tails(way)
    return Finding(Cause.TAIL_LOSS, index, _cost(found), _proof(found), True, (len(found),)) if found else None


def _reordering(way: Way, index: int) -> Finding | None:
    mistaken = [each for each in way.resent if each.reordered]
    weight = way.late_count + 2 * len(mistaken)  # of these both ends are sure
    if weight < 3 or weight * 500 < way.segments:
        return None
    numbers = {number for each in way.late[: PROOF // 2] for number in (each.overtaker, each.number)}
    numbers |= {
        number for each in mistaken[: PROOF // 4] for number in (each.original, each.number, each.spurious) if number
    }
    return Finding(Cause.REORDERING, index, _cost(mistaken), sorted(numbers)[:PROOF], True, (way.late_count, len(mistaken)))


# --- The end


def _reset(way: Way, index: int) -> Finding | None:
    if not way.reset:
        return None
    if way.fin and way.other.fin:
        return None  # it was over
    # Who resets after the other has ended, having all, throws nothing away.
    harmless = bool(way.other.fin) and way.other.una >= way.other.top and way.una >= way.top
    proof = tuple(filter(None, (way.other.last_number, way.reset)))
    return Finding(Cause.RESET, index, 0, proof, not harmless, (not harmless,))


def _silence(way: Way, index: int) -> Finding | None:
    """The other end says nothing any more, however often it is asked."""
    last = [each for each in way.resent if each.kind is Kind.TIMEOUT and each.end > way.una and each.time > way.heard_time]
    if len(last) < 3 or way.other.reset:
        return None
    cost = way.last_time - way.heard_time
    return Finding(Cause.SILENCE, index, cost, [each.number for each in last[:PROOF]], True, (len(last),))


_RULES: Final[Sequence[Callable[[Way, int], Finding | None]]] = (
    _window,
    _sender,
    _nagle,
    _bufferbloat,
    _black_hole,
    _losses,
    _tail_loss,
    _reordering,
    _reset,
    _silence,
)

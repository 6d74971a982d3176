"""What was found, as `hythe why` prints it: what happened, what it cost, what can be done, and which packets show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hythe.units import MILLISECOND, format_bytes
from hythe.view.analysis.causes import duration, plural, sentences
from hythe.view.analysis.complaints import Complaint
from hythe.view.analysis.conversation import Conversation, address_text, end_text
from hythe.view.analysis.findings import findings, lost
from hythe.view.analysis.resent import Kind, Resent
from hythe.view.analysis.waits import Reason, Span
from hythe.view.analysis.way import Way

#: A wait of this length is a stall, if it is as long as several round trips as well; and so many are told of each way.
_STALL: Final = 200 * MILLISECOND
_STALLS: Final = 5
#: ICMP errors told one by one.
_COMPLAINTS: Final = 5
#: Retransmissions told one by one.
_RESENT: Final = 8
#: A reason with less of the time than this is not worth a word.
_SHARE: Final = 0.05

_REASONS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.APPLICATION: "the program at {sender} had nothing to send",
        Reason.PEER: "{sender} waited for what {receiver} had to say",
        Reason.WINDOW: "{sender} had filled the receive window of {receiver}",
        Reason.READER: "the program at {receiver} had not read, its buffer was full",
        Reason.PATH: "the path: acknowledgments were on their way",
        Reason.NAGLE: "a small piece was kept back until the one before was acknowledged (Nagle)",
        Reason.RECOVERY: "lost packets had to be sent again",
    }
)
#: Of recovery in a way that has lost nothing.
_MISTAKEN: Final = "packets that had seemed lost were sent again"


def numbers(packets: Sequence[int]) -> str:
    """``packet 3``, ``packets 3, 7, 9``."""
    return f"packet{'s' * (len(packets) != 1)} {', '.join(map(str, packets))}"


def report(conversation: Conversation) -> Iterator[str]:
    """Lines about one."""
    yield _heading(conversation)
    found = findings(conversation)
    for each in found:
        what, remedy = sentences(each, *names(conversation, each.way))
        yield f"  {'!' if each.problem else '-'} {each.cause.value}: {what}"
        if each.problem:
            yield f"    {remedy}"
        if each.packets:
            yield f"    shown by {numbers(each.packets)}"
    if not any(each.problem for each in found):
        yield "  nothing is wrong with it, as far as the capture shows"
    for index, way in enumerate(conversation.ways):
        yield from _way(conversation, way, index)
    for complaint in conversation.complaints[:_COMPLAINTS]:
        yield f"  {complaint_text(complaint)}"
    if len(conversation.complaints) > _COMPLAINTS:
        yield f"  and {len(conversation.complaints) - _COMPLAINTS} more by ICMP: --json has them"


def complaint_text(complaint: Complaint) -> str:
    """One ICMP error: who said what of which packet."""
    about = f"packet {complaint.about}" if complaint.about else "a packet"
    text = f"packet {complaint.number}: {address_text(complaint.teller)} says of {about} that {complaint.said}"
    if complaint.mtu:
        text += f", which takes {complaint.mtu} bytes"
    text += f" (ICMP {complaint.code})"
    return (
        text if complaint.believed else f"{text}; nothing of that was on its way, so TCP leaves it unheard (RFC 5927, 4.1)"
    )


def names(conversation: Conversation, index: int) -> tuple[str, str]:
    """Of the sender and the receiver of a way."""
    return end_text(conversation.ends[index]), end_text(conversation.ends[1 - index])


def _heading(conversation: Conversation) -> str:
    there, back = (way.octets for way in conversation.ways)
    length = duration(conversation.stop - conversation.start)
    begun = "" if conversation.opening.syns or conversation.opening.answers else ", its beginning is not in the capture"
    trip = max(way.round_trip for way in conversation.ways)
    return (
        f"{conversation.number}  {conversation}  {length}, {format_bytes(there)} there, {format_bytes(back)} back, "
        f"{plural(conversation.packets, 'packet')}" + (f", round trip {duration(trip)}" if trip else "") + begun
    )


def _way(conversation: Conversation, way: Way, index: int) -> Iterator[str]:
    sender, receiver = names(conversation, index)
    shown = list(shares(way))
    if shown:
        yield f"  where the time of {sender} went, from its first data to its last:"
        for reason, spent, share in shown:
            yield f"    {share:4.0%}  {duration(spent):>8}  {reason_text(way, reason, sender, receiver)}"
    for span in stalls(way):
        why = reason_text(way, span.reason, sender, receiver)
        proof = sorted({number for number in (span.first, span.by, span.last) if number})
        yield f"  stall of {duration(span.end - span.start)}: {why} ({numbers(proof)})"
    if way.resent:
        yield f"  sent again by {sender}: {plural(way.resent_count, 'time')}"
        for each in way.resent[:_RESENT]:
            yield f"    {resent_text(each)}"
        if way.resent_count > _RESENT:
            yield f"    and {way.resent_count - _RESENT} more: --json has them"
    if way.uncaptured:
        yield f"  the capture lacks {format_bytes(way.uncaptured)} that {receiver} acknowledged"


def reason_text(way: Way, reason: Reason, sender: str, receiver: str) -> str:
    """What a wait was for."""
    if reason is Reason.RECOVERY and not lost(way):
        return _MISTAKEN
    return _REASONS[reason].format(sender=sender, receiver=receiver)


def shares(way: Way) -> Iterator[tuple[Reason, int, float]]:
    """The reasons that took a part of the time worth a word, the largest first: ns, share."""
    total = sum(way.waits.spent.values())
    for reason, spent in sorted(way.waits.spent.items(), key=lambda each: -each[1]):
        if spent and spent >= total * _SHARE:
            yield reason, spent, spent / total


def stalls(way: Way) -> list[Span]:
    """The longest waits that were stalls, in the order they came."""
    least = max(_STALL, 4 * way.round_trip)
    found = [each for spans in way.waits.longest.values() for each in spans if each.end - each.start >= least]
    found = sorted(found, key=lambda each: each.start - each.end)[:_STALLS]
    return sorted(found, key=lambda each: each.start)


def resent_text(each: Resent) -> str:
    """One retransmission: which, why, by which rule, and what became of it."""
    why = f"{each.told}, says its sender" if each.told else f"{each.kind.label}, {each.kind.words} ({each.kind.section})"
    text = f"packet {each.number}: {why}"
    if each.kind in (Kind.KEEP_ALIVE, Kind.WINDOW_PROBE):
        return text
    if each.kind not in (Kind.SYN, Kind.FIN):
        text += f"; {plural(each.end - each.start, 'byte')}"
    if each.original or each.proof is None:
        text += f", as packet {each.original}" if each.original else ", first sent unseen"
    if each.waited >= MILLISECOND:
        text += f", after {duration(each.waited)}"
    if each.proof is not None:
        text += f"; needless, as packet {each.spurious} shows: {each.proof.words} ({each.proof.section})"
    return text

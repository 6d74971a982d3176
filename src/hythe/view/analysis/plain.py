"""What was found as plain values, for JSON: times in seconds since the conversation began, sizes in bytes."""

from __future__ import annotations

from typing import Any

from hythe.units import SECOND
from hythe.view.analysis.causes import sentences
from hythe.view.analysis.complaints import Complaint
from hythe.view.analysis.conversation import Conversation, address_text, end_text
from hythe.view.analysis.findings import findings
from hythe.view.analysis.resent import Resent
from hythe.view.analysis.way import Way
from hythe.view.analysis.words import names, stalls


def plain(conversation: Conversation) -> dict[str, Any]:
    """One."""
    opening = conversation.opening
    return {
        "stream": conversation.number,
        "from": end_text(conversation.ends[0]),
        "to": end_text(conversation.ends[1]),
        "began": conversation.start / SECOND,
        "seconds": (conversation.stop - conversation.start) / SECOND,
        "packets": conversation.packets,
        "handshake": {
            "syn": [number for number, _ in opening.syns],
            "syn_ack": [number for number, _ in opening.answers],
            "ack": opening.complete or None,
        },
        "findings": [
            {
                "cause": each.cause.value,
                "problem": each.problem,
                "way": each.way,
                "cost": each.cost / SECOND,
                "packets": list(each.packets),
                "text": sentences(each, *names(conversation, each.way))[0],
                "remedy": sentences(each, *names(conversation, each.way))[1],
            }
            for each in findings(conversation)
        ],
        "icmp": [_complaint(each, conversation.start) for each in conversation.complaints],
        "ways": [_way(way, conversation.start) for way in conversation.ways],
    }


def _way(way: Way, start: int) -> dict[str, Any]:
    return {
        "octets": way.octets,
        "segments": way.segments,
        "round_trip": way.round_trip / SECOND or None,
        "window_most": way.window_most if way.other.scale is not None else None,
        "waits": {reason.value: spent / SECOND for reason, spent in way.waits.spent.items() if spent},
        "limited": [
            {
                "reason": span.reason.value,
                "from": (span.start - start) / SECOND,
                "to": (span.end - start) / SECOND,
                "packets": [span.first, span.last],
            }
            for span in way.waits.spans
        ],
        "stalls": [
            {
                "reason": span.reason.value,
                "from": (span.start - start) / SECOND,
                "seconds": (span.end - span.start) / SECOND,
                "packets": [number for number in (span.first, span.by, span.last) if number],
            }
            for span in stalls(way)
        ],
        "resent": [_resent(each, start) for each in way.resent],
        "resent_count": way.resent_count,
        "out_of_order": way.late_count,
        "not_captured": way.uncaptured,
    }


def _complaint(each: Complaint, start: int) -> dict[str, Any]:
    return {
        "packet": each.number,
        "at": (each.time - start) / SECOND,
        "from": address_text(each.teller),
        "code": each.code,
        "text": each.said,
        "mtu": each.mtu or None,
        "about": each.about or None,
        "way": each.way,
        "believed": each.believed,
    }


def _resent(each: Resent, start: int) -> dict[str, Any]:
    return {
        "packet": each.number,
        "at": (each.time - start) / SECOND,
        "kind": each.kind.label,
        "section": each.kind.section,
        "told": each.told or None,
        "bytes": each.end - each.start,
        "original": each.original or None,
        "waited": each.waited / SECOND,
        "needless": each.spurious or None,
        "needless_as": each.proof.words if each.proof is not None else None,
    }

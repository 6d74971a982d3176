"""Fewer lines where there are many: alike connections become one, and what then is too much is counted."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from hythe.view.waterfall.axis import spell
from hythe.view.waterfall.model import TRANSFER, Line, Span, Waterfall


def grouped(found: Waterfall, most: int) -> Waterfall:
    """As it is, if it has no more than `most` lines; else connections of one process to one place that came to the same."""
    if len(found.lines) <= most:
        return found
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in found.lines:
        key = (line.protocol, line.inbound, line.name, line.port if not line.inbound else 0, line.process, line.outcome)
        groups.setdefault(key, []).append(line)
    lines = [_joined(group) for group in groups.values()]
    notes = [*found.notes, f"{len(found.lines)} lines are too many to show: alike connections are one line"]
    if len(lines) > most:
        notes.append(f"{len(lines) - most} of {len(lines)} such lines are left out; --summary=waterfall-json has all")
    return replace(found, lines=lines[:most], notes=notes)


def _joined(group: list[Line]) -> Line:
    if len(group) == 1:
        return group[0]
    start, end = min(line.start for line in group), max(line.end for line in group)
    lengths = [line.end - line.start for line in group]
    limits: dict[str, float] = {}
    for line in group:
        for reason, spent in line.limits.items():
            limits[reason] = limits.get(reason, 0.0) + spent
    text = f"{len(group)} connections, {spell(median(lengths))} each (median), {spell(max(lengths))} at most"
    return replace(
        group[0],
        id=0,
        start=start,
        end=end,
        open=any(line.open for line in group),
        bytes_up=sum(line.bytes_up for line in group),
        bytes_down=sum(line.bytes_down for line in group),
        retransmits=sum(line.retransmits for line in group),
        spans=[Span(TRANSFER, start, end, text)],
        limits=limits,
        limited=text,
        count=len(group),
    )

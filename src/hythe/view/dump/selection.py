"""Which packets of a source are wanted: a filter for each link type among them, and how many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hythe.errors import MachineError
from hythe.view.filter import LINKTYPES, Filter, Predicate
from hythe.wire.pcapng import CapturedPacket


def select(packets: Iterable[CapturedPacket], wanted: Filter, *, count: int = 0, keep: int = 0) -> Iterator[CapturedPacket]:
    """Those that pass the filter: the first `count` of them, or all; of each the first `keep` bytes, or all.

    Raises `MachineError` for a link type that filters know nothing about, `FilterError` for what one does not have.
    """
    predicates: dict[int, Predicate] = {}
    left = count
    for packet in packets:
        if keep and len(packet.data) > keep:
            packet.data = packet.data[:keep]
        if wanted:
            linktype = packet.interface.linktype
            passes = predicates.get(linktype)
            if passes is None:
                if linktype not in LINKTYPES:
                    raise MachineError(f"packets of link type {linktype} cannot be filtered here: leave the expression out")
                passes = predicates[linktype] = wanted.predicate(linktype)
            if not passes(packet.data, packet.length):
                continue
        yield packet
        if left:
            left -= 1
            if not left:
                return

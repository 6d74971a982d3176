"""Every field of every header, of a corpus of packets: name, place, meaning, and where it is laid down; DNS over TCP."""

from __future__ import annotations

import re
import struct
from typing import Final

from scapy.compat import raw
from scapy.layers.inet import TCP

from hythe.view.layers.dissect import dissect
from hythe.view.layers.tables import Tables
from hythe.wire.pcapng import LINKTYPE_ETHERNET
from tests.view import dnspackets, packets, rarepackets

_REFERENCE: Final = re.compile(r"RFC \d+(, (appendix )?[\dA-Z.]+)?|IEEE 802\.\dQ?, [\d.]+")


def test_every_field_has_name_place_meaning_and_reference() -> None:
    corpus = [*packets.everything(), *dnspackets.over_udp(), *dnspackets.over_tcp()]
    corpus += [*rarepackets.mptcp(), *rarepackets.nodes(), *rarepackets.extended_errors()]
    kinds: set[tuple[str, str]] = set()
    for number, frame in enumerate(corpus):
        shown = Tables().show(dissect(frame, LINKTYPE_ETHERNET), 0)
        for header in shown.dissection.headers:
            bit = 0
            for field in header.fields:
                where = (number, header.name, field.name)
                assert field.name, where
                assert field.offset == bit, where
                assert field.width > 0, where
                at = 8 * header.at + field.offset
                whole = int.from_bytes(frame, "big") >> (8 * len(frame) - at - field.width)
                assert field.value == whole & ((1 << field.width) - 1), where
                assert field.text, where
                assert field.meaning, where
                assert _REFERENCE.fullmatch(field.reference), (*where, field.reference)
                bit += field.width
                kinds.add((header.name, field.name.rpartition(": ")[2]))
    assert len(kinds) > 250


def test_dns_over_tcp_is_read_message_by_message() -> None:
    """Two in a segment, each behind its length; then one of which the rest comes in the next segment: data as it is."""
    first, second, third = dnspackets.queries()[0], dnspackets.answers()[0], dnspackets.answers()[1]
    data = b"".join(struct.pack(">H", len(each)) + each for each in (first, second, third))
    frame = raw(packets.ETHER / packets.FOUR / TCP(sport=53, dport=40_000, flags="PA") / data)
    cut = frame[:-5]
    cut = cut[:16] + struct.pack(">H", len(cut) - 14) + cut[18:]
    found = dissect(cut, LINKTYPE_ETHERNET)
    assert [header.name for header in found.headers[3:]] == ["DNS Length", "DNS", "DNS Length", "DNS"]
    assert [header.size for header in found.headers[3:]] == [2, len(first), 2, len(second)]
    assert found.payload == (struct.pack(">H", len(third)) + third)[:-5]
    assert found.broken == ""
    shown = Tables().show(dissect(frame, LINKTYPE_ETHERNET), 0)
    assert [row.protocol for row in shown.tables[0].rows] == ["DNS", "DNS", "DNS", "TCP", "IP", "Ethernet", ""]
    assert shown.tables[0].rows[3].info == f"{len(data)} bytes of data (PSH/ACK)"

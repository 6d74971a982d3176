"""The records of DNS messages field by field, and the packets that ICMP errors quote."""

from __future__ import annotations

import struct
from random import Random
from typing import TYPE_CHECKING

import pytest
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6, IPv6ExtHdrHopByHop

from hythe.view.layers.dissect import dissect
from hythe.view.layers.tables import Tables
from hythe.wire.pcapng import LINKTYPE_ETHERNET, LINKTYPE_RAW
from tests.view import dnspackets, packets

if TYPE_CHECKING:
    from hythe.view.layers.model import Dissection, Header

NAME = b"\3www" + dnspackets.QUESTION
SECONDS = "00000e10" * 4
KEY = "1f2d" + "0d"


def answered(kind: int, data: bytes) -> Header:
    message = dnspackets.message(0x8180, [dnspackets.question(kind)], [dnspackets.record(kind, data)])
    found = dissect(raw(IP(src="192.0.2.53", dst="192.0.2.1") / UDP(sport=53, dport=40_000) / message), LINKTYPE_RAW)
    assert not found.broken
    return found.headers[-1]


def told(kind: int, data: bytes) -> list[tuple[str, str]]:
    """Return the fields of a record's data, with their meaning where that says more than the value."""
    header = answered(kind, data)
    first = next(place for place, each in enumerate(header.fields) if each.name == "Answer 1: RDLENGTH") + 1
    assert all(each.reference.startswith("RFC ") for each in header.fields)
    return [
        (each.name.removeprefix("Answer 1: "), each.meaning if each.text.isalnum() and each.meaning else each.text)
        for each in header.fields[first:]
    ]


@pytest.mark.parametrize(
    ("kind", "data", "fields"),
    [
        (1, bytes((192, 0, 2, 1)), [("ADDRESS", "192.0.2.1")]),
        (28, bytes.fromhex("20010db8" + "0" * 23 + "1"), [("ADDRESS", "2001:db8::1")]),
        *((kind, NAME, [(name, "www.example.com")]) for kind, name in ((2, "NSDNAME"), (5, "CNAME"), (12, "PTRDNAME"))),
        (15, b"\0\12" + NAME, [("PREFERENCE", "the lowest first"), ("EXCHANGE", "www.example.com")]),
        (
            33,
            struct.pack(">HHH", 1, 2, 443) + NAME,
            [("Priority", "the lowest first"), ("Weight", "2"), ("Port", "443"), ("Target", "www.example.com")],
        ),
        (
            16,
            b"\3one\3two",
            [("TXT-DATA: Length", "3"), ("TXT-DATA", "one"), ("TXT-DATA: Length", "3"), ("TXT-DATA", "two")],
        ),
        (
            6,
            NAME + NAME + bytes.fromhex("78502a01" + SECONDS),
            [
                ("MNAME", "www.example.com"),
                ("RNAME", "www.example.com"),
                ("SERIAL", "2018519553"),
                *((name, "seconds") for name in ("REFRESH", "RETRY", "EXPIRE", "MINIMUM")),
            ],
        ),
        (
            257,
            b"\x80\5issueca.test",
            [
                ("Issuer Critical", "must be understood"),
                ("Reserved", "0"),
                ("Tag: Length", "5"),
                ("Tag", "issue"),
                ("Value", "ca.test"),
            ],
        ),
        (
            65,
            b"\0\1\0" + bytes.fromhex("0001000302683200040004c0000201"),
            [
                *(("SvcPriority", "1"), ("TargetName", ".")),
                *(("SvcParam: Code", "alpn"), ("SvcParam: Length", "3"), ("SvcParam: Value", "026832")),
                *(("SvcParam: Code", "ipv4hint"), ("SvcParam: Length", "4"), ("SvcParam: Value", "c0000201")),
            ],
        ),
        (
            43,
            bytes.fromhex(KEY + "02" + "ab" * 32),
            [("Key Tag", "7981"), ("Algorithm", "ECDSA P-256"), ("Digest Type", "SHA-256"), ("Digest", "ab" * 32)],
        ),
        (
            48,
            bytes.fromhex("0101030d" + "cd" * 8),
            [
                ("Reserved", "0"),
                ("Zone Key", "signs a zone"),
                ("Reserved", "0"),
                ("Secure Entry Point", "signs keys"),
                ("Protocol", "3"),
                ("Algorithm", "ECDSA P-256"),
                ("Public Key", "cd" * 8),
            ],
        ),
        (
            47,
            b"\1b\0" + bytes.fromhex("0006400000000003010101"),
            [("Next Domain Name", "b"), ("Type Bit Maps", "A RRSIG NSEC TYPE263")],
        ),
        (99, b"\1x", [("RDATA", "0178")]),
        (1, b"\1\2\3", [("RDATA", "010203")]),
        (1, b"\1\2\3\4\5", [("ADDRESS", "1.2.3.4"), ("rest of RDATA", "05")]),
        (16, b"\3one\7two", [("TXT-DATA: Length", "3"), ("TXT-DATA", "one"), ("rest of RDATA", "0774776f")]),
        (5, b"\xc0\xff", [("RDATA", "c0ff")]),
        (65, b"\0\1\0\0\1\0\x09h2", [("SvcPriority", "1"), ("TargetName", "."), ("rest of RDATA", "000100096832")]),
    ],
)
def test_the_data_of_a_record(kind: int, data: bytes, fields: list[tuple[str, str]]) -> None:
    assert told(kind, data) == fields


def test_edns_is_no_record_like_others() -> None:
    message = dnspackets.message(
        0x8180, [dnspackets.question(1)], [], [], [dnspackets.edns(b"\0\x0a\0\2ab", 1400, 0x0100_8000)]
    )
    header = dissect(raw(IP() / UDP(sport=53, dport=40_000) / message), LINKTYPE_RAW).headers[-1]
    values = {each.name.removeprefix("Additional 1: "): each.meaning or each.text for each in header.fields[-10:]}
    assert values == {
        "TYPE": "OPT",
        "UDP Payload Size": "bytes that the sender takes",
        "Extended RCODE": "the upper bits of RCODE",
        "Version": "0",
        "DO": "DNSSEC understood",
        "Z": "0",
        "RDLENGTH": "bytes",
        "OPTION: Code": "cookie",
        "OPTION: Length": "2",
        "OPTION: Value": "6162",
    }
    assert (header.value("Additional 1: UDP Payload Size"), header.value("Additional 1: Extended RCODE")) == (1400, 1)


def whole(found: Dissection) -> None:
    """No bit of the message is left out, none is told twice."""
    header, bit = found.headers[-1], 0
    for field in header.fields:
        assert field.offset == bit, field.name
        bit += field.width
    assert header.at + bit // 8 == found.payload_at


def test_messages_of_every_kind_are_told_to_their_last_byte() -> None:
    complete = 0
    for frame in dnspackets.over_udp():
        found = dissect(frame, LINKTYPE_ETHERNET)
        if found.headers[-1].name == "DNS" and not found.broken:
            whole(found)
            complete += not found.payload_size
    assert complete > 190


def test_a_cut_or_changed_message_is_told_as_far_as_it_goes(rng: Random) -> None:
    for frame in dnspackets.over_udp():
        data = bytearray(frame + bytes(1))
        for _ in range(rng.randrange(4)):
            data[rng.randrange(42, len(data))] = rng.choice((0, 1, 0xC0, 0xFF, rng.randrange(256)))
        kept = rng.randrange(42, len(data) + 1)
        found = dissect(bytes(data[:kept]), LINKTYPE_ETHERNET, len(data))
        header, bit = found.headers[-1], 0
        for field in header.fields:
            assert field.offset == bit, (header.name, field.name)
            bit += field.width
        assert header.at + bit // 8 <= kept
        assert found.broken or kept >= len(frame)


def test_what_an_error_quotes_is_read_but_sent_by_nobody() -> None:
    quoted = raw(IP(src="10.0.0.1", dst="10.0.0.9", ttl=3) / TCP(sport=40_000, dport=443, seq=7))[:28]
    found = dissect(raw(IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=3, code=3) / quoted), LINKTYPE_RAW)
    assert [(header.name, header.at, bool(header.pdu)) for header in found.headers] == [
        ("IP", 0, True),
        ("ICMP", 20, True),
        ("Quoted IP", 28, False),
        ("Quoted TCP", 48, False),
    ]
    assert not found.broken
    assert found.headers[2].text("Destination Address") == "10.0.0.9"
    assert found.headers[3].meaning("Destination Port") == "https, well-known"
    assert found.payload == quoted
    shown = Tables().show(found, 0)
    assert (shown.source, shown.destination) == ("10.0.0.2", "10.0.0.1")
    assert shown.title == "ICMP destination unreachable: port unreachable"
    assert [row.protocol for row in shown.tables[0].rows] == ["ICMP", "IP", "none", ""]


def test_a_quoted_packet_of_version_6_has_its_extension_headers() -> None:
    inner = IPv6(src="2001:db8::1", dst="2001:db8::9") / IPv6ExtHdrHopByHop() / UDP(sport=40_000, dport=53) / b"question"
    found = dissect(raw(IPv6() / ICMPv6DestUnreach(code=4) / raw(inner)), LINKTYPE_RAW)
    assert [header.name for header in found.headers] == [
        "IPv6",
        "ICMPv6",
        "Quoted IPv6",
        "Quoted Hop-by-Hop Options",
        "Quoted UDP",
    ]
    assert found.headers[-1].value("Destination Port") == 53


def test_quotes_of_every_error_that_the_tests_know() -> None:
    seen = set()
    for frame in packets.icmp() + packets.icmpv6():
        for header in dissect(frame, LINKTYPE_ETHERNET).headers:
            assert all(each.reference.startswith(("RFC ", "IEEE ", "libpcap")) for each in header.fields), header
            seen.add(header.name)
    assert {"Quoted IP", "Quoted UDP", "Quoted TCP", "Quoted ICMP", "Quoted IPv6"} <= seen

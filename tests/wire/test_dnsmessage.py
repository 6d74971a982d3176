"""`hythe.wire.dnsmessage` against scapy in both directions, compression wherever it may be, and garbage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRMX, DNSRROPT, DNSRRSOA, DNSRRSRV, dns_compress

from hythe.errors import ParseError
from hythe.wire import dns
from hythe.wire.dnsmessage import RECORDS_MAX, Message, Question, build_query, parse_head, parse_message, strings
from hythe.wire.dnstext import data_text, name_text
from tests.wire.strategies import addresses4, addresses6, damaged, longs, parse_or_refuse, text4, text6, words

labels = st.lists(st.text("abcXYZ019-_", min_size=1, max_size=63), min_size=1, max_size=3)


def read(data: bytes) -> Message:
    return parse_message(memoryview(data), len(data))


def response(*answers: Any, name: str = "www.test", **fields: Any) -> bytes:
    return bytes(DNS(id=7, qr=1, ra=1, qd=DNSQR(qname=name), an=list(answers), **fields))


EVERYTHING = [
    DNSRR(rrname="a.test", type="A", ttl=60, rdata="192.0.2.1"),
    DNSRR(rrname="a.test", type="AAAA", ttl=0, rdata="2001:db8::1"),
    DNSRR(rrname="a.test", type="NS", rdata="ns.test"),
    DNSRR(rrname="a.test", type="CNAME", rdata="b.a.test"),
    DNSRR(rrname="a.test", type="PTR", rdata="b.test"),
    DNSRR(rrname="a.test", type="DNAME", rdata="b.test"),
    DNSRR(rrname="a.test", type="TXT", rdata=[b"one", b"two words", b'"\\\xff']),
    DNSRRMX(rrname="a.test", preference=10, exchange="mx.a.test"),
    DNSRRSRV(rrname="a.test", priority=1, weight=2, port=53, target="ns.test"),
    DNSRRSOA(rrname="test", mname="ns.test", rname="me.test", serial=1, refresh=2, retry=3, expire=4, minimum=5),
    DNSRR(rrname="a.test", type=731, rdata=b"\x0a\xff"),
]
TEXTS = [
    "192.0.2.1",
    "2001:db8::1",
    "ns.test.",
    "b.a.test.",
    "b.test.",
    "b.test.",
    '"one" "two words" "\\"\\\\\\255"',
    "10 mx.a.test.",
    "1 2 53 ns.test.",
    "ns.test. me.test. 1 2 3 4 5",
    "\\# 2 0AFF",
]


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.rfc("3597", "4")
@pytest.mark.rfc("1035", "4.1.4")
def test_every_kind_of_record_that_scapy_builds_we_read(compressed: bool) -> None:
    message = DNS(id=7, qr=1, qd=DNSQR(qname="a.test"), an=EVERYTHING, ns=EVERYTHING[-2:-1], ar=EVERYTHING[:1])
    data = bytes(dns_compress(message) if compressed else message)
    seen = read(data)
    assert [data_text(record) for record in seen.answers] == TEXTS
    assert [record.ttl for record in seen.answers[:2]] == [60, 0]
    assert [name_text(record.name) for record in seen.answers] == ["a.test"] * 9 + ["test", "a.test"]
    assert (len(seen.authorities), len(seen.additionals), seen.size) == (1, 1, len(data))
    assert compressed == (b"\xc0\x0c" in data)


@given(labels, words, st.integers(1, 0xFFFF), st.sampled_from([0, 512, 1232, 65535]), st.booleans())
def test_queries_we_build_scapy_reads(name: list[str], identifier: int, kind: int, edns: int, authentic: bool) -> None:
    question = Question(tuple(each.encode() for each in name), kind)
    seen = DNS(build_query(identifier, question, edns_size=edns, authentic=authentic))
    assert (seen.id, seen.qr, seen.opcode, seen.rd, seen.ad, seen.tc) == (identifier, 0, 0, 1, int(authentic), 0)
    assert (seen.qdcount, seen.ancount, seen.nscount, seen.arcount) == (1, 0, 0, int(edns > 0))
    assert (seen.qd[0].qname, seen.qd[0].qtype, seen.qd[0].qclass) == (".".join(name).encode() + b".", kind, 1)
    if edns:
        assert (seen.ar[0].type, seen.ar[0].rclass, seen.ar[0].version, seen.ar[0].rdlen) == (41, edns, 0, None)
    ours = build_query(identifier, question, edns_size=edns)
    assert dns.parse_query(ours, len(ours)).edns_size == edns


@given(labels, st.lists(addresses4, max_size=5), st.lists(addresses6, max_size=5), longs)
@pytest.mark.rfc("2181", "8")
def test_addresses(name: list[str], four: list[bytes], six: list[bytes], ttl: int) -> None:
    text = ".".join(name)
    records = [DNSRR(rrname=text, type="A", ttl=ttl, rdata=text4(each)) for each in four]
    records += [DNSRR(rrname=text, type="AAAA", ttl=ttl, rdata=text6(each)) for each in six]
    seen = read(response(*records, name=text))
    assert [record.data for record in seen.answers] == four + six
    assert {record.ttl for record in seen.answers} <= {ttl if ttl < 1 << 31 else 0}  # RFC 2181, 8
    assert seen.question == Question(tuple(each.encode() for each in name), dns.A)


@pytest.mark.rfc("6891", "6.1.3")
def test_the_code_has_twelve_bits_with_edns() -> None:
    seen = read(response(rcode=0, ar=[DNSRROPT(rclass=4096, extrcode=1)]))
    assert (seen.rcode, seen.edns_size) == (16, 4096)
    assert read(response(rcode=5)).rcode == 5


def test_a_question_is_the_same_in_any_case() -> None:
    one, other = Question((b"WwW", b"test"), 1), Question((b"www", b"TEST"), 1)
    assert one.same(other)
    assert not one.same(Question(other.name, 28))
    assert not one.same(Question((b"www", b"test", b"x"), 1))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "header needs 12"),
        (bytes(DNS(id=1, qr=0, qd=DNSQR(qname="a"))), "is a query"),
        (bytes(DNS(qr=1, qd=[DNSQR(qname="a"), DNSQR(qname="b")])), "repeats 2 questions"),
        (response(DNSRR(rrname="a", type="A", rdata="192.0.2.1"))[:-1], "ends before"),
        (response(DNSRR(rrname="a", type=1000, rdata=b"x")).replace(b"\x03\xe8", b"\0\x01"), "has 1 bytes, not 4"),
        (response(DNSRR(rrname="a", type=1000, rdata=b"\x05abc")).replace(b"\x03\xe8", b"\0\x10"), "within a string"),
        (response(DNSRR(rrname="a", type=1000, rdata=b"\0x")).replace(b"\x03\xe8", b"\0\x05"), "not as long as"),
        (response(DNSRR(rrname="a", type=1000, rdata=b"\0\1")).replace(b"\x03\xe8", b"\0\x0f"), "ends within its names"),
        (response(DNSRROPT()), "OPT record in the wrong place"),
        (response(ar=[DNSRROPT(), DNSRROPT()]), "OPT record in the wrong place"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        read(data)


def test_more_records_than_there_can_be_are_refused_at_once() -> None:
    head = bytearray(response())
    head[6:8] = (RECORDS_MAX + 1).to_bytes(2, "big")
    with pytest.raises(ParseError, match="are too many"):
        read(bytes(head))


def test_a_bomb_of_pointers_is_refused_soon() -> None:
    """Two bytes that stand for 255, four thousand times: 57 KB that would be 2 MB."""
    question = b"\1a" * 127 + b"\0" + bytes.fromhex("00010001")
    record = bytes.fromhex("c00c 0002 0001 0000003c 0002 c00c")
    head = bytes.fromhex("0001 8180 0001 1000 0000 0000")
    with pytest.raises(ParseError, match="57615 bytes has more than 262140 bytes of names and data"):
        read(head + question + record * 4096)
    assert len(read(head[:6] + b"\0\x64" + head[8:] + question + record * 100).answers) == 100


def test_of_a_truncated_message_the_head_can_be_read() -> None:
    data = response(*EVERYTHING, tc=1)[:60]
    head = parse_head(memoryview(data), len(data))
    assert head.truncated
    assert head.question == Question((b"www", b"test"), dns.A)
    with pytest.raises(ParseError, match="ends before"):
        read(data)


@given(damaged(response(*EVERYTHING, ar=[DNSRROPT()])))
@example(bytes(DNS(qr=1, qd=DNSQR(qname="a"), an=EVERYTHING)))
def test_garbage_is_refused_or_can_be_printed(data: bytes) -> None:
    seen = parse_or_refuse(parse_message, data)
    if seen is not None:
        for record in [*seen.answers, *seen.authorities, *seen.additionals]:
            assert data_text(record).isprintable()
            assert name_text(record.name).isascii()


@given(st.binary(max_size=600))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    parse_or_refuse(parse_message, b"\0\1\x80\0\0\1\0\2\0\1\0\1" + data)
    parse_or_refuse(parse_head, data)


def test_strings_of_txt() -> None:
    assert strings(b"\3abc\0\1x") == [b"abc", b"", b"x"]
    assert strings(b"") == []

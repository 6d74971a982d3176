"""`hythe.wire.dns` against scapy in both directions, the bounds of names, and garbage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRROPT

from hythe.errors import ParseError
from hythe.wire import dns
from hythe.wire.dns import Query
from tests.wire.strategies import addresses4, damaged, parse_or_refuse, text4, text6, words

labels = st.lists(st.text("abcXYZ019-_", min_size=1, max_size=63), min_size=1, max_size=3)


def ask(name: str, **fields: Any) -> bytes:
    return bytes(DNS(id=0x1234, rd=1, qd=DNSQR(qname=name, qtype=fields.pop("qtype", "A")), **fields))


def query(data: bytes) -> Query:
    return dns.parse_query(memoryview(data), len(data))


@given(labels, words, st.booleans(), words, st.one_of(st.none(), words), st.booleans())
def test_queries_scapy_builds_we_read(
    name: list[str], identifier: int, recursion: bool, kind: int, edns: int | None, dnssec: bool
) -> None:
    extra = [] if edns is None else [DNSRROPT(rclass=edns, z=0x8000 if dnssec else 0)]
    data = bytes(DNS(id=identifier, rd=int(recursion), qd=DNSQR(qname=".".join(name), qtype=kind), ar=extra))
    read = query(data)
    assert (read.identifier, read.kind, read.qclass, read.opcode) == (identifier, kind, 1, 0)
    assert read.name == tuple(label.encode() for label in name)
    assert read.text == ".".join(name).lower()
    assert read.edns_size == (0 if edns is None else max(edns, 512))
    assert read.dnssec == (edns is not None and dnssec)
    assert read.udp_max == max(512, edns or 0)


@given(labels, st.lists(addresses4, max_size=5), st.integers(0, 3600), st.booleans(), st.booleans())
def test_answers_we_build_scapy_reads(
    name: list[str], addresses: list[bytes], ttl: int, recursion: bool, edns: bool
) -> None:
    text = ".".join(name)
    read = query(bytes(DNS(id=77, rd=int(recursion), qd=DNSQR(qname=text), ar=[DNSRROPT(rclass=4096)] if edns else [])))
    seen = DNS(dns.build_answer(read, addresses, ttl=ttl))
    assert (seen.id, seen.qr, seen.opcode, seen.aa, seen.tc, seen.rd, seen.ra) == (77, 1, 0, 1, 0, int(recursion), 1)
    assert (seen.rcode, seen.qdcount, seen.ancount, seen.nscount, seen.arcount) == (0, 1, len(addresses), 0, int(edns))
    assert seen.qd[0].qname == text.encode() + b"."  # the asker's spelling
    assert [(record.rrname, record.type, record.ttl, record.rdata) for record in seen.an] == [
        (text.encode() + b".", 1, ttl, text4(address)) for address in addresses
    ]
    if edns:
        assert (seen.ar[0].type, seen.ar[0].rclass, seen.ar[0].version) == (41, 1232, 0)


def test_aaaa_and_ptr_answers() -> None:
    address = bytes(15) + b"\1"
    seen = DNS(dns.build_answer(query(ask("host.hythe.internal", qtype="AAAA")), [address], ttl=5))
    assert (seen.an[0].type, seen.an[0].rdata) == (28, text6(address))
    name = dns.build_name((b"host", b"hythe", b"internal"))
    seen = DNS(dns.build_answer(query(ask("1.2.0.192.in-addr.arpa", qtype="PTR")), [name]))
    assert (seen.an[0].type, seen.an[0].rdata) == (12, b"host.hythe.internal.")


@pytest.mark.parametrize("rcode", [dns.NOERROR, dns.SERVFAIL, dns.NXDOMAIN, dns.REFUSED])
def test_answers_without_records(rcode: int) -> None:
    seen = DNS(dns.build_answer(query(ask("nobody.hythe.internal")), rcode=rcode))
    assert (seen.rcode, seen.ancount, seen.arcount, seen.qd[0].qname) == (rcode, 0, 0, b"nobody.hythe.internal.")


def test_query_bits_are_echoed() -> None:
    for fields in ({}, {"cd": 1}, {"opcode": 2}, {"opcode": 5, "cd": 1}):
        read = query(ask("a", **fields))
        seen = DNS(dns.build_answer(read, rcode=dns.NOTIMP))
        assert (seen.opcode, seen.cd, seen.rd, seen.ad) == (fields.get("opcode", 0), fields.get("cd", 0), 1, 0)
        assert read.opcode == fields.get("opcode", 0)
    assert DNS(dns.build_answer(query(ask("a", ar=[DNSRROPT(z=0x8000)])))).ar[0].z == 0x8000


def test_too_long_an_answer_is_truncated() -> None:
    read = query(ask("many.hythe.internal"))
    addresses = [bytes([10, 0, 0, n]) for n in range(29)]
    fits = dns.build_answer(read, addresses, limit=read.udp_max)
    assert (len(fits), DNS(fits).tc, DNS(fits).ancount) == (501, 0, 29)
    cut = dns.build_answer(read, [*addresses, b"\x0a\1\1\1"], limit=read.udp_max)
    assert (len(cut), DNS(cut).tc, DNS(cut).ancount) == (37, 1, 0)
    assert DNS(dns.build_answer(read, [*addresses, b"\x0a\1\1\1"])).ancount == 30
    with_edns = query(ask("many.hythe.internal", ar=[DNSRROPT(rclass=1400)]))
    assert DNS(dns.build_answer(with_edns, addresses * 2, limit=with_edns.udp_max)).tc == 0


def test_records_before_opt_are_skipped() -> None:
    data = ask(
        "a.b",
        an=[DNSRR(rrname="x.y", rdata="192.0.2.1")],
        ns=[DNSRR(rrname="z", type="NS", rdata="ns.z")],
        ar=[DNSRR(rrname="q", rdata="192.0.2.2"), DNSRROPT(rclass=900)],
    )
    assert query(data).edns_size == 900


def test_name_compression() -> None:
    message = bytes(12) + b"\4host\5hythe\0" + b"\3www\xc0\x11" + b"\xc0\x18"
    assert dns.parse_name(message, 12) == ((b"host", b"hythe"), 24)
    assert dns.parse_name(message, 24) == ((b"www", b"hythe"), 30)
    assert dns.parse_name(message, 30) == ((b"www", b"hythe"), 32)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xc0\x0c", "pointer at byte 12 does not point backwards"),
        (b"\1a\xc0\x0c", "pointer at byte 14 does not point backwards"),
        (b"\xc0\xff", "does not point backwards"),
        (b"\xc0", "ends before the 2 bytes due at byte 12"),
        (b"\5abc", "ends before the 5 bytes due at byte 13"),
        (b"\3abc", "ends before the 1 bytes due at byte 16"),
        (b"\x40abc", "label at byte 12 is of an unknown kind"),
        (b"\x80abc", "label at byte 12 is of an unknown kind"),
        ((b"\x3f" + b"x" * 63) * 4 + b"\0", "longer than 255 bytes"),
        (b"\1a" * 128 + b"\0", "longer than 255 bytes"),
    ],
)
def test_bad_names_are_refused(raw: bytes, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        dns.parse_name(bytes(12) + raw, 12)


def test_longest_name_both_ways() -> None:
    name = tuple(b"x" * size for size in (63, 63, 63, 61))
    raw = dns.build_name(name)
    assert len(raw) == 255
    assert dns.parse_name(raw, 0) == (name, 255)
    assert dns.parse_name(dns.build_name(()), 0) == ((), 1)
    for wrong in ((b"x" * 64,), (b"a", b"", b"b"), (*name, b"y")):
        with pytest.raises(ValueError, match="cannot be a DNS name"):
            dns.build_name(wrong)


def test_name_as_text_escapes_what_is_not_printable() -> None:
    assert query(bytes(DNS(qd=DNSQR(qname="WWW.Example.ORG")))).text == "www.example.org"
    odd = Query(0, 0, (b"a.b", b"\\", b"\x00\xff", b" "), 1, 1)
    assert odd.text == "a\\046b.\\092.\\000\\255.\\032"
    assert Query(0, 0, (), 1, 1).text == ""


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("4.3.2.1.in-addr.arpa", bytes([1, 2, 3, 4])),
        ("4.3.2.1.IN-ADDR.Arpa", bytes([1, 2, 3, 4])),
        ("256.3.2.1.in-addr.arpa", None),
        ("3.2.1.in-addr.arpa", None),
        ("x.3.2.1.in-addr.arpa", None),
        ("5.4.3.2.1.in-addr.arpa", None),
        ("0004.3.2.1.in-addr.arpa", None),
        ("1.2.3.4.example", None),
        ("arpa", None),
        ("1." + "0." * 31 + "ip6.arpa", bytes(15) + b"\1"),
        ("b.A." + "0." * 30 + "ip6.arpa", bytes(15) + b"\xab"),
        ("g." + "0." * 31 + "ip6.arpa", None),
        ("00." + "0." * 31 + "ip6.arpa", None),
        ("0." * 31 + "ip6.arpa", None),
    ],
)
def test_reverse_names(name: str, address: bytes | None) -> None:
    assert dns.reverse_address(tuple(label.encode() for label in name.split("."))) == address


def test_refusals_name_what_is_wrong() -> None:
    good = ask("a.b")
    with pytest.raises(ParseError, match="DNS header needs 12 bytes, 11 are there"):
        query(good[:11])
    with pytest.raises(ParseError, match="is a response"):
        query(good[:2] + b"\x81" + good[3:])
    for count in (0, 2):
        with pytest.raises(ParseError, match=f"has {count} questions"):
            query(good[:5] + bytes([count]) + good[6:])
    with pytest.raises(ParseError, match="ends before the 4 bytes due at byte 17"):
        query(good[:-1])
    with pytest.raises(ParseError, match="ends before"):
        query(good[:11] + b"\1" + good[12:])


@given(
    st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=60).map(lambda tail: b"\0\1\1\0\0\1\0\0\0\0\0\1" + tail),
        damaged(ask("host.hythe.internal", ar=[DNSRROPT(rclass=4096)])),
    )
)
def test_garbage_gives_parse_error_or_an_answer(data: bytes) -> None:
    read = parse_or_refuse(dns.parse_query, data)
    if read is not None:
        answer = dns.build_answer(read, [bytes(4)])
        again = dns.parse_query(answer[:2] + bytes([answer[2] & 0x7F]) + answer[3:], len(answer))
        assert (again.name, again.kind, again.qclass) == (read.name, read.kind, read.qclass)
        assert dns.reverse_address(read.name) is None or read.text.endswith("arpa")

"""Names and types as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hythe.wire import dns
from hythe.wire.dns import reverse_address, reverse_name
from hythe.wire.dnstext import name_text, parse_name_text, rcode_name, type_name, type_number

names = st.lists(st.binary(min_size=1, max_size=63), max_size=3).map(tuple)


@given(names)
def test_a_name_comes_back_from_its_text(name: dns.Name) -> None:
    text = name_text(name)
    assert text.isascii()
    assert text.isprintable()
    assert parse_name_text(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("www.example.com", (b"www", b"example", b"com")),
        ("www.example.com.", (b"www", b"example", b"com")),
        (".", ()),
        (r"a\.b.c", (b"a.b", b"c")),
        (r"a\046b.c", (b"a.b", b"c")),
        (r"\255", (b"\xff",)),
        ("_sip._tcp.test", (b"_sip", b"_tcp", b"test")),
    ],
)
def test_names(text: str, name: dns.Name) -> None:
    assert parse_name_text(text) == name


@pytest.mark.parametrize("text", ["", "a..b", ".a", "..", "x" * 64, ".".join(["x" * 60] * 5), "é.test"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not (a name|ASCII)"):
        parse_name_text(text)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        name = parse_name_text(text)
    except ValueError:
        return
    assert text.isascii()
    assert dns.parse_name(dns.build_name(name), 0)[0] == name


def test_types_by_name_and_number() -> None:
    assert (type_number("mx"), type_number("AAAA"), type_number("TYPE731"), type_number("type1")) == (15, 28, 731, 1)
    assert [type_number(each) for each in ("", "nonsense", "TYPE0", "TYPE65536", "TYPE", "TYPE\u0661")] == [None] * 6
    assert (type_name(15), type_name(731)) == ("MX", "TYPE731")
    assert [rcode_name(each) for each in (0, 3, 16, 23)] == ["NOERROR", "NXDOMAIN", "BADVERS", "RCODE23"]


@given(st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)))
def test_reverse_names_lead_back(address: bytes) -> None:
    assert reverse_address(reverse_name(address)) == address


@pytest.mark.rfc("1035", "3.5")
@pytest.mark.rfc("3596", "2.5")
def test_reverse_names() -> None:
    assert name_text(reverse_name(bytes((192, 0, 2, 1)))) == "1.2.0.192.in-addr.arpa"
    assert name_text(reverse_name(bytes.fromhex("20010db8" + "0" * 23 + "1"))).startswith("1.0.0.0.0")
    assert name_text(reverse_name(bytes.fromhex("20010db8" + "0" * 23 + "1"))).endswith("8.b.d.0.1.0.0.2.ip6.arpa")

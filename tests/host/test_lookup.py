"""Which names are asked for: the search list, aliases, and what counts as the answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRSOA

from hythe.config import ResolverConfig
from hythe.host.inquiry import Outcome
from hythe.host.lookup import Lookup, Status, candidates
from hythe.wire import dns
from hythe.wire.dnsmessage import AUTHENTIC, Question, parse_message
from hythe.wire.dnstext import name_text

CONFIG = ResolverConfig(servers=(("192.0.2.53", 53),), search=("a.test", "b.test"))
SOA = DNSRRSOA(rrname="test", mname="ns.test", rname="me.test", minimum=60, ttl=60)
NOTHING = Outcome(None, -1, stream=False, asked=2, failures={0: "did not answer"})


def a(name: str, address: str = "192.0.2.1") -> DNSRR:
    return DNSRR(rrname=name, type="A", ttl=60, rdata=address)


def aaaa(name: str) -> DNSRR:
    return DNSRR(rrname=name, type="AAAA", ttl=60, rdata="2001:db8::1")


def alias(name: str, target: str) -> DNSRR:
    return DNSRR(rrname=name, type="CNAME", ttl=60, rdata=target)


class Zone:
    """Records by name: what a server says of a question, and what it was asked."""

    def __init__(self, *records: Any, follow: bool = True, broken: dict[str, int] | None = None) -> None:
        self.records = records
        self.follow = follow
        self.broken = broken or {}
        self.asked: list[tuple[str, int]] = []

    def of(self, name: str) -> list[Any]:
        return [each for each in self.records if each.rrname.decode().rstrip(".").lower() == name.lower()]

    def say(self, question: Question) -> Outcome:
        name = name_text(question.name)
        self.asked.append((name, question.kind))
        if self.broken.get(name) == -1:
            return NOTHING
        found: list[Any] = []
        current = name
        for _ in range(len(self.records)):
            own = self.of(current)
            found += [each for each in own if each.type in (5, question.kind)]
            if not self.follow or not own or own[0].type != 5:
                break
            current = own[0].rdata.decode().rstrip(".")
        code = self.broken.get(name, 0 if self.of(current) else 3)
        complete = any(each.type == question.kind for each in found)
        authority = [] if complete or (found and not self.follow) else [SOA]
        message = bytes(DNS(qr=1, ra=1, rcode=code, qd=DNSQR(qname=name, qtype=question.kind), an=found, ns=authority))
        return Outcome(parse_message(message, len(message)), 0, stream=False, asked=1)


def look_up(text: str, zone: Zone, *kinds: int, config: ResolverConfig = CONFIG) -> Any:
    lookup = Lookup(text, kinds or (dns.A,), config)
    for _ in range(100):
        questions = lookup.questions()
        if not questions:
            return lookup.found
        for question in questions:
            lookup.learn(question, zone.say(question))
    raise AssertionError("does not end")


# --- The search list (RFC 1535)


@pytest.mark.parametrize(
    ("text", "ndots", "expected"),
    [
        ("www", 1, ["www.a.test", "www.b.test", "www"]),
        ("www.x", 1, ["www.x", "www.x.a.test", "www.x.b.test"]),
        ("www.x", 2, ["www.x.a.test", "www.x.b.test", "www.x"]),
        ("www", 0, ["www", "www.a.test", "www.b.test"]),
        ("www.", 1, ["www"]),
        (".", 1, ["."]),
        ("x" * 63, 1, ["x" * 63 + ".a.test", "x" * 63 + ".b.test", "x" * 63]),
    ],
)
def test_candidates(text: str, ndots: int, expected: list[str]) -> None:
    config = ResolverConfig(search=CONFIG.search, ndots=ndots)
    assert [name_text(each) for each in candidates(text, config)] == expected


def test_a_domain_that_makes_a_name_too_long_is_left_out() -> None:
    config = ResolverConfig(search=(".".join(["x" * 60] * 4),))
    assert candidates("www.example", config) == [(b"www", b"example")]


def test_the_first_name_that_exists_wins() -> None:
    zone = Zone(a("www.b.test"), a("www"))
    found = look_up("www", zone)
    assert (found.status, found.canonical, found.addresses()) == (Status.FOUND, "www.b.test", [bytes((192, 0, 2, 1))])
    assert [name for name, _ in zone.asked] == ["www.a.test", "www.b.test"]


def test_both_families_come_from_the_same_name() -> None:
    zone = Zone(a("www.a.test"), aaaa("www.b.test"))
    found = look_up("www", zone, dns.AAAA, dns.A)
    assert [len(each) for each in found.addresses()] == [4]
    assert {name for name, _ in zone.asked} == {"www.a.test"}


@pytest.mark.parametrize(
    ("zone", "status"),
    [
        (Zone(), Status.NO_SUCH_NAME),
        (Zone(aaaa("www.a.test")), Status.NO_DATA),
        (Zone(broken={"www.a.test": 2}), Status.SERVER_FAILED),
        (Zone(broken={"www.a.test": -1}), Status.UNREACHABLE),
    ],
)
def test_why_nothing_is_found(zone: Zone, status: Status) -> None:
    found = look_up("www", zone)
    assert found.status is status
    assert (found.records, found.addresses()) == ([], [])
    # Who answers nobody is not asked about the next name; anything else may be that name's own fault.
    assert len(zone.asked) == (1 if status is Status.UNREACHABLE else 3)


def test_a_broken_domain_does_not_hide_the_next() -> None:
    assert look_up("www", Zone(a("www"), broken={"www.a.test": 2})).status is Status.FOUND


def test_what_one_family_lacks_the_other_may_have() -> None:
    assert look_up("w.", Zone(aaaa("w")), dns.A, dns.AAAA).status is Status.FOUND


# --- Aliases


@pytest.mark.parametrize("follow", [True, False], ids=["in-one-answer", "asked-for"])
@pytest.mark.rfc("1034", "3.6.2")
def test_aliases_are_followed(follow: bool) -> None:
    zone = Zone(alias("one.test", "two.test"), alias("two.test", "three.test"), a("three.test"), follow=follow)
    found = look_up("one.test", zone)
    assert (found.status, found.canonical) == (Status.FOUND, "three.test")
    assert [name_text(each.target()) for each in found.aliases] == ["two.test", "three.test"]
    assert len(zone.asked) == (1 if follow else 3)


@pytest.mark.parametrize("follow", [True, False], ids=["in-one-answer", "asked-for"])
@pytest.mark.rfc("1034", "3.6.2")
def test_a_loop_of_aliases_ends(follow: bool) -> None:
    zone = Zone(alias("one.test", "two.test"), alias("two.test", "ONE.test"), follow=follow)
    found = look_up("one.test.", zone)
    assert (found.status, found.reason) == (Status.SERVER_FAILED, "its aliases lead back to ONE.test")
    assert len(zone.asked) <= 2


@pytest.mark.parametrize("follow", [True, False], ids=["in-one-answer", "asked-for"])
def test_aliases_without_end_end(follow: bool) -> None:
    chain = [alias(f"n{number}.test", f"n{number + 1}.test") for number in range(40)]
    found = look_up("n0.test.", Zone(*chain, follow=follow))
    assert (found.status, found.reason) == (Status.SERVER_FAILED, "it has more than 16 aliases in a row")


def test_an_alias_to_nothing() -> None:
    found = look_up("one.test.", Zone(alias("one.test", "gone.test")))
    assert (found.status, found.canonical) == (Status.NO_SUCH_NAME, "gone.test")
    found = look_up("one.test.", Zone(alias("one.test", "six.test"), aaaa("six.test")))
    assert (found.status, found.canonical) == (Status.NO_DATA, "six.test")


def heard(*answers: Any, rcode: int = 0) -> Lookup:
    """A lookup of one.test that has heard one answer."""
    message = bytes(DNS(qr=1, ra=1, rcode=rcode, qd=DNSQR(qname="one.test"), an=list(answers)))
    lookup = Lookup("one.test", (dns.A,), ResolverConfig(servers=CONFIG.servers))
    lookup.learn(lookup.questions()[0], Outcome(parse_message(message, len(message)), 0, stream=False, asked=1))
    return lookup


def test_what_is_said_not_to_exist_is_not_asked_for() -> None:
    lookup = heard(alias("one.test", "gone.test"), rcode=3)
    assert lookup.questions() == []
    assert lookup.found.status is Status.NO_SUCH_NAME
    assert heard(alias("one.test", "gone.test")).questions() == [Question((b"gone", b"test"), dns.A)]


def test_records_of_another_class_are_not_the_internets() -> None:
    assert heard(DNSRR(rrname="one.test", type="A", rclass=3, rdata="192.0.2.1")).found.status is Status.NO_DATA


def test_an_alias_itself_can_be_asked_for() -> None:
    found = look_up("one.test", Zone(alias("one.test", "two.test")), 5)
    assert (found.status, len(found.records), found.aliases) == (Status.FOUND, 1, [])


@pytest.mark.rfc("5452", "6")
def test_records_beside_the_chain_are_not_believed() -> None:
    message = bytes(DNS(qr=1, ra=1, qd=DNSQR(qname="www.test"), an=[a("evil.test", "192.0.2.66"), a("www.test")]))
    lookup = Lookup("www.test", (dns.A,), CONFIG)
    lookup.learn(lookup.questions()[0], Outcome(parse_message(message, len(message)), 0, stream=False, asked=1))
    assert lookup.found.addresses() == [bytes((192, 0, 2, 1))]


def test_verified_only_by_a_server_that_is_trusted() -> None:
    message = bytes(DNS(qr=1, ra=1, ad=1, qd=DNSQR(qname="www.test"), an=[a("www.test")]))
    for trust in (False, True):
        lookup = Lookup("www.test", (dns.A,), ResolverConfig(servers=CONFIG.servers, trust_ad=trust))
        parsed = parse_message(message, len(message))
        assert parsed.flags & AUTHENTIC
        lookup.learn(lookup.questions()[0], Outcome(parsed, 0, stream=False, asked=1))
        assert lookup.found.authentic is trust


names = st.sampled_from(["a.test", "b.test", "c.test", "d.test"])


@given(st.lists(st.one_of(st.builds(alias, names, names), st.builds(a, names), st.builds(aaaa, names))), st.booleans())
def test_whatever_the_zone_it_ends(records: list[Any], follow: bool) -> None:
    zone = Zone(*records, follow=follow)
    found = look_up("a.test", zone, dns.A, dns.AAAA)
    assert (found.status is Status.FOUND) == bool(found.records)
    assert len(zone.asked) <= 40

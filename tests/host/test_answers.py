"""How long answers are kept (RFC 2308), and how many."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRSOA

from hythe.config import ResolverConfig
from hythe.host.answers import Answers
from hythe.host.inquiry import Outcome
from hythe.units import SECOND
from hythe.wire.dnsmessage import Question, parse_message


def outcome(*answers: Any, rcode: int = 0, soa: tuple[int, int] | None = None) -> Outcome:
    authority = [DNSRRSOA(rrname="test", mname="ns.test", rname="me.test", ttl=soa[0], minimum=soa[1])] if soa else []
    raw = bytes(DNS(qr=1, rcode=rcode, qd=DNSQR(qname="www.test"), an=list(answers), ns=authority))
    return Outcome(parse_message(raw, len(raw)), 0, stream=False, asked=1)


def question(number: int = 0) -> Question:
    return Question((b"n%d" % number, b"Test"), 1)


def a(ttl: int) -> DNSRR:
    return DNSRR(rrname="www.test", type="A", ttl=ttl, rdata="192.0.2.1")


@pytest.mark.parametrize(
    ("kept", "seconds"),
    [
        (outcome(a(60), a(30)), 30),
        (outcome(a(0)), 0),
        (outcome(a(10_000_000)), 86_400),
        (outcome(rcode=3, soa=(300, 60)), 60),
        (outcome(rcode=3, soa=(20, 60)), 20),
        (outcome(soa=(10_000_000, 10_000_000)), 10_800),
        (outcome(rcode=3), 0),
        (outcome(a(60), rcode=2), 0),
        (Outcome(None, -1, stream=False, asked=2), 0),
    ],
)
@pytest.mark.rfc("2308", "5")
@pytest.mark.rfc("8767", "4")
def test_how_long(kept: Outcome, seconds: int) -> None:
    answers = Answers(ResolverConfig())
    answers.put(question(), kept, 5)
    if seconds:
        assert answers.get(Question((b"N0", b"TEST"), 1), 5 + seconds * SECOND - 1) is kept
        assert answers.get(Question((b"N0", b"TEST"), 28), 5) is None
    assert answers.get(question(), 5 + seconds * SECOND) is None
    assert len(answers) == 0


def test_the_least_recently_used_makes_room() -> None:
    answers = Answers(ResolverConfig(cache=2))
    kept = outcome(a(60))
    answers.put(question(1), kept, 0)
    answers.put(question(2), kept, 0)
    assert answers.get(question(1), 0) is kept
    answers.put(question(3), kept, 0)
    assert [answers.get(question(number), 0) is kept for number in (1, 2, 3)] == [True, False, True]
    off = Answers(ResolverConfig(cache=0))
    off.put(question(), kept, 0)
    assert len(off) == 0

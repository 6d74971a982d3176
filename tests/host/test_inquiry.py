"""One question and its servers, on virtual time: turns, patience, what is believed, TCP, EDNS."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR

from hythe.config import ResolverConfig
from hythe.host.inquiry import Ask, Inquiry
from hythe.units import NEVER, SECOND
from hythe.wire import dns
from hythe.wire.dnsmessage import Question
from tests.wire.strategies import damaged

QUESTION = Question((b"www", b"test"), dns.A)
SERVERS = (("192.0.2.1", 53), ("192.0.2.2", 53), ("192.0.2.3", 53))


class Asking:
    """An inquiry, what it has sent so far, and the time."""

    def __init__(self, rng: random.Random, servers: int = 1, first: int = 0, **settings: Any) -> None:
        self.config = ResolverConfig(servers=SERVERS[:servers], **settings)
        self.now = 1_000 * SECOND
        self.inquiry = Inquiry(QUESTION, self.config, rng, self.now, first)
        self.sent: list[Ask] = self.inquiry.take()

    @property
    def last(self) -> Ask:
        return self.sent[-1]

    @property
    def servers(self) -> list[int]:
        return [ask.server for ask in self.sent]

    def wait(self) -> float:
        """Let the deadline come; return how long that took in seconds."""
        waited = self.inquiry.deadline - self.now
        self.now = self.inquiry.deadline
        self.inquiry.fire(self.now)
        self.sent += self.inquiry.take()
        return waited / SECOND

    def hear(self, message: bytes, ask: Ask | None = None) -> None:
        self.inquiry.receive((ask or self.last).channel, message, self.now)
        self.sent += self.inquiry.take()

    def fail(self, reason: str = "connection refused", ask: Ask | None = None) -> None:
        self.inquiry.fail((ask or self.last).channel, reason, self.now)
        self.sent += self.inquiry.take()


def answer(ask: Ask, name: str = "www.test", address: str | None = "192.0.2.7", **fields: Any) -> bytes:
    records = [DNSRR(rrname=name, type="A", ttl=60, rdata=address)] if address else []
    fields = {"id": int.from_bytes(ask.message[:2], "big"), "qr": 1, "ra": 1, **fields}
    return bytes(DNS(qd=DNSQR(qname=name), an=records, **fields))


def address_of(asking: Asking) -> bytes:
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert outcome.message is not None
    return outcome.message.answers[0].data


def test_an_answer_ends_it(rng: random.Random) -> None:
    asking = Asking(rng)
    seen = DNS(asking.last.message)
    assert (seen.rd, seen.qd[0].qname, seen.qd[0].qtype, seen.ar[0].rclass) == (1, b"www.test.", 1, 1232)
    asking.hear(answer(asking.last))
    assert address_of(asking) == bytes((192, 0, 2, 7))
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert (outcome.server, outcome.stream, outcome.asked, outcome.failures) == (0, False, 1, {})
    assert asking.inquiry.deadline == NEVER
    assert not asking.inquiry.listens(0)


@pytest.mark.rfc("5452", "5")
@pytest.mark.rfc("1035", "4.2.1")
def test_a_silent_server_is_asked_again_with_the_same_message(rng: random.Random) -> None:
    asking = Asking(rng, timeout=3 * SECOND, attempts=3)
    assert [asking.wait() for _ in range(3)] == [3, 6, 12]
    assert asking.sent == [asking.sent[0]] * 3
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert (outcome.message, outcome.server, outcome.failures) == (None, -1, {0: "did not answer"})


def test_servers_take_turns_and_share_later_rounds(rng: random.Random) -> None:
    asking = Asking(rng, servers=3, timeout=6 * SECOND, attempts=2)
    assert [asking.wait() for _ in range(6)] == [6, 6, 6, 4, 4, 4]
    assert asking.servers == [0, 1, 2, 0, 1, 2]
    assert asking.inquiry.outcome is not None


def test_another_may_be_first(rng: random.Random) -> None:
    asking = Asking(rng, servers=3, attempts=1, first=2)
    for _ in range(3):
        asking.wait()
    assert asking.servers == [2, 0, 1]


def test_a_late_answer_counts(rng: random.Random) -> None:
    asking = Asking(rng, servers=2)
    asking.wait()
    assert asking.servers == [0, 1]
    asking.hear(answer(asking.sent[0]), asking.sent[0])
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert outcome.server == 0


@pytest.mark.rfc("5452", "9.2")
def test_each_server_and_each_transport_has_an_identifier_of_its_own(rng: random.Random) -> None:
    asking = Asking(rng, servers=3)
    asking.wait()
    asking.wait()
    asking.hear(answer(asking.last, tc=1))
    assert len({ask.message[:2] for ask in asking.sent}) == len({ask.channel for ask in asking.sent}) == 4


# --- What is believed


@pytest.mark.rfc("5452", "9.1")
def test_what_is_no_answer_to_the_question_is_ignored(rng: random.Random) -> None:
    asking = Asking(rng)
    ask = asking.last
    identifier = int.from_bytes(ask.message[:2], "big")
    for wrong in (
        answer(ask, id=identifier ^ 1),
        answer(ask, name="other.test"),
        answer(ask, qr=0),
        bytes(DNS(id=identifier, qr=1, ra=1, qd=DNSQR(qname="www.test", qtype="AAAA"))),
        bytes(DNS(id=identifier, qr=1, ra=1, qd=[])),
        ask.message,
        b"",
    ):
        asking.hear(wrong, ask)
    assert asking.inquiry.outcome is None
    assert (asking.inquiry.ignored, len(asking.sent)) == (7, 1)
    asking.hear(answer(ask, name="WWW.Test"), ask)  # any case
    assert asking.inquiry.outcome is not None


@pytest.mark.rfc("5452", "9.3")
def test_much_guessing_moves_the_question_to_tcp(rng: random.Random) -> None:
    asking = Asking(rng, forgeries_max=16)
    ask = asking.last
    for guess in range(16):
        assert len(asking.sent) == 1
        asking.hear(answer(ask, id=int.from_bytes(ask.message[:2], "big") ^ (guess + 1)), ask)
    assert asking.last.stream
    asking.hear(answer(ask), ask)  # even if it is guessed now
    assert asking.inquiry.outcome is None
    asking.hear(answer(asking.last))
    assert asking.inquiry.outcome is not None


def test_a_stream_that_answers_something_else_is_given_up(rng: random.Random) -> None:
    asking = Asking(rng, use_tcp=True)
    assert asking.last.stream
    asking.hear(answer(asking.last, name="other.test"))
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert outcome.failures == {0: "answers another question"}


# --- Servers that do not help


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"rcode": 2}, "answered SERVFAIL"),
        ({"rcode": 5}, "answered REFUSED"),
        ({"ra": 0}, "neither knows"),
    ],
)
def test_the_next_is_asked_at_once(rng: random.Random, fields: dict[str, Any], reason: str) -> None:
    asking = Asking(rng, servers=2)
    asking.hear(answer(asking.last, address=None, **fields))
    assert asking.servers == [0, 1]
    asking.hear(answer(asking.last))
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert outcome.server == 1
    assert outcome.failures[0].startswith(reason)


def test_who_was_ruled_out_is_not_heard_again(rng: random.Random) -> None:
    asking = Asking(rng, servers=2)
    first = asking.last
    asking.hear(answer(first, address=None, rcode=2))
    asking.hear(answer(first), first)
    assert asking.inquiry.outcome is None
    assert not asking.inquiry.listens(first.channel)


def test_the_best_of_bad_answers_is_the_result(rng: random.Random) -> None:
    asking = Asking(rng, servers=2)
    asking.hear(answer(asking.last, address=None, rcode=2))
    asking.fail()
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert outcome.message is not None
    assert (outcome.message.rcode, outcome.server) == (2, 0)
    assert outcome.failures == {0: "answered SERVFAIL", 1: "connection refused"}


def test_who_is_out_of_reach_is_not_waited_for(rng: random.Random) -> None:
    asking = Asking(rng, servers=3)
    asking.fail()
    asking.fail()
    assert asking.servers == [0, 1, 2]
    assert [asking.wait() for _ in range(2)] == [5, pytest.approx(10 / 3)]
    assert asking.servers == [0, 1, 2, 2]
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert outcome.failures == {0: "connection refused", 1: "connection refused", 2: "did not answer"}


def test_what_cannot_be_read_rules_a_server_out(rng: random.Random) -> None:
    asking = Asking(rng)
    asking.hear(answer(asking.last)[:-1])
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert outcome.failures[0].startswith("sent what cannot be read: DNS message of")


# --- TCP


@pytest.mark.rfc("2181", "9")
@pytest.mark.rfc("7766", "5")
def test_truncation_leads_to_tcp_whatever_is_in_it(rng: random.Random) -> None:
    asking = Asking(rng)
    first = asking.last
    asking.hear(answer(first, tc=1)[:40])
    assert (asking.last.stream, asking.last.server) == (True, 0)
    asking.hear(answer(first, tc=1), first)  # once more
    assert len(asking.sent) == 2
    asking.hear(answer(asking.last))
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert (outcome.stream, outcome.asked) == (True, 2)


def test_where_tcp_is_refused_the_next_is_asked(rng: random.Random) -> None:
    asking = Asking(rng, servers=2)
    asking.hear(answer(asking.last, tc=1))
    asking.fail()
    assert [(ask.server, ask.stream) for ask in asking.sent] == [(0, False), (0, True), (1, False)]


def test_a_silent_stream_is_opened_anew(rng: random.Random) -> None:
    asking = Asking(rng, use_tcp=True)
    asking.wait()
    assert [(ask.channel, ask.stream) for ask in asking.sent] == [(0, True), (1, True)]
    assert (asking.inquiry.listens(0), asking.inquiry.listens(1)) == (False, True)


# --- EDNS


@pytest.mark.parametrize("rcode", [1, 4])
@pytest.mark.parametrize("repeats", [True, False], ids=["question", "no-question"])
@pytest.mark.rfc("6891", "7")
def test_a_server_without_edns_is_asked_without(rng: random.Random, rcode: int, repeats: bool) -> None:
    asking = Asking(rng)
    first = asking.last
    refusal = answer(first, address=None, rcode=rcode)
    asking.hear(refusal if repeats else refusal[:4] + bytes(8))
    assert (DNS(first.message).arcount, DNS(asking.last.message).arcount, asking.servers) == (1, 0, [0, 0])
    asking.hear(answer(asking.last))
    assert asking.inquiry.outcome is not None


def test_who_refuses_both_is_not_asked_for_ever(rng: random.Random) -> None:
    asking = Asking(rng)
    for _ in range(2):
        asking.hear(answer(asking.last, address=None, rcode=1))
    outcome = asking.inquiry.outcome
    assert outcome is not None
    assert (outcome.asked, outcome.failures) == (2, {0: "answered FORMERR"})


@pytest.mark.rfc("6840", "5.7")
def test_edns_can_be_switched_off_and_verification_asked_for(rng: random.Random) -> None:
    assert DNS(Asking(rng, edns_size=0).last.message).arcount == 0
    assert [DNS(Asking(rng, trust_ad=trust).last.message).ad for trust in (False, True)] == [0, 1]


# --- Whatever comes


@given(st.data(), st.integers(1, 3), st.booleans(), st.integers(0, 2**32))
def test_it_always_ends_and_asks_little(data: st.DataObject, servers: int, tcp: bool, seed: int) -> None:
    asking = Asking(random.Random(seed), servers=servers, use_tcp=tcp)
    began = asking.now
    for _ in range(100):
        if asking.inquiry.outcome is not None:
            break
        ask = data.draw(st.sampled_from(asking.sent))
        what = data.draw(st.integers(0, 3))
        if what == 0:
            asking.wait()
        elif what == 1:
            asking.fail(ask=ask)
        elif what == 2:
            code = data.draw(st.integers(0, 5))
            asking.hear(answer(ask, rcode=code, tc=data.draw(st.integers(0, 1)), address=None, ra=0), ask)
        else:
            asking.hear(data.draw(damaged(answer(ask, rcode=1))), ask)
    while asking.inquiry.outcome is None:
        asking.wait()
    assert len(asking.sent) <= 2 * servers + 4 * servers
    assert asking.now - began <= 60 * SECOND

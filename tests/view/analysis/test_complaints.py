"""What is said by ICMP of a connection's packets: told, believed or not, and the cause of what came of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hythe.units import MILLISECOND
from hythe.view.analysis.conversation import Conversation, Conversations
from hythe.view.analysis.findings import Cause, Finding, findings
from hythe.view.analysis.plain import plain
from hythe.view.analysis.words import report
from hythe.wire import icmp, icmpv6
from hythe.wire.ipv6 import build as build6
from hythe.wire.pcapng import CapturedPacket
from tests.view.analysis.situations import LINK, reads, sends
from tests.view.analysis.stage import Play, packets

ROUTER = bytes([198, 51, 100, 7])
QUIET = Play(sends(20_000), reads, LINK, LINK)


def said(about: CapturedPacket, kind: int, code: int, *, mtu: int = 0, later: int = MILLISECOND) -> CapturedPacket:
    """A router's word on a packet, to its sender."""
    data = icmp.error_packet(ROUTER, about.data[12:16], kind, code, about.data, mtu=mtu)
    return replace(about, timestamp=about.timestamp + later, data=data, length=len(data), comment="")


def read(found: list[CapturedPacket]) -> Conversation:
    (one,) = Conversations().read(sorted(found, key=lambda each: each.timestamp)).all
    return one


def told(conversation: Conversation) -> list[Finding]:
    return [each for each in findings(conversation) if each.cause in (Cause.UNREACHABLE, Cause.PATH_MTU)]


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        (icmp.UNREACHABLE, icmp.HOST_UNREACHABLE, "the machine it was for does not answer on the last link"),
        (icmp.UNREACHABLE, icmp.ADMINISTRATIVELY_PROHIBITED, "a filter forbids it"),
        (icmp.TIME_EXCEEDED, icmp.TTL_EXCEEDED, "it went round in circles, or too far"),
    ],
)
def test_an_attempt_that_came_to_nothing_has_its_reason(kind: int, code: int, words: str) -> None:
    syn = next(packets(QUIET.run(1)[0]))
    again = replace(syn, timestamp=syn.timestamp + 1_000 * MILLISECOND)
    conversation = read([syn, again, said(again, kind, code)])
    (found,) = [each for each in findings(conversation) if each.problem]
    assert (found.cause, found.way, found.packets) == (Cause.UNREACHABLE, 0, (1, 3))
    text = "\n".join(report(conversation))
    assert f"198.51.100.7 said of a packet from 192.0.2.1:49152 that {words}".split(":")[0] in text
    assert f"{words} (ICMP type {kind}, code {code}): the attempt to connect came to nothing" in text
    (one,) = json.loads(json.dumps(plain(conversation)))["icmp"]
    assert (one["packet"], one["from"], one["about"], one["believed"]) == (3, "198.51.100.7", 1, True)


def test_in_a_connection_it_is_a_hint() -> None:
    """RFC 1122, 4.2.3.9: no alarm, where all goes on."""
    found = list(packets(QUIET.run(1)[0]))
    text = next(each for each in found if len(each.data) > 1_000)
    conversation = read([*found, said(text, icmp.UNREACHABLE, icmp.NET_UNREACHABLE)])
    (hint,) = told(conversation)
    assert not hint.problem
    assert "the connection went on (RFC 1122, 4.2.3.9)" in "\n".join(report(conversation))
    assert not [each for each in findings(conversation) if each.problem]


def test_silence_behind_it_is_its_doing() -> None:
    """The path breaks, and a router says so: whoever sends goes on for a while."""
    play = Play(sends(400_000), reads, replace(LINK, mtu=0), LINK, length=20_000 * MILLISECOND)
    found = list(packets(play.run(1)[0]))
    cut = next(place for place, each in enumerate(found) if place > 40 and len(each.data) > 1_000)
    text = found[cut]
    tries = [replace(text, timestamp=text.timestamp + wait * 400 * MILLISECOND) for wait in (1, 2, 4, 8)]
    conversation = read([*found[: cut + 1], *tries, said(text, icmp.UNREACHABLE, icmp.HOST_UNREACHABLE)])
    problems = [each.cause for each in findings(conversation) if each.problem]
    assert problems == [Cause.UNREACHABLE]
    assert "nothing was heard any more" in "\n".join(report(conversation))


def test_what_quotes_nothing_on_its_way_is_left_unheard() -> None:
    """RFC 5927, 4.1."""
    found = list(packets(QUIET.run(1)[0]))
    text = next(each for each in found if len(each.data) > 1_000)
    conversation = read([*found, said(text, icmp.UNREACHABLE, icmp.HOST_UNREACHABLE, later=900 * MILLISECOND)])
    assert not told(conversation)
    assert "nothing of that was on its way, so TCP leaves it unheard (RFC 5927, 4.1)" in "\n".join(report(conversation))


def test_icmpv6_is_read_as_well() -> None:
    near, far, router = (bytes.fromhex("20010db8" + "00" * 11 + last) for last in ("01", "02", "99"))
    syn4 = next(packets(QUIET.run(1)[0]))
    segment = syn4.data[20:]
    data = build6(near, far, 6, len(segment)) + segment
    syn = replace(syn4, data=data, length=len(data))
    message = icmpv6.error_packet(router, near, icmpv6.UNREACHABLE, icmpv6.NO_ROUTE, data)
    word = replace(syn, timestamp=syn.timestamp + MILLISECOND, data=message, length=len(message))
    (found,) = told(read([syn, word]))
    assert (found.cause, found.told[0], found.told[1]) == (
        Cause.UNREACHABLE,
        "2001:db8::99",
        "there is no way to the network it was for",
    )


def test_what_is_cut_off_or_about_others_is_nothing() -> None:
    found = list(packets(QUIET.run(1)[0]))
    word = said(found[0], icmp.UNREACHABLE, icmp.HOST_UNREACHABLE)
    for size in range(20, len(word.data)):
        conversation = read([*found, replace(word, data=word.data[:size])])
        assert not [each for each in findings(conversation) if each.problem]
    elsewhere = replace(word, data=word.data[:48] + bytes(8) + word.data[56:])
    assert not read([*found, elsewhere]).complaints

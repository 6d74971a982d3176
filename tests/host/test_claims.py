"""`hythe.host.claims` on a segment: duplicate addresses (RFC 4862, 5.4; RFC 5227), announcements, defence."""

from __future__ import annotations

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from hythe.units import MILLISECOND, SECOND
from tests.host.stations import OURS, World, quick

MINE = OURS.hex(":")
ONE = "02:00:00:00:00:01"
ALL = "ff:ff:ff:ff:ff:ff"
FOUR, SIX = "192.0.2.1/24", "2001:db8::1/64"
NODE = "33:33:ff:00:00:01"
NODE_IP = "ff02::1:ff00:1"


def test_three_probes_then_announcements_rfc_5227() -> None:
    world = World()
    side = world.add(FOUR, ethernet=quick(arp_probes=3, arp_announces=2))
    frames = [frame for frame in world.run(5 * SECOND) if ARP in frame]
    assert [(frame.dst, frame.psrc, frame.pdst, frame.hwdst) for frame in frames] == [
        *[(ALL, "0.0.0.0", "192.0.2.1", "00:00:00:00:00:00")] * 3,
        *[(ALL, "192.0.2.1", "192.0.2.1", "00:00:00:00:00:00")] * 2,
    ]
    assert side.addresses == [FOUR]


def test_a_tentative_address_is_nobodys() -> None:
    world = World()
    side = world.add(FOUR, SIX)
    assert side.addresses == []
    question = ARP(op=1, hwsrc=MINE, psrc="192.0.2.9", pdst="192.0.2.1")
    assert not any(frame.op == 2 for frame in world.say(Ether(src=MINE, dst=ALL) / question) if ARP in frame)
    ask = IPv6(src="fe80::99", dst=NODE_IP, hlim=255) / ICMPv6ND_NS(tgt="2001:db8::1")
    assert not any(ICMPv6ND_NA in frame for frame in world.say(Ether(src=MINE, dst=NODE) / ask))
    assert not side.station.is_settled
    world.run(3 * SECOND)
    assert side.station.is_settled
    assert side.addresses == [FOUR, SIX]


def test_one_solicitation_a_second_then_an_advertisement_rfc_4862() -> None:
    world = World()
    side = world.add(SIX, ethernet=quick(dad_transmits=1))
    frames = world.run(3 * SECOND)
    (probe,) = [frame for frame in frames if ICMPv6ND_NS in frame and frame.tgt == "2001:db8::1"]
    assert (probe.dst, probe[IPv6].src, probe[IPv6].dst, probe[IPv6].hlim) == (NODE, "::", NODE_IP, 255)
    (told,) = [frame for frame in frames if ICMPv6ND_NA in frame and frame.tgt == "2001:db8::1"]
    assert (told.R, told.S, told.O, told[ICMPv6NDOptDstLLAddr].lladdr) == (0, 0, 1, ONE)
    assert side.addresses == [SIX]


def advertised() -> Ether:
    return (
        Ether(src=MINE, dst="33:33:00:00:00:01")
        / IPv6(src="2001:db8::1", dst="ff02::1", hlim=255)
        / ICMPv6ND_NA(tgt="2001:db8::1", R=0, S=0, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=MINE)
    )


@pytest.mark.parametrize(
    ("address", "rival"),
    [
        (FOUR, Ether(src=MINE, dst=ALL) / ARP(op=2, hwsrc=MINE, psrc="192.0.2.1", hwdst=ONE, pdst="0.0.0.0")),
        (FOUR, Ether(src=MINE, dst=ALL) / ARP(op=1, hwsrc=MINE, psrc="192.0.2.1", pdst="192.0.2.7")),
        (FOUR, Ether(src=MINE, dst=ALL) / ARP(op=1, hwsrc=MINE, psrc="0.0.0.0", pdst="192.0.2.1")),
        (SIX, advertised()),
        (SIX, Ether(src=MINE, dst=NODE) / IPv6(src="::", dst=NODE_IP, hlim=255) / ICMPv6ND_NS(tgt="2001:db8::1")),
    ],
    ids=["reply", "request", "probe", "advertisement", "solicitation"],
)
def test_whoever_has_it_or_wants_it_too_ends_the_claim(address: str, rival: Ether) -> None:
    world = World()
    side = world.add(address)
    world.run(30 * MILLISECOND)
    world.say(rival)
    world.run(5 * SECOND)
    assert side.addresses == []
    ((prefix, mac),) = side.station.conflicts
    assert (str(prefix), mac) == (address, OURS)
    assert side.station.is_settled


def test_two_that_want_the_same_do_not_both_get_it() -> None:
    world = World()
    sides = [world.add(FOUR, SIX), world.add(FOUR, SIX)]
    world.run(5 * SECOND)
    for address in (FOUR, SIX):
        assert sum(address in side.addresses for side in sides) <= 1


def test_the_second_sees_that_the_first_has_it() -> None:
    world = World()
    first = world.add(FOUR, SIX)
    world.run(5 * SECOND)
    second = world.add(FOUR, SIX)
    world.run(5 * SECOND)
    assert (first.addresses, second.addresses) == ([FOUR, SIX], [])
    assert {each.rival for each in second.station.conflicts} == {first.mac}


def test_a_question_about_it_is_no_conflict_rfc_4862_5_4_3() -> None:
    world = World()
    side = world.add(SIX)
    world.run(30 * MILLISECOND)
    ask = IPv6(src="fe80::99", dst=NODE_IP, hlim=255) / ICMPv6ND_NS(tgt="2001:db8::1")
    world.say(Ether(src=MINE, dst=NODE) / ask)
    world.run(5 * SECOND)
    assert side.addresses == [SIX]


def test_ones_own_probe_come_back_is_no_conflict_rfc_7527() -> None:
    world = World()
    side = world.add(SIX)
    seen: list[Ether] = []
    while not seen:
        seen = [frame for frame in world.run(10 * MILLISECOND) if ICMPv6ND_NS in frame and frame.tgt == "2001:db8::1"]
    seen[0].src = MINE  # by a bridge that rewrites
    world.say(seen[0])
    world.run(5 * SECOND)
    assert side.addresses == [SIX]


def test_an_address_in_use_is_defended_once_in_ten_seconds_rfc_5227_2_4() -> None:
    world = World()
    side = world.add(FOUR, ethernet=quick())
    world.run()
    attack = Ether(src=MINE, dst=ALL) / ARP(op=1, hwsrc=MINE, psrc="192.0.2.1", pdst="192.0.2.7")
    (defence,) = world.say(attack)
    assert (defence.op, defence.psrc, defence.pdst, defence.hwsrc) == (1, "192.0.2.1", "192.0.2.1", ONE)
    assert world.say(attack) == []
    world.run(10 * SECOND)
    assert len(world.say(attack)) == 1
    assert side.addresses == [FOUR]
    assert not side.station.link.neighbors.table

"""`hythe.host.groups` on a segment: joining, leaving, answering (RFC 3810)."""

from __future__ import annotations

from scapy.layers.inet6 import ICMPv6MLQuery2, ICMPv6MLReport2, IPv6, IPv6ExtHdrHopByHop, RouterAlert
from scapy.layers.l2 import Ether

from hythe.units import SECOND
from hythe.wire import mld
from tests.host.stations import OURS, World, quick

NODE = "ff02::1:ff00:1"


def reports(frames: list[Ether]) -> list[tuple[str, int, str]]:
    """(source, kind, group) of every record."""
    found = []
    for frame in frames:
        if ICMPv6MLReport2 in frame:
            assert (frame.dst, frame[IPv6].dst, frame[IPv6].hlim) == ("33:33:00:00:00:16", "ff02::16", 1)
            found += [(frame[IPv6].src, record.rtype, record.dst) for record in frame[ICMPv6MLReport2].records]
    return found


def ask(group: str = "::", source: str = "fe80::99") -> Ether:
    over = Ether(src=OURS.hex(":"), dst="33:33:00:00:00:01") / IPv6(src=source, dst="ff02::1", hlim=1)
    return over / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ICMPv6MLQuery2(mladdr=group, mrd=1000)


def test_a_group_is_joined_before_the_address_is_probed_and_said_twice_rfc_4862_5_4_2() -> None:
    world = World()
    world.add("2001:db8::1/64")
    told = [(kind, group) for _, kind, group in reports(world.run(3 * SECOND)) if group == NODE]
    assert told == [(mld.JOINED, NODE)] * 2


def test_it_is_left_with_the_last_address_that_needs_it() -> None:
    world = World()
    side = world.add("2001:db8::1/64", "2001:db8:1::1/64", ethernet=quick())
    world.run(3 * SECOND)
    first, second = [claim for claim in side.station.claims.all.values() if claim.origin == "static"]
    side.station.claims.release(first, world.now)
    assert reports(world.run(3 * SECOND)) == []
    side.station.claims.release(second, world.now)
    assert [(kind, group) for _, kind, group in reports(world.run(3 * SECOND))] == [(mld.LEFT, NODE)] * 2


def test_queries_are_answered_within_their_time() -> None:
    world = World()
    world.add("2001:db8::1/64", ethernet=quick())
    world.run(3 * SECOND)
    for question in (ask(), ask(NODE)):
        told = reports(world.say(question) + world.run(1 * SECOND))
        assert (mld.LISTENING, NODE) in [(kind, group) for _, kind, group in told]
        assert {source[:6] for source, _, _ in told} == {"fe80::"}
    for question in (ask("ff02::77"), ask(source="2001:db8::99")):
        assert reports(world.say(question) + world.run(11 * SECOND)) == []

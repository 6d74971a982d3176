"""`hythe.host.routers`: SLAAC, default routers, prefixes, redirects (RFC 4861, RFC 4862, RFC 7217)."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from scapy.layers.inet6 import ICMPv6ND_RS, IPv6
from scapy.layers.l2 import Ether

from hythe.host.interfaces import Prefix
from hythe.host.routers import stable_identifier
from hythe.units import MILLISECOND, SECOND
from hythe.wire import ethernet, ndp
from tests.host.hosts import packed
from tests.host.stations import OURS, Sided, World, quick

ROUTER, OTHER = packed("fe80::99"), packed("fe80::98")
NET = packed("2001:db8:1::")
FAR = packed("2001:db8:ffff::1")
HOUR = 3600


def say(world: World, message: ndp.Message, source: bytes = ROUTER, destination: bytes = ndp.ALL_NODES) -> list[Ether]:
    header = ethernet.build(ethernet.group_of(destination), OURS, ethernet.IPV6)
    return world.say(header + ndp.packet(source, destination, message))


def prefix(valid: int = 2 * HOUR, preferred: int = HOUR, on_link: bool = True, net: bytes = NET) -> ndp.PrefixInformation:
    return ndp.PrefixInformation(net, 64, on_link, True, valid, preferred)


def advertisement(*prefixes: ndp.PrefixInformation, lifetime: int = 1800, **other: Any) -> ndp.RouterAdvertisement:
    return ndp.RouterAdvertisement(lifetime=lifetime, link=OURS, prefixes=list(prefixes), **other)


def started(**config: int) -> tuple[World, Sided]:
    world = World()
    side = world.add(auto=True, ethernet=quick(**config))
    world.run(2 * SECOND)
    return world, side


def valid_for(world: World, side: Sided) -> int:
    (claim,) = [each for each in side.station.claims.all.values() if each.origin == "router"]
    return (claim.valid - world.now) // SECOND


def test_link_local_then_three_solicitations_rfc_4861_6_3_7() -> None:
    world = World()
    side = world.add(auto=True)
    frames = world.run(20 * SECOND)
    asked = [frame for frame in frames if ICMPv6ND_RS in frame]
    assert [(each.dst, each[IPv6].dst, each[IPv6].hlim) for each in asked] == [("33:33:00:00:00:02", "ff02::2", 255)] * 3
    (own,) = side.station.interface.prefixes
    assert str(own).startswith("fe80::")
    assert asked[-1][IPv6].src == str(ipaddress.ip_address(own.address))
    assert side.station.is_settled
    assert side.addresses == []


def test_an_advertisement_gives_an_address_a_route_and_parameters() -> None:
    world, side = started(dad_transmits=1)
    told = advertisement(prefix(), mtu=1400, hop_limit=17, reachable=5000, retransmit=250)
    told.name_servers.append((FAR, 60))
    say(world, told)
    assert not side.station.is_settled
    world.run(3 * SECOND)
    assert side.station.is_settled
    (address,) = side.addresses
    assert address.startswith("2001:db8:1:0:")
    assert address.endswith("/64")
    route = side.host.routes.find(FAR)
    assert route is not None
    assert route.gateway == ROUTER
    neighbor = side.host.routes.find(packed("2001:db8:1::5"))
    assert neighbor is not None
    assert neighbor.gateway is None
    assert side.station.link.mtu == 1400
    assert side.station.link.neighbors.reachable_time == 5 * SECOND
    assert side.station.link.neighbors.retransmit_time == 250 * MILLISECOND
    assert side.station.name_servers == [FAR]
    client = side.host.connect(FAR, 80, world.now)
    (syn,) = world.rest()
    assert (syn.dst, syn[IPv6].hlim, syn[IPv6].src) == (OURS.hex(":"), 17, address.removesuffix("/64"))
    assert client.mss_path == 1340
    world.run(61 * SECOND)
    assert side.station.name_servers == []


def test_nobody_is_believed_who_was_not_asked() -> None:
    world = World()
    side = world.add("2001:db8::1/64", ethernet=quick())
    world.run(2 * SECOND)
    say(world, advertisement(prefix()))
    assert side.host.routes.find(FAR) is None
    assert side.addresses == ["2001:db8::1/64"]


def test_lifetimes_end() -> None:
    world, side = started()
    say(world, advertisement(prefix(valid=100, preferred=50), prefix(valid=200, preferred=200, net=FAR[:8] + bytes(8))))
    first, second = side.addresses
    world.run(51 * SECOND)
    assert side.addresses == [second, first]  # deprecated: used only for what is near
    world.run(50 * SECOND)
    assert side.addresses == [second]
    assert side.host.addresses.isdisjoint({Prefix.parse(first).address})
    assert side.host.routes.find(packed("2001:db8:ff::1")) is not None
    world.run(1700 * SECOND)
    assert side.host.routes.find(packed("2001:db8:ff::1")) is None
    assert side.addresses == []


def test_a_router_that_resigns_is_none() -> None:
    world, side = started()
    say(world, advertisement())
    say(world, advertisement(), OTHER)
    for source in (ROUTER, OTHER):
        route = side.host.routes.find(FAR)
        assert route is not None
        assert route.gateway == source
        say(world, advertisement(lifetime=0), source)
    assert side.host.routes.find(FAR) is None
    say(world, advertisement())
    say(world, ndp.NeighborAdvertisement(ROUTER, OURS, override=True))
    assert side.host.routes.find(FAR) is None


@pytest.mark.parametrize(("valid", "left"), [(HOUR, 7200), (8000, 8000), (30000, 30000), (0, 7200)])
def test_the_two_hour_rule_rfc_4862_5_5_3_e(valid: int, left: int) -> None:
    world, side = started()
    say(world, advertisement(prefix(valid=20000)))
    say(world, advertisement(prefix(valid=valid, preferred=0)))
    assert valid_for(world, side) == left


def test_a_short_remainder_is_not_shortened_further() -> None:
    world, side = started()
    say(world, advertisement(prefix(valid=1000, preferred=1000)))
    say(world, advertisement(prefix(valid=10, preferred=10)))
    assert valid_for(world, side) == 1000


def test_what_makes_no_address() -> None:
    world, side = started()
    for each in (
        ndp.PrefixInformation(NET, 48, True, True, 100, 100),
        ndp.PrefixInformation(NET, 64, True, False, 100, 100),
        ndp.PrefixInformation(NET, 64, True, True, 100, 101),
        ndp.PrefixInformation(packed("fe80::"), 64, True, True, 100, 100),
        ndp.PrefixInformation(packed("ff05::"), 64, True, True, 100, 100),
        ndp.PrefixInformation(packed("2001:db8:9::"), 64, False, True, 0, 0),
    ):
        say(world, advertisement(each))
    assert side.addresses == []
    for mtu in (1279, 1501):
        say(world, advertisement(mtu=mtu))
    assert side.station.link.mtu == 1500


def test_a_flood_is_bounded() -> None:
    world, side = started()
    for number in range(300):
        source = packed("fe80::1:0")[:14] + number.to_bytes(2, "big")
        net = packed("2001:db8:2::")[:6] + number.to_bytes(2, "big") + bytes(8)
        say(world, advertisement(prefix(net=net)), source)
        say(
            world,
            ndp.Redirect(FAR[:14] + number.to_bytes(2, "big"), FAR[:14] + number.to_bytes(2, "big")),
            packed("fe80::1:0"),
        )
    config = side.host.config.ethernet
    assert len(side.addresses) == len(side.station.routers.prefixes) == config.prefixes
    assert len(side.station.routers.table) == config.routers
    assert len(list(side.host.routes)) <= config.prefixes + config.routers + config.redirects + 2


def test_redirects_are_believed_of_the_router_in_use_rfc_4861_8() -> None:
    world, side = started()
    say(world, advertisement())
    better = ndp.Redirect(OTHER, FAR, OURS)
    say(world, better, OTHER)
    assert side.host.routes.find(FAR).gateway == ROUTER  # type: ignore[union-attr]
    say(world, better)
    assert side.host.routes.find(FAR).gateway == OTHER  # type: ignore[union-attr]
    assert side.host.routes.find(packed("2001:db8:ffff::2")).gateway == ROUTER  # type: ignore[union-attr]
    say(world, ndp.Redirect(FAR, FAR), OTHER)
    assert side.host.routes.find(FAR).gateway is None  # type: ignore[union-attr]


def test_a_router_that_does_not_answer_comes_last_6_3_6() -> None:
    world, side = started()
    for source in (ROUTER, OTHER):
        # Without its MAC address: the test's station does not answer when it is asked for.
        say(world, ndp.RouterAdvertisement(lifetime=1800), source)
    say(world, ndp.Redirect(packed("fe80::97"), FAR), ROUTER)
    for gone, expected in (("fe80::97", ROUTER), ("fe80::99", OTHER), ("fe80::98", ROUTER)):
        route = side.host.routes.find(FAR)
        assert route is not None
        assert route.gateway == packed(gone)
        side.host.connect(FAR, 80, world.now)
        world.run(4 * SECOND)
        route = side.host.routes.find(FAR)
        assert route is not None
        assert route.gateway == expected


def test_a_duplicate_makes_way_for_the_next_rfc_7217() -> None:
    world, side = started(dad_transmits=1)
    secret = bytes([1]) * 32
    for counter in range(3):
        taken = NET[:8] + stable_identifier(NET, side.mac, counter, secret)
        if counter == 0:
            say(world, advertisement(prefix()))
        assert taken in side.station.claims.all
        say(world, ndp.NeighborAdvertisement(taken, OURS, override=True))
        assert taken not in side.station.claims.all
    world.run(3 * SECOND)
    assert [Prefix.parse(each).address for each in side.addresses] == [NET[:8] + stable_identifier(NET, side.mac, 3, secret)]


def test_identifiers_are_stable_and_tell_nothing() -> None:
    one = stable_identifier(NET, OURS, 0, b"secret")
    assert one == stable_identifier(NET + b"ignored", OURS, 0, b"secret")
    others = {
        stable_identifier(FAR, OURS, 0, b"secret"),
        stable_identifier(NET, bytes(6), 0, b"secret"),
        stable_identifier(NET, OURS, 1, b"secret"),
        stable_identifier(NET, OURS, 0, b"other"),
    }
    assert len(others | {one}) == 5
    assert OURS[3:] not in one

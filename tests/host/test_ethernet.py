"""`hythe.host.ethernet`: hosts with MAC addresses on a segment, at virtual time."""

from __future__ import annotations

import errno

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from hythe.host.interfaces import Prefix
from hythe.host.neighbors import REACHABLE
from hythe.host.routes import Route
from hythe.tcp.connection import Connection
from hythe.tcp.states import ESTABLISHED
from hythe.units import SECOND
from tests.host.hosts import packed
from tests.host.stations import OURS, World, quick, settled

MINE = OURS.hex(":")
ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
FRAME = Ether(src=MINE, dst=ONE)
ASK = ARP(op="who-has", hwsrc=MINE, psrc="192.0.2.99", pdst="192.0.2.1")


@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("version", [4, 6])
def test_two_hosts_find_each_other_and_talk(offload: bool, version: int) -> None:
    world = World(offload=offload)
    left = world.add("192.0.2.1/24", "2001:db8::1/64")
    right = world.add("192.0.2.2/24", "2001:db8::2/64")
    settled(world)
    there = packed("192.0.2.2" if version == 4 else "2001:db8::2")
    listener = right.host.listen(None, 8000)
    client = left.host.connect(there, 8000, world.now)
    world.run()
    assert client.state == ESTABLISHED
    (server,) = listener.take()
    assert isinstance(server, Connection)
    data = bytes(range(256)) * 400
    sent, got = 0, b""
    while len(got) < len(data):
        room = client.reserve(len(data) - sent)
        room[:] = data[sent : sent + len(room)]
        client.commit(len(room))
        sent += len(room)
        left.host.attend(client, world.now)
        for _ in range(50):
            world.rest()
            views = server.views()
            got += b"".join(views)
            server.consume(sum(map(len, views)))
            right.host.attend(server, world.now)
        world.run(SECOND)
    assert got == data
    assert left.station.link.neighbors.table[there].mac == right.mac
    assert left.station.link.neighbors.table[there].state == REACHABLE


def test_it_answers_for_its_own_address_only() -> None:
    world = World()
    side = world.add("192.0.2.1/24", ethernet=quick())
    world.run()
    (answer,) = world.say(Ether(src=MINE, dst="ff:ff:ff:ff:ff:ff") / ASK)
    assert (answer.src, answer.dst, answer.op, answer.psrc, answer.hwsrc) == (ONE, MINE, 2, "192.0.2.1", ONE)
    for target in ("192.0.2.2", "192.0.2.255", "0.0.0.0"):
        question = ASK.copy()
        question.pdst = target
        assert world.say(Ether(src=MINE, dst="ff:ff:ff:ff:ff:ff") / question) == []
    assert set(side.station.link.neighbors.table) == {packed("192.0.2.99")}


def test_who_speaks_unasked_fills_no_table_rfc_826() -> None:
    world = World()
    side = world.add("192.0.2.1/24", ethernet=quick())
    world.run()
    for number in range(1, 250):
        sender = f"192.0.2.{number}"
        world.say(FRAME / ARP(op="is-at", hwsrc=MINE, psrc=sender, hwdst=ONE, pdst="192.0.2.1"))
        world.say(Ether(src=MINE, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=MINE, psrc=sender, pdst=sender))
    # An asker must be a neighbor: not from elsewhere, not the broadcast address, not ourselves.
    for sender in ("203.0.113.5", "192.0.2.255", "0.0.0.0", "224.0.0.1", "192.0.2.1"):
        question = ASK.copy()
        question.psrc = sender
        world.say(Ether(src=MINE, dst="ff:ff:ff:ff:ff:ff") / question)
    assert not side.station.link.neighbors.table


def test_pings_both_families_padding_and_priority_tags() -> None:
    world = World()
    world.add("192.0.2.1/24", "2001:db8::1/64", ethernet=quick())
    world.run()
    world.say(Ether(src=MINE, dst="ff:ff:ff:ff:ff:ff") / ASK)
    ping = IP(src="192.0.2.99", dst="192.0.2.1") / ICMP(id=7, seq=1) / Raw(b"abc")
    for frame in (FRAME / ping / Raw(bytes(20)), FRAME / Dot1Q(vlan=0, prio=5) / ping):
        frame[IP].len = 31
        (answer,) = world.say(frame)
        assert (answer.dst, answer[ICMP].type, answer[ICMP].id, bytes(answer[ICMP].payload)) == (MINE, 0, 7, b"abc")
    assert world.say(FRAME / Dot1Q(vlan=9) / ping) == []
    six = FRAME / IPv6(src="fe80::99", dst="2001:db8::1") / ICMPv6EchoRequest(id=3)
    (question,) = world.say(six)  # it does not know us yet, and asks
    assert question.tgt == "fe80::99"
    assert question.dst == "33:33:ff:00:00:99"
    assert ICMPv6EchoReply not in question


def test_what_is_for_others_is_dropped() -> None:
    world = World()
    side = world.add("192.0.2.1/24", "2001:db8::1/64", ethernet=quick())
    world.run()
    world.say(Ether(src=MINE, dst="ff:ff:ff:ff:ff:ff") / ASK)
    ping = IP(src="192.0.2.99", dst="192.0.2.1") / ICMP()
    before = side.station.link.dropped
    frames = [
        Ether(src=MINE, dst=TWO) / ping,  # another station's
        Ether(src=MINE, dst="ff:ff:ff:ff:ff:ff") / ping,  # RFC 1122, 3.3.6
        Ether(src=ONE, dst="ff:ff:ff:ff:ff:ff") / ASK,  # our own, come back
        Ether(src=MINE, dst=ONE, type=0x88CC) / Raw(b"lldp"),
        Ether(src=MINE, dst=ONE, type=38) / Raw(bytes(38)),
    ]
    for number, frame in enumerate(frames, 1):
        assert world.say(frame) == []
        assert side.station.link.dropped == before + number


def test_a_gateway_is_the_next_hop() -> None:
    world = World()
    side = world.add("192.0.2.1/24", ethernet=quick())
    world.run()
    side.host.routes.add(Route(Prefix.parse("0.0.0.0/0"), side.station.interface, packed("192.0.2.99")))
    endpoint = side.host.bind(packed("192.0.2.1"), 5000)
    endpoint.send(world.now, b"far", packed("203.0.113.5"), 9)
    (question,) = world.rest()
    assert (question.op, question.pdst) == (1, "192.0.2.99")
    (packet,) = world.say(FRAME / ARP(op="is-at", hwsrc=MINE, psrc="192.0.2.99", hwdst=ONE, pdst="192.0.2.1"))
    assert (packet.dst, packet[IP].dst, bytes(packet[UDP].payload)) == (MINE, "203.0.113.5", b"far")
    # A better route counts from the next packet on.
    side.host.routes.add(Route(Prefix.parse("203.0.113.5/32"), side.station.interface, packed("192.0.2.98")))
    endpoint.send(world.now, b"far", packed("203.0.113.5"), 9)
    (question,) = world.rest()
    assert question.pdst == "192.0.2.98"


def test_broadcast_and_multicast_ask_nobody() -> None:
    world = World()
    side = world.add("192.0.2.1/24", "2001:db8::1/64", ethernet=quick())
    world.run()
    for destination in ("224.0.0.251", "255.255.255.255"):
        side.host.routes.add(Route(Prefix.parse(f"{destination}/32"), side.station.interface))
    side.host.routes.add(Route(Prefix.parse("ff02::fb/128"), side.station.interface))
    endpoint = side.host.bind(None, 5000)
    expected = {
        "192.0.2.255": "ff:ff:ff:ff:ff:ff",
        "255.255.255.255": "ff:ff:ff:ff:ff:ff",
        "224.0.0.251": "01:00:5e:00:00:fb",
        "ff02::fb": "33:33:00:00:00:fb",
    }
    for destination, mac in expected.items():
        endpoint.send(world.now, b"all", packed(destination), 9)
        (frame,) = world.rest()
        assert frame.dst == mac


@pytest.mark.parametrize("there", ["192.0.2.77", "2001:db8::77"])
def test_nobody_there_is_host_unreachable(there: str) -> None:
    world = World()
    side = world.add("192.0.2.1/24", "2001:db8::1/64", ethernet=quick())
    world.run()
    client = side.host.connect(packed(there), 80, world.now)
    endpoint = side.host.bind(None, 5000)
    endpoint.send(world.now, b"anybody?", packed(there), 9)
    frames = world.run(5 * SECOND)
    assert sum(ARP in frame or ICMPv6ND_NS in frame for frame in frames) == 3  # RFC 4861, 10: MAX_MULTICAST_SOLICIT
    assert client.error == errno.EHOSTUNREACH
    assert [each.number for each in endpoint.take_complaints()] == [errno.EHOSTUNREACH]
    assert not side.station.link.neighbors.table

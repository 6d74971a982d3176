"""`hythe.host.station` against a hostile segment: whatever arrives, nothing raises, and memory stays bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from hythe.units import SECOND
from hythe.wire import arp, dhcp, ethernet, ndp, udp
from tests.host.hosts import packed
from tests.host.stations import OURS, World, quick
from tests.wire.strategies import damaged

US = bytes.fromhex("020000000001")
HERE, THERE = packed("192.0.2.1"), packed("192.0.2.99")
ROUTER, NODE = packed("fe80::99"), packed("2001:db8::1")
TOLD = ndp.RouterAdvertisement(
    64, True, True, 1800, 1, 1, OURS, 1400, [ndp.PrefixInformation(NODE, 64, True, True, 9, 8)], [(NODE, 7)]
)
LEASE = dhcp.Message(dhcp.BOOT_REPLY, 0, US, yours=HERE, options={53: b"\x02", 54: THERE, 51: b"\0\0\x01\0", 1: b"\xff" * 4})


def group(message: ndp.Message) -> bytes:
    mac = ethernet.group_of(ndp.ALL_NODES)
    return ethernet.build(mac, OURS, ethernet.IPV6) + ndp.packet(ROUTER, ndp.ALL_NODES, message)


EXAMPLES: tuple[bytes, ...] = (
    ethernet.build(ethernet.BROADCAST, OURS, ethernet.ARP) + arp.request(OURS, THERE, HERE),
    ethernet.build(US, OURS, ethernet.ARP) + arp.announcement(OURS, HERE),
    group(TOLD),
    group(ndp.NeighborSolicitation(NODE, OURS)),
    group(ndp.NeighborAdvertisement(NODE, OURS, override=True)),
    group(ndp.Redirect(ROUTER, NODE, OURS)),
    ethernet.build(US, OURS, ethernet.IPV4) + udp.Envelope4(THERE, HERE, 67, 68).packet(dhcp.build(LEASE)),
    bytes(Ether(src=OURS.hex(":"), dst=US.hex(":")) / IP(src="192.0.2.99", dst="192.0.2.1") / ICMP() / Raw(b"ping")),
    bytes(Ether(src=OURS.hex(":"), dst=US.hex(":")) / Dot1Q(vlan=0) / IP(src="192.0.2.99", dst="192.0.2.1") / TCP()),
    bytes(Ether(src=OURS.hex(":"), dst="ff:ff:ff:ff:ff:ff") / IP(src="192.0.2.99", dst="255.255.255.255") / UDP()),
)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(EXAMPLES).flatmap(damaged), max_size=12), st.booleans())
def test_damaged_frames_never_raise(frames: list[bytes], lease: bool) -> None:
    world = World()
    side = world.add("192.0.2.1/24", "2001:db8::1/64", auto=True, lease=lease, ethernet=quick(dhcp_delay=0))
    world.run(2 * SECOND)
    for frame in frames:
        if len(frame) >= ethernet.HEADER_SIZE:
            world.say(frame)
    world.run(30 * SECOND)
    assert len(side.station.link.neighbors.table) <= len(frames) + 8
    assert "192.0.2.1/24" in side.addresses


def test_a_segment_full_of_askers_is_bounded() -> None:
    world = World()
    side = world.add("10.0.0.1/8", "2001:db8::1/64", ethernet=quick())
    world.run()
    for number in range(3_000):
        sender = bytes((10, 1, number >> 8, number & 0xFF))
        mac = b"\x02\x01\x01\x01" + number.to_bytes(2, "big")
        header = ethernet.build(ethernet.BROADCAST, mac, ethernet.ARP)
        (answer,) = world.say(header + arp.request(mac, sender, bytes((10, 0, 0, 1))))
        assert answer.dst == mac.hex(":")
    assert len(side.station.link.neighbors.table) == side.host.config.ethernet.neighbors

"""The join of the command's link and a tunnel: which packets pass, which do not, and who is told."""

from __future__ import annotations

import errno

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, ICMPerror, IPerror, TCPerror, UDPerror
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6, IPv6ExtHdrFragment
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from hythe.units import SECOND
from hythe.wire.packet import GSO_TCPV4, VNET_SIZE, vnet
from tests.gateway.joined import FAR4, FAR6, GATEWAY4, GATEWAY6, MTU, OWN4, OWN6, TUNNEL4, TUNNEL6, Joined

BOTH = pytest.mark.parametrize("version", [4, 6])
ENDS = {4: (TUNNEL4, FAR4), 6: (TUNNEL6, FAR6)}
OWN = {4: OWN4, 6: OWN6}


def ip(version: int, source: str, destination: str) -> Scapy:
    return IP(src=source, dst=destination, id=0, flags="DF") if version == 4 else IPv6(src=source, dst=destination)


def out(version: int, source: str | None = None) -> Scapy:
    """Return the headers of a packet of the command's to the far end."""
    return ip(version, source or ENDS[version][0], ENDS[version][1])


def back(version: int, source: str | None = None) -> Scapy:
    """Return those of one of the far end's to the command."""
    return ip(version, source or ENDS[version][1], ENDS[version][0])


@BOTH
def test_packets_pass_as_they_are(version: int) -> None:
    joined = Joined()
    for load in (TCP(sport=4000, dport=80, flags="S"), UDP(sport=4000, dport=53) / Raw(b"question")):
        sent = out(version) / load
        assert [bytes(each) for each in joined.up(sent)] == [bytes(sent)]
        load.sport, load.dport = load.dport, load.sport
        answer = back(version) / load
        assert [bytes(each) for each in joined.down(answer)] == [bytes(answer)]


def test_the_hop_limit_stays() -> None:
    joined = Joined()
    sent = out(4) / ICMP(type=8, id=9)
    sent.ttl = 1
    assert joined.up(sent)[0].ttl == 1


@BOTH
def test_connections_are_counted_and_followed(version: int) -> None:
    joined = Joined()

    def up(flags: str, data: bytes = b"") -> None:
        joined.up(out(version) / TCP(sport=4000, dport=80, flags=flags, seq=1, ack=1) / Raw(data))

    def down(flags: str, data: bytes = b"") -> None:
        joined.down(back(version) / TCP(sport=80, dport=4000, flags=flags, seq=1, ack=1) / Raw(data))

    up("S")
    (record,) = joined.session.records()
    assert (record.protocol, record.state, record.outside) == ("tcp", "SYN_SENT", (ENDS[version][1], 80))
    assert record.inside == (ENDS[version][0], 4000)
    joined.now = 30
    down("SA")
    assert (record.state, record.rtt) == ("ESTABLISHED", 30)
    up("A", b"x" * 100)
    up("A", b"x" * 11)
    down("A", b"y" * 1000)
    assert (record.bytes_up, record.bytes_down) == (111, 1000)
    down("FA", b"end")
    assert record.state == "CLOSE_WAIT"
    up("A", b"still")
    up("FA")
    assert (record.state, record.error, record.bytes_up, record.bytes_down) == ("CLOSED", 0, 116, 1003)
    assert not joined.session.live
    down("A")  # the last acknowledgment is of no new connection
    assert joined.session.count == 1
    up("S")
    assert joined.session.count == 2


def test_refused_is_told() -> None:
    joined = Joined()
    joined.up(out(4) / TCP(sport=4000, dport=81, flags="S"))
    joined.down(back(4) / TCP(sport=81, dport=4000, flags="RA", ack=1))
    (record,) = joined.session.records()
    assert (record.state, record.error, joined.session.refused) == ("CLOSED", errno.ECONNREFUSED, 1)


@BOTH
def test_datagrams_and_pings_are_flows(version: int) -> None:
    joined = Joined()
    joined.up(out(version) / UDP(sport=5, dport=53) / Raw(b"12345"))
    ask, answer = (ICMP(id=7), ICMP(type=0, id=7)) if version == 4 else (ICMPv6EchoRequest(id=7), ICMPv6EchoReply(id=7))
    joined.up(out(version) / ask / Raw(b"abc"))
    udp, ping = joined.session.records()
    assert (udp.protocol, udp.state, udp.bytes_up) == ("udp", "UNREPLIED", 5)
    assert (ping.protocol, ping.state, ping.bytes_up, ping.outside) == ("icmp", "UNREPLIED", 3, (ENDS[version][1], 0))
    joined.down(back(version) / UDP(sport=53, dport=5) / Raw(b"123"), back(version) / answer / Raw(b"abc"))
    assert (udp.state, udp.bytes_down, ping.state, ping.bytes_down) == ("ASSURED", 3, "ASSURED", 3)
    assert joined.session.count == 2


def test_what_is_silent_is_forgotten() -> None:
    joined = Joined()
    joined.up(out(4) / UDP(sport=5, dport=1000), out(4) / ICMP(id=7), out(4) / TCP(sport=4000, dport=80, flags="S"))
    assert len(joined.session.live) == 3
    joined.now = 70 * SECOND
    joined.host.fire(joined.now)
    assert [each.protocol for each in joined.session.past] == ["icmp"]
    joined.now = 400 * SECOND
    joined.host.fire(joined.now)
    assert [each.protocol for each in joined.session.past] == ["icmp", "tcp", "udp"]
    assert not joined.relay.flows.tcp_up
    assert not joined.relay.flows.tcp_down
    assert joined.relay.flows.deadline > joined.now


def test_there_are_only_so_many_flows() -> None:
    joined = Joined(tunnel_flows=3)
    for port in range(1, 6):
        joined.now += 1
        joined.up(out(4) / UDP(sport=port, dport=9))
    assert len(joined.relay.flows.udp_up) == len(joined.relay.flows.udp_down) == 3
    assert sorted(flow.record.inside[1] for flow in joined.relay.flows.udp_up.values()) == [3, 4, 5]


# --- What stays inside


@BOTH
def test_the_network_inside_is_the_gateways(version: int) -> None:
    joined = Joined()
    gateway = GATEWAY4 if version == 4 else GATEWAY6
    ask = ICMP(id=7) if version == 4 else ICMPv6EchoRequest(id=7)
    joined.command.send(0, bytes(VNET_SIZE) + bytes(ip(version, ENDS[version][0], gateway) / ask / Raw(b"abc")))
    inside, outside = joined.turn()
    assert [each.src for each in inside] == [gateway]
    assert outside == []
    assert joined.session.count == 0


@BOTH
def test_nobody_outside_passes_for_the_network_inside(version: int) -> None:
    joined = Joined()
    gateway = GATEWAY4 if version == 4 else GATEWAY6
    assert joined.down(back(version, gateway) / UDP(sport=53, dport=5) / Raw(b"forged")) == []
    assert joined.relay.dropped == 1


@BOTH
def test_what_is_not_for_the_command_does_not_arrive(version: int) -> None:
    joined = Joined()
    other = "10.9.0.3" if version == 4 else "fd09::3"
    assert joined.down(ip(version, ENDS[version][1], other) / UDP(sport=53, dport=5)) == []
    loopback = "127.0.0.1" if version == 4 else "::1"
    assert joined.down(back(version, loopback) / UDP(sport=53, dport=5)) == []
    assert joined.relay.dropped == 2


@BOTH
def test_what_does_not_come_from_the_command_does_not_leave(version: int) -> None:
    joined = Joined()
    other = "10.1.2.3" if version == 4 else "2001:db8:1::3"
    assert joined.up(out(version, other) / UDP(sport=53, dport=5)) == []
    assert (
        joined.up(ip(version, ENDS[version][0], "224.0.0.9" if version == 4 else "ff02::9") / UDP(sport=53, dport=5)) == []
    )
    assert joined.relay.dropped == 2
    assert joined.session.count == 0


def test_a_peer_can_connect_to_the_command() -> None:
    joined = Joined()
    assert len(joined.down(back(4) / TCP(sport=4000, dport=22, flags="S"))) == 1
    joined.up(out(4) / TCP(sport=22, dport=4000, flags="SA"))
    (record,) = joined.session.records()
    assert (record.inbound, record.state, record.inside, record.outside) == (
        True,
        "ESTABLISHED",
        (TUNNEL4, 22),
        (FAR4, 4000),
    )


# --- What cannot leave


def test_no_peer_for_an_address() -> None:
    joined = Joined(carries=("10.0.0.0/8", "fd00::/8"))
    for version in (4, 6):
        joined.command.send(0, bytes(VNET_SIZE) + bytes(out(version) / TCP(sport=4000, dport=80, flags="S")))
        (error,), passed = joined.turn()
        assert passed == []
        if version == 4:
            assert (error[ICMP].type, error[ICMP].code, error[TCPerror].sport) == (3, 1, 4000)
        else:
            assert (error[IPv6].payload.type, error[IPv6].payload.code) == (1, 0)
    assert joined.session.count == 0


def test_no_address_of_a_family() -> None:
    joined = Joined(patterns=f"{FAR4}, {FAR6}", addresses=(TUNNEL4,))
    joined.command.send(0, bytes(VNET_SIZE) + bytes(out(6, OWN6) / TCP(sport=4000, dport=80, flags="S")))
    (error,), passed = joined.turn()
    assert (error[IPv6].payload.type, error[IPv6].payload.code, passed) == (1, 0, [])
    assert len(joined.up(out(4, OWN4) / TCP(sport=4000, dport=80, flags="S"))) == 1


def test_too_big_is_told_with_the_mtu() -> None:
    joined = Joined(patterns="198.51.100.0/24, 2001:db8::/32")
    big = out(4, OWN4) / UDP(sport=1, dport=9) / Raw(bytes(2000))
    joined.command.send(0, bytes(VNET_SIZE) + bytes(big))
    (error,), passed = joined.turn()
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu, passed) == (3, 4, MTU, [])
    assert (error[IPerror].src, error[UDPerror].sport) == (OWN4, 1)
    joined.command.send(0, bytes(VNET_SIZE) + bytes(out(6, OWN6) / UDP(sport=1, dport=9) / Raw(bytes(2000))))
    (error,), passed = joined.turn()
    assert (error[ICMPv6PacketTooBig].mtu, passed) == (MTU, [])


def test_too_big_a_super_segment_is_told_too() -> None:
    joined = Joined(patterns="198.51.100.0/24")
    segment = bytes(out(4, OWN4) / TCP(sport=1, dport=9, flags="A", seq=5) / Raw(bytes(40_000)))
    joined.command.send(0, vnet(GSO_TCPV4, 40, MTU - 40, 20, 16) + segment)
    errors, passed = joined.turn()
    assert errors == []
    assert (sum(len(each[TCP].payload) for each in passed), max(each.len for each in passed)) == (40_000, MTU)
    joined.command.send(0, vnet(GSO_TCPV4, 40, MTU - 39, 20, 16) + segment)
    errors, passed = joined.turn()
    assert [each[ICMP].nexthopmtu for each in errors] == [MTU]
    assert passed == []


def test_what_may_be_fragmented_is() -> None:
    joined = Joined(patterns="198.51.100.0/24")
    sent = IP(src=OWN4, dst=FAR4, id=77, flags=0) / UDP(sport=1, dport=9) / Raw(bytes(range(256)) * 10)
    joined.command.send(0, bytes(VNET_SIZE) + bytes(sent))
    _, passed = joined.turn()
    assert [each.src for each in passed] == [TUNNEL4, TUNNEL4]
    assert max(each.len for each in passed) <= MTU
    whole = b"".join(bytes(each.payload) for each in passed)
    again = dissected(IP(src=TUNNEL4, dst=FAR4, id=77, flags=0, proto=17) / Raw(whole))
    assert bytes(again[UDP].payload) == bytes(range(256)) * 10


def dissected(packet: Scapy) -> Scapy:
    found = IP(bytes(packet))
    expected = IP(bytes(packet))
    del expected[UDP].chksum
    assert IP(bytes(expected))[UDP].chksum == found[UDP].chksum
    return found


# --- Some of it only


@BOTH
def test_addresses_are_translated_both_ways(version: int) -> None:
    joined = Joined(patterns=f"{FAR4}, {FAR6}")
    ask, answer = (ICMP(id=7), ICMP(type=0, id=7)) if version == 4 else (ICMPv6EchoRequest(id=7), ICMPv6EchoReply(id=7))
    for there, again in (
        (TCP(sport=4000, dport=80, flags="S"), TCP(sport=80, dport=4000, flags="SA")),
        (UDP(sport=4000, dport=80) / Raw(b"abc"), UDP(sport=80, dport=4000) / Raw(b"abcd")),
        (ask / Raw(b"abc"), answer / Raw(b"abc")),
    ):
        (sent,) = joined.up(out(version, OWN[version]) / there)
        assert (sent.src, sent.dst) == ENDS[version]
        (received,) = joined.down(back(version) / again)
        assert (received.src, received.dst) == (ENDS[version][1], OWN[version])
    assert [each.inside[0] for each in joined.session.records()] == [OWN[version]] * 3


def test_fragments_are_translated() -> None:
    joined = Joined(patterns=FAR4)
    first = IP(src=OWN4, dst=FAR4, id=5, flags="MF") / UDP(sport=1, dport=9, len=32, chksum=0x1234) / Raw(bytes(16))
    second = IP(src=OWN4, dst=FAR4, id=5, frag=3, proto=17) / Raw(bytes(8))
    joined.command.send(0, bytes(VNET_SIZE) + bytes(first))
    joined.command.send(0, bytes(VNET_SIZE) + bytes(second))
    for packet in joined.interface.link.receive(0, 8):
        joined.relay.receive(packet, 0, joined.interface)
    one, two = (IP(each.keep()) for each in joined.far.receive(0, 8))
    assert (one.src, two.src) == (TUNNEL4, TUNNEL4)
    difference = checksum_words(OWN4) - checksum_words(TUNNEL4)
    assert (one[UDP].chksum - 0x1234 - difference) % 0xFFFF == 0
    assert bytes(two.payload) == bytes(8)


def checksum_words(address: str) -> int:
    one, two, three, four = map(int, address.split("."))
    return (one << 8 | two) + (three << 8 | four)


def test_errors_are_translated_with_what_they_quote() -> None:
    joined = Joined(patterns=f"{FAR4}, 192.0.2.0/24")
    (sent,) = joined.up(out(4, OWN4) / UDP(sport=4000, dport=9) / Raw(b"lost"))
    (error,) = joined.down(IP(src="192.0.2.1", dst=TUNNEL4) / ICMP(type=3, code=1) / IPerror(bytes(sent)))
    assert (error.src, error.dst) == ("192.0.2.1", OWN4)
    assert (error[IPerror].src, error[UDPerror].sport) == (OWN4, 4000)
    (record,) = joined.session.records()
    assert record.error == errno.EHOSTUNREACH
    assert (
        IPerror(bytes(error[IPerror])).chksum == IP(bytes(IP(src=OWN4, dst=FAR4, id=0, flags="DF", proto=17, len=32))).chksum
    )
    assert isinstance(error[ICMP], ICMP)
    assert not isinstance(error[ICMP], ICMPerror)


def test_what_the_patterns_do_not_say_is_the_gateways() -> None:
    joined = Joined(patterns="10.0.0.0/8, :smtp")
    taken: list[bytes] = []
    joined.relay._otherwise = lambda packet, _now, _interface: taken.append(packet.keep())
    other = out(4, OWN4) / TCP(sport=4000, dport=80, flags="S")
    assert joined.up(other) == []
    assert taken == [bytes(other)]
    assert len(joined.up(out(4, OWN4) / TCP(sport=4000, dport=25, flags="S"))) == 1
    assert joined.down(back(4) / UDP(sport=80, dport=4000)) == []  # nor does anything come from there


def test_a_name_leads_through_the_tunnel_for_its_time() -> None:
    joined = Joined(patterns="*.corp.example:80")
    match = joined.relay.match
    (pattern,) = match.named("www.corp.example")
    assert match.named("www.example") == []
    far = bytes((198, 51, 100, 7))
    match.learn(far, [pattern], 60 * SECOND, 0)
    match.learn(bytes((10, 83, 64, 1)), [pattern], 60 * SECOND, 0)
    assert match.leads(far, 80, 600 * SECOND)
    assert not match.leads(far, 443, 0)
    assert not match.leads(far, 80, 661 * SECOND)
    assert not match.leads(bytes((10, 83, 64, 1)), 80, 0)


# --- Ended by hand


@BOTH
def test_a_connection_is_killed(version: int) -> None:
    joined = Joined()
    joined.up(out(version) / TCP(sport=4000, dport=80, flags="S", seq=99))
    joined.down(back(version) / TCP(sport=80, dport=4000, flags="SA", seq=499, ack=100))
    joined.up(out(version) / TCP(sport=4000, dport=80, flags="PA", seq=100, ack=500) / Raw(b"12345"))
    (flow,) = joined.session.live.values()
    flow.kill(joined.now)
    (to_command,), (to_far,) = joined.turn()
    assert (to_command[TCP].flags, to_command[TCP].seq, to_command[TCP].dport) == ("RA", 500, 4000)
    assert (to_far[TCP].flags, to_far[TCP].seq, to_far[TCP].dport) == ("RA", 105, 80)
    assert (flow.record.state, flow.record.error) == ("CLOSED", errno.ECONNABORTED)
    # What comes of it all the same is answered, and goes no further.
    joined.command.send(0, bytes(VNET_SIZE) + bytes(out(version) / TCP(sport=4000, dport=80, flags="A", seq=105, ack=500)))
    (again,), passed = joined.turn()
    assert (again[TCP].flags, again[TCP].seq, passed) == ("R", 500, [])


def test_garbage_is_dropped() -> None:
    joined = Joined()
    for data in (b"\x45", b"\x45" + bytes(30), bytes(out(4) / TCP(sport=1, dport=2))[:25], b"\x60" + bytes(20), b"\0" * 60):
        joined.command.send(0, bytes(VNET_SIZE) + data)
        joined.far.send(0, bytes(VNET_SIZE) + data)
        assert joined.turn() == ([], [])
    long = out(6) / IPv6ExtHdrFragment(offset=9, m=1, nh=17) / Raw(bytes(16))
    assert len(joined.up(long)) == 1  # a fragment other than the first passes: it has no ports

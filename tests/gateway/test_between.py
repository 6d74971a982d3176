"""What peers of a gateway send each other, packet by packet: what passes, what does not, and who is told."""

from __future__ import annotations

import errno
from random import Random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from hythe.config import HostConfig, RelayConfig
from hythe.gateway.gateway import DEFAULT_ROUTES
from hythe.gateway.peers.between import Between
from hythe.gateway.peers.layout import Peer, PeersLayout
from hythe.gateway.session import Session
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.routes import Route
from hythe.link.faults import FaultLink, Plan
from hythe.link.pair import pair
from hythe.wire.packet import GSO_TCPV4, VNET_PLAIN, VNET_SIZE, vnet
from tests.host.hosts import dissect, packed

MTU = 1_420
OURS = [(packed("10.7.0.1"), 24), (packed("fd07::1"), 64)]
LAPTOP = Peer("laptop", ((packed("10.7.0.2"), 32), (packed("fd07::2"), 128), (packed("192.168.2.0"), 24)))
#: What it has includes the gateway's own address, and all of the network.
PHONE = Peer("phone", ((packed("10.7.0.3"), 32), (packed("fd07::3"), 128), (packed("10.7.0.0"), 24)))
SILENT = Peer("silent", ((packed("10.7.0.4"), 32),))
WORLD = Peer("world", ((packed("0.0.0.0"), 0),))
BOTH = pytest.mark.parametrize("version", [4, 6])
A, B = {4: "10.7.0.2", 6: "fd07::2"}, {4: "10.7.0.3", 6: "fd07::3"}


class Meeting:
    """A gateway's host, whose link has the test at its other end: in the place of all peers."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.peers, near = pair(MTU, poison=True)
        self.now = 1
        self.host = Host(HostConfig(any_destination=True), Random(7), b"j" * 32)
        link = FaultLink(near, plan, Plan(), far_above=True) if plan is not None else near
        self.interface = self.host.attach("hythe0", link, tuple(Prefix(*each) for each in OURS))
        for default in DEFAULT_ROUTES:
            self.host.routes.add(Route(default, self.interface))
        self.session = Session(0)
        self.layout = PeersLayout("server.conf", OURS, (LAPTOP, PHONE, SILENT, WORLD), host_loopback=False)
        self.between = Between(
            self.host, self.interface, self.layout, self.session, RelayConfig(), lambda each: each != packed("10.7.0.4")
        )

    def send(self, *packets: Scapy | bytes, head: bytes = VNET_PLAIN) -> list[Scapy]:
        """Have a peer send these; what peers get."""
        return [dissect(packet) for packet in self.passed(*packets, head=head)]

    def passed(self, *packets: Scapy | bytes, head: bytes = VNET_PLAIN) -> list[bytes]:
        """The same as bytes."""
        for each in packets:
            self.peers.send(self.now, head + bytes(each))
        for packet in self.interface.link.receive(self.now, 64):
            self.between.receive(packet, self.now, self.interface)
        for item in self.host.take_ready():
            item.queued = False
            self.host.attend(item, self.now)
        return [bytes(packet.keep()) for packet in self.peers.receive(self.now, 64)]


def ip(version: int, source: str, destination: str, ttl: int = 64, **more: object) -> Scapy:
    if version == 4:
        return IP(src=source, dst=destination, ttl=ttl, **({"id": 0, "flags": "DF"} | more))
    return IPv6(src=source, dst=destination, hlim=ttl)


@BOTH
def test_packets_pass_with_a_hop_less(version: int) -> None:
    """All else stays, ECN and DSCP too, and the header's checksum is right."""
    meeting = Meeting()
    more: dict[str, object] = {"tos": 0xBA + 1}
    for load in (
        TCP(sport=4000, dport=22, flags="SEC"),
        TCP(sport=4000, dport=22, flags="A") / Raw(bytes(1200)),
        UDP(sport=4000, dport=53) / Raw(b"question"),
        ICMP(type=8, id=9) if version == 4 else ICMPv6EchoRequest(id=9),
    ):
        for ttl in (2, 64, 255):
            sent, wanted = (ip(version, A[version], B[version], each, **more) / load for each in (ttl, ttl - 1))
            if version == 6:
                sent.tc = wanted.tc = 0xBB
            assert meeting.passed(sent) == [bytes(wanted)]
    assert not meeting.host.counters.icmp_errors_sent


def test_every_checksum_of_a_header_comes_out_right() -> None:
    """RFC 1624: the sum goes round at its end, too."""
    meeting = Meeting()
    seen = set()
    with_none = int.from_bytes(bytes(ip(4, A[4], B[4]) / UDP(sport=1, dport=2))[10:12])
    for checksum in (0x0001, 0x00FF, 0x1234, 0xFEFE, 0xFEFF, 0xFF00, 0xFF01, 0xFFFE):
        identification = (with_none - checksum) % 0xFFFF
        sent = bytes(ip(4, A[4], B[4], id=identification) / UDP(sport=1, dport=2))
        wanted = ip(4, A[4], B[4], 63, id=identification) / UDP(sport=1, dport=2)
        assert meeting.passed(sent) == [bytes(wanted)]
        seen.add(sent[10:12].hex())
    assert {"0001", "feff", "ff00", "fffe"} <= seen


def test_a_super_segment_passes_whole() -> None:
    meeting = Meeting()
    packet = ip(4, A[4], B[4]) / TCP(sport=4000, dport=22, flags="A", chksum=0) / Raw(bytes(range(250)) * 200)
    head = vnet(GSO_TCPV4, 40, MTU - 40, 20, 16)
    assert len(head) == VNET_SIZE
    (passed,) = meeting.passed(packet, head=head)
    assert passed[40:] == bytes(range(250)) * 200
    assert (passed[8], passed[12:20]) == (63, packed(A[4]) + packed(B[4]))


@BOTH
def test_who_lives_no_longer_is_told_of(version: int) -> None:
    meeting = Meeting()
    for ttl in (0, 1):
        (error,) = meeting.send(ip(version, A[version], B[version], ttl) / UDP(sport=33_000, dport=33_434))
        if version == 4:
            assert (error[IP].src, error[IP].dst, error[ICMP].type, error[ICMP].code) == ("10.7.0.1", A[4], 11, 0)
            assert error[IPerror].dst == B[4]
        else:
            assert (error[IPv6].src, error[IPv6].dst, error[ICMPv6TimeExceeded].code) == ("fd07::1", A[6], 0)
    assert not meeting.session.count


@BOTH
def test_what_is_too_long_is_told_with_the_mtu_or_cut(version: int) -> None:
    meeting = Meeting()
    long = UDP(sport=5, dport=6) / Raw(bytes(1_600))
    (error,) = meeting.send(ip(version, A[version], B[version]) / long)
    if version == 6:
        assert error[ICMPv6PacketTooBig].mtu == MTU
        return
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, MTU)
    pieces = meeting.send(ip(4, A[4], B[4], flags=0, id=77) / long)
    assert [(each[IP].ttl, each[IP].id, each[IP].frag) for each in pieces] == [(63, 77, 0), (63, 77, 175)]
    assert b"".join(bytes(each[IP].payload) for each in pieces)[8:] == bytes(1_600)


@pytest.mark.parametrize("destination", ["10.7.0.2", "192.168.2.9"])
def test_nothing_goes_back_to_whom_it_came_from(destination: str) -> None:
    """RFC 4443, 3.1: MUST NOT, or it would go round until it dies."""
    meeting = Meeting()
    (error,) = meeting.send(ip(4, "192.168.2.7", destination) / UDP(sport=5, dport=6))
    assert (error[IP].dst, error[ICMP].type, error[ICMP].code) == ("192.168.2.7", 3, 1)
    meeting.layout.peers[:] = [Peer("site", ((packed("fd07:2::"), 32),))]
    meeting.between.know(meeting.layout, 0)
    (error,) = meeting.send(ip(6, "fd07:2::1", "fd07:2::2") / UDP(sport=5, dport=6))
    assert error[ICMPv6DestUnreach].code == 3


def test_a_peer_that_was_never_heard_is_told_at_once() -> None:
    meeting = Meeting()
    (error,) = meeting.send(ip(4, A[4], "10.7.0.4") / TCP(sport=5, dport=6))
    assert (error[ICMP].type, error[ICMP].code) == (3, 1)
    assert not meeting.session.count


def test_the_gateway_itself_and_the_world_are_the_hosts() -> None:
    """Its own address is its own though a peer may have all of its network; who may have everything has the world."""
    meeting = Meeting()
    (answer,) = meeting.send(ip(4, A[4], "10.7.0.1") / ICMP(type=8, id=9))
    assert (answer[IP].src, answer[ICMP].type) == ("10.7.0.1", 0)
    (refused,) = meeting.send(ip(4, A[4], "198.51.100.7") / TCP(sport=5, dport=6))  # there is no gate here
    assert (refused[IP].src, str(refused[TCP].flags)) == ("198.51.100.7", "RA")
    # From an address of no peer's network nothing is passed on: answers would not find back.
    (error,) = meeting.send(ip(4, "203.0.113.9", A[4]) / UDP(sport=5, dport=6))
    assert (error[ICMP].type, error[ICMP].code) == (3, 1)


def test_what_no_router_passes_on() -> None:
    meeting = Meeting()
    meeting.layout.peers.append(Peer("odd", ((packed("169.254.1.0"), 24), (packed("fe80::"), 64), (packed("127.0.0.0"), 8))))
    meeting.between.know(meeting.layout, 0)
    for source, destination in (("169.254.1.1", A[4]), (A[4], "169.254.1.1"), ("127.0.0.1", A[4]), (A[4], "127.0.0.1")):
        assert meeting.send(ip(4, source, destination) / UDP(sport=5, dport=6)) == []
    assert meeting.send(ip(6, A[6], "fe80::1") / UDP(sport=5, dport=6)) == []
    assert meeting.send(ip(4, A[4], B[4], len=10) / UDP(sport=5, dport=6)) == []
    assert meeting.between.dropped == 6
    assert not meeting.session.count


@BOTH
def test_connections_are_counted_followed_and_killed(version: int) -> None:
    meeting = Meeting()

    def up(flags: str, data: bytes = b"", **more: int) -> list[Scapy]:
        return meeting.send(ip(version, A[version], B[version]) / TCP(sport=40, dport=22, flags=flags, **more) / Raw(data))

    def down(flags: str, data: bytes = b"", **more: int) -> list[Scapy]:
        return meeting.send(ip(version, B[version], A[version]) / TCP(sport=22, dport=40, flags=flags, **more) / Raw(data))

    up("S", seq=1)
    down("SA", seq=100, ack=2)
    up("A", seq=2, ack=101)
    up("PA", b"SSH-2.0-hythe\r\n", seq=2, ack=101)
    down("PA", b"SSH-2.0\r\n", seq=101, ack=17)
    (flow,) = meeting.session.live.values()
    record = flow.record
    assert (record.state, record.bytes_up, record.bytes_down, record.protocol) == ("ESTABLISHED", 15, 9, "tcp")
    assert (record.inside, record.outside, record.name) == ((A[version], 40), (B[version], 22), "phone")
    flow.kill(meeting.now)
    told = meeting.send()
    assert {each[TCP].dport: (each[TCP].seq, str(each[TCP].flags)) for each in told} == {22: (17, "RA"), 40: (101, "RA")}
    (again,) = down("PA", b"more", seq=110, ack=17)
    assert (again[TCP].dport, again[TCP].seq, str(again[TCP].flags)) == (22, 17, "R")
    assert record.error == errno.ECONNABORTED
    up("S", seq=9)  # it begins anew
    assert meeting.session.count == 2


def test_refused_is_told_of() -> None:
    meeting = Meeting()
    meeting.send(ip(4, A[4], B[4]) / UDP(sport=40, dport=9))
    quoted = ip(4, A[4], B[4], 63) / UDP(sport=40, dport=9)
    (error,) = meeting.send(ip(4, B[4], A[4]) / ICMP(type=3, code=3) / quoted)
    assert (error[IP].src, error[IP].dst, error[IP].ttl, error[ICMP].code) == (B[4], A[4], 63, 3)
    (flow,) = meeting.session.live.values()
    assert (flow.record.error, meeting.session.count) == (errno.ECONNREFUSED, 1)


def test_flows_end_with_their_peers_and_others_go_on() -> None:
    meeting = Meeting()
    for destination in (B[4], "192.168.2.9"):
        meeting.send(ip(4, A[4] if destination == B[4] else B[4], destination) / UDP(sport=40, dport=9))
    assert [flow.record.name for flow in meeting.session.live.values()] == ["phone", "laptop"]
    meeting.layout.peers[:] = [LAPTOP._replace(networks=LAPTOP.networks[:2]), PHONE]
    meeting.between.know(meeting.layout, 5)
    assert [flow.record.name for flow in meeting.session.live.values()] == ["phone"]
    assert meeting.send(ip(4, A[4], B[4]) / UDP(sport=40, dport=9)) != []


def test_a_duplicate_loses_one_hop_as_well() -> None:
    meeting = Meeting(Plan(duplicate=1))
    passed = meeting.send(ip(4, A[4], B[4]) / UDP(sport=5, dport=6))
    assert [each[IP].ttl for each in passed] == [63, 63]

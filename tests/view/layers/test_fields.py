"""Every field beside scapy's dissection: of packets made of everything, and of random ones."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
from scapy.compat import raw
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
    RouterAlert,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from hythe.view.layers.dissect import dissect
from hythe.wire.pcapng import LINKTYPE_ETHERNET, LINKTYPE_RAW

if TYPE_CHECKING:
    from hythe.view.layers.model import Dissection, Header

#: Our header and field names -> scapy's.
NAMES: Final[dict[str, tuple[type, dict[str, str]]]] = {
    "Ethernet": (Ether, {"Destination": "dst", "Source": "src", "EtherType": "type"}),
    "802.1Q": (Dot1Q, {"Priority Code Point": "prio", "VLAN Identifier": "vlan", "EtherType": "type"}),
    "ARP": (
        ARP,
        {
            "Hardware Type": "hwtype",
            "Protocol Type": "ptype",
            "Operation": "op",
            "Sender Hardware Address": "hwsrc",
            "Sender Protocol Address": "psrc",
            "Target Hardware Address": "hwdst",
            "Target Protocol Address": "pdst",
        },
    ),
    "IP": (
        IP,
        {
            "Version": "version",
            "IHL": "ihl",
            "Total Length": "len",
            "Identification": "id",
            "Fragment Offset": "frag",
            "Time to Live": "ttl",
            "Protocol": "proto",
            "Header Checksum": "chksum",
            "Source Address": "src",
            "Destination Address": "dst",
        },
    ),
    "IPv6": (
        IPv6,
        {
            "Version": "version",
            "Flow Label": "fl",
            "Payload Length": "plen",
            "Next Header": "nh",
            "Hop Limit": "hlim",
            "Source Address": "src",
            "Destination Address": "dst",
        },
    ),
    "Fragment": (IPv6ExtHdrFragment, {"Fragment Offset": "offset", "More Fragments": "m", "Identification": "id"}),
    "TCP": (
        TCP,
        {
            "Source Port": "sport",
            "Destination Port": "dport",
            "Sequence Number": "seq",
            "Acknowledgment Number": "ack",
            "Data Offset": "dataofs",
            "Window": "window",
            "Checksum": "chksum",
            "Urgent Pointer": "urgptr",
        },
    ),
    "UDP": (UDP, {"Source Port": "sport", "Destination Port": "dport", "Length": "len", "Checksum": "chksum"}),
    "ICMP": (ICMP, {"Type": "type", "Code": "code", "Checksum": "chksum", "Identifier": "id", "Sequence Number": "seq"}),
    "DNS": (DNS, {"ID": "id", "QR": "qr", "Opcode": "opcode", "AA": "aa", "TC": "tc", "RD": "rd", "RCODE": "rcode"}),
}
FLAGS: Final = (("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32), ("ECE", 64), ("CWR", 128))


def read(packet: Scapy) -> Dissection:
    return dissect(raw(packet), LINKTYPE_ETHERNET)


def named(found: Dissection, name: str) -> Header:
    return next(header for header in found.headers if header.name == name)


def same(found: Dissection, packet: Scapy) -> int:
    """Compare all fields that both know; how many."""
    compared = 0
    for header in found.headers:
        if header.name not in NAMES:
            continue
        kind, names = NAMES[header.name]
        layer = packet[kind]
        for ours, theirs in names.items():
            if header.find(ours) is None:
                continue
            value: Any = layer.getfieldval(theirs)
            got: Any = header.text(ours) if isinstance(value, str) else header.value(ours)
            assert got == (int(value) if not isinstance(value, str) else value), (header.name, ours)
            compared += 1
        if header.name == "TCP":
            assert [header.value(name) for name, _ in FLAGS] == [int(bool(int(layer.flags) & bit)) for _, bit in FLAGS]
    return compared


def contiguous(found: Dissection) -> None:
    """Fields lie one behind the other and headers too: no bit is left out, none is told twice."""
    at = 0
    for header in found.headers:
        assert header.at == at, header.name
        bit = 0
        for field in header.fields:
            assert field.offset == bit, (header.name, field.name)
            assert field.reference
            bit += field.width
        assert bit % 8 == 0
        at += bit // 8
    assert found.payload_at == at


def random_packet(rng: Random) -> Scapy:
    """A whole packet: link, network, transport, data."""
    four = rng.random() < 0.5
    packet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    if rng.random() < 0.3:
        packet /= Dot1Q(vlan=rng.randrange(4_095), prio=rng.randrange(8))
    if four:
        packet /= IP(
            src="192.0.2.1", dst="198.51.100.2", id=rng.randrange(1 << 16), ttl=rng.randrange(1, 256), tos=rng.randrange(256)
        )
    else:
        packet /= IPv6(src="2001:db8::1", dst="2001:db8::2", fl=rng.randrange(1 << 20), hlim=rng.randrange(1, 256))
        if rng.random() < 0.3:
            packet /= IPv6ExtHdrHopByHop(options=[RouterAlert(value=rng.randrange(9))])
        if rng.random() < 0.3:
            packet /= IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(rng.randrange(4)))])
    ports = {"sport": rng.randrange(1_024, 1 << 16), "dport": rng.randrange(1_024, 1 << 16)}
    chosen = rng.randrange(3)
    if chosen == 0:
        choice = [("MSS", 1460), ("WScale", rng.randrange(15)), ("Timestamp", (rng.randrange(1 << 32), 7)), ("SAckOK", b"")]
        options = rng.sample(choice, rng.randrange(5))
        numbers = {"seq": rng.getrandbits(32), "ack": rng.getrandbits(32), "window": rng.getrandbits(16)}
        packet /= TCP(**ports, **numbers, flags=rng.randrange(256), urgptr=rng.getrandbits(16), options=options)
    elif chosen == 1:
        packet /= UDP(**ports)
    else:
        identity = {"id": rng.getrandbits(16), "seq": rng.getrandbits(16)}
        packet /= ICMP(**identity) if four else ICMPv6EchoRequest(**identity)
    return packet / Raw(rng.randbytes(rng.randrange(60)))


def test_random_packets(rng: Random) -> None:
    compared = 0
    for _ in range(400):
        data = raw(random_packet(rng))
        found = dissect(data, LINKTYPE_ETHERNET)
        assert not found.broken, data.hex()
        compared += same(found, Ether(data))
        contiguous(found)
        for header in found.headers:
            for name in ("Checksum", "Header Checksum"):
                assert header.meaning(name) in ("", "right"), (header.name, data.hex())
    assert compared > 5_000


def test_a_wrong_checksum_is_told_with_the_right_one(rng: Random) -> None:
    for _ in range(50):
        packet = Ether(raw(random_packet(rng)))
        layer = packet.getlayer(TCP) or packet.getlayer(UDP) or packet.getlayer(ICMP)
        if layer is None:
            continue
        right = layer.chksum
        layer.chksum = right ^ 0x0101
        header = next(each for each in reversed(read(packet).headers) if each.find("Checksum"))
        assert header.meaning("Checksum") == f"wrong: 0x{right:04x} would be right"


def test_any_cut_is_survived_and_told(rng: Random) -> None:
    for _ in range(60):
        data = raw(random_packet(rng))
        whole = dissect(data, LINKTYPE_ETHERNET)
        every = [(header.at, field) for header in whole.headers for field in header.fields if field.name != "Checksum"]
        size = rng.randrange(len(data))
        found = dissect(data[:size], LINKTYPE_ETHERNET, len(data))
        assert f"{size} " in found.broken
        got = [(header.at, field) for header in found.headers for field in header.fields if field.name != "Checksum"]
        there = [(at, field) for at, field in every if 8 * at + field.offset + field.width <= 8 * size]
        # Of a header checksum and of a count in bits less can be said; what is there is there.
        assert [(at, field.name, field.value) for at, field in got][: len(there)] == [
            (at, field.name, field.value) for at, field in there
        ][: len(got)]
        assert len(got) <= len(there) <= len(got) + 8


def test_options_of_tcp() -> None:
    options = [
        ("MSS", 1460),
        ("SAckOK", b""),
        ("NOP", None),
        ("WScale", 7),
        ("Timestamp", (11, 22)),
        ("SAck", (1, 2, 3, 4)),
    ]
    header = named(read(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(options=options[:5])), "TCP")
    assert header.value("Maximum Segment Size: MSS") == 1460
    assert header.meaning("Window Scale: Shift") == "windows times 128"
    assert (header.value("Timestamps: TSval"), header.value("Timestamps: TSecr")) == (11, 22)
    header = named(read(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(options=options[5:])), "TCP")
    edges = [field.value for field in header.fields if "Edge" in field.name]
    assert edges == [1, 2, 3, 4]
    assert header.find("SACK: Left Edge").reference == "RFC 2018, 3"  # type: ignore[union-attr]


def test_routes_of_ip_are_addresses() -> None:
    route = IPOption_RR(pointer=8, routers=["10.0.0.9", "10.0.0.8"])
    found = read(Ether() / IP(src="10.0.0.1", dst="10.0.0.2", options=[route]) / UDP())
    header = named(found, "IP")
    assert [field.text for field in header.fields if field.name == "Record Route: Address"] == ["10.0.0.9", "10.0.0.8"]
    assert header.value("Record Route: Pointer") == 8
    assert header.meaning("Header Checksum") == "right"
    contiguous(found)


def test_arp_icmp_and_dns() -> None:
    found = read(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.0.0.3", pdst="10.0.0.2", hwsrc="02:00:00:00:00:03"))
    assert same(found, Ether(found.data)) > 8
    assert named(found, "Ethernet").meaning("Destination") == "all stations (broadcast)"
    quote = IP(src="10.0.0.1", dst="10.0.0.2") / UDP()
    found = read(Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=3, code=4, nexthopmtu=1280) / quote)
    header = named(found, "ICMP")
    assert (header.meaning("Code"), header.value("Next-Hop MTU")) == ("fragmentation needed and DF set", 1280)
    asked = DNS(id=7, rd=1, qd=DNSQR(qname="www.example.org", qtype="AAAA"))
    found = read(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=40_000, dport=53) / asked)
    header = named(found, "DNS")
    assert (header.meaning("QNAME"), header.meaning("QTYPE")) == ("www.example.org", "AAAA")
    assert same(found, Ether(found.data)) > 20
    contiguous(found)


def test_neighbor_discovery() -> None:
    six = Ether() / IPv6(src="fe80::1", dst="fe80::2", hlim=255)
    found = read(six / ICMPv6ND_NS(tgt="fe80::2") / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01"))
    header = named(found, "ICMPv6")
    assert header.text("Target") == "fe80::2"
    assert header.text("Source Link-Layer Address: Address") == "02:00:00:00:00:01"
    assert header.meaning("Checksum") == "right"
    contiguous(found)
    found = read(six / ICMPv6ND_RA(routerlifetime=1800) / ICMPv6NDOptRDNSS(dns=["2001:db8::5", "2001:db8::6"], lifetime=9))
    header = named(found, "ICMPv6")
    assert [field.text for field in header.fields if "Server: Address" in field.name] == ["2001:db8::5", "2001:db8::6"]
    assert (header.value("Router Lifetime"), header.value("Recursive DNS Server: Lifetime")) == (1800, 9)
    header = named(read(six / ICMPv6ND_NA(tgt="fe80::2", R=0, S=1, O=1)), "ICMPv6")
    assert [header.value(name) for name in ("Router", "Solicited", "Override")] == [0, 1, 1]


def test_padding_is_no_payload() -> None:
    data = raw(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=40_000, dport=9) / b"hello") + bytes(13)
    assert dissect(data, LINKTYPE_ETHERNET).payload == b"hello"


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "the packet is empty"),
        (b"\x10", "version 1 at byte 0"),
        (b"\x41" + bytes(30), "a header of 4 bytes"),
        (raw(IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dataofs=4)), "TCP: Data Offset at byte 32"),
        (raw(IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dataofs=6) / b"\x02\x09\0\0"), "Length at byte 41 makes it 9 bytes"),
        (raw(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(len=5)), "UDP: Length at byte 24 is 5 bytes"),
        (raw(IP(src="10.0.0.1", dst="10.0.0.2") / TCP())[:33], "the packet ends after 33 bytes, before CWR"),
        (raw(IP(src="10.0.0.1", dst="10.0.0.2") / UDP() / b"abc")[:30], "IP says the packet has 31 bytes, 30 are there"),
    ],
)
def test_what_is_broken_is_told_with_its_place(data: bytes, where: str) -> None:
    found = dissect(data, LINKTYPE_RAW)
    assert where in found.broken

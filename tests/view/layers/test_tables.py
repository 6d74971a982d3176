"""Rows of other packets than handshakes: what each layer is called, and what is said of it."""

from __future__ import annotations

import pytest
from scapy.compat import raw
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet as Scapy

from hythe.errors import UsageError
from hythe.view.layers.conversation import Choice, Conversations
from hythe.view.layers.model import Shown
from hythe.view.layers.text import packet_text
from hythe.wire.pcapng import LINKTYPE_ETHERNET, LINKTYPE_RAW, CapturedPacket, Interface

A = {"src": "10.0.0.1", "dst": "10.0.0.2"}
B = {"src": "10.0.0.2", "dst": "10.0.0.1"}
THERE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(**A)
BACK = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") / IP(**B)


def captured(packet: Scapy | bytes, linktype: int = LINKTYPE_ETHERNET) -> CapturedPacket:
    data = packet if isinstance(packet, bytes) else raw(packet)
    return CapturedPacket(Interface("", linktype, 0, 1_000_000), 0, data, len(data))


def shown(*packets: Scapy | bytes, linktype: int = LINKTYPE_ETHERNET) -> list[Shown]:
    return [*Conversations().chosen([captured(each, linktype) for each in packets], Choice())]


def down(packet: Shown) -> list[tuple[str, str, str, str]]:
    return [(row.layer, row.protocol, row.pdu, row.info) for row in packet.tables[0].rows]


def test_a_dns_query_is_a_message_in_a_datagram() -> None:
    [query] = shown(THERE / UDP(sport=40_000, dport=53) / DNS(qd=DNSQR(qname="example.org")))
    assert down(query) == [
        ("Application", "DNS", "Messages", "query A example.org"),
        ("Transport", "UDP", "Datagrams", "29 bytes of data"),
        ("Network", "IP", "Packets", "carries UDP, 57 bytes, TTL 64"),
        ("Data Link", "Ethernet", "Frames", "carries IP, 71 bytes"),
        ("Physical", "", "Bits", "568 bits"),
    ]


def test_a_web_request_is_data_in_a_segment() -> None:
    [request] = shown(THERE / TCP(sport=40_000, dport=80, flags="PA") / b"GET / HTTP/1.0\r\n\r\n")
    assert down(request)[:2] == [
        ("Application", "HTTP", "Data", "18 bytes: GET / HTTP/1.0"),
        ("Transport", "TCP", "Segments", "18 bytes of data (PSH/ACK)"),
    ]


def test_icmp_and_arp() -> None:
    [ping] = shown(THERE / ICMP() / b"abc")
    assert down(ping)[0] == ("Network", "ICMP", "Messages", "echo request")
    [asked] = shown(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.0.0.3", pdst="10.0.0.2"))
    assert down(asked)[0] == ("Network", "ARP", "Packets", "who has 10.0.0.2? tell 10.0.0.3")
    assert asked.tables[0].rows[0].addresses == (("Src IP", "10.0.0.3"), ("Dst IP", "10.0.0.2"))
    assert asked.tables[0].rows[1].macs[1] == ("Dst MAC", "ff:ff:ff:ff:ff:ff")


def test_a_raw_packet_says_that_it_has_no_frame() -> None:
    [packet] = shown(raw(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2)), linktype=LINKTYPE_RAW)
    assert down(packet)[1:3] == [
        ("Network", "IPv6", "Packets", "carries UDP, 48 bytes, hop limit 64"),
        ("Data Link", "none", "", "the capture has no link-layer header"),
    ]


def test_a_vlan_and_a_fragment_are_told() -> None:
    tagged = Ether() / Dot1Q(vlan=5) / IP(**A, frag=3, flags="MF") / b"12345678"
    [packet] = shown(tagged)
    assert down(packet)[:2] == [
        ("Network", "IP", "Packets", "28 bytes, TTL 64, fragment at 24"),
        ("Data Link", "Ethernet", "Frames", "carries IP, 46 bytes, VLAN 5"),
    ]


def test_a_connection_from_first_to_last() -> None:
    ports, back = {"sport": 40_000, "dport": 80}, {"sport": 80, "dport": 40_000}
    packets = shown(
        THERE / TCP(**ports, flags="S", seq=100),
        THERE / TCP(**ports, flags="S", seq=100),
        BACK / TCP(**back, flags="SA", seq=500, ack=101),
        THERE / TCP(**ports, flags="A", seq=101, ack=501),
        THERE / TCP(**ports, flags="A", seq=101, ack=501),
        BACK / TCP(**back, flags="FA", seq=501, ack=101),
        THERE / TCP(**ports, flags="R", seq=101),
    )
    assert [each.tables[0].rows[0].info for each in packets] == [
        "3-way handshake (SYN)",
        "3-way handshake (SYN)",
        "3-way handshake (SYN/ACK)",
        "3-way handshake (ACK)",
        "acknowledgment (ACK)",
        "end of stream (FIN/ACK)",
        "reset (RST)",
    ]
    macs = [dict(each.tables[0].rows[2].macs)["Dst MAC"] for each in packets]
    assert macs[:3] == ["unknown", "unknown", "02:00:00:00:00:01"]
    assert macs[3:5] == ["02:00:00:00:00:02"] * 2


def test_conversations_are_numbered_and_chosen() -> None:
    packets = [
        captured(THERE / TCP(sport=1, dport=80)),
        captured(THERE / UDP(sport=1, dport=80)),
        captured(BACK / TCP(sport=80, dport=1, flags="SA")),
        captured(THERE / TCP(sport=2, dport=80)),
    ]
    conversations = Conversations()
    assert [each.number for each in conversations.chosen(packets, Choice(stream=0))] == [1, 2]
    assert [(str(each), each.packets) for each in conversations.all] == [
        ("TCP 10.0.0.1:1 <-> 10.0.0.2:80", 2),
        ("UDP 10.0.0.1:1 <-> 10.0.0.2:80", 1),
        ("TCP 10.0.0.1:2 <-> 10.0.0.2:80", 1),
    ]
    by_pair = Choice.of_pair("10.0.0.2:http,10.0.0.1:2")
    assert [each.title for each in Conversations().chosen(packets, by_pair)] == ["SYN"]
    assert len([*Conversations().chosen(packets, Choice(), count=2)]) == 2
    with pytest.raises(UsageError, match="is no socket"):
        Choice.of_pair("10.0.0.2:http,here:2")


def test_no_line_is_wider_than_the_terminal() -> None:
    packets = shown(
        THERE / TCP(sport=40_000, dport=80, flags="S", options=[("MSS", 1460)]),
        Ether()
        / IPv6(src="2001:db8:1111:2222:3333:4444:5555:6666", dst="2001:db8::1")
        / UDP(sport=40_000, dport=53)
        / DNS(),
        (raw(THERE / TCP(sport=40_000, dport=80)))[:40],
    )
    for packet in packets:
        for width in (100, 120, 200):
            for line in packet_text(packet, width, fields=False).splitlines():
                assert len(line) <= width
    assert max(map(len, packet_text(packets[0], 80, fields=False).splitlines())) <= 80


def test_fields_fit_a_terminal_of_80_columns() -> None:
    options = [("MSS", 1460), ("Timestamp", (1, 2)), ("SAckOK", b""), ("WScale", 7)]
    for packet in shown(THERE / TCP(sport=40_000, dport=80, flags="S", options=options), Ether() / IPv6() / UDP() / DNS()):
        text = packet_text(packet, 80, fields=True)
        assert max(map(len, text.splitlines())) <= 80
        for header in packet.dissection.headers:
            assert all(field.name.split()[0] in text for field in header.fields)


def test_of_a_cut_packet_the_whole_size_is_told() -> None:
    data = raw(THERE / TCP(sport=40_000, dport=80, flags="PA") / bytes(1_000))
    packet = CapturedPacket(Interface("", LINKTYPE_ETHERNET, 96, 1_000_000), 0, data[:96], len(data))
    [found] = Conversations().chosen([packet], Choice())
    assert found.title == "PSH/ACK, 1000 bytes"
    assert found.dissection.broken == "the packet is cut off: 96 of 1054 bytes are there"
    assert ("Transport", "TCP", "Segments", "1000 bytes of data (PSH/ACK)") in down(found)


def test_what_is_behind_a_break_is_no_payload() -> None:
    [found] = shown(raw(THERE / TCP(dataofs=6, flags="A") / b"\x02\x09\0\0data"))
    assert "Length at byte 55" in found.dissection.broken
    assert [row.layer for row in found.tables[0].rows] == ["Transport", "Network", "Data Link", "Physical"]


def test_without_a_width_all_bits_are_there() -> None:
    [packet] = shown(THERE / TCP(sport=40_000, dport=80))
    text = packet_text(packet, None, fields=False)
    assert text.count(" ".join(f"{octet:08b}" for octet in packet.dissection.data)) == 2

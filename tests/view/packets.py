"""Packets that scapy makes for the tests of `hythe dump`: everything it should show, and broken pieces of it.

Each function gives Ethernet frames; nothing is random, so a file made of them is the same every time.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Final

from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLDMultAddrRec,
    ICMPv6MLDone,
    ICMPv6MLQuery,
    ICMPv6MLQuery2,
    ICMPv6MLReport,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptRedirectedHdr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    Pad1,
    PadN,
    RouterAlert,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

if TYPE_CHECKING:
    from pathlib import Path

MAC_A: Final = "02:00:00:00:00:0a"
MAC_B: Final = "02:00:00:00:00:0b"
A4: Final = "192.0.2.1"
B4: Final = "198.51.100.7"
A6: Final = "2001:db8::1"
B6: Final = "2001:db8:0:1::7"
LINK6: Final = "fe80::a"
ETHER: Final = Ether(src=MAC_A, dst=MAC_B)
BACK: Final = Ether(src=MAC_B, dst=MAC_A)
FOUR: Final = IP(src=A4, dst=B4, id=4711, ttl=63)
FOUR_BACK: Final = IP(src=B4, dst=A4, id=815)
SIX: Final = IPv6(src=A6, dst=B6, hlim=63)
SIX_BACK: Final = IPv6(src=B6, dst=A6)


def tcp_conversation(there: Packet = ETHER / FOUR, back: Packet = BACK / FOUR_BACK) -> list[bytes]:
    """One from SYN to RST, with the options that belong to it."""
    mss = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1000, 0)), ("NOP", None), ("WScale", 7)]
    stamp = [("NOP", None), ("NOP", None), ("Timestamp", (1001, 2000))]
    sack = [("NOP", None), ("NOP", None), ("SAck", (1201, 1401, 1601, 1801))]
    ends = {"sport": 40_000, "dport": 8081}
    ends_back = {"sport": 8081, "dport": 40_000}
    return list(
        map(
            raw,
            [
                there / TCP(**ends, flags="S", seq=1000, window=64240, options=mss),
                back / TCP(**ends_back, flags="SA", seq=5000, ack=1001, options=mss),
                there / TCP(**ends, flags="A", seq=1001, ack=5001, options=stamp),
                there / TCP(**ends, flags="PA", seq=1001, ack=5001, options=stamp) / b"GIVE ME SOMETHING\n",
                back / TCP(**ends_back, flags="A", seq=5001, ack=1019, options=stamp) / (b"x" * 1000),
                back / TCP(**ends_back, flags="A", seq=5001, ack=1019, options=sack) / b"y",
                there / TCP(**ends, flags="FPA", seq=1019, ack=6001) / b"last words",
                back / TCP(**ends_back, flags="A", seq=6001, ack=1030, window=0),
                there / TCP(**ends, flags="AU", seq=1030, ack=6001, urgptr=3) / b"abc",
                there / TCP(**ends, flags="AEC", seq=1030, ack=6001),
                there / TCP(**ends, flags="SEC", seq=4_000_000_000, ack=0),
                back / TCP(**ends_back, flags="R", seq=5001, window=0),
                back / TCP(**ends_back, flags="RA", seq=5001, ack=77) / b"why it was reset",
                there / TCP(**ends, flags="", seq=7, ack=8),
                there / TCP(**ends, flags="FSRPAUEC", seq=9, ack=10),
            ],
        )
    )


def tcp_options() -> list[bytes]:
    """Every kind of option, whole, too short, too long, and not known."""
    kinds: list[bytes] = [
        bytes.fromhex("020405b4"),
        bytes.fromhex("0101010101010101"),
        bytes.fromhex("00000000"),
        bytes.fromhex("01010402"),
        bytes.fromhex("01030307"),
        bytes.fromhex("0101080a0000000100000002"),
        bytes.fromhex("0101050a0000000a0000001400000000"[:24]),
        bytes.fromhex("0101051a" + "0000000a00000014" * 3),
        bytes.fromhex("22022202"),
        bytes.fromhex("220a0102030405060708" + "0101"),
        bytes.fromhex("1312" + "00" * 16 + "0101"),
        bytes.fromhex("1d10" + "0102" + "aa" * 12),
        bytes.fromhex("1c04800a"),
        bytes.fromhex("1e0c0081" + "0102030405060708"),
        bytes.fromhex("fd08e2d4c3d90102"),
        bytes.fromhex("fe04f9890101"[:8]),
        bytes.fromhex("9905010203010101"),
        bytes.fromhex("0b06000000010101"),
        bytes.fromhex("0203050101010101"),
        bytes.fromhex("02200501"),
        bytes.fromhex("08010101"),
        bytes.fromhex("0800ffff"),
        bytes.fromhex("01010108"),
        bytes.fromhex("03020303"),
    ]
    return [_with_options(FOUR, options) for options in kinds] + [_with_options(SIX, kinds[5])]


def _with_options(header: Packet, options: bytes) -> bytes:
    """scapy would not write all of these: they go behind the header, whose data offset is then set by hand."""
    options += bytes(-len(options) % 4)
    segment = TCP(sport=1, dport=2, flags="S", seq=1, dataofs=5 + len(options) // 4) / Raw(options + b"data")
    return raw(ETHER / header / segment)


def tcp_broken() -> list[bytes]:
    """Wrong checksums, headers that end too early, headers that lie."""
    whole = raw(ETHER / FOUR / TCP(sport=7, dport=9, flags="PA", seq=1, ack=1) / b"payload of it")
    return [
        raw(ETHER / FOUR / TCP(sport=7, dport=9, flags="PA", seq=1, ack=1, chksum=0x1234) / b"payload"),
        raw(ETHER / SIX / TCP(sport=7, dport=9, flags="PA", seq=1, ack=1, chksum=0x1234) / b"payload"),
        raw(ETHER / FOUR / TCP(sport=7, dport=9, dataofs=3)),
        raw(ETHER / FOUR / TCP(sport=7, dport=9, dataofs=15)),
        *(whole[:size] for size in (20, 33, 34, 36, 38, 42, 46, 47, 50, 53, 54, 58)),
    ]


def udp() -> list[bytes]:
    """Datagrams, whole and broken, on ports that no other protocol of tcpdump's has."""
    whole = raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002) / b"hello")
    return [
        whole,
        raw(ETHER / SIX / UDP(sport=40_001, dport=40_002) / b"hello"),
        raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002)),
        raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002) / b"a line\r\nanother\r one\n\ttab \x80"),
        raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002, chksum=0) / b"no checksum"),
        raw(ETHER / SIX / UDP(sport=40_001, dport=40_002, chksum=0) / b"no checksum"),
        raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002, chksum=0xBEEF) / b"wrong"),
        raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002, len=4) / b"short"),
        raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002, len=400) / b"long"),
        raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002, len=0) / b"none"),
        *(whole[:size] for size in (34, 36, 38, 40, 41, 42, 44)),
    ]


def icmp() -> list[bytes]:
    """Every type of RFC 792, errors with the packet they are about, broken ones."""
    inner_udp = IP(src=A4, dst=B4, id=1) / UDP(sport=40_001, dport=40_009) / b"12345678"
    inner_tcp = IP(src=A4, dst=B4, id=1) / TCP(sport=40_000, dport=8081)
    inner_icmp = IP(src=A4, dst=B4, id=1) / ICMP(type=8, id=9, seq=2) / b"abcdefgh"
    inner_other = IP(src=A4, dst=B4, id=1, proto=99) / Raw(b"12345678")
    kinds: list[Packet] = [
        ICMP(type=8, id=77, seq=1) / (b"p" * 56),
        ICMP(type=0, id=77, seq=1) / (b"p" * 56),
        ICMP(type=8, id=77, seq=1, chksum=0x1111) / (b"p" * 56),
        *(ICMP(type=3, code=code) / inner_udp for code in range(17)),
        ICMP(type=3, code=4, nexthopmtu=1400) / inner_tcp,
        ICMP(type=3, code=4) / inner_tcp,
        ICMP(type=3, code=3) / inner_tcp,
        ICMP(type=3, code=3) / inner_icmp,
        ICMP(type=3, code=3) / inner_other,
        ICMP(type=3, code=2) / inner_other,
        ICMP(type=4) / inner_udp,
        *(ICMP(type=5, code=code, gw="192.0.2.254") / inner_udp for code in range(5)),
        *(ICMP(type=11, code=code) / inner_udp for code in range(3)),
        ICMP(type=12, code=0, ptr=3) / inner_udp,
        ICMP(type=12, code=1) / inner_udp,
        ICMP(type=13, id=5, seq=6, ts_ori=1000, ts_rx=0, ts_tx=0),
        ICMP(type=14, id=5, seq=6, ts_ori=1000, ts_rx=3_600_000, ts_tx=86_399_999),
        ICMP(type=15, id=5, seq=6),
        ICMP(type=16, id=5, seq=6),
        ICMP(type=17, id=5, seq=6, addr_mask="255.255.255.0"),
        ICMP(type=18, id=5, seq=6, addr_mask="255.255.255.0"),
        ICMP(type=10),
        Raw(bytes.fromhex("0900 0000 0202 0708 c0000201 00000005 c0000202 80000000")),
        ICMP(type=99, code=3) / b"????",
    ]
    whole = raw(ETHER / FOUR / ICMP(type=3, code=3) / inner_udp)
    echo = raw(ETHER / FOUR / ICMP(type=8, id=77, seq=1) / b"abcdefgh")
    return [
        *(raw(ETHER / FOUR / Raw(raw(each)) if isinstance(each, Raw) else ETHER / FOUR / each) for each in kinds[:-2]),
        raw(ETHER / FOUR.__class__(src=A4, dst=B4, id=4711, ttl=63, proto=1) / kinds[-2]),
        raw(ETHER / FOUR / kinds[-1]),
        *(whole[:size] for size in (34, 36, 40, 42, 50, 60, 62, 64, 66, 70)),
        *(echo[:size] for size in (36, 38, 40, 42, 46)),
    ]


def fragments() -> list[bytes]:
    """Of IPv4 and IPv6, first, middle and last, with each protocol on top."""
    found: list[Packet] = []
    datagram, segment, echo = UDP(sport=40_001, dport=40_002, len=1008), TCP(sport=1, dport=2), ICMP(id=1, seq=2)
    for header, number, six in ((datagram, 17, 17), (segment, 6, 6), (echo, 1, 58)):
        data = raw(header / (b"f" * 16))
        found += [
            ETHER / IP(src=A4, dst=B4, id=9, flags="MF", proto=number) / Raw(data),
            ETHER / IP(src=A4, dst=B4, id=9, flags="MF", frag=3, proto=number) / Raw(data),
            ETHER / IP(src=A4, dst=B4, id=9, frag=100, proto=number) / Raw(data[:9]),
        ]
        found += [
            ETHER / IPv6(src=A6, dst=B6) / IPv6ExtHdrFragment(id=0xABCDEF, m=1, offset=0, nh=six) / Raw(data),
            ETHER / IPv6(src=A6, dst=B6) / IPv6ExtHdrFragment(id=0xABCDEF, m=1, offset=3, nh=six) / Raw(data),
            ETHER / IPv6(src=A6, dst=B6) / IPv6ExtHdrFragment(id=0xABCDEF, m=0, offset=100, nh=six) / Raw(data[:9]),
        ]
    found.append(ETHER / IP(src=A4, dst=B4, id=9, flags="DF+MF+evil", frag=3, proto=17) / Raw(b"abcdefgh"))
    return list(map(raw, found))


def ipv4() -> list[bytes]:
    """What the header itself can have: options, type of service, flags, protocols, lies about lengths."""
    data = Raw(b"12345678")
    options = [
        bytes.fromhex("94040000"),
        bytes.fromhex("0707080a00000100"),
        bytes.fromhex("44080900" + "00000001"),
        bytes.fromhex("440c0901c000020100000001"),
        bytes.fromhex("830708c0000201 00".replace(" ", "")),
        bytes.fromhex("890708c000020100"),
        bytes.fromhex("01010100"),
        bytes.fromhex("8804000700000000"),
        bytes.fromhex("82040000"),
        bytes.fromhex("ff040000"),
        bytes.fromhex("07ff0800"),
        bytes.fromhex("07000800"),
    ]
    found = [
        raw(
            ETHER
            / IP(src=A4, dst=B4, ihl=5 + len(each) // 4, proto=17)
            / Raw(each + raw(UDP(sport=40_001, dport=40_002) / b"x"))
        )
        for each in options
    ]
    lies: list[Packet] = [
        IP(src=A4, dst=B4, tos=0x10, id=1, flags="DF", ttl=1) / UDP(sport=40_001, dport=40_002) / b"x",
        IP(src=A4, dst=B4, tos=0x03, id=0, ttl=255) / UDP(sport=40_001, dport=40_002) / b"x",
        IP(src=A4, dst=B4, tos=0x01, ttl=0) / UDP(sport=40_001, dport=40_002) / b"x",
        IP(src=A4, dst=B4, tos=0xB9, ttl=0) / UDP(sport=40_001, dport=40_002) / b"x",
        IP(src=A4, dst=B4, tos=0x02, flags="evil") / UDP(sport=40_001, dport=40_002) / b"x",
        IP(src=A4, dst=B4, chksum=0x1234) / UDP(sport=40_001, dport=40_002) / b"x",
        IP(src=A4, dst=B4, proto=99) / data,
        IP(src=A4, dst=B4, proto=0) / data,
        IP(src=A4, dst=B4, proto=255) / data,
        IP(src=A4, dst=B4, proto=253) / data,
        IP(src=A4, dst=B4, len=10) / data,
        IP(src=A4, dst=B4, len=2000, proto=99) / data,
        IP(src=A4, dst=B4, len=0, proto=17) / UDP(sport=40_001, dport=40_002) / b"zero",
        IP(src=A4, dst=B4, ihl=4) / data,
        IP(src=A4, dst=B4, ihl=15, proto=17) / data,
        IP(src=A4, dst=B4, version=5) / data,
        IP(src=A4, dst=B4) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=40_001, dport=40_002) / b"inside",
        IP(src=A4, dst=B4) / SIX / UDP(sport=40_001, dport=40_002) / b"inside",
        IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=40_001, dport=40_002),
        IP(src=A4, dst="224.0.0.1") / UDP(sport=40_001, dport=40_002),
    ]
    whole = raw(ETHER / FOUR / UDP(sport=40_001, dport=40_002) / b"hello")
    padded = whole + bytes(14)
    return [*found, *(raw(ETHER / each) for each in lies), padded, *(whole[:size] for size in (14, 15, 24, 33))]


def ipv6() -> list[bytes]:
    """Extension headers, one and several, lies about lengths, protocols that are not shown any further."""
    datagram = UDP(sport=40_001, dport=40_002) / b"hello"
    base = IPv6(src=A6, dst=B6)
    found: list[Packet] = [
        IPv6(src=A6, dst=B6, tc=0xB9, fl=0x12345, hlim=1) / datagram,
        base / IPv6ExtHdrHopByHop() / datagram,
        base / IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)]) / datagram,
        base / IPv6ExtHdrHopByHop(options=[Pad1(), PadN(optdata=b"\0\0")]) / datagram,
        base / IPv6ExtHdrDestOpt() / datagram,
        base / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]) / TCP(sport=1, dport=2),
        base / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=1) / datagram,
        base / IPv6ExtHdrRouting(addresses=["2001:db8::9", "2001:db8::8"], segleft=0) / datagram,
        base / IPv6ExtHdrRouting(type=9, addresses=["2001:db8::9"], segleft=0) / datagram,
        base / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(id=5, m=0, offset=0) / datagram,
        base / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(addresses=[], segleft=0) / datagram,
        IPv6(src=A6, dst=B6, nh=59) / Raw(b"nothing more"),
        IPv6(src=A6, dst=B6, nh=99) / Raw(b"12345678"),
        IPv6(src=A6, dst=B6, nh=255) / Raw(b"12345678"),
        IPv6(src=A6, dst=B6, plen=4) / datagram,
        IPv6(src=A6, dst=B6, plen=400) / datagram,
        IPv6(src=A6, dst=B6, plen=0, nh=17) / datagram,
        IPv6(src=A6, dst=B6, version=7) / datagram,
        base / FOUR / datagram,
        base / IPv6(src="2001:db8::a", dst="2001:db8::b") / datagram,
        IPv6(src="::", dst="ff02::1") / datagram,
        IPv6(src="::1", dst="::ffff:192.0.2.1") / datagram,
        IPv6(src="64:ff9b::192.0.2.1", dst="1:0:0:2:0:0:0:3") / datagram,
    ]
    whole = raw(ETHER / base / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(id=5, m=1, offset=0) / datagram)
    return [*(raw(ETHER / each) for each in found), *(whole[:size] for size in (14, 15, 40, 53, 54, 55, 58, 62, 64, 70, 75))]


def icmpv6() -> list[bytes]:
    """Errors with quoted packets, echoes, neighbor discovery with every option, multicast listeners."""
    inner = IPv6(src=A6, dst=B6) / UDP(sport=40_001, dport=40_009) / b"12345678"
    inner_tcp = IPv6(src=A6, dst=B6) / TCP(sport=40_000, dport=8081)
    link = IPv6(src=LINK6, dst="ff02::1", hlim=255)
    prefix = ICMPv6NDOptPrefixInfo(
        prefixlen=64, L=1, A=1, validlifetime=86_400, preferredlifetime=14_400, prefix="2001:db8:5::"
    )
    forever = ICMPv6NDOptPrefixInfo(
        prefixlen=48, L=0, A=0, R=1, validlifetime=0xFFFFFFFF, preferredlifetime=0, prefix="fd00::"
    )
    source, target = ICMPv6NDOptSrcLLAddr(lladdr=MAC_A), ICMPv6NDOptDstLLAddr(lladdr=MAC_B)
    records = [
        ICMPv6MLDMultAddrRec(rtype=kind, dst=f"ff02::{kind}", sources=["2001:db8::5"] * (kind - 1)) for kind in range(1, 8)
    ]
    alert = IPv6(src=LINK6, dst="ff02::16", hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])
    found: list[Packet] = [
        SIX / ICMPv6EchoRequest(id=77, seq=1, data=b"p" * 56),
        SIX / ICMPv6EchoReply(id=77, seq=1, data=b"p" * 56),
        SIX / ICMPv6EchoReply(id=77, seq=1, data=b"p" * 56, cksum=0x1234),
        *(SIX / ICMPv6DestUnreach(code=code) / inner for code in range(9)),
        SIX / ICMPv6DestUnreach(code=4) / inner_tcp,
        SIX / ICMPv6PacketTooBig(mtu=1280) / inner_tcp,
        *(SIX / ICMPv6TimeExceeded(code=code) / inner for code in range(3)),
        *(SIX / ICMPv6ParamProblem(code=code, ptr=40) / inner for code in range(4)),
        link / ICMPv6ND_RS(),
        link / ICMPv6ND_RS() / source,
        link / ICMPv6ND_RA(chlim=64, M=1, O=1, H=1, prf=1, routerlifetime=1800, reachabletime=30, retranstimer=40) / source,
        link / ICMPv6ND_RA(chlim=0, prf=3, routerlifetime=0) / ICMPv6NDOptMTU(mtu=1500) / prefix / forever,
        link / ICMPv6ND_RA() / ICMPv6NDOptRDNSS(dns=["2001:db8::53", "2001:db8::54"], lifetime=600),
        link / ICMPv6ND_RA() / ICMPv6NDOptDNSSL(searchlist=["example.com", "a.test"], lifetime=600),
        link / ICMPv6ND_NS(tgt=LINK6) / source,
        IPv6(src="::", dst="ff02::1:ff00:a", hlim=255) / ICMPv6ND_NS(tgt=LINK6),
        *(link / ICMPv6ND_NA(tgt=LINK6, R=bits >> 2, S=bits >> 1 & 1, O=bits & 1) / target for bits in range(8)),
        link / ICMPv6ND_Redirect(tgt=LINK6, dst=B6) / target / ICMPv6NDOptRedirectedHdr(pkt=inner),
        link / ICMPv6MLQuery(mladdr="::", mrd=10_000),
        link / ICMPv6MLReport(mladdr="ff02::5"),
        link / ICMPv6MLDone(mladdr="ff02::5"),
        alert / ICMPv6MLQuery2(mladdr="::", mrd=10_000, QRV=2, QQIC=125),
        alert / ICMPv6MLQuery2(mladdr="ff02::5", mrd=40_000, S=1, QRV=7, QQIC=200, sources=["2001:db8::5", "2001:db8::6"]),
        alert / ICMPv6MLReport2(records=records),
        alert / ICMPv6MLReport2(records=records[3:4]),
        SIX / Raw(b""),
    ]
    whole = raw(ETHER / link / ICMPv6ND_RA(chlim=64) / source / prefix)
    listeners = raw(ETHER / alert / ICMPv6MLReport2(records=records))
    unknown = raw(ETHER / IPv6(src=A6, dst=B6, nh=58) / Raw(bytes.fromhex("c8050000") + b"????"))
    bad_option = raw(ETHER / IPv6(src=A6, dst=B6, nh=58) / Raw(bytes.fromhex("8500000000000000") + b"\x01\0abcdef"))
    odd_option = raw(ETHER / IPv6(src=A6, dst=B6, nh=58) / Raw(bytes.fromhex("8500000000000000") + b"\x63\x01abcdef"))
    return [
        *(raw(ETHER / each) for each in found[:-1]),
        unknown,
        bad_option,
        odd_option,
        *(whole[:size] for size in (54, 55, 58, 60, 66, 70, 72, 80, 90, 100)),
        *(listeners[:size] for size in (64, 68, 72, 90)),
    ]


def arp() -> list[bytes]:
    """Requests, replies, probes, announcements, reverse and inverse ones, other hardware, broken ones."""
    every = Ether(src=MAC_A, dst="ff:ff:ff:ff:ff:ff")
    ends = {"hwsrc": MAC_A, "psrc": A4, "pdst": "192.0.2.9"}
    found: list[Packet] = [
        every / ARP(op=1, **ends),
        every / ARP(op=1, **ends, hwdst=MAC_B),
        every / ARP(op=1, **ends, hwdst="ff:ff:ff:ff:ff:ff"),
        ETHER / ARP(op=1, **ends),
        ETHER / ARP(op=2, **ends, hwdst=MAC_B),
        every / ARP(op=1, hwsrc=MAC_A, psrc="0.0.0.0", pdst=A4),
        every / ARP(op=1, hwsrc=MAC_A, psrc=A4, pdst=A4),
        every / ARP(op=2, hwsrc=MAC_A, psrc=A4, pdst=A4, hwdst="ff:ff:ff:ff:ff:ff"),
        *(every / ARP(op=op, **ends, hwdst=MAC_B) for op in (3, 4, 8, 9, 10, 77)),
        Ether(src=MAC_A, dst="ff:ff:ff:ff:ff:ff", type=0x8035) / ARP(op=3, **ends, hwdst=MAC_B),
        every / ARP(op=1, hwtype=6, **ends),
        every / ARP(op=1, hwtype=99, **ends),
        every / ARP(op=1, ptype=0x86DD, **ends),
    ]
    whole = raw(every / ARP(op=1, **ends))
    odd = whole[:18] + bytes((8, 6)) + whole[20:] + bytes(8)
    short = whole[:18] + bytes((0, 4)) + whole[20:]
    return [*map(raw, found), whole + bytes(18), odd, short, *(whole[:size] for size in (14, 18, 20, 22, 30, 34, 41))]


def ethernet() -> list[bytes]:
    """VLAN tags, one and two, unknown protocols, lengths instead of types, frames cut short."""
    datagram = FOUR / UDP(sport=40_001, dport=40_002) / b"hello"
    found: list[Packet] = [
        ETHER / Dot1Q(vlan=5) / datagram,
        ETHER / Dot1Q(vlan=5, prio=3, id=1) / SIX / UDP(sport=40_001, dport=40_002) / b"hello",
        ETHER / Dot1AD(vlan=100) / Dot1Q(vlan=5) / datagram,
        ETHER / Dot1Q(vlan=6) / Dot1Q(vlan=7, prio=7) / FOUR / TCP(sport=40_000, dport=8081),
        ETHER / Dot1Q(vlan=5) / ARP(op=1, hwsrc=MAC_A, psrc=A4, pdst=B4),
        ETHER / Dot1Q(vlan=0) / SIX / ICMPv6EchoRequest(id=1, seq=1),
    ]
    strange = raw(Ether(src=MAC_A, dst=MAC_B, type=0x1234) / Raw(bytes(range(40))))
    tagged = raw(found[0])
    return [*map(raw, found), strange, strange[:20], tagged[:14], tagged[:16], tagged[:18]]


@functools.cache
def everything() -> list[bytes]:
    """All of the above; nobody changes it."""
    kinds = (tcp_conversation, tcp_options, tcp_broken, udp, icmp, fragments, ipv4, ipv6, icmpv6, arp, ethernet)
    return [frame for kind in kinds for frame in kind()]


def write_pcap(path: Path, frames: list[bytes], linktype: int = 1, *, order: str = "<", nano: bool = False) -> Path:
    """Write a pcap file; packets follow each other by a bit more than a second. Returns the path."""
    head = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262_144, linktype)
    unit = 1 if nano else 1_000
    parts = [head]
    for number, frame in enumerate(frames):
        seconds, fraction = divmod(1_700_000_000_123_456_789 + number * 1_000_037_001, 1_000_000_000)
        parts += [struct.pack(order + "IIII", seconds, fraction // unit, len(frame), len(frame)), frame]
    path.write_bytes(b"".join(parts))
    return path

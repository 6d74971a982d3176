"""Packets that a host gets to see and nobody asked for: each with a name, to be answered as Linux answers it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_RR, fragment
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
    RouterAlert,
)
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from hythe.wire.checksum import checksum
from tests.host.hosts import LEFT4, LEFT6, RIGHT4, RIGHT6

ECHO = ICMP(id=1, seq=1) / Raw(b"abc")
ECHO6 = ICMPv6EchoRequest(id=1, seq=1, data=b"abc")
DATAGRAM = UDP(sport=5000, dport=9999) / Raw(b"hello")
SYN = TCP(sport=5000, dport=81, flags="S")
Probe = tuple[str, list[bytes]]


def four(**fields: Any) -> Scapy:
    return IP(**{"src": RIGHT4, "dst": LEFT4, **fields})


def six(**fields: Any) -> Scapy:
    return IPv6(**{"src": RIGHT6, "dst": LEFT6, **fields})


def probes() -> Iterator[Probe]:
    for name, *packets in (*_four(), *_addressed(), *_transport(), *_six(), *_fragments()):
        yield name, [bytes(each) for each in packets]


def optioned(option: bytes) -> bytes:
    """An echo request with this option area, whatever it is worth."""
    data = bytes(ECHO)
    head = bytearray(bytes(four(proto=1, ihl=5 + len(option) // 4, len=20 + len(option) + len(data)))[:20])
    head[10:12] = b"\0\0"
    head[10:12] = checksum(bytes(head) + option).to_bytes(2, "big")
    return bytes(head) + option + data


def _four() -> Iterator[tuple[Any, ...]]:
    yield "echo", four() / ECHO
    yield "echo, DF", four(flags="DF") / ECHO
    yield "echo, reserved flag", four(flags="evil") / ECHO
    yield "echo, ttl 0", four(ttl=0) / ECHO
    yield "echo, tos", four(tos=0xB8) / ECHO
    yield "echo, wrong header sum", four(chksum=1) / ECHO
    yield "echo, wrong sum", four() / ICMP(id=1, seq=1, chksum=1) / b"abc"
    yield "echo, padded", bytes(four() / ECHO) + bytes(20)
    yield "echo, cut", bytes(four(len=200) / ECHO)
    yield "echo, length 19", bytes(four(len=19) / ECHO)
    yield "echo, header of 16", bytes(four(ihl=4) / ECHO)
    yield "option too long", optioned(b"\x07\x28\4\0")
    yield "option of 1", optioned(b"\x07\1\4\0")
    yield "unknown option", optioned(b"\x9e\4\0\0")
    yield "router alert", optioned(b"\x94\4\0\0")
    yield "source route", four(options=[IPOption_LSRR(routers=["192.0.2.9"])]) / ECHO
    yield "record route, full", four(options=[IPOption_RR(pointer=8, routers=["198.51.100.1"])]) / ECHO
    yield "redirect", four() / ICMP(type=5, code=1, gw="192.0.2.9") / IP(src=LEFT4, dst="192.0.2.55") / UDP()
    for kind in (3, 10, 12, 15, 17, 99):
        yield f"ICMP {kind}", four() / ICMP(type=kind) / b"abcd"
    for protocol in (0, 47, 99, 132, 255):
        yield f"protocol {protocol}", four(proto=protocol) / Raw(b"\0\1\0\2\0\0\0\0")


def _addressed() -> Iterator[tuple[Any, ...]]:
    for to in ("192.0.2.255", "255.255.255.255", "224.0.0.1", "192.0.2.0", "127.0.0.1", "192.0.2.7", "0.0.0.0"):
        yield f"echo to {to}", four(dst=to) / ECHO
        yield f"datagram to {to}", four(dst=to) / DATAGRAM
        yield f"SYN to {to}", four(dst=to) / SYN
    for source in ("192.0.2.255", "255.255.255.255", "224.0.0.5", "127.0.0.5", "0.0.0.0", "192.0.2.0", "240.1.2.3"):
        yield f"echo from {source}", four(src=source) / ECHO
        yield f"datagram from {source}", four(src=source) / DATAGRAM
        yield f"SYN from {source}", four(src=source) / SYN
    for to in ("ff02::1", "ff02::2", "ff02::1:ff00:1", "ff02::1:ff00:9", "ff0e::1", "2001:db8::9", "::1"):
        yield f"echo to {to}", six(dst=to) / ECHO6
        yield f"datagram to {to}", six(dst=to) / DATAGRAM
        yield f"SYN to {to}", six(dst=to) / SYN
    for source in ("ff02::5", "::1", "::"):
        yield f"echo from {source}", six(src=source) / ECHO6
        yield f"datagram from {source}", six(src=source) / DATAGRAM
        yield f"SYN from {source}", six(src=source) / SYN


def _transport() -> Iterator[tuple[Any, ...]]:
    for network in (four, six):
        version = network().version
        for name, fields in (
            ("closed", {}),
            ("wrong sum", {"chksum": 1}),
            ("too long", {"len": 100}),
            ("short", {"len": 7}),
        ):
            yield f"datagram {version}, {name}", network() / UDP(sport=5000, dport=9999, **fields) / b"hello"
        yield f"datagram {version}, no sum", network() / UDP(sport=5000, dport=9999, chksum=0) / b"hello"
        yield f"datagram {version}, port 0", network() / UDP(sport=5000, dport=0) / b"hello"
        yield f"datagram {version}, long", network() / UDP(sport=5000, dport=9999) / Raw(b"x" * 1_400)
        for flags in ("S", "A", "R", "F", "SA", "FA", "PA", "", "SF", "SR", "UAPRSF", "FPU", "SEC"):
            segment = TCP(sport=5000, dport=81, flags=flags, seq=1_000, ack=2_000)
            yield f"segment {version}, {flags}", network() / segment
            yield f"segment {version}, {flags}, text", network() / segment / b"text"
        for name, more in (
            ("wrong sum", {"chksum": 1}),
            ("header of 16", {"dataofs": 4}),
            ("header of 60", {"dataofs": 15}),
        ):
            yield f"SYN {version}, {name}", network() / TCP(sport=5000, dport=81, flags="S", **more)


def _six() -> Iterator[tuple[Any, ...]]:
    yield "echo 6", six() / ECHO6
    yield "echo 6, hop limit 0", six(hlim=0) / ECHO6
    yield "echo 6, traffic class", six(tc=0xB8, fl=77) / ECHO6
    yield "echo 6, wrong sum", six() / ICMPv6EchoRequest(id=1, seq=1, data=b"abc", cksum=1)
    yield "echo 6, padded", bytes(six() / ECHO6) + bytes(9)
    yield "echo 6, cut", six(plen=100) / ECHO6
    padding = [PadN(optdata=b"\0\0")]
    yield "hop by hop", six() / IPv6ExtHdrHopByHop(options=padding) / ECHO6
    yield "hop by hop twice", six() / IPv6ExtHdrHopByHop(options=padding) / IPv6ExtHdrHopByHop(options=padding) / ECHO6
    yield "hop by hop second", six() / IPv6ExtHdrDestOpt(options=padding) / IPv6ExtHdrHopByHop(options=padding) / ECHO6
    yield (
        "destination options twice",
        six() / IPv6ExtHdrDestOpt(options=padding) / IPv6ExtHdrDestOpt(options=padding) / ECHO6,
    )
    yield "router alert 6", six() / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ECHO6
    for kind in (0x1E, 0x5E, 0x9E, 0xDE):
        for header in (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt):
            for to in (LEFT6, "ff02::1"):
                option = header(options=[HBHOptUnknown(otype=kind, optdata=b"ab")])
                yield f"{header.__name__} {kind:x} to {to}", six(dst=to) / option / ECHO6
    for protocol in (50, 59, 99, 255):
        yield f"next header {protocol}", six(nh=protocol) / Raw(bytes(16))
        yield f"next header {protocol}, second", six() / IPv6ExtHdrDestOpt(nh=protocol, options=padding) / Raw(bytes(16))
    for kind in (0, 99):
        for left in (0, 1):
            route = IPv6ExtHdrRouting(type=kind, segleft=left, addresses=["2001:db8::7"])
            yield f"route {kind}, {left} left", six() / route / ECHO6
    yield "too big", six() / ICMPv6PacketTooBig(mtu=1_000) / IPv6(src=LEFT6, dst=RIGHT6) / UDP()


def _fragments() -> Iterator[tuple[Any, ...]]:
    pieces = fragment(four(id=7) / ICMP(id=1, seq=1) / Raw(b"x" * 100), 64)
    yield "fragments", *pieces
    yield "fragments, turned", *reversed(pieces)
    yield "fragments, one twice", pieces[0], *pieces
    yield "fragment of 13", four(id=9, flags="MF", proto=1) / Raw(b"z" * 13), four(id=9, frag=2, proto=1) / Raw(b"z" * 13)
    yield (
        "fragments too long",
        four(id=9, flags="MF", proto=1) / Raw(b"z" * 16),
        four(id=9, frag=8190, proto=1) / Raw(bytes(100)),
    )
    whole = bytes(six() / ICMPv6EchoRequest(id=1, seq=1, data=b"x" * 100))[40:]
    pieces = [piece6(58, 0, whole[:64], more=True), piece6(58, 8, whole[64:])]
    yield "fragments 6", *pieces
    yield "fragments 6, turned", *reversed(pieces)
    yield "fragments 6, one twice", pieces[0], *pieces
    yield "fragment 6, atomic", piece6(58, 0, whole)
    yield "fragment 6 of 13", piece6(58, 0, b"z" * 13, more=True)
    yield "fragment 6 too long", piece6(58, 8190, b"z" * 100)
    yield "fragment 6, no upper header", piece6(17, 0, b"", more=True)
    yield "fragment 6, half an upper header", piece6(6, 0, bytes(8), more=True)
    datagram = struct.pack(">HHHH", 5000, 9999, 108, 1) + b"x" * 100
    yield "fragments 6, wrong sum", piece6(17, 0, datagram[:64], more=True), piece6(17, 8, datagram[64:])
    yield "fragments 6, unknown", piece6(99, 0, bytes(64), more=True), piece6(99, 8, bytes(20))


def piece6(protocol: int, offset: int, data: bytes, *, more: bool = False) -> Scapy:
    return six() / IPv6ExtHdrFragment(nh=protocol, id=5, offset=offset, m=int(more)) / Raw(data)

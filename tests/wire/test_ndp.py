"""`hythe.wire.ndp` against scapy, what RFC 4861 has a node discard, and garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)

from hythe.errors import ParseError
from hythe.wire import ipv6, ndp
from tests.wire.strategies import addresses6, damaged, longs, octet, parse_or_refuse, text6, words
from tests.wire.test_ethernet import macs

MAC = bytes.fromhex("0200000000a1")
A, B = b"\xfe\x80" + bytes(13) + b"\x01", b"\xfe\x80" + bytes(13) + b"\x02"
GLOBAL = b"\x20\x01" + bytes(13) + b"\x09"
NODE = ndp.solicited_node(GLOBAL)
bools = st.booleans()


def read(packet: bytes, verify: bool = True) -> ndp.Message:
    header = ipv6.parse(memoryview(packet), len(packet))
    body = packet[header.payload_offset : header.end]
    return ndp.parse(body, len(body), header.source, header.destination, header.hop_limit, verify)


def over(source: bytes = A, destination: bytes = B, hops: int = 255) -> IPv6:
    return IPv6(src=text6(source), dst=text6(destination), hlim=hops)


@given(macs, addresses6, bools, bools, bools)
def test_neighbors_both_ways(mac: bytes, target: bytes, router: bool, solicited: bool, override: bool) -> None:
    scapy = bytes(over() / ICMPv6ND_NS(tgt=text6(target)) / ICMPv6NDOptSrcLLAddr(lladdr=mac.hex(":")))
    question = ndp.NeighborSolicitation(target, mac)
    assert ndp.packet(A, B, question) == scapy
    assert read(scapy) == question
    scapy = bytes(
        over()
        / ICMPv6ND_NA(tgt=text6(target), R=int(router), S=int(solicited), O=int(override))
        / ICMPv6NDOptDstLLAddr(lladdr=mac.hex(":"))
    )
    answer = ndp.NeighborAdvertisement(target, mac, router, solicited, override)
    assert ndp.packet(A, B, answer) == scapy
    assert read(scapy) == answer


@given(macs, octet, bools, bools, words, longs, longs, longs, addresses6, st.integers(0, 128), bools, bools)
def test_routers_both_ways(
    mac: bytes,
    hops: int,
    managed: bool,
    other: bool,
    life: int,
    time: int,
    again: int,
    mtu: int,
    prefix: bytes,
    length: int,
    on_link: bool,
    autonomous: bool,
) -> None:
    scapy = bytes(
        over()
        / ICMPv6ND_RA(
            chlim=hops, M=int(managed), O=int(other), prf=0, routerlifetime=life, reachabletime=time, retranstimer=again
        )
        / ICMPv6NDOptSrcLLAddr(lladdr=mac.hex(":"))
        / ICMPv6NDOptMTU(mtu=mtu)
        / ICMPv6NDOptPrefixInfo(
            prefix=text6(prefix),
            prefixlen=length,
            L=int(on_link),
            A=int(autonomous),
            R=0,
            validlifetime=time,
            preferredlifetime=again,
        )
        / ICMPv6NDOptRDNSS(dns=[text6(prefix)], lifetime=time)
    )
    told = ndp.RouterAdvertisement(hops, managed, other, life, time, again, mac, mtu)
    told.prefixes.append(ndp.PrefixInformation(prefix, length, on_link, autonomous, time, again))
    told.name_servers.append((prefix, time))
    assert ndp.packet(A, B, told) == scapy
    assert read(scapy) == told


@given(macs, addresses6)
def test_solicitation_and_redirect_both_ways(mac: bytes, destination: bytes) -> None:
    scapy = bytes(over() / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=mac.hex(":")))
    assert ndp.packet(A, B, ndp.RouterSolicitation(mac)) == scapy
    assert read(scapy) == ndp.RouterSolicitation(mac)
    scapy = bytes(
        over() / ICMPv6ND_Redirect(tgt=text6(B), dst=text6(destination)) / ICMPv6NDOptDstLLAddr(lladdr=mac.hex(":"))
    )
    assert ndp.packet(A, B, ndp.Redirect(B, destination, mac)) == scapy
    assert read(scapy) == ndp.Redirect(B, destination, mac)


def test_a_nonce_comes_back() -> None:
    question = ndp.NeighborSolicitation(GLOBAL, None, b"abcdef")
    assert read(ndp.packet(ndp.UNSPECIFIED, NODE, question)) == question
    with pytest.raises(ValueError, match="nonce"):
        ndp.build(ndp.NeighborSolicitation(GLOBAL, None, b"abc"))


def test_unknown_options_are_skipped_section_4_6() -> None:
    body = ndp.build(ndp.NeighborSolicitation(GLOBAL)) + bytes((200, 2)) + bytes(14) + bytes((1, 1)) + MAC
    assert ndp.parse(body, len(body), A, B, verify=False) == ndp.NeighborSolicitation(GLOBAL, MAC)


ASK = ndp.build(ndp.NeighborSolicitation(GLOBAL))
TOLD = ndp.build(ndp.NeighborAdvertisement(GLOBAL, solicited=True))
MULTICAST = ndp.ALL_NODES


@pytest.mark.parametrize(
    ("message", "source", "destination", "hops", "why"),
    [
        (ASK[:23], A, B, 255, "needs 24 bytes, 23"),
        (ASK[:7], A, B, 255, "needs 8 bytes, 7"),
        (ASK, A, B, 254, "hop limit 254"),
        (ASK[:1] + b"\x01" + ASK[2:], A, B, 255, "code 1"),
        (ASK + bytes(8), A, B, 255, "option at byte 24 has length 0"),
        (ASK + b"\x01\x02" + MAC, A, B, 255, "option at byte 24 has length 16"),
        (ASK + b"\x01", A, B, 255, "option at byte 24"),
        (ASK[:8] + MULTICAST, A, B, 255, "solicited address is a multicast"),
        (ASK, ndp.UNSPECIFIED, B, 255, "no duplicate address detection"),
        (ASK + b"\x01\x01" + MAC, ndp.UNSPECIFIED, NODE, 255, "no duplicate address detection"),
        (ASK + b"\x01\x01\x33" + MAC[1:], A, B, 255, "group address"),
        (TOLD[:8] + MULTICAST, A, B, 255, "advertised address is a multicast"),
        (TOLD, A, MULTICAST, 255, "claims to be solicited"),
        (ndp.build(ndp.RouterSolicitation(MAC)), ndp.UNSPECIFIED, B, 255, "from the unspecified address bears"),
        (ndp.build(ndp.RouterAdvertisement()), GLOBAL, B, 255, "not come from a link-local"),
        (ndp.build(ndp.Redirect(B, GLOBAL)), GLOBAL, B, 255, "redirect does not come from"),
        (ndp.build(ndp.Redirect(GLOBAL, A)), A, B, 255, "leads neither"),
        (ndp.build(ndp.Redirect(B, MULTICAST)), A, B, 255, "redirected address is a multicast"),
        (b"\x80" + bytes(20), A, B, 255, "not neighbor discovery"),
    ],
)
def test_what_is_discarded_sections_6_1_7_1_8_1(
    message: bytes, source: bytes, destination: bytes, hops: int, why: str
) -> None:
    with pytest.raises(ParseError, match=why):
        ndp.parse(message, len(message), source, destination, hops, verify=False)


def test_a_wrong_checksum_is_refused() -> None:
    packet = bytearray(ndp.packet(A, B, ndp.NeighborSolicitation(GLOBAL, MAC)))
    packet[-1] ^= 1
    with pytest.raises(ParseError, match="ICMPv6 checksum"):
        read(bytes(packet))


EVERYTHING = ndp.RouterAdvertisement(
    64, True, True, 1800, 1, 2, MAC, 1400, [ndp.PrefixInformation(GLOBAL, 64, True, True, 9, 8)], [(GLOBAL, 7)]
)


EXAMPLES: tuple[ndp.Message, ...] = (
    EVERYTHING,
    ndp.Redirect(B, GLOBAL, MAC),
    ndp.NeighborSolicitation(GLOBAL, MAC),
    ndp.RouterSolicitation(MAC),
)


@given(st.sampled_from(EXAMPLES).flatmap(lambda message: damaged(ndp.build(message))))
def test_damaged_messages_give_parse_error_only(data: bytes) -> None:
    parse_or_refuse(lambda view, length: ndp.parse(view, length, A, B, verify=False), data)


@given(octet, st.binary(max_size=100))
def test_garbage_gives_parse_error_only(kind: int, rest: bytes) -> None:
    parse_or_refuse(lambda view, length: ndp.parse(view, length, A, B, verify=False), bytes((133 + kind % 5, 0)) + rest)

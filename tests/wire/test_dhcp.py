"""`hythe.wire.dhcp` against scapy, and garbage."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from hythe.errors import ParseError
from hythe.wire import dhcp
from tests.wire.strategies import addresses4, damaged, longs, parse_or_refuse, text4, words
from tests.wire.test_ethernet import macs

MAC = bytes.fromhex("0200000000a1")
SERVER, MINE = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 50))


def message(**options: bytes) -> dhcp.Message:
    return dhcp.Message(dhcp.BOOT_REPLY, 7, MAC, options={int(code[1:]): value for code, value in options.items()})


@given(macs, longs, words, st.booleans(), addresses4, addresses4, addresses4, longs)
def test_both_ways(
    mac: bytes, transaction: int, elapsed: int, broadcast: bool, client: bytes, yours: bytes, server: bytes, lease: int
) -> None:
    scapy = bytes(
        BOOTP(
            op=2,
            xid=transaction,
            secs=elapsed,
            flags=0x8000 if broadcast else 0,
            ciaddr=text4(client),
            yiaddr=text4(yours),
            siaddr=text4(server),
            giaddr=text4(server),
            chaddr=mac + bytes(10),
        )
        / DHCP(
            options=[
                ("message-type", "ack"),
                ("server_id", text4(server)),
                ("lease_time", lease),
                ("name_server", text4(server), text4(client)),
                "end",
            ]
        )
    )
    ours = dhcp.Message(dhcp.BOOT_REPLY, transaction, mac, elapsed, broadcast, client, yours, server, server)
    ours.options = {
        dhcp.MESSAGE_TYPE: bytes((dhcp.ACK,)),
        dhcp.SERVER: server,
        dhcp.LEASE_TIME: lease.to_bytes(4, "big"),
        dhcp.NAME_SERVERS: server + client,
    }
    seen = dhcp.parse(scapy, len(scapy))
    assert seen == ours
    assert (seen.kind, seen.address(dhcp.SERVER), seen.seconds(dhcp.LEASE_TIME)) == (dhcp.ACK, server, lease)
    assert seen.addresses(dhcp.NAME_SERVERS) == [server, client]
    built = dhcp.build(ours)
    assert len(built) == dhcp.SIZE_MIN
    assert built[: len(scapy)] == scapy
    assert dhcp.parse(built, len(built)) == ours


@given(st.dictionaries(st.integers(1, 254).filter(lambda code: code != 52), st.binary(max_size=600), max_size=5))
def test_long_options_are_split_and_joined_rfc_3396(options: dict[int, bytes]) -> None:
    whole = dhcp.build(dhcp.Message(dhcp.BOOT_REQUEST, 1, MAC, options=options))
    assert dhcp.parse(whole, len(whole)).options == options


def test_options_overflow_into_file_and_name_rfc_2132_9_3() -> None:
    whole = bytearray(dhcp.build(message(o53=b"\x02", o52=b"\x03")))
    whole[44:50] = bytes((1, 4, 255, 255, 255, 0))
    whole[108:114] = bytes((3, 4)) + SERVER
    whole[114] = whole[50] = 255
    seen = dhcp.parse(whole, len(whole))
    assert (seen.kind, seen.prefix_length(), seen.addresses(dhcp.ROUTER)) == (dhcp.OFFER, 24, [SERVER])
    assert set(seen.options) == {53, 1, 3}


def test_values_of_the_wrong_size() -> None:
    odd = message(o1=b"\xff\x00\xff\x00", o3=b"abcde", o51=b"abc", o53=b"\x01\x02", o54=b"")
    assert odd.kind == 0
    for read in (
        odd.prefix_length,
        lambda: odd.addresses(3),
        lambda: odd.seconds(51),
        lambda: odd.address(54),
    ):
        with pytest.raises(ParseError, match="DHCP"):
            read()
    none = message()
    assert (none.kind, none.prefix_length(), none.seconds(51), none.address(54), none.addresses(3)) == (
        0,
        None,
        None,
        None,
        [],
    )


def test_classless_routes_rfc_3442() -> None:
    routes = bytes((0, *SERVER, 17, 10, 99, 128, *MINE, 32, *MINE, *SERVER))
    assert message(o121=routes).classless_routes() == [
        (bytes(4), 0, SERVER),
        (bytes((10, 99, 128, 0)), 17, MINE),
        (MINE, 32, SERVER),
    ]
    assert message().classless_routes() == []
    for wrong in (b"\x21" + bytes(9), routes[:-1], b"\0"):
        with pytest.raises(ParseError, match="does not fit"):
            message(o121=wrong).classless_routes()


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [(0, 3, "operation is 3"), (1, 6, "hardware type 6"), (2, 8, "not Ethernet"), (236, 0, "cookie"), (242, 9, "overload")],
)
def test_what_is_refused(at: int, value: int, why: str) -> None:
    whole = bytearray(dhcp.build(message(o52=b"\x00")))
    whole[at] = value
    with pytest.raises(ParseError, match=why):
        dhcp.parse(whole, len(whole))
    with pytest.raises(ParseError, match="needs 240 bytes, 239"):
        dhcp.parse(whole, 239)


def test_options_are_bounded() -> None:
    start = dhcp.build(message())[:240]
    whole = start + (struct.pack("BB", 43, 255) + bytes(255)) * 17
    with pytest.raises(ParseError, match="more than 4096 bytes"):
        dhcp.parse(whole, len(whole))
    with pytest.raises(ParseError, match="cut off"):
        dhcp.parse(start + b"\x35\x04\x01", 243)
    with pytest.raises(ValueError, match="option 255"):
        dhcp.build(message(o255=b""))


@given(damaged(dhcp.build(message(o53=b"\x05", o1=b"\xff\xff\xff\x00", o51=bytes(4), o54=SERVER, o52=b"\x01"))))
def test_damaged_messages_give_parse_error_only(data: bytes) -> None:
    parse_or_refuse(dhcp.parse, data)


@given(st.binary(max_size=80))
def test_garbage_options_give_parse_error_only(area: bytes) -> None:
    parse_or_refuse(dhcp.parse, dhcp.build(message())[:240] + area)

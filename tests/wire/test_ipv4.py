"""`hythe.wire.ipv4` against scapy in both directions, RFC 791's rules, and garbage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, IPOption, IPOption_RR
from scapy.packet import Raw

from hythe.errors import ParseError
from hythe.wire import ipv4
from hythe.wire.checksum import verify
from tests.wire.strategies import addresses4, damaged, octet, parse_or_refuse, text4, words

A, B = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2])

headers = st.fixed_dictionaries(
    {
        "tos": octet,
        "identification": words,
        "dont_fragment": st.booleans(),
        "more_fragments": st.booleans(),
        "fragment_offset": st.integers(0, 8000).map(lambda units: units * 8),
        "ttl": octet,
        "raw_options": st.sampled_from([b"", b"\x07\x07\x04\xc0\x00\x02\x01", b"\x94\x04\0\0", b"\x01\x01\xaa\x03\x09"]),
    }
)


@given(addresses4, addresses4, octet, st.integers(0, 1400), headers)
def test_what_we_build_scapy_reads(
    source: bytes, destination: bytes, protocol: int, size: int, fields: dict[str, Any]
) -> None:
    head = ipv4.build(source, destination, protocol, size, **fields)
    assert verify(head)
    seen = IP(head)
    assert (seen.version, seen.ihl * 4, seen.len) == (4, len(head), len(head) + size)
    assert (seen.src, seen.dst, seen.proto) == (text4(source), text4(destination), protocol)
    assert (seen.tos, seen.id, seen.ttl) == (fields["tos"], fields["identification"], fields["ttl"])
    assert (bool(seen.flags.DF), bool(seen.flags.MF)) == (fields["dont_fragment"], fields["more_fragments"])
    assert seen.frag * 8 == fields["fragment_offset"]
    ours = ipv4.parse(head + bytes(size), len(head) + size)
    assert (ours.source, ours.header_length) == (source, len(head))
    assert ours.raw_options.startswith(fields["raw_options"])


@given(
    addresses4,
    addresses4,
    octet,
    octet,
    words,
    st.sampled_from(["", "DF", "MF", "evil", "DF+MF"]),
    st.integers(0, 8000),
    octet,
    st.binary(max_size=40),
)
def test_what_scapy_builds_we_read(
    source: bytes,
    destination: bytes,
    protocol: int,
    tos: int,
    identification: int,
    flags: str,
    offset: int,
    ttl: int,
    payload: bytes,
) -> None:
    data = bytes(
        IP(
            src=text4(source),
            dst=text4(destination),
            proto=protocol,
            tos=tos,
            id=identification,
            flags=flags,
            frag=offset,
            ttl=ttl,
        )
        / Raw(payload)
    )
    header = ipv4.parse(memoryview(data), len(data))
    assert (header.source, header.destination, header.protocol) == (source, destination, protocol)
    assert (header.tos, header.identification, header.ttl) == (tos, identification, ttl)
    assert (header.dont_fragment, header.more_fragments) == ("DF" in flags, "MF" in flags)
    assert header.reserved_flag == (flags == "evil")
    assert header.fragment_offset == offset * 8
    assert header.is_fragment == (offset > 0 or "MF" in flags)
    assert data[header.header_length : header.total_length] == payload


def test_options_are_kept_known_or_not() -> None:
    options = [IPOption_RR(routers=["192.0.2.9"]), IPOption(b"\x01"), IPOption(b"\x9e\x04\xab\xcd")]
    data = bytes(IP(src="192.0.2.1", dst="198.51.100.2", options=options))
    header = ipv4.parse(data, len(data))
    assert header.options == ((7, b"\x04\xc0\x00\x02\x09"), (0x9E, b"\xab\xcd"))
    assert header.raw_options == data[20:]


def test_option_list_ends_at_end_of_options() -> None:
    assert ipv4.parse_options(b"\x01\x00\xff\xff") == ()


@pytest.mark.parametrize("raw", [b"\x07", b"\x07\x00\x00\x00", b"\x07\x01\x00\x00", b"\x07\x05\x00\x00"])
def test_malformed_option_is_refused(raw: bytes) -> None:
    with pytest.raises(ipv4.OptionError, match="option 7 at byte 20") as caught:
        ipv4.parse_options(raw)
    assert caught.value.pointer == 20


OURS = b"\xc0\0\2\1"
THEIRS = b"\xc6\x33\x64\2"


@pytest.mark.rfc("791", "3.1")
@pytest.mark.parametrize(
    ("option", "answer"),
    [
        (b"\x07\x07\4" + bytes(4), b"\x07\x07\x08" + OURS),
        (b"\x07\x0b\x08" + THEIRS + bytes(4), b"\x07\x0b\x0c" + THEIRS + OURS),
        (b"\x07\x07\x08" + THEIRS, b"\x07\x07\x08" + THEIRS),
        (b"\x07\x07\1" + bytes(4), b"\x07\x07\1" + bytes(4)),
        (b"\x07\x06\4" + bytes(3), b"\x07\x06\4" + bytes(3)),
        (b"\x44\x08\5\0" + bytes(4), b"\x44\x08\x09\0\x80\0\0\5"),
        (b"\x44\x0c\5\1" + bytes(8), b"\x44\x0c\x0d\1" + OURS + b"\x80\0\0\5"),
        (b"\x44\x0c\5\3" + OURS + bytes(4), b"\x44\x0c\x0d\3" + OURS + b"\x80\0\0\5"),
        (b"\x44\x0c\5\3" + THEIRS + bytes(4), b"\x44\x0c\5\3" + THEIRS + bytes(4)),
        (b"\x44\x08\x09\x10" + bytes(4), b"\x44\x08\x09\x20" + bytes(4)),
        (b"\x44\x08\x09\xf1" + bytes(4), b"\x44\x08\x09\xf1" + bytes(4)),
        (b"\x44\x08\5\2" + bytes(4), b"\x44\x08\5\2" + bytes(4)),
        (b"\x9e\4\xab\xcd", b""),
    ],
    ids=lambda option: option.hex(),
)
def test_what_a_request_records_is_recorded_further(option: bytes, answer: bytes) -> None:
    assert ipv4.recorded(ipv4.parse_options(option), OURS, 5) == answer


@given(st.lists(st.tuples(st.sampled_from([7, 68, 131, 148]), st.binary(max_size=37)), max_size=3), st.integers(0, 1 << 70))
def test_recording_never_changes_a_length(options: list[tuple[int, bytes]], milliseconds: int) -> None:
    area = ipv4.recorded(options, OURS, milliseconds)
    found = ipv4.parse_options(area)
    assert [(kind, len(data)) for kind, data in found] == [
        (kind, len(data)) for kind, data in options if (kind == 7 and data) or (kind == 68 and len(data) > 1)
    ]


def test_padding_of_the_link_is_ignored() -> None:
    data = ipv4.build(A, B, 17, 8) + bytes(8) + b"padding of an Ethernet frame"
    assert ipv4.parse(data, len(data)).total_length == 28


def test_refusals_name_what_is_wrong() -> None:
    good = bytearray(ipv4.build(A, B, 6, 4) + b"data")

    def refused(change: dict[int, int], length: int = len(good)) -> str:
        data = bytearray(good)
        for at, value in change.items():
            data[at] = value
        with pytest.raises(ParseError) as caught:
            ipv4.parse(data, length)
        return str(caught.value)

    assert refused({}, 19) == "IPv4 header needs 20 bytes, 19 are there"
    assert refused({}, 30) == "IPv4 header needs 20 bytes, 24 are there"
    assert refused({0: 0x65}) == "IP version is 6, not 4"
    assert "header length 16" in refused({0: 0x44})
    assert "header length 60" in refused({0: 0x4F})
    assert "total length is 25, 24 bytes are there" in refused({3: 25})
    assert "header length 20 does not fit a packet of 19 bytes" in refused({3: 19})
    assert "checksum" in refused({8: 63})
    assert "past the longest datagram" in refused({6: 0x1F, 7: 0xFF})


def test_checksum_may_be_left_to_the_device() -> None:
    data = bytearray(ipv4.build(A, B, 6, 0))
    data[10] ^= 1
    assert ipv4.parse(data, 20, verify=False).source == A


@pytest.mark.parametrize(
    "wrong", [{"payload_length": 65516}, {"fragment_offset": 4}, {"fragment_offset": 65536}, {"raw_options": b"\1" * 41}]
)
def test_build_refuses_what_does_not_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="IPv4 cannot carry"):
        ipv4.build(A, B, 6, **({"payload_length": 0} | wrong))


@given(st.binary(max_size=80))
def test_garbage_gives_parse_error_only(data: bytes) -> None:
    parse_or_refuse(ipv4.parse, data)
    parse_or_refuse(ipv4.parse_start, data)
    parse_or_refuse(lambda view, length: ipv4.parse_options(bytes(view[:length])), data[:40])


@given(damaged(ipv4.build(A, B, 17, 12, raw_options=b"\x07\x07\x04\0\0\0\0\x01\x82\x03\x00") + bytes(12)))
def test_damaged_packets_give_parse_error_only(data: bytes) -> None:
    parse_or_refuse(lambda view, length: ipv4.parse(view, length, verify=False), data)
    parse_or_refuse(ipv4.parse_start, data)

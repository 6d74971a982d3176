"""`hythe.wire.checksum` against RFC 1071's own example, a plain loop and scapy."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import checksum as scapy_checksum

from hythe.errors import ParseError
from hythe.wire import checksum


def by_the_loop(data: bytes) -> int:
    """The algorithm as RFC 1071 §4.1 writes it."""
    total = 0
    for at in range(0, len(data) - 1, 2):
        total += data[at] << 8 | data[at + 1]
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_rfc1071_section_3_example() -> None:
    assert checksum.ones_sum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2
    assert checksum.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


def test_zero_and_all_ones_stay_apart() -> None:
    assert checksum.ones_sum(b"") == 0
    assert checksum.ones_sum(bytes(10)) == 0
    assert checksum.ones_sum(bytes(10_000)) == 0
    assert checksum.ones_sum(b"\xff" * 10) == 0xFFFF
    assert checksum.ones_sum(b"\xff" * 10_000) == 0xFFFF
    assert checksum.ones_sum(b"\xff\xfe\x00\x01") == 0xFFFF
    assert checksum.finish(0) == 0xFFFF
    assert checksum.finish(0xFFFF) == 0
    assert checksum.finish(0x1FFFE) == 0


@given(st.binary(max_size=200), st.integers(0, 1 << 40))
def test_equals_the_loop(data: bytes, start: int) -> None:
    assert checksum.ones_sum(data) == by_the_loop(data)
    assert checksum.checksum(data) == scapy_checksum(data)
    assert checksum.ones_sum(memoryview(data), start) == checksum.fold(by_the_loop(data) + start)


@pytest.mark.parametrize("size", [4095, 4096, 4097, 8191, 8192, 8193, 65535, 65575])
def test_equals_the_loop_across_pieces(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert checksum.ones_sum(data) == by_the_loop(data)
    words = array("H", data + b"\0" * (size % 2))
    words.byteswap()
    assert checksum.ones_sum(bytearray(data)) == checksum.fold(sum(words))


@given(st.binary(max_size=60).filter(lambda data: len(data) % 2 == 0), st.binary(max_size=61))
def test_sums_add_up(first: bytes, second: bytes) -> None:
    assert checksum.ones_sum(second, checksum.ones_sum(first)) == checksum.ones_sum(first + second)


@given(st.sampled_from([4, 16]), st.data(), st.integers(0, 255), st.integers(0, 65535))
def test_pseudo_header_equals_its_bytes(width: int, data: st.DataObject, protocol: int, length: int) -> None:
    source = data.draw(st.binary(min_size=width, max_size=width))
    destination = data.draw(st.binary(min_size=width, max_size=width))
    header = source + destination
    if width == 4:
        header += bytes([0, protocol]) + length.to_bytes(2, "big")
    else:
        header += length.to_bytes(4, "big") + bytes([0, 0, 0, protocol])
    assert checksum.pseudo_sum(source, destination, protocol, length) == by_the_loop(header)


@given(st.binary(min_size=2, max_size=100), st.integers(1, 0xFFFF))
def test_verify_accepts_its_own_and_nothing_else(data: bytes, damage: int) -> None:
    right = checksum.checksum(data[: len(data) & ~1])
    packet = data[: len(data) & ~1] + right.to_bytes(2, "big")
    assert checksum.verify(packet)
    checksum.require(packet, "test")
    wrong = (right + damage) & 0xFFFF
    if wrong % 0xFFFF != right % 0xFFFF:
        packet = packet[:-2] + wrong.to_bytes(2, "big")
        assert not checksum.verify(packet)
        with pytest.raises(ParseError, match="test checksum is wrong"):
            checksum.require(packet, "test")

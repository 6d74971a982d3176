"""RFC 6528 and RFC 9293, 3.4.1; RFC 7323, 5.4 for the timestamp clock."""

from __future__ import annotations

from hythe.tcp.isn import SequenceNumbers
from hythe.units import MICROSECOND, SECOND

KEY = bytes(range(12))
OTHER = bytes(range(1, 13))


def test_rfc6528_3_the_clock_ticks_every_4_microseconds() -> None:
    numbers = SequenceNumbers(bytes(16))
    first = numbers.initial(KEY, 0)
    assert (numbers.initial(KEY, 4 * MICROSECOND) - first) & 0xFFFFFFFF == 1
    assert (numbers.initial(KEY, SECOND) - first) & 0xFFFFFFFF == 250_000


def test_rfc6528_3_each_socket_pair_has_a_space_of_its_own() -> None:
    numbers = SequenceNumbers(bytes(16))
    assert numbers.initial(KEY, 0) != numbers.initial(OTHER, 0)


def test_rfc6528_3_the_secret_decides() -> None:
    assert SequenceNumbers(bytes(16)).initial(KEY, 0) != SequenceNumbers(bytes(15) + b"\1").initial(KEY, 0)


def test_rfc7323_5_4_the_timestamp_offset_is_the_pairs_own_and_lasting() -> None:
    numbers = SequenceNumbers(bytes(16))
    assert numbers.timestamp_offset(KEY) == numbers.timestamp_offset(KEY)
    assert numbers.timestamp_offset(KEY) != numbers.timestamp_offset(OTHER)
    assert numbers.timestamp_offset(KEY) != numbers.initial(KEY, 0)


def test_numbers_are_32_bits_whatever_the_uptime() -> None:
    numbers = SequenceNumbers(bytes(32))
    assert all(0 <= numbers.initial(KEY, years * 365 * 86_400 * SECOND) < 1 << 32 for years in range(10))

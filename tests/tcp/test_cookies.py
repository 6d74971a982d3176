"""The SYN cookies by themselves. With a host around them: tests/host/test_accepting.py."""

from __future__ import annotations

from random import Random

import pytest

from hythe.config import TcpConfig
from hythe.tcp.cookies import SIZES, SynCookies, recalled, stamp
from hythe.units import SECOND
from hythe.wire.options import Options
from hythe.wire.segment import make_key

KEY = make_key(bytes([10, 0, 0, 1]), 40_000, bytes([10, 0, 0, 2]), 80)
NOW = 1_000 * SECOND


@pytest.mark.parametrize("mss", [0, 100, 536, 537, 1_219, 1_220, 1_400, 1_460, 8_999, 65_455, 65_535])
@pytest.mark.parametrize("irs", [0, 1, 0xFFFFFFFF, 0x80000000])
def test_the_mss_comes_back_rounded_down(mss: int, irs: int) -> None:
    cookies = SynCookies(bytes(16))
    found = cookies.check(KEY, irs, cookies.make(KEY, irs, mss, NOW), NOW)
    assert found == max([size for size in SIZES if size <= mss], default=SIZES[0])


def test_a_cookie_ages() -> None:
    cookies = SynCookies(bytes(16))
    cookie = cookies.make(KEY, 7, 1_460, 960 * SECOND)
    assert cookies.check(KEY, 7, cookie, 1_079 * SECOND) == 1_460
    assert cookies.check(KEY, 7, cookie, 1_080 * SECOND) is None
    assert cookies.check(KEY, 7, cookie, 959 * SECOND) is None


def test_a_cookie_is_of_one_socket_pair_one_sequence_number_and_one_host() -> None:
    cookies = SynCookies(bytes(16))
    cookie = cookies.make(KEY, 7, 1_460, NOW)
    assert cookies.check(KEY, 8, cookie, NOW) is None
    assert cookies.check(KEY[:-1] + b"\x51", 7, cookie, NOW) is None
    assert SynCookies(bytes([1]) * 16).check(KEY, 7, cookie, NOW) is None


def test_guessing_is_vain(rng: Random) -> None:
    """Two minutes of 256 times eight sizes of 2^24: one guess in 2^28 is right."""
    cookies = SynCookies(rng.randbytes(16))
    assert not any(cookies.check(KEY, 7, rng.getrandbits(32), NOW) for _ in range(20_000))


@pytest.mark.parametrize("wscale", [None, 0, 7, 14])
@pytest.mark.parametrize("sack", [False, True])
@pytest.mark.parametrize("ecn", [False, True])
@pytest.mark.parametrize("clock", [100, 127, 128, 0xFFFFFFFF])
def test_options_come_back_in_the_timestamp(wscale: int | None, sack: bool, ecn: bool, clock: int) -> None:
    offset = 0xFFFF_FF12
    sent = stamp(clock, Options(wscale=wscale, sack_permitted=sack), ecn=ecn)
    assert 0 <= clock - sent < 128
    answer = Options(ts_val=5, ts_ecr=sent + offset & 0xFFFFFFFF)
    options = Options(mss=1_300, wscale=wscale, sack_permitted=sack, ts_val=5)
    assert recalled(1_300, answer, offset, TcpConfig()) == (options, ecn)


def test_without_timestamps_only_the_mss_comes_back() -> None:
    assert recalled(1_300, Options(), 0, TcpConfig()) == (Options(mss=1_300), False)
    bare = TcpConfig(timestamps=False)
    assert recalled(1_300, Options(ts_val=1, ts_ecr=2), 0, bare) == (Options(mss=1_300), False)

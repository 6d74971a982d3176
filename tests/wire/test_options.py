"""`hythe.wire.options` against scapy in both directions, the rules for malformed lists, and garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP

from hythe.errors import ParseError
from hythe.wire import options
from hythe.wire.options import Options
from tests.wire.strategies import damaged, longs, parse_or_refuse

mss = st.integers(1, 65535)
wscale = st.integers(0, 14)
sack = st.lists(st.tuples(longs, longs), min_size=1, max_size=4)
# Kinds neither scapy nor we interpret.
foreign = st.tuples(st.integers(100, 200), st.binary(max_size=6))


def scapy_bytes(listed: list) -> bytes:
    return bytes(TCP(options=listed))[20:]


@given(
    st.one_of(st.none(), mss),
    st.one_of(st.none(), wscale),
    st.booleans(),
    st.one_of(st.none(), longs),
    longs,
    st.lists(foreign, max_size=2),
)
def test_syn_options_both_ways(
    size: int | None, shift: int | None, permitted: bool, ts_val: int | None, ts_ecr: int, others: list[tuple[int, bytes]]
) -> None:
    ours = Options(
        mss=size,
        wscale=shift,
        sack_permitted=permitted,
        ts_val=ts_val,
        ts_ecr=None if ts_val is None else ts_ecr,
        unknown=tuple(others),
    )
    raw = options.build(ours)
    assert len(raw) % 4 == 0
    assert options.parse(memoryview(raw)) == ours
    read = TCP(bytes(TCP(dataofs=5 + len(raw) // 4))[:20] + raw).options
    seen = [item for item in read if item[0] not in ("NOP", "EOL")]
    named = dict(seen)
    assert named.get("MSS") == size
    assert named.get("WScale") == shift
    assert ("SAckOK" in named) == permitted
    assert named.get("Timestamp") == (None if ts_val is None else (ts_val, ts_ecr))
    assert [item for item in seen if isinstance(item[0], int)] == others
    assert options.parse(scapy_bytes(seen)) == ours


@given(sack, st.booleans(), longs, longs)
def test_sack_blocks_both_ways(blocks: list[tuple[int, int]], stamped: bool, ts_val: int, ts_ecr: int) -> None:
    blocks = blocks[: options.sack_room(12 if stamped else 0)]
    ours = Options(sack=tuple(blocks), ts_val=ts_val if stamped else None, ts_ecr=ts_ecr if stamped else None)
    assert options.parse(options.build(ours)) == ours
    flat = tuple(edge for block in blocks for edge in block)
    listed: list = [("NOP", None), ("NOP", None), ("SAck", flat)]
    if stamped:
        listed = [("NOP", None), ("NOP", None), ("Timestamp", (ts_val, ts_ecr)), *listed]
    assert options.build(ours) == scapy_bytes(listed)


def test_syn_of_linux_byte_for_byte() -> None:
    linux = bytes.fromhex("020405b40402080a499602d20000000001030307")
    ours = Options(mss=1460, wscale=7, sack_permitted=True, ts_val=1234567890, ts_ecr=0)
    assert options.build(ours) == linux
    assert options.parse(linux) == ours


@pytest.mark.parametrize(
    "raw",
    [
        "020405b40402080a499602d20000000001030307",
        "020405b40402080a499602d2000000000103030f",  # a window scale that is read as 14
        "020400000402080a499602d20000000001030307",  # an MSS that is ignored
        "020405b40502080a499602d20000000001030307",
        "020405b40402080b499602d20000000001030307",
        "020405b40402080a499602d20000000001010303",
        "080a499602d2000000000402020405b401030307",
    ],
)
def test_syn_of_linux_is_read_as_any_other(raw: str) -> None:
    def outcome(data: bytes) -> Options | None:
        try:
            return options.parse(data)
        except ParseError:
            return None

    data = bytes.fromhex(raw)
    assert outcome(data) == outcome(b"\x01" + data)


@given(longs, longs)
def test_timestamps_alone_take_the_fast_path(ts_val: int, ts_ecr: int) -> None:
    raw = options.build_timestamps(ts_val, ts_ecr)
    assert raw == scapy_bytes([("NOP", None), ("NOP", None), ("Timestamp", (ts_val, ts_ecr))])
    assert options.timestamps(memoryview(raw)) == (ts_val, ts_ecr)
    assert options.parse(raw) == Options(ts_val=ts_val, ts_ecr=ts_ecr)


@given(st.binary(max_size=40))
def test_fast_path_says_what_the_parser_says(raw: bytes) -> None:
    for data in (raw, b"\x01\x01\x08\x0a" + raw[:8]):
        fast = options.timestamps(data)
        if fast is not None:
            slow = options.parse(data)
            assert fast == (slow.ts_val, slow.ts_ecr)


def test_room_for_sack_blocks_rfc2018_section_3() -> None:
    assert [options.sack_room(0), options.sack_room(12), options.sack_room(32), options.sack_room(40)] == [4, 3, 0, 0]
    blocks = ((1, 2),) * 4
    assert len(options.build(Options(sack=blocks))) == 36
    with pytest.raises(ValueError, match="TCP options take 48 bytes"):
        options.build(Options(sack=blocks, ts_val=1, ts_ecr=1))


def test_fast_open_rfc7413() -> None:
    assert options.parse(b"\x22\x02").fast_open == b""
    assert options.parse(b"\x22\x0a" + b"cookiecc").fast_open == b"cookiecc"
    assert options.build(Options(fast_open=b"cookiecc")) == b"\x22\x0acookiecc\1\1"
    older = options.parse(b"\xfe\x0c\xf9\x89cookiecc")
    assert (older.fast_open, older.experimental) == (b"cookiecc", True)
    assert options.build(older) == b"\xfe\x0c\xf9\x89cookiecc"
    assert options.parse(b"\xfe\x04\xf9\x88").unknown == ((254, b"\xf9\x88"),)
    for raw in (b"\x22\x04ab", b"\x22\x07abcde", b"\x22\x14" + bytes(18)):
        assert options.parse(raw) == Options(unknown=((34, raw[2:]),))


def test_end_of_options_ends_them() -> None:
    assert options.parse(b"\x01\x00\x02\x04\x05\xb4") == Options()


@pytest.mark.parametrize("raw", ["02", "020005b4", "020105b4", "020505b4", "01fe03"])
def test_length_that_cannot_be_followed_rfc9293_must7(raw: str) -> None:
    with pytest.raises(ParseError, match=r"TCP option \d+ at byte 2\d has length"):
        options.parse(bytes.fromhex(raw))


@pytest.mark.parametrize(
    "raw",
    [
        "0203ff",
        "0202",
        "02040000",
        "030400ff",
        "0302",
        "0802",
        "080b" + "00" * 9,
        "0404ffff",
        "0502",
        "050600000000",
        "050b" + "00" * 9,
    ],
)
def test_wrong_length_for_its_kind_is_ignored_and_kept(raw: str) -> None:
    data = bytes.fromhex(raw)
    assert options.parse(data) == Options(unknown=((data[0], data[2:]),))


def test_window_scale_above_14_is_read_as_14_rfc7323_section_2_3() -> None:
    assert options.parse(b"\x03\x03\xff").wscale == 14


def test_last_of_two_counts() -> None:
    assert options.parse(b"\x02\x04\x05\xb4\x02\x04\x02\x18").mss == 536


@given(st.binary(max_size=40))
def test_garbage_gives_parse_error_only(data: bytes) -> None:
    parse_or_refuse(lambda view, length: options.parse(view[:length]), data)
    parse_or_refuse(lambda view, length: options.timestamps(view[:length]), data)


@given(damaged(bytes.fromhex("0204058c0402080a499602d20000000003030705") + b"\x0a" + bytes(8)))
def test_damaged_lists_give_parse_error_or_rebuild(data: bytes) -> None:
    parsed = parse_or_refuse(lambda view, length: options.parse(view[:length]), data)
    if parsed is not None and len(data) <= 24:  # aligned, a longer list may not fit 40 bytes
        assert options.parse(options.build(parsed)) == parsed

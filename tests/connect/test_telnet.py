"""Telnet's commands: what is answered to them, and what is left as text (RFC 854, 855, 857, 858, 1073, 1091, 1143)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hythe.connect.telnet import AYT, DM, DO, DONT, ECHO, GA, IAC, NOP, SB, SE, WILL, WONT, Telnet

LINEMODE = 34


def command(*codes: int) -> bytes:
    return bytes((IAC, *codes))


def answered(telnet: Telnet, data: bytes) -> tuple[bytes, bytes]:
    return telnet.receive(data), telnet.replies()


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (command(WILL, ECHO), command(DO, ECHO)),
        (command(WILL, 3), command(DO, 3)),
        (command(DO, 3), command(WILL, 3)),
        (command(DO, 24), command(WILL, 24)),
        (command(DO, ECHO), command(WONT, ECHO)),
        (command(DO, LINEMODE), command(WONT, LINEMODE)),
        (command(WILL, 200), command(DONT, 200)),
        (command(DONT, 3), b""),
        (command(WONT, ECHO), b""),
        (command(AYT), b"\r\n[yes]\r\n"),
        (command(NOP) + command(GA) + command(DM), b""),
    ],
)
def test_what_is_answered(asked: bytes, answer: bytes) -> None:
    telnet = Telnet()
    assert answered(telnet, b"a" + asked + b"b") == (b"ab", answer)
    assert telnet.spoken


def test_what_is_so_already_gets_no_answer() -> None:
    telnet = Telnet()
    assert answered(telnet, command(WILL, ECHO) * 3)[1] == command(DO, ECHO)
    assert telnet.theirs == {ECHO}
    assert answered(telnet, command(WONT, ECHO) * 3)[1] == command(DONT, ECHO)
    assert telnet.theirs == set()


def test_type_and_size_of_the_terminal() -> None:
    telnet = Telnet("xterm", (255, 24))
    assert answered(telnet, command(SB, 24, 1) + command(SE)) == (b"", b"")  # it was never agreed on
    assert answered(telnet, command(DO, 24))[1] == command(WILL, 24)
    assert answered(telnet, command(SB, 24, 1) + command(SE))[1] == command(SB, 24, 0) + b"XTERM" + command(SE)
    size = b"\x00\xff\xff\x00\x18"  # 255 is IAC, and so doubled
    assert answered(telnet, command(DO, 31))[1] == command(WILL, 31) + command(SB, 31) + size + command(SE)


def test_text() -> None:
    telnet = Telnet()
    assert telnet.encode(b"\xff\r") == b"\xff\r"  # nobody has spoken telnet
    assert answered(telnet, b"\xff\xff\r\0x\r\n\0") == (b"\xff\rx\r\n\0", b"")
    telnet.receive(command(NOP))
    assert telnet.encode(b"\xff\r\n\rx\r") == b"\xff\xff\r\n\r\0x\r\0"


PARTS = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from([b"\xff", b"\r", b"\0", command(DO, 24), command(SB, 24, 1), command(SE), command(WILL, ECHO)]),
    ),
    max_size=20,
)


@given(PARTS, st.lists(st.integers(0, 200), max_size=8))
def test_how_it_is_cut_makes_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole, cut = Telnet("xterm"), Telnet("xterm")
    expected = answered(whole, data)
    places = [0, *sorted(min(each, len(data)) for each in cuts), len(data)]
    pieces = [cut.receive(data[start:end]) for start, end in itertools.pairwise(places)]
    assert (b"".join(pieces), cut.replies()) == expected
    assert (cut.ours, cut.theirs) == (whole.ours, whole.theirs)

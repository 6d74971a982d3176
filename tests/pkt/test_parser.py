"""Reading scripts: what each piece of the language becomes, and what whoever errs is told."""

from __future__ import annotations

import pytest

from hythe.pkt.packets import packet
from hythe.pkt.parser import parse
from hythe.pkt.reader import Reader
from hythe.pkt.script import (
    ANYTHING,
    Apply,
    Call,
    Code,
    Event,
    Icmp,
    Name,
    Option,
    PacketEvent,
    ScriptError,
    Shell,
    Struct,
    Tcp,
    Time,
    Udp,
)
from hythe.units import MILLISECOND, SECOND
from hythe.wire.segment import ACK, CWR, ECE, PSH, SYN


def only(text: str) -> Event:
    script = parse("a.pkt", text)
    assert len(script.events) == 1
    return script.events[0]


def segment(text: str) -> Tcp:
    what = packet(Reader("a.pkt", text)).what
    assert isinstance(what, Tcp)
    return what


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("0", Time(0, relative=False)),
        ("1.5", Time(3 * SECOND // 2, relative=False)),
        ("+0", Time(0, relative=True)),
        ("+.1", Time(100 * MILLISECOND, relative=True)),
        ("+.000001", Time(1_000, relative=True)),
        ("0.1~0.2", Time(100 * MILLISECOND, relative=False, until=200 * MILLISECOND)),
        ("+0~+.05", Time(0, relative=True, until=50 * MILLISECOND)),
        ("*", Time(0, relative=True, any=True)),
    ],
)
def test_times(text: str, time: Time) -> None:
    assert only(f"{text} > udp (1)").time == time


def test_a_call() -> None:
    event = only("+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=-1}, 8) = -1 EINVAL (Can't do that)")
    expected = (3, Name("SOL_SOCKET"), Name("SO_LINGER"), Struct((("onoff", 1), ("linger", -1))), 8)
    assert event.action == Call("setsockopt", expected, -1, "EINVAL")


def test_arguments() -> None:
    event = only('0 f(..., 0x10, A|B, [1, "a\\n\\x41"], {sin_port = htons(80)}, msg(1)) = *')
    assert isinstance(event.action, Call)
    assert event.action.result is ANYTHING
    assert event.action.arguments == (
        ANYTHING,
        16,
        Apply("|", (Name("A"), Name("B"))),
        (1, b"a\nA"),
        Struct((("sin_port", Apply("htons", (80,))),)),
        Apply("msg", (1,)),
    )


def test_a_call_that_blocks() -> None:
    event = only("0.1...0.25 accept(3, ..., ...) = 4")
    assert event.time == Time(100 * MILLISECOND, relative=False)
    assert isinstance(event.action, Call)
    assert event.action.blocks_until == 250 * MILLISECOND


def test_a_segment_with_options() -> None:
    found = segment("< S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>")
    options = (Option("mss", (1460,)), Option("sackOK"), Option("TS", (100, 0)), Option("nop"), Option("wscale", (7,)))
    assert found == Tcp(SYN, 0, 0, None, 65_535, 0, options)


def test_a_segment_with_sack() -> None:
    found = segment("> P. 1:1001(1000) ack 5 urg 3 <nop,nop,sack 1:1001 2001:3001>")
    options = (Option("nop"), Option("nop"), Option("sack", (1, 1001, 2001, 3001)))
    assert found == Tcp(ACK | PSH, 1, 1000, 5, None, 3, options)


@pytest.mark.parametrize(
    ("letters", "bits"), [("SEW", SYN | ECE | CWR), ("S.", SYN | ACK), (".", ACK), ("EP.", ECE | PSH | ACK)]
)
def test_flags(letters: str, bits: int) -> None:
    assert segment(f"> {letters} 0:0(0){' ack 1' if bits & ACK else ''}").flags == bits


def test_any_options() -> None:
    assert segment("> . 1:1(0) ack 1 <...>").options is None


def test_fast_open_option() -> None:
    assert segment("< S 0:0(0) win 1 <FO 0a1b2c3d,FO>").options == (Option("FO", (), b"\x0a\x1b\x2c\x3d"), Option("FO"))


def test_marks_udp_and_icmp() -> None:
    assert packet(Reader("a.pkt", "> [ce] udp (10)")) == PacketEvent(False, Udp(10), 3)
    marked = PacketEvent(True, Udp(10), 3, None, None, 0x12345, (7, 8))
    assert packet(Reader("a.pkt", "< (ce, flowlabel 0x12345) udp 7 > 8 (10)")) == marked
    assert packet(Reader("a.pkt", "> [tos 0x2a] (ttl 1) udp (10)")) == PacketEvent(False, Udp(10), None, 42, 1)
    quoted = "inbound icmp unreachable frag_needed mtu 1200 [1:1461(1460)]"
    assert packet(Reader("a.pkt", quoted)).what == Icmp(("unreachable", "frag_needed"), 1200, 1, 1460)


def test_options_shell_code_and_comments() -> None:
    text = "// hythe-only: because\n--mtu=1200\n/* two\nlines */ `sysctl -q a=1`\n+0 %{ assert 1 == 1 # odd\n}%\n"
    script = parse("a.pkt", text)
    assert script.options == [(2, "mtu", "1200")]
    assert [(event.line, type(event.action)) for event in script.events] == [(4, Shell), (5, Code)]
    assert (script.only, script.reason) == ("hythe", "because")


def test_words_that_stand_for_others() -> None:
    text = "--define=SIZE=10  // so\n+0 > P. 1:11(SIZE) ack 1 <FO TFO_COOKIE>\n+0 < icmp unreachable CODE [1:1(0)]\n"
    first, second = (event.action for event in parse("a.pkt", text, {"SIZE": "9"}).events)
    assert isinstance(first, PacketEvent)
    assert isinstance(first.what, Tcp)
    assert first.what.options == (Option("FO", (), bytes.fromhex("3021b9d889017eeb")),)
    assert second == PacketEvent(True, Icmp(("unreachable", "host_unreachable"), 0, 1, 0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.pkt:1: expected at least one event"),
        ("0 socket(1) = 3\nxyz", "a.pkt:2: expected a time in seconds (0, 0.1, +0, +.1, 0.1~0.2 or *), found 'xyz'"),
        ("0 < S 0:0(0) wni 5", "a.pkt:1: expected a time in seconds"),
        ("0 < S 0-0(0)", "a.pkt:1: expected ':' behind the sequence number"),
        ("0 < S 0:10(5)", "a.pkt:1: expected 0:5(5), found 0:10(5)"),
        ("0 > . 1:1(0) win 5", "a.pkt:1: expected 'ack' with a number where the flags have '.'"),
        ("0 < X 1:1(0)", "a.pkt:1: expected a flag: S F R P U E W or '.' for ACK, found 'X'"),
        ("0 < S 0:0(0) win 5 <mss>", "a.pkt:1: expected the value of mss, found '>'"),
        ("0 < S 0:0(0) win 5 <foo 1>", "a.pkt:1: expected a TCP option"),
        ("0 < S 0:0(0) win 5 <...>", "a.pkt:1: expected options spelled out"),
        ("\n\n0 read(3, ..., 10)", "a.pkt:3: expected '=' and what the call returns, found 'the end of the file'"),
        ("0 read(3 4) = 0", "a.pkt:1: expected ',' or ')', found '4'"),
        ("0 read(3) = x", "a.pkt:1: expected what the call returns: a number, or * for any, found 'x'"),
        ("0 < icmp nonsense", "a.pkt:1: expected one of packet_too_big"),
        ("0 /* never", "a.pkt:1: this comment is never closed"),
        ("0 `sysctl", "a.pkt:1: what begins with ` here is never closed"),
        ("0.2~0.1 > udp (1)", "a.pkt:1: expected a range of time that ends after it begins"),
        ("+0.1~0.2 > udp (1)", "a.pkt:1: expected both ends of a range of time relative"),
        ("0 < [odd] udp (1)", "a.pkt:1: expected the mark"),
        ("0 < (tos) udp (1)", "a.pkt:1: expected the value of tos"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse("a.pkt", text)
    assert str(caught.value).startswith(message)

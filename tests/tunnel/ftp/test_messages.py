"""FTP's lines, and what they say of data ports."""

from __future__ import annotations

from random import Random

import pytest

from hythe.errors import ParseError
from hythe.tunnel.ftp.messages import (
    LINE_MAX,
    Endpoint,
    Lines,
    UnknownFamilyError,
    build_extended_port,
    build_port,
    command,
    may_be_reply,
    parse_extended_port,
    parse_passive,
    parse_port,
    reply_code,
    without_telnet,
)


def test_lines_cut_anywhere(rng: Random) -> None:
    text = b"USER me\r\nRETR a\rb\r\n\r\nby hand\n\xff\xf4\xff\xf2ABOR\r\n"
    want = [b"USER me", b"RETR a\rb", b"", b"by hand", b"ABOR"]
    for _ in range(50):
        lines, got, at = Lines(telnet=True), [], 0
        while at < len(text):
            size = rng.randrange(1, 6)
            lines.feed(text[at : at + size])
            at += size
            while (line := lines.next()) is not None:
                got.append(line)
        assert got == want
        assert not len(lines)


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_a_line_that_does_not_end(end: bytes) -> None:
    lines = Lines(telnet=False)
    lines.feed(bytes(LINE_MAX))
    assert lines.next() is None
    lines.feed(b"x" + end)
    with pytest.raises(ParseError):
        lines.next()


@pytest.mark.parametrize(
    ("line", "want"),
    [
        (b"\xff\xf4\xff\xf2ABOR", b"ABOR"),
        (b"\xff\xfb\x01\xff\xfd\x03NOOP", b"NOOP"),
        (b"\xff\xfa\x18\x00vt100\xff\xf0NOOP", b"NOOP"),
        (b"RETR \xff\xff", b"RETR \xff\xff"),
        (b"RETR \xffa", b"RETR \xffa"),
        (b"RETR a\xff", b"RETR a\xff"),
        (b"NOOP\xff\xfb", b"NOOP"),
        (b"\xff\xfa\x18never ends", b""),
    ],
)
def test_telnet_is_left_out(line: bytes, want: bytes) -> None:
    assert without_telnet(line) == want


def test_commands() -> None:
    assert command(b"epsv  all ") == ("EPSV", b"all", b"epsv  all ")
    assert command(b"\tPORT\t1,2") == ("PORT", b"1,2", b"PORT\t1,2")
    assert command(b"PASV") == ("PASV", b"", b"PASV")
    assert command(b"RETR a\r\0b").verb == "RETR"
    for line in (b"NOOP\rPORT 1,2,3,4,5,6", b"NOOP\r"):
        with pytest.raises(ParseError):
            command(line)


def test_replies() -> None:
    assert reply_code(b"220 hello") == (220, False)
    assert reply_code(b"220-hello") == (220, True)
    assert reply_code(b"220") == (220, False)
    for line in (b" 220 hello", b"2200", b"SSH-2.0", b"", b"020 no"):
        assert reply_code(line) is None


@pytest.mark.parametrize("begin", [b"", b"2", b"22", b"220", b"220 ", b"220-", b"120\r"])
def test_what_may_be_a_reply(begin: bytes) -> None:
    assert may_be_reply(begin)


@pytest.mark.parametrize("begin", [b"S", b"\x16\x03\x01", b"2a", b"HTTP", b"2200", b"0", b"\r\n"])
def test_what_is_none(begin: bytes) -> None:
    assert not may_be_reply(begin)


@pytest.mark.parametrize("end", [Endpoint("192.0.2.1", 6_275), Endpoint("10.0.0.255", 65_535)])
def test_port(end: Endpoint) -> None:
    assert parse_port(build_port(end)) == end
    assert parse_extended_port(build_extended_port(end)) == end


@pytest.mark.parametrize("text", [b"", b"1,2,3,4,5", b"1,2,3,4,5,256", b"1,2,3,4,5,6,7", b"1,2,3,4,5,6 ", b"a,2,3,4,5,6"])
def test_no_port(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_port(text)


def test_extended_port() -> None:
    assert parse_extended_port(b"|2|2001:DB8:0::1|6275|") == Endpoint("2001:db8::1", 6_275)
    assert parse_extended_port(b"!1!192.0.2.1!1!") == Endpoint("192.0.2.1", 1)
    with pytest.raises(UnknownFamilyError):
        parse_extended_port(b"|3|x|1|")
    for text in (
        b"",
        b"|",
        b"|1|192.0.2.1|",
        b"|1|::1|5|",
        b"|2|192.0.2.1|5|",
        b"|1|a|5|",
        b"|1|192.0.2.1|65536|",
        b"|1|192.0.2.1|+5|",
    ):
        with pytest.raises(ParseError):
            parse_extended_port(text)


def test_passive_replies() -> None:
    assert parse_passive(227, b"227 Entering Passive Mode (10,0,0,1,4,1).") == 1_025
    assert parse_passive(227, b"227 =10,0,0,1,4,1") == 1_025
    assert parse_passive(229, b"229 Entering Extended Passive Mode (|||6446|)") == 6_446
    assert parse_passive(229, b"229 ok (!!!1!)") == 1
    bad = [
        (229, b"229 ok (|||0|)"),
        (229, b"229 ok (|||65536|)"),
        (229, b"229 ok"),
        (227, b"227 ok"),
        (227, b"227 (1,2,3,4,0,0)"),
    ]
    for code, line in bad:
        with pytest.raises(ParseError):
            parse_passive(code, line)

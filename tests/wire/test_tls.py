"""What both ends of TLS say first: of OpenSSL's making, cut anywhere, and broken anywhere."""

from __future__ import annotations

import ssl
from random import Random

import pytest

from hythe.errors import ParseError
from hythe.wire.tls import HELLO_MAX, Answer, Hello, read, read_answer
from tests.wire.hellos import flights, hello, records


@pytest.mark.parametrize(
    ("name", "protocols", "want"),
    [
        ("Mail.Example", (), Hello("mail.example", ())),
        ("a.example", ("h2", "http/1.1"), Hello("a.example", (b"h2", b"http/1.1"))),
        (None, ("imap",), Hello("", (b"imap",))),
    ],
)
def test_what_openssl_says(name: str | None, protocols: tuple[str, ...], want: Hello) -> None:
    flight = hello(name, protocols)
    assert read(flight) == want
    assert read(flight + b"anything") == want


def test_cut_anywhere() -> None:
    """What is asked for is more than there is, and never more than it takes."""
    flight = hello("a.example")
    for size in range(len(flight)):
        need = read(flight[:size])
        assert isinstance(need, int)
        assert size < need <= len(flight)


def test_in_any_records(rng: Random) -> None:
    flight = hello("a.example", ("h2",))
    for _ in range(200):
        cut = records(flight, [rng.randrange(1, 40) for _ in range(rng.randrange(30))])
        assert read(cut) == Hello("a.example", (b"h2",))
        need = read(cut[:-1])
        assert need == len(cut)
    with pytest.raises(ParseError, match="more than 64 records"):
        read(records(flight, [1] * 70))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GET / HTTP/1.0\r\n", "does not begin with TLS"),
        (b"\x16\x02", "does not begin with TLS"),
        (b"\x80\x2e\x01\x03\x01", "does not begin with TLS"),  # SSL 2
        (b"\x16\x03\x01\0\0", "no length"),
        (b"\x16\x03\x01\x40\x01", "no length"),
        (b"\x16\x03\x01\0\x04\x02\0\0\0", "does not begin with such a hello"),
        (b"\x16\x03\x01\0\x04\x01\0\x40\x01", f"more than {HELLO_MAX}"),
    ],
)
def test_what_is_none(data: bytes, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        read(data)


def built(*extensions: tuple[int, bytes], session: bytes = b"", ciphers: bytes = b"\x13\x01", behind: bytes = b"") -> bytes:
    body = b"\3\3" + bytes(32) + bytes((len(session),)) + session + len(ciphers).to_bytes(2, "big") + ciphers + b"\1\0"
    text = b"".join(kind.to_bytes(2, "big") + len(each).to_bytes(2, "big") + each for kind, each in extensions)
    body += (len(text).to_bytes(2, "big") + text if extensions else b"") + behind
    return b"\x16\x03\x01" + (len(body) + 4).to_bytes(2, "big") + b"\x01" + len(body).to_bytes(3, "big") + body


def names(*given: bytes, kind: int = 0) -> tuple[int, bytes]:
    text = b"".join(bytes((kind,)) + len(each).to_bytes(2, "big") + each for each in given)
    return 0, len(text).to_bytes(2, "big") + text


def test_without_extensions() -> None:
    assert read(built()) == Hello("", ())


def test_names() -> None:
    assert read(built(names(b"A.example."))) == Hello("a.example", ())
    assert read(built(names(b"a", kind=7))) == Hello("", ())


@pytest.mark.parametrize(
    "data",
    [
        built(names(b"a.example", b"b.example")),
        built(names(b"a example")),
        built(names(b"")),
        built(names(b"a\0.example")),
        built(names(b"\xc3\xa4.example")),
        built(names(b"a" * 300)),
        built(names(b"a"), names(b"b")),
        built((0, b"\0\x09\0\0\x09a")),
        built((16, b"\0\1\0")),
        built((16, b"\0\5\2h2")),
        built(session=bytes(33)),
        built(ciphers=b""),
        built(ciphers=b"\x13"),
        built(names(b"a"), behind=b"x"),
        built(behind=b"\0"),
    ],
)
def test_what_is_malformed(data: bytes) -> None:
    with pytest.raises(ParseError, match=r"a (ClientHello|hello)"):
        read(data)


@pytest.mark.parametrize(
    ("version", "want"),
    [
        (ssl.TLSVersion.TLSv1_2, Answer("TLS 1.2", b"http/1.1")),
        (ssl.TLSVersion.TLSv1_3, Answer("TLS 1.3", b"")),
    ],
)
def test_what_openssl_answers(version: ssl.TLSVersion, want: Answer) -> None:
    """Since 1.3 the choice of a protocol is encrypted (RFC 8446, 4.3.1)."""
    answer = next(data for way, data in flights(version, ("h2", "http/1.1"), ("http/1.1",), b"x") if way == 1)
    assert read_answer(answer) == want
    need = read_answer(b"")
    while isinstance(need, int):
        assert need <= len(answer)
        need = read_answer(answer[:need])
    assert need == want


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x15\x03\x03\0\2\2\x28", "does not begin with TLS"),  # an alert
        (hello("a.example"), "such a hello"),
        (b"\x16\x03\x03\0\x2a\2\0\0\x26\7\7" + bytes(36), "version 0x0707"),
        (b"\x16\x03\x03\0\x20\2\0\0\x1c\3\3" + bytes(26), "cut off within"),
    ],
)
def test_what_is_no_answer(data: bytes, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        read_answer(data)

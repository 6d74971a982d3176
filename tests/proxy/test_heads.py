"""Heads of requests: what is ambiguous, malformed or too long is refused, with its status and one sentence."""

from __future__ import annotations

import asyncio
import random
import socket
from http import HTTPStatus

import h11
import pytest

from hythe.proxy.heads import HEAD_MAX, LINE_MAX, Refusal, Target, check, credentials, read_head, target, tunnel


def head(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode()


GET = "GET http://example.com/ HTTP/1.1"


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ((GET, "Content-Length: 5", "Transfer-Encoding: chunked"), 400, "both"),
        ((GET, "Content-Length: 5", "Content-Length: 5"), 400, "more than once"),
        ((GET, "Content-Length: 5, 5"), 400, "not one number"),
        ((GET, "Content-Length: +5"), 400, "not one number"),
        ((GET, f"Content-Length: {5_000 * '5'}"), 400, "not one number"),
        ((GET.replace("1.1", "1.0"), "Transfer-Encoding: chunked"), 400, "HTTP/1.0 has no"),
        (("CONNECT a:1 HTTP/1.1", "Content-Length: 5"), 400, "CONNECT has no body"),
        (("TRACE http://a/ HTTP/1.1", "Max-Forwards: 0"), 501, "Max-Forwards ends here"),
        (("TRACE http://a/ HTTP/1.1", "Max-Forwards: x"), 400, "Max-Forwards is not"),
        (("CONNECT a:1 HTTP/1.1", "Transfer-Encoding: chunked"), 400, "CONNECT has no body"),
        ((GET, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400, "more than once"),
        ((GET, "Transfer-Encoding: gzip, chunked"), 501, "only Transfer-Encoding"),
        ((GET, "Transfer-Encoding: xchunked"), 501, "only Transfer-Encoding"),
        ((GET, "X: a", " folded"), 400, "folded"),
        ((GET, "X : a"), 400, "NAME: VALUE"),
        (("GET http://example.com/caf\u00e9 HTTP/1.1",), 400, "not METHOD URL HTTP/1.1, in ASCII"),
        (("GET http://example.com/a b HTTP/1.1",), 400, "not METHOD URL HTTP/1.1"),
        ((GET, "no colon"), 400, "NAME: VALUE"),
        ((GET, "Host: a", "Host: b"), 400, "more than one Host"),
        ((GET, *[f"X{n}: 1" for n in range(300)]), 431, "header lines"),
    ],
)
def test_refused(lines: tuple[str, ...], status: int, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refusal:
        check(head(*lines))
    assert refusal.value.status == status


def test_a_usual_head_is_fine() -> None:
    check(head(GET, "Host: example.com", "Content-Length: 5", "Accept: */*"))
    check(head(GET, "Host: example.com", "Transfer-Encoding: Chunked"))
    check(head("CONNECT a:1 HTTP/1.1", "Host: a:1", "Content-Length: 0"))


def reading(data: bytes, piece: int) -> tuple[bytes, bytes] | None:
    async def main() -> tuple[bytes, bytes] | None:
        one, other = socket.socketpair()
        with one, other:
            for each in (one, other):
                each.setblocking(False)

            async def say() -> None:
                for at in range(0, len(data), piece):
                    await asyncio.get_running_loop().sock_sendall(one, data[at : at + piece])
                one.shutdown(socket.SHUT_WR)

            saying = asyncio.ensure_future(say())
            try:
                return await read_head(other, b"")
            finally:
                saying.cancel()

    return asyncio.run(main())


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_a_head_is_read_from_any_pieces(piece: int) -> None:
    whole = head(GET, "Host: example.com")
    found = reading(b"\r\n" + whole + b"body", piece)
    assert found is not None
    assert found[0] == whole
    assert b"body".startswith(found[1])
    assert reading(b"", piece) is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET http://a/ HTTP/1.1\nHost: a\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\nX: a\nContent-Length: 4\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\nX: a\rb\r\n\r\n", 400),
        (b"GET http://a/ HTTP", 400),
        (b"\x16\x03\x01", 400),
        (b"\x05\x01\x00", 400),
        (b"GET http://a/" + b"x" * LINE_MAX, 414),
        (b"GET http://a/ HTTP/1.1\r\n" + b"X: y\r\n" * (HEAD_MAX // 6), 431),
    ],
)
def test_what_cannot_become_a_head_is_refused_early(data: bytes, status: int) -> None:
    for piece in (11, 100_000):
        with pytest.raises(Refusal) as refusal:
            reading(data, piece)
        assert refusal.value.status == status


def parsed(line: str, *lines: str) -> h11.Request:
    machine = h11.Connection(h11.SERVER)
    machine.receive_data(head(line, *(lines or ("Host: whatever",))))
    request = machine.next_event()
    assert isinstance(request, h11.Request)
    return request


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("GET http://example.com HTTP/1.1", Target("example.com", 80, "example.com", "/")),
        ("GET HTTP://Example.COM:8080/a?b HTTP/1.1", Target("example.com", 8080, "Example.COM:8080", "/a?b")),
        ("GET http://example.com?q HTTP/1.1", Target("example.com", 80, "example.com", "/?q")),
        ("OPTIONS http://example.com HTTP/1.1", Target("example.com", 80, "example.com", "*")),
        ("GET http://[fd00::1]:81/ HTTP/1.1", Target("fd00::1", 81, "[fd00::1]:81", "/")),
        ("GET http://0x7f.1/ HTTP/1.1", Target("127.0.0.1", 80, "0x7f.1", "/")),
        ("CONNECT example.com:443 HTTP/1.1", Target("example.com", 443, "example.com:443", "")),
    ],
)
def test_targets(line: str, found: Target) -> None:
    assert target(parsed(line)) == found


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1.1", 400),
        ("GET https://example.com/ HTTP/1.1", 501),
        ("GET ftp://example.com/ HTTP/1.1", 501),
        ("GET http://user@example.com/ HTTP/1.1", 400),
        ("GET http://example.com:99999/ HTTP/1.1", 400),
        ("GET http:///path HTTP/1.1", 400),
        ("GET http://example.com/path#fragment HTTP/1.1", 400),
        ("GET http://a..b!/ HTTP/1.1", 400),
        ("CONNECT example.com HTTP/1.1", 400),
        ("CONNECT example.com:0 HTTP/1.1", 400),
    ],
)
def test_what_is_no_target(line: str, status: int) -> None:
    with pytest.raises(Refusal) as refusal:
        target(parsed(line))
    assert refusal.value.status == status


def test_credentials() -> None:
    assert credentials(parsed(GET)) is None
    assert credentials(parsed(GET, "Host: a", "Proxy-Authorization: basic bWU6c8OpY3JldA==")) == ("me", "sécret")
    for bad in ("Bearer x", "Basic !!", "Basic bWU=", "Basic /w=="):
        with pytest.raises(Refusal) as refusal:
            credentials(parsed(GET, "Host: a", f"Proxy-Authorization: {bad}"))
        assert refusal.value.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED


def test_noise_is_refused_or_waited_for_and_never_more(rng: random.Random) -> None:
    statuses = set()
    for _ in range(300):
        noise = rng.randbytes(rng.randrange(1, 200)) + b"\r\n\r\n"
        try:
            found = reading(noise, 64)
            if found is not None:
                check(found[0])
        except Refusal as refusal:
            statuses.add(refusal.status)
    assert statuses <= {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_IMPLEMENTED}
    assert HTTPStatus.BAD_REQUEST in statuses


HOST = "Host: example.com:443"


@pytest.mark.parametrize(
    "lines",
    [
        ("CONNECT 127.0.0.1:443 HTTP/1.1", HOST),
        ("CONNECT example.com:443 HTTP/1.1", "host:", "User-Agent: a\tb (c)", "X-Host: d", "Empty:"),
        ("CONNECT [::1]:1 HTTP/1.1", HOST, *(f"X-{number}: y" for number in range(50))),
    ],
)
def test_a_plain_connect_is_told_at_a_glance_and_means_what_it_means_to_h11(lines: tuple[str, ...]) -> None:
    said = head(*lines)
    check(said)
    machine = h11.Connection(h11.SERVER)
    machine.receive_data(said)
    request = machine.next_event()
    assert isinstance(request, h11.Request)
    assert tunnel(said) == target(request)


@pytest.mark.parametrize(
    "said",
    [
        head("CONNECT a:1 HTTP/1.1"),
        head("CONNECT a:1 HTTP/1.0", HOST),
        head("connect a:1 HTTP/1.1", HOST),
        head("CONNECT a:1 http/1.1", HOST),
        head("CONNECT a HTTP/1.1", HOST),
        head("CONNECT a:0 HTTP/1.1", HOST),
        head("CONNECT a:1 b HTTP/1.1", HOST),
        head("GET http://a/ HTTP/1.1", HOST),
        head("CONNECT a:1 HTTP/1.1", HOST, "hOST: b"),
        head("CONNECT a:1 HTTP/1.1", HOST, "content-LENGTH: 0"),
        head("CONNECT a:1 HTTP/1.1", HOST, "Transfer-Encoding: chunked"),
        head("CONNECT a:1 HTTP/1.1", HOST, "Max-Forwards: x"),
        head("CONNECT a:1 HTTP/1.1", HOST, " folded"),
        head("CONNECT a:1 HTTP/1.1", HOST, "X : a"),
        head("CONNECT a:1 HTTP/1.1", HOST, "X: a\0b"),
        head("CONNECT a:1 HTTP/1.1", HOST, "X: a\rb"),
        head("CONNECT a:1 HTTP/1.1", HOST, "no colon"),
        head("CONNECT a:1 HTTP/1.1", HOST) + b"early",
        head("CONNECT a:1 HTTP/1.1", HOST)[:-1],
        b"\r\n" + head("CONNECT a:1 HTTP/1.1", HOST),
    ],
)
def test_whatever_else_is_looked_at_closely(said: bytes) -> None:
    assert tunnel(said) is None

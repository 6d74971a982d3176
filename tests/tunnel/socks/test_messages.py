"""SOCKS as bytes."""

from __future__ import annotations

import errno
import socket
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hythe.errors import ParseError
from hythe.tunnel.socks import client, server
from hythe.tunnel.socks.messages import (
    ASSOCIATE,
    BIND,
    CONNECT,
    Bound,
    Request,
    build_datagram,
    build_reply4,
    build_reply5,
    parse_datagram,
    reply_of,
)
from hythe.tunnel.socks.steps import Step

HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda each: socket.inet_ntop(socket.AF_INET6, each.packed)),
    st.lists(st.sampled_from(["a", "www", "0-9", "xn--bcher-kva", 63 * "x"]), min_size=1, max_size=3).map(".".join),
)
PORTS = st.integers(0, 65_535)


def talk(ours: Generator[Step, bytes, Any], theirs: Generator[Step, bytes, Any]) -> tuple[Any, Any]:
    """Run both ends against each other; what each has returned. Nothing may be left over."""
    ends, inboxes, results, steps = (ours, theirs), [b"", b""], [None, None], [next(ours), next(theirs)]
    inboxes[1] += steps[0].data
    inboxes[0] += steps[1].data
    open_ends, stuck = {0, 1}, False
    while open_ends and not stuck:
        stuck = True
        for each in sorted(open_ends):
            need = steps[each].need
            if len(inboxes[each]) < need:
                continue
            stuck = False
            data, inboxes[each] = inboxes[each][:need], inboxes[each][need:]
            try:
                steps[each] = ends[each].send(data)
                inboxes[1 - each] += steps[each].data
            except StopIteration as end:
                results[each] = end.value
                open_ends.discard(each)
    assert not open_ends
    assert inboxes == [b"", b""]
    return results[0], results[1]


def serving(check: Any, answer: Bound) -> Generator[Step, bytes, Request]:
    greeting = yield from server.greeting(password=check is not None)
    if greeting.request is not None:
        yield Step(build_reply4(True, answer), 0)
        return greeting.request
    user = ""
    if greeting.login is not None:
        user = greeting.login[0]
        yield from server.verdict(accepted=check == greeting.login)
    request = yield from server.request5(user)
    yield Step(build_reply5(0, answer), 0)
    return request


@given(HOSTS, PORTS, st.sampled_from([CONNECT, BIND, ASSOCIATE]), HOSTS, PORTS)
def test_socks5_there_and_back(host: str, port: int, command: int, bound: str, bound_port: int) -> None:
    answer = Bound(bound, bound_port)
    got, request = talk(client.request5(command, host, port, None), serving(None, answer))
    assert request == Request(5, command, host, port)
    assert got == answer


@given(HOSTS, PORTS, st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), st.text(max_size=40))
def test_socks5_with_a_password(host: str, port: int, user: str, password: str) -> None:
    login = (user, password.encode("utf-8", "replace").decode())
    _, request = talk(client.request5(CONNECT, host, port, login), serving(login, Bound("10.0.0.1", 1)))
    assert request == Request(5, CONNECT, host, port, user)


@given(HOSTS, PORTS, st.from_regex(r"[a-z]{0,20}", fullmatch=True))
def test_socks4a_there_and_back(host: str, port: int, user: str) -> None:
    answer = Bound("192.0.2.1", 4_000)
    if host.startswith("0.0.0."):
        return  # in SOCKS4A this is how a name begins
    got, request = talk(client.request4(CONNECT, host, port, user), serving(None, answer))
    assert request == Request(4, CONNECT, host, port, user)
    assert got == answer


@given(HOSTS, PORTS, st.binary(max_size=100))
def test_datagrams_there_and_back(host: str, port: int, data: bytes) -> None:
    assert parse_datagram(build_datagram(host, port, data)) == (Bound(host, port), data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\1\x7f\0\0\1\0",
        b"\0\0\1\1\x7f\0\0\1\0\x35x",  # a fragment
        b"\0\0\0\2\x7f\0\0\1\0\x35x",
        b"\0\0\0\3\0\0\x35x",
        b"\0\0\0\3\5ab\0\x35",
        b"\0\0\0\3\3a\0b\0\x35",
        b"\0\0\0\3\3a b\0\x35",
    ],
)
def test_a_broken_datagram(data: bytes) -> None:
    with pytest.raises(ParseError):
        parse_datagram(data)


def refused(answer: bytes, steps: Generator[Step, bytes, Any]) -> Exception:
    """What the client makes of `answer`, from its first step on."""
    step = next(steps)
    with pytest.raises((client.RejectedError, ParseError)) as caught:
        feed(answer, step, steps)
    return caught.value


def feed(answer: bytes, step: Step, steps: Generator[Step, bytes, Any]) -> None:
    while True:
        assert len(answer) >= step.need
        read, answer = answer[: step.need], answer[step.need :]
        step = steps.send(read)


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        (1, errno.ECONNABORTED),
        (2, errno.EACCES),
        (3, errno.ENETUNREACH),
        (4, errno.EHOSTUNREACH),
        (5, errno.ECONNREFUSED),
        (6, errno.ETIMEDOUT),
        (7, errno.EOPNOTSUPP),
        (8, errno.EAFNOSUPPORT),
        (99, errno.ECONNABORTED),
    ],
)
def test_what_a_proxy_refuses_is_an_errno_and_back(reply: int, number: int) -> None:
    error = refused(b"\5\0" + build_reply5(reply), client.request5(CONNECT, "a.example", 80, None))
    assert isinstance(error, client.RejectedError)
    assert error.number == number
    assert reply_of(OSError(number, "")) == (reply if reply < 9 else 1)


def test_errors_without_a_number_of_their_own() -> None:
    assert reply_of(socket.gaierror(socket.EAI_NONAME, "no such name")) == 4
    assert reply_of(TimeoutError()) == 6
    assert reply_of(OSError(errno.EMFILE, "too many")) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.0", b"\5\xff", b"\5\2", b"\5\0HTTP/", b"\5\0\5\0\0\7xxxx"])
def test_no_socks5_server(answer: bytes) -> None:
    refused(answer, client.request5(CONNECT, "a.example", 80, None))


@pytest.mark.parametrize("answer", [b"HTTP/1.0", b"\0\x5b" + bytes(6), b"\0\x5c" + bytes(6), b"\4\x5a" + bytes(6)])
def test_no_socks4_server(answer: bytes) -> None:
    refused(answer, client.request4(CONNECT, "a.example", 80, ""))

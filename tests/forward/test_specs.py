"""-L, -R and -D as ssh(1) writes them."""

from __future__ import annotations

import pytest

from hythe.errors import UsageError
from hythe.forward.places import EVERYWHERE, LOOPBACK
from hythe.forward.specs import Target, parse


@pytest.mark.parametrize(
    ("text", "addresses", "port", "path", "target"),
    [
        ("8080:localhost:80", LOOPBACK, 8080, "", Target("localhost", 80)),
        ("localhost:8080:box:80", LOOPBACK, 8080, "", Target("box", 80)),
        ("127.0.0.1:8080:box:80", ("127.0.0.1",), 8080, "", Target("box", 80)),
        ("[::1]:8080:[fd00::1]:80", ("::1",), 8080, "", Target("fd00::1", 80)),
        ("*:8080:box:80", EVERYWHERE, 8080, "", Target("box", 80)),
        (":8080:box:80", EVERYWHERE, 8080, "", Target("box", 80)),
        ("0:box:pop3", LOOPBACK, 0, "", Target("box", 110)),
        ("http:box:https", LOOPBACK, 80, "", Target("box", 443)),
        ("8080:/run/x.sock", LOOPBACK, 8080, "", Target(path="/run/x.sock")),
        ("*:8080:/run/x.sock", EVERYWHERE, 8080, "", Target(path="/run/x.sock")),
        ("/run/a.sock:/run/b.sock", (), 0, "/run/a.sock", Target(path="/run/b.sock")),
        ("./a.sock:box:80", (), 0, "./a.sock", Target("box", 80)),
    ],
)
def test_what_leads_where(text: str, addresses: tuple[str, ...], port: int, path: str, target: Target) -> None:
    for option in ("-L", "-R"):
        found = parse(option, text)
        assert (found.place.addresses, found.place.port, found.place.path) == (addresses, port, path)
        assert found.target == target
        assert not found.udp


def test_datagrams() -> None:
    found = parse("-L", "5353:192.0.2.1:domain/udp")
    assert found.udp
    assert (found.place.port, found.target) == (5353, Target("192.0.2.1", 53))
    assert not parse("-L", "5353:192.0.2.1:53/tcp").udp


def test_ftp() -> None:
    assert parse("-L", "2121:box:ftp").ftp
    assert parse("-L", "2121:box:2100/ftp").ftp
    assert not parse("-L", "2121:box:2100").ftp
    assert not parse("-L", "2121:box:21/tcp").ftp
    assert not parse("-L", "2121:box:21/udp").ftp
    assert not parse("-R", "2121:box:21").ftp


@pytest.mark.parametrize(
    ("text", "bind"),
    [("80:a:1", "localhost"), ("*:80:a:1", ""), (":80:a:1", ""), ("192.0.2.1:80:a:1", "192.0.2.1"), ("[::1]:80:a:1", "::1")],
)
def test_what_the_far_end_binds(text: str, bind: str) -> None:
    assert parse("-R", text).bind == bind


def test_dynamic() -> None:
    assert parse("-D", "1080").place.addresses == LOOPBACK
    assert parse("-D", "*:socks").place.port == 1080
    for text, bind in (("1080", "localhost"), ("*:1080", ""), ("[::1]:1080", "::1"), ("0/tcp", "localhost")):
        found = parse("-R", text)
        assert (found.bind, str(found.target), bool(found.target)) == (bind, "SOCKS", False)


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("-L", "8080", "does not say what leads where: write for example 8080:localhost:80"),
        ("-L", "8080:localhost", "does not say"),
        ("-L", "a:b:c:d:e", "does not say"),
        ("-L", "8080::80", "does not say"),
        ("-L", "[::1:8080:box:80", "does not say"),
        ("-L", "99999:box:80", "'99999' is neither a port nor a service"),
        ("-L", "8080:box:nonsense", "'nonsense' is neither a port nor a service"),
        ("-L", "8080:box:0", "'0' is neither"),
        ("-L", "/a.sock:/b.sock/udp", "not Unix sockets"),
        ("-D", "1080:box:80", "does not say"),
        ("-D", "/run/socks", "does not say"),
        ("-D", "1080/udp", "leave /udp out"),
        ("-R", "2121:box:21/ftp", "by -L alone"),
        ("-L", "/a.sock:box:21/ftp", "not Unix sockets"),
        ("-R", "1080/udp", "leave /udp out"),
        ("-R", "8080:localhost:", "does not say"),
        ("-R", "/run/socks", "does not say"),
        ("-R", "a:b", "'b' is neither a port nor a service"),
    ],
)
def test_what_is_wrong(option: str, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"^{option} ") as caught:
        parse(option, text)
    assert said in str(caught.value)

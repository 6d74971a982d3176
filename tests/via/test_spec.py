"""The text of ``--via``."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hythe.errors import UsageError
from hythe.via.spec import Hop, parse, parse_all, shown


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("direct", Hop("direct")),
        ("wg:work.conf", Hop("wg", path="work.conf")),
        ("wg:/etc/a, b.conf", Hop("wg", path="/etc/a, b.conf")),
        ("wg:~/a.conf", Hop("wg", path=os.path.expanduser("~/a.conf"))),
        ("ssh://far.example", Hop("ssh", "far.example")),
        ("ssh://me@far.example:2222/", Hop("ssh", "far.example", 2222, "me")),
        ("SSH://me@[2001:db8::1]:22", Hop("ssh", "2001:db8::1", 22, "me")),
        ("socks5://127.0.0.1", Hop("socks5", "127.0.0.1", 1080)),
        ("socks5h://u:p%40%2c@proxy.example:socks", Hop("socks5h", "proxy.example", 1080, "u", "p@,")),
        ("socks5://u:p@q@proxy.example", Hop("socks5", "proxy.example", 1080, "u", "p@q")),
        ("socks5://u:@proxy.example", Hop("socks5", "proxy.example", 1080, "u", "")),
        ("socks4a://me@10.0.0.1:9050", Hop("socks4a", "10.0.0.1", 9050, "me")),
        ("http://proxy.example:3128", Hop("http", "proxy.example", 3128)),
        ("http://proxy.example", Hop("http", "proxy.example", 80)),
        ("https://u:p@proxy.example", Hop("https", "proxy.example", 443, "u", "p")),
        ("http://[fe80::1%eth0]:3128", Hop("http", "fe80::1%eth0", 3128)),
        ("http://Bücher.example:80", Hop("http", "xn--bcher-kva.example", 80)),
    ],
)
def test_one_way(text: str, hop: Hop) -> None:
    route = parse(text)
    assert route.hops == (hop,)
    assert route.patterns == ()


def test_a_chain_is_written_with_commas() -> None:
    route = parse("socks5://127.0.0.1:9050, ssh://me@far.example,wg:a,b.conf")
    assert [each.scheme for each in route.hops] == ["socks5", "ssh", "wg"]
    assert route.hops[2].path == "a,b.conf"
    assert str(route) == "socks5://127.0.0.1:9050,ssh://me@far.example,wg:a,b.conf"


def test_what_a_way_is_for() -> None:
    route = parse("  wg:work.conf for *.corp.example, 10.0.0.0/8 ")
    assert route.hops == (Hop("wg", path="work.conf"),)
    assert [each.text for each in route.patterns] == ["*.corp.example", "10.0.0.0/8"]
    assert str(route) == "wg:work.conf for *.corp.example, 10.0.0.0/8"
    assert parse("wg:net for home.conf for *.x").hops[0].path == "net for home.conf"


def test_a_command_line_is_shown_without_passwords() -> None:
    words = ["forward", "-L", "1:a:2", "--via", "socks5://me:sesame@box,http://you:sesame@box for *.test", "--name", "a=b"]
    assert shown(words) == [*words[:4], "socks5://me@box:1080,http://you@box:80 for *.test", "--name", "a=b"]
    assert shown(["--via=socks5://me:se@same@box:1", "-q"]) == ["--via=socks5://me@box:1", "-q"]
    assert shown(["--via", "socks6://me:sesame@box"]) == ["--via", "…"]


def test_passwords_are_not_shown() -> None:
    route = parse("socks5://me:secret@proxy.example,https://you:hidden@inner.example:8443")
    assert str(route) == "socks5://me@proxy.example:1080,https://you@inner.example:8443"
    assert "secret" not in repr(route)
    assert "hidden" not in repr(route)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is not a way: write wg:FILE, ssh://HOST"),
        ("proxy.example:1080", "'proxy.example:1080' is not a way"),
        ("socks://proxy.example", "'socks://proxy.example' is not a way"),
        ("socks6://me:secret@proxy.example", "'socks6:…' is not a way"),
        ("ssh:far.example", "lacks its slashes: write ssh://HOST"),
        ("wg:", "takes a file: write wg:FILE"),
        ("wg://work.conf", "takes a file: write wg:FILE"),
        ("ssh://", "names no host"),
        ("ssh://me@", "names no host"),
        ("socks5://a b", "'socks5://a b' names no host"),
        ("socks5://[::1", "names no host"),
        ("socks5://[::1]1080", "names no host"),
        ("socks5://[proxy]:1080", "names no host"),
        ("http://proxy.example/path", "names no host"),
        ("http://proxy.example:80/path", "'80/path' in 'http://proxy.example:80/path' is not a port"),
        ("socks5://proxy:70000", "'70000' in 'socks5://proxy:70000' is not a port"),
        ("socks5://proxy:0", "'0' in 'socks5://proxy:0' is not a port"),
        ("socks5://proxy:", "'' in 'socks5://proxy:' is not a port"),
        ("socks5://:secret@proxy", "has an @ but no user before it"),
        ("ssh://me:secret@far.example", "takes no password"),
        ("socks4a://me:secret@far.example", "SOCKS4 has none"),
        ("http://a%3Ab:secret@proxy", "has no colon"),
        ("http://me:secret%0d@proxy", "control characters"),
        (f"socks5://me:{256 * 's'}@proxy", "at most 255 bytes"),
        ("ssh://a,ssh//b", "names no host"),
        ("direct,ssh://a", "direct stands alone"),
        ("wg:a.conf for", "names no destination"),
        ("wg:a.conf for 10.0.0.1/8", "has bits beyond its /8"),
    ],
)
def test_wrong(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_the_last_may_be_for_everything() -> None:
    routes = parse_all(["wg:a.conf for *.corp.example", "direct for 192.168.0.0/16", "socks5://me:secret@proxy"])
    assert [each.hops[0].scheme for each in routes] == ["wg", "direct", "socks5"]
    with pytest.raises(UsageError, match="nothing would go by what comes after it") as caught:
        parse_all(["socks5://me:secret@proxy", "wg:a.conf"])
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60) | st.text("awsghtp:/,.@[]%1 for*", max_size=60))
def test_any_text_is_a_route_or_refused_in_one_sentence(text: str) -> None:
    assert len(read(text).splitlines()) == 1


def read(text: str) -> str:
    try:
        return str(parse(text))
    except UsageError as error:
        return str(error)

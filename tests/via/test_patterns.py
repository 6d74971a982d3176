"""Which destinations a pattern means."""

from __future__ import annotations

import pytest

from hythe.errors import UsageError
from hythe.via.patterns import normal, parse


def matches(text: str, host: str, port: int = 80) -> bool:
    return any(each.matches(normal(host), port) for each in parse(text))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("*.corp.example", "www.corp.example"),
        ("*.corp.example", "a.b.corp.example"),
        ("*.Corp.Example", "WWW.corp.EXAMPLE."),
        ("db-*.example", "db-7.example"),
        ("localhost", "localhost"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "Bücher.example"),
        ("10.0.0.0/8", "10.255.0.1"),
        ("10.0.0.0/8", "::ffff:10.0.0.1"),
        ("192.0.2.7", "192.0.2.7"),
        ("fd00::/8", "fd12::1"),
        ("2001:db8::1", "2001:DB8:0::1"),
        ("fe80::/10", "fe80::1%eth0"),
        ("*", "anything.at.all"),
        ("*", "192.0.2.1"),
        ("one.example, 10.0.0.0/8 two.example", "two.example"),
    ],
)
def test_meant(text: str, host: str) -> None:
    assert matches(text, host)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("*.corp.example", "corp.example"),
        ("*.corp.example", "www.corp.example.org"),
        ("*.corp.example", "wwwxcorp.example"),
        ("10.0.0.0/8", "11.0.0.1"),
        ("10.0.0.0/8", "ten.example"),
        ("0.0.0.0/0", "::1"),
        ("*.example", "192.0.2.1"),
        ("fd00::/8", "fe80::1"),
    ],
)
def test_not_meant(text: str, host: str) -> None:
    assert not matches(text, host)


@pytest.mark.parametrize(
    ("text", "host", "port", "meant"),
    [
        (":smtp", "any.example", 25, True),
        (":smtp", "any.example", 26, False),
        ("*:443", "192.0.2.1", 443, True),
        ("*.example:8000-8100", "a.example", 8050, True),
        ("*.example:8000-8100", "a.example", 8101, False),
        ("*.example:8000-8100", "a.org", 8050, False),
        ("10.0.0.0/8:ssh", "10.1.1.1", 22, True),
        ("[fd00::/8]:443", "fd00::1", 443, True),
        ("[fd00::/8]:443", "fd00::1", 80, False),
        ("[fd00::/8]", "fd00::1", 80, True),
    ],
)
def test_ports(text: str, host: str, port: int, meant: bool) -> None:
    assert matches(text, host, port) is meant


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' names no destination"),
        (" , ", "names no destination"),
        ("10.0.0.0/40", "'10.0.0.0/40' is neither a name nor a network"),
        ("10.0.0.256", "'10.0.0.256' is neither a name nor a network"),
        ("10.0.0.1/8", "'10.0.0.1/8' has bits beyond its /8: write 10.0.0.0/8"),
        ("a..example", "neither a name nor a network"),
        ("-a.example", "neither a name nor a network"),
        ("a.example:0", "'0' in 'a.example:0' is not a port"),
        ("a.example:no-such-service", "is not a port"),
        ("a.example:", "'' in 'a.example:' is not a port"),
        ("[fd00::/8", "after [ADDRESS] comes nothing, or a colon and a port"),
        ("[fd00::/8]443", "after [ADDRESS]"),
        ("fd00::/129", "neither a name nor a network"),
    ],
)
def test_wrong(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)

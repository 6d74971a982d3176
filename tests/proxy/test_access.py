"""Rules: which one decides, what is closed to all, and what opens it."""

from __future__ import annotations

import pytest

from hythe.proxy.access import Access, canonical, is_closed
from hythe.proxy.reading import parse
from hythe.proxy.users import hash_password
from hythe.via.patterns import normal

WORD = hash_password("x")
HEAD = '[[socks]]\nlisten = "1080"\n'
CLOSED = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "100.100.100.200"),
    *("::1", "::", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"),
    *("::ffff:169.254.169.254", "fd00:ec2::254", "localhost", "LOCALHOST.", "a.localhost"),
]


def access(rules: str, ours: tuple[str, int] = ("", 0)) -> Access:
    return Access(parse(HEAD + rules, "x.toml").rule, lambda address, port: (address, port) == ours)


def refused(found: Access, host: str, port: int = 80, address: str | None = None, **who: str) -> str:
    """Why, or nothing."""
    try:
        found.permit(who.get("client", "10.0.0.1"), who.get("user", ""), host, host if address is None else address, port)
    except PermissionError as error:
        return str(error.strerror)
    return ""


@pytest.mark.parametrize("host", CLOSED)
def test_closed(host: str) -> None:
    assert is_closed(normal(host))
    assert "only a rule naming it" in refused(access(""), host)
    assert "only a rule naming it" in refused(access('[[rule]]\naction="allow"'), host)
    assert "only a rule naming it" in refused(access('[[rule]]\naction="allow"\nto=["*", "0.0.0.0/0", "::/0", ":80"]'), host)


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "192.0.2.1", "2001:db8::1", "fd00::1", "example.com"])
def test_open(host: str) -> None:
    assert not is_closed(normal(host))
    assert not refused(access(""), host)


def test_a_rule_that_names_it_opens_a_closed_address() -> None:
    rules = access('[[rule]]\naction="allow"\nto=["127.0.0.1:80", "169.254.0.0/16", "localhost:8080"]')
    assert not refused(rules, "127.0.0.1")
    assert not refused(rules, "::ffff:127.0.0.1")
    assert not refused(rules, "169.254.169.254", 8080)
    assert not refused(rules, "localhost", 8080, "127.0.0.1")
    assert not refused(rules, "localhost", 8080, "")
    assert refused(rules, "127.0.0.1", 81)
    assert refused(rules, "127.0.0.2")
    assert refused(rules, "localhost", 81, "127.0.0.1")


def test_a_name_that_comes_to_mean_loopback_gains_nothing() -> None:
    rules = access('[[rule]]\naction="allow"\nto="*.example.com"')
    assert not refused(rules, "www.example.com", 80, "192.0.2.1")
    assert "only a rule naming it" in refused(rules, "www.example.com", 80, "127.0.0.1")
    assert "only a rule naming it" in refused(rules, "www.example.com", 80, "::ffff:169.254.169.254")


def test_our_own_ports_are_closed_whatever_rules_say() -> None:
    rules = access('[[rule]]\naction="allow"\nto="127.0.0.1"', ("127.0.0.1", 80))
    assert "a port of this proxy itself" in refused(rules, "127.0.0.1")
    assert not refused(rules, "127.0.0.1", 81)


def test_the_first_rule_that_matches_decides() -> None:
    rules = access(
        """
[[rule]]
action = "refuse"
to = ["*.bad.example", "192.0.2.0/24"]
[[rule]]
action = "allow"
clients = "10.0.0.0/8"
to = ":https"
[[rule]]
action = "allow"
users = ["me"]
[users]
me = "HASH"
""".replace("HASH", WORD)
    )
    assert refused(rules, "www.bad.example", 443, "198.51.100.1")
    assert refused(rules, "www.good.example", 443, "192.0.2.7")
    assert not refused(rules, "www.good.example", 443, "198.51.100.1")
    assert refused(rules, "www.good.example", 443, "198.51.100.1", client="11.0.0.1")
    assert refused(rules, "www.good.example", 80, "198.51.100.1")
    assert not refused(rules, "www.good.example", 80, "198.51.100.1", user="me")


def test_rules_of_all_hours_and_of_none() -> None:
    always = access('[[rule]]\naction="allow"\nhours="00:00-24:00"\ndays="mon-sun"')
    assert not refused(always, "192.0.2.1")
    never = parse(HEAD + '[[rule]]\naction="allow"\nhours="08:00-18:00"\ndays="fri-mon"', "x.toml").rule[0]
    assert never.days == {4, 5, 6, 0}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("127.1", "127.0.0.1"), ("0x7f000001", "127.0.0.1"), ("2130706433", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1")),
        *(("[::1]", "::1"), ("fe80::1%eth0", "fe80::1"), ("1.example.com", "1.example.com"), ("example.com", "example.com")),
    ],
)
def test_addresses_are_what_the_c_library_takes_them_for(written: str, meant: str) -> None:
    assert canonical(written) == meant


@pytest.mark.parametrize(
    ("rules", "known"),
    [
        ("", True),
        ('[[rule]]\naction="refuse"\nto="a.test"\n[[rule]]\naction="allow"', False),
        ('[[rule]]\naction="refuse"\nto="a.test:25"\n[[rule]]\naction="allow"', True),
        ('[[rule]]\naction="refuse"\nto="a.test"\nclients="10.0.0.0/8"\n[[rule]]\naction="allow"', True),
        ('[[rule]]\naction="allow"\nto="b.test"', False),
        ('[[rule]]\naction="allow"\nto=["b.test", "*.test:443"]', True),
        ('[[rule]]\naction="allow"\nto="192.0.2.0/24"\n[[rule]]\naction="refuse"', True),
        ('[[rule]]\naction="refuse"\n[[rule]]\naction="allow"\nto="a.test"', False),
    ],
)
def test_names_that_nobody_can_reach(rules: str, known: bool) -> None:
    assert access(rules).knows("A.test.") == known

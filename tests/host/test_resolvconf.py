"""resolv.conf(5): every line and option that matters, and everything that does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hythe.config import ResolverConfig
from hythe.host.resolvconf import parse_resolv_conf
from hythe.units import SECOND

DEFAULT = (("127.0.0.1", 53),)


def test_an_empty_file_is_this_machine() -> None:
    assert parse_resolv_conf("") == ResolverConfig(servers=DEFAULT)


def test_everything() -> None:
    config = parse_resolv_conf(
        "# comment\n; another\nnameserver 192.0.2.1\nnameserver\t2001:db8::53 \nnameserver fe80::1%eth0\n"
        "nameserver 192.0.2.4\ndomain old.test\nsearch a.test  b.test. not..one .\n"
        "options ndots:2 timeout:3 attempts:4 rotate\noptions use-vc edns0 trust-ad inet6 nonsense:9 timeout:\n"
    )
    assert config.servers == (("192.0.2.1", 53), ("2001:db8::53", 53), ("fe80::1%eth0", 53))
    assert config.search == ("a.test", "b.test.")
    assert (config.ndots, config.timeout, config.attempts) == (2, 3 * SECOND, 4)
    assert (config.rotate, config.use_tcp, config.trust_ad, config.edns_size) == (True, True, True, 1232)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("options ndots:99", "ndots", 15),
        ("options timeout:99", "timeout", 30 * SECOND),
        ("options timeout:0", "timeout", SECOND),
        ("options attempts:99", "attempts", 5),
        ("options attempts:0", "attempts", 1),
        ("options attempts:-1", "attempts", 2),
        ("search a.test\ndomain b.test", "search", ("b.test",)),
        ("search", "search", ()),
        ("nameserver nonsense\nnameserver", "servers", DEFAULT),
        ("NAMESERVER 192.0.2.1", "servers", DEFAULT),
    ],
)
def test_limits_and_nonsense(line: str, field: str, value: object) -> None:
    assert getattr(parse_resolv_conf(line), field) == value


@given(st.text())
def test_any_text_means_something(text: str) -> None:
    config = parse_resolv_conf(text)
    assert 1 <= len(config.servers) <= 3

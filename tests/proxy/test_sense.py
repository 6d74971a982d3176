"""Settings of a mapped port that do not go together, and those that the documentation shows."""

from __future__ import annotations

import re

import pytest

from hythe.errors import UsageError
from hythe.proxy.config import ProxyConfig
from hythe.proxy.reading import parse
from tests.house.source import ROOT

MAP = '[[map]]\nlisten = "2121"\nto = "a.example:21"\n'


def test_what_the_documentation_shows_is_well_formed() -> None:
    shown = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "proxy.md").read_text(), re.DOTALL)
    assert shown
    for each in shown:
        assert isinstance(parse(each, "proxy.toml"), ProxyConfig)


@pytest.mark.parametrize(
    ("lines", "key", "said"),
    [
        ('proxy_protocol = "v3"', "proxy_protocol", "write v1 or v2"),
        ('proxied = "everybody"', "proxied", "no network"),
        ('key = "a.pem"', "key", "belongs to certificate"),
        ('authorities = "a.pem"', "authorities", "belongs to tls"),
        ("ftp = true\ntls = true", "tls", "leave this or ftp out"),
        ('ftp = true\nproxied = "10.0.0.1"', "proxied", "leave this or ftp out"),
        ('data_ports = "5-1"', "data_ports", "write for example 50000-50100"),
        ('certificate = "a.pem"\nnames = { "b.example" = "b:1" }', "names", "not decrypted"),
        ('names = { "b example" = "b:1" }', "names", "no name"),
        ('names = { "b.example" = "b" }', "names", "no destination"),
    ],
)
def test_mistakes_of_a_map(lines: str, key: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(MAP + lines, "proxy.toml")
    assert re.match(rf"proxy\.toml:\d+: map\[1\]\.{key}", str(caught.value))
    assert said in str(caught.value)


def test_what_udp_cannot_have() -> None:
    with pytest.raises(UsageError, match="this is for TCP"):
        parse('[[map]]\nlisten = "53/udp"\nto = "a.example:53"\ntls = true', "proxy.toml")


def test_socks_has_no_tls() -> None:
    with pytest.raises(UsageError, match="SOCKS has no TLS"):
        parse('[[socks]]\nlisten = "1080"\ncertificate = "a.pem"', "proxy.toml")


@pytest.mark.parametrize(
    "text",
    [
        '[[socks]]\nlisten = "1080"\nvia = "socks5://127.1.2.3:1080"',
        '[[http]]\nlisten = "*:3128"\nvia = "socks5://gate.example:1, http://[::1]:3128"',
        '[[http]]\nlisten = "3128"\nvia = "socks5://localhost:1080"\n[[socks]]\nlisten = "1080"\nvia = "http://127.0.0.1:3128"',
        '[[map]]\nlisten = "10.0.0.1:25"\nto = "localhost:1080"\n[[socks]]\nlisten = "1080"\nvia = "socks5://10.0.0.1:25"',
    ],
)
def test_a_way_that_comes_back(text: str) -> None:
    with pytest.raises(UsageError, match=r"proxy\.toml:\d+: \w+\[1\]\.via: this way leads back to this port"):
        parse(text, "proxy.toml")


def test_a_way_by_another_port_of_ours() -> None:
    parse('[[http]]\nlisten = "3128"\nvia = "socks5://localhost:1080"\n[[socks]]\nlisten = "1080"', "proxy.toml")
    parse('[[http]]\nlisten = "3128"\nvia = "http://10.0.0.1:3128"', "proxy.toml")

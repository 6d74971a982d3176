"""What several `--via` mean where one of them is a tunnel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hythe.errors import UsageError
from hythe.gateway.layout import Layout
from hythe.gateway.options import RunOptions
from hythe.gateway.relay.match import Match
from hythe.gateway.relay.routing import tunnel_of
from hythe.host.interfaces import Prefix
from hythe.tunnel.wireguard.keys import clamp, key_text, public_key
from hythe.via.patterns import parse as patterns
from hythe.via.spec import parse_all
from tests.host.hosts import packed

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


@pytest.fixture
def file(tmp_path: Path, rng: Random) -> Path:
    """Return a client's file."""
    path = tmp_path / "work.conf"
    private, other = clamp(rng.randbytes(32)), clamp(rng.randbytes(32))
    path.write_text(
        f"[Interface]\nPrivateKey = {key_text(private.reveal())}\nAddress = 10.9.0.2/24\n"
        "DNS = 10.9.0.1, corp.example\nMTU = 1300\n"
        f"[Peer]\nPublicKey = {key_text(public_key(other))}\nEndpoint = 127.0.0.1:9\nAllowedIPs = 10.0.0.0/8\n"
    )
    path.chmod(0o600)
    return path


def test_a_tunnel_alone(file: Path) -> None:
    plan, routes = tunnel_of(parse_all([f"wg:{file}"]))
    assert plan is not None
    assert (plan.whole, plan.mtu, plan.search, plan.servers, routes) == (
        True,
        1300,
        ["corp.example"],
        [("10.9.0.1", 53)],
        (),
    )
    options = RunOptions(("true",), tunnel=plan)
    layout = Layout(options)
    assert options.mtu == 1300
    assert layout.ipv6 is None
    assert layout.ipv4 is not None
    assert layout.ipv4.command == packed("10.9.0.2")
    assert not Prefix(layout.ipv4.gateway, 24).contains(packed("10.9.0.2"))
    assert not Prefix(packed("10.0.0.0"), 8).contains(layout.ipv4.gateway)
    with pytest.raises(UsageError, match=r"has no address for IPv6 \(-6\)"):
        Layout(RunOptions(("true",), tunnel=plan, families=frozenset({6})))


def test_some_of_it_and_all_but_some(file: Path) -> None:
    plan, routes = tunnel_of(parse_all([f"wg:{file} for *.corp.example, 10.0.0.0/8"]))
    assert plan is not None
    assert (plan.whole, routes) == (False, ())
    assert RunOptions(("true",), tunnel=plan).mtu == 65_520
    plan, routes = tunnel_of(parse_all(["direct for 192.168.0.0/16", f"wg:{file}"]))
    assert plan is not None
    assert (plan.whole, routes) == (False, ())
    match = Match(plan.patterns, (), plan.excepted)
    assert not match.leads(packed("192.168.7.7"), 80, 0)
    assert match.leads(packed("198.51.100.1"), 80, 0)
    assert match.asks("www.example")


def test_streams_beside_a_tunnel(file: Path) -> None:
    plan, routes = tunnel_of(parse_all([f"wg:{file} for 10.0.0.0/8", "socks5://127.0.0.1:9"]))
    assert plan is not None
    assert [str(each) for each in routes] == ["socks5://127.0.0.1:9"]
    assert tunnel_of(parse_all(["socks5://127.0.0.1:9"]))[0] is None


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["wg:{} for 10.0.0.0/8", "wg:{}"], "there is a tunnel already"),
        (["wg:{} for *.corp.example", "ssh://box"], "what .*corp.example leads to cannot be told apart"),
        (["ssh://box for 10.0.0.0/8", "wg:{}"], "everything else cannot be told apart"),
    ],
)
def test_what_does_not_go_together(file: Path, texts: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        tunnel_of(parse_all([text.format(file) for text in texts]))


def test_the_first_that_is_for_a_name_has_it() -> None:
    match = Match(patterns("*.corp.example"), (), patterns("www.corp.example"))
    assert match.named("mail.corp.example")
    assert not match.named("www.corp.example")
    assert not match.asks("www.corp.example")

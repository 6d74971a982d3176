"""Peers in the command's place: who has which address, files that are added to, and what is taken over while it runs."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from hythe.errors import MachineError, UsageError
from hythe.gateway.peers.adding import add_peer
from hythe.gateway.peers.layout import Peer, PeersLayout
from hythe.gateway.publish.publications import parse as parse_publication
from hythe.tunnel.wireguard.config import parse, read
from hythe.tunnel.wireguard.keys import clamp, key_text, public_key
from tests.host.hosts import packed

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

OURS = [(packed("10.7.0.1"), 24), (packed("fd07::1"), 64)]
LAPTOP = Peer("laptop", ((packed("10.7.0.2"), 32), (packed("fd07::2"), 128)))
OFFICE = Peer("office", ((packed("10.7.0.3"), 32), (packed("192.168.0.0"), 16)))


def layout(*peers: Peer, host_loopback: bool = False) -> PeersLayout:
    return PeersLayout("server.conf", OURS, peers, host_loopback=host_loopback)


def server(folder: Path, rng: Random, text: str = "ListenPort = 51820\n", address: str = "10.7.0.1/29, fd07::1/64") -> Path:
    path = folder / "server.conf"
    key = key_text(clamp(rng.randbytes(32)).reveal())
    path.write_text(f"# mine\n[Interface]\nPrivateKey = {key}\nAddress = {address}\n{text}")
    path.chmod(0o600)
    return path


# --- Who has which address


def test_a_port_leads_to_the_peer_that_it_names() -> None:
    found = layout(LAPTOP, OFFICE)
    assert [family.command for family in found.seen_from("laptop")] == [packed("10.7.0.2"), packed("fd07::2")]
    assert [family.command for family in found.seen_from("fd07::2")] == [packed("10.7.0.2"), packed("fd07::2")]
    assert [family.command for family in found.seen_from("office")] == [packed("10.7.0.3")]
    assert [family.command for family in layout(OFFICE).seen_from(None)] == [packed("10.7.0.3")]
    assert [family.gateway for family in found.families] == [packed("10.7.0.1"), packed("fd07::1")]


@pytest.mark.parametrize(
    ("peers", "peer", "sentence"),
    [
        ((LAPTOP, OFFICE), None, r"several peers \(laptop, office\): add @NAME"),
        ((), None, r"leads to a peer, and there is none"),
        ((LAPTOP,), "phone", "'phone' is not one of the peers of server.conf: there are laptop"),
        ((), "phone", "there are none"),
        ((Peer("net", ((packed("192.168.0.0"), 16),)),), None, "net has no address for itself in AllowedIPs"),
    ],
)
def test_a_port_of_nobody(peers: tuple[Peer, ...], peer: str | None, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        layout(*peers).seen_from(peer)


def test_peers_are_named_behind_a_port() -> None:
    (udp,) = parse_publication("[::1]:53:5353/udp@laptop")
    assert (udp.outside, udp.inside, udp.udp, udp.peer) == (53, 5353, True, "laptop")
    assert {each.peer for each in parse_publication("8000-8002:9000-9002@10.7.0.2")} == {"10.7.0.2"}
    assert parse_publication("8080:80")[0].peer is None


def test_this_machine_is_an_address_that_nobody_has() -> None:
    found = layout(Peer("last", ((packed("10.7.0.254"), 32),)), host_loopback=True)
    assert found.families[0].host == packed("10.7.0.253")
    closed = layout(LAPTOP)
    assert [family.host for family in closed.families] == [family.gateway for family in closed.families]
    with pytest.raises(UsageError, match=r"has no room for host\.hythe\.internal: make it wider than /32"):
        PeersLayout("server.conf", [(packed("10.7.0.1"), 32)], (), host_loopback=True)
    with pytest.raises(UsageError, match="has no Address"):
        PeersLayout("server.conf", [], (), host_loopback=False)


# --- A peer more


def test_a_peer_is_added_and_nothing_lost(tmp_path: Path, rng: Random) -> None:
    path = server(tmp_path, rng)
    before = path.read_text()
    theirs = parse(add_peer(str(path), "my phone", "vpn.example", rng.randbytes), "theirs")
    assert path.read_text().startswith(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["server.conf"]
    (peer,) = (ours := read(path)).peers
    assert (peer.name, peer.public_key, list(map(str, peer.allowed_ips))) == (
        "my phone",
        public_key(theirs.private_key),
        ["10.7.0.2/32", "fd07::2/128"],
    )
    (back,) = theirs.require_client().peers
    assert (back.public_key, back.preshared_key) == (ours.public_key, peer.preshared_key)
    assert str(back.endpoint) == "vpn.example:51820"
    assert list(map(str, theirs.addresses)) == ["10.7.0.2/29", "fd07::2/64"]
    assert list(map(str, theirs.dns)) == ["10.7.0.1", "fd07::1"]


def test_addresses_run_out(tmp_path: Path, rng: Random) -> None:
    path = server(tmp_path, rng, address="10.7.0.6/29")
    for number in range(1, 6):
        text = add_peer(str(path), f"peer{number}", "[2001:db8::1]:99", rng.randbytes)
        assert f"Address = 10.7.0.{number}/29" in text
        assert "Endpoint = [2001:db8::1]:99" in text
    with pytest.raises(UsageError, match="has no address left for another peer: make the network of Address wider"):
        add_peer(str(path), "peer6", "vpn.example", rng.randbytes)


@pytest.mark.parametrize(
    ("name", "endpoint", "text", "sentence"),
    [
        ("a]b", "h", "ListenPort = 1", "cannot name a peer"),
        ("", "h", "ListenPort = 1", "cannot name a peer"),
        ("a", "h:0", "ListenPort = 1", "'0' is not a port"),
        ("a", "h:x", "ListenPort = 1", "'x' is not a port"),
        ("a", ":1", "ListenPort = 1", "names no host"),
        ("a", "h", "", "has no ListenPort, so peers cannot know where to send"),
    ],
)
def test_what_cannot_be_added(tmp_path: Path, rng: Random, name: str, endpoint: str, text: str, sentence: str) -> None:
    path = server(tmp_path, rng, text)
    before = path.read_text()
    with pytest.raises(UsageError, match=sentence):
        add_peer(str(path), name, endpoint, rng.randbytes)
    assert path.read_text() == before


def test_a_name_is_given_once(tmp_path: Path, rng: Random) -> None:
    path = server(tmp_path, rng)
    add_peer(str(path), "phone", "h", rng.randbytes)
    with pytest.raises(UsageError, match="has a peer 'phone' already"):
        add_peer(str(path), "phone", "h", rng.randbytes)
    with pytest.raises(MachineError, match="cannot be read"):
        add_peer(str(tmp_path / "none.conf"), "phone", "h", rng.randbytes)


def test_two_at_once_lose_nothing(tmp_path: Path, rng: Random) -> None:
    path = server(tmp_path, rng, address="10.7.0.1/24")
    keys = [rng.randbytes(64) for _ in range(8)]

    def add(number: int) -> None:
        pieces = iter((keys[number][:32], keys[number][32:]))
        add_peer(str(path), f"peer{number}", "h", lambda _size: next(pieces))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peers = read(path).peers
    assert {each.name for each in peers} == {f"peer{number}" for number in range(8)}
    assert len({each.allowed_ips for each in peers}) == 8

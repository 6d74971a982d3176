"""wg-quick's files: what they mean, and the one sentence for what is wrong with them."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from hythe.errors import MachineError, UsageError
from hythe.tunnel.wireguard.config import Endpoint, parse, read
from hythe.tunnel.wireguard.keys import key_text
from hythe.units import SECOND

PRIVATE, PUBLIC, OTHER = (key_text(bytes([number]) * 32) for number in (8, 1, 2))
HEAD = f"[Interface]\nPrivateKey = {PRIVATE}\n"
PEER = f"[Peer]\nPublicKey = {PUBLIC}\n"


def test_all_that_a_file_may_say() -> None:
    found = parse(
        f"""
        # the office
        [interface]
        privatekey={PRIVATE}
        Address = 10.7.0.2/24, fd07::2/64   # both
        Address = 10.8.0.2
        DNS = 10.7.0.1, corp.example, fd07::1
        MTU = 1380
        ListenPort = 51821
        Table = auto
        FwMark = off
        SaveConfig = false

        # the server
        [Peer]
        PublicKey = {PUBLIC}
        PresharedKey = {OTHER}
        AllowedIPs = 10.7.0.1/24, 0.0.0.0/0
        AllowedIPs = ::/0
        Endpoint = vpn.example.org:51820
        PersistentKeepalive = 25

        [Peer] # a phone
        PublicKey = {OTHER}
        AllowedIPs =
        Endpoint = [2001:db8::1]:1
        PersistentKeepalive = off
        """,
        "office.conf",
    )
    assert found.private_key.reveal() == b"\x08" * 32
    assert [str(each) for each in found.addresses] == ["10.7.0.2/24", "fd07::2/64", "10.8.0.2/32"]
    assert found.dns == (ipaddress.ip_address("10.7.0.1"), ipaddress.ip_address("fd07::1"))
    assert found.search == ("corp.example",)
    assert (found.mtu, found.listen_port, found.source) == (1_380, 51_821, "office.conf")
    server, phone = found.peers
    assert (server.name, server.public_key, server.keepalive) == ("the server", b"\x01" * 32, 25 * SECOND)
    assert server.preshared_key is not None
    assert server.preshared_key.reveal() == b"\x02" * 32
    assert [str(each) for each in server.allowed_ips] == ["10.7.0.0/24", "0.0.0.0/0", "::/0"]
    assert server.endpoint == Endpoint("vpn.example.org", 51_820)
    assert (phone.name, phone.allowed_ips, phone.keepalive) == ("a phone", (), 0)
    assert str(phone.endpoint) == "[2001:db8::1]:1"


def test_what_is_left_out_has_its_default() -> None:
    found = parse(HEAD + PEER)
    assert (found.mtu, found.listen_port, found.addresses, found.dns) == (1_420, 0, (), ())
    (peer,) = found.peers
    assert (peer.endpoint, peer.preshared_key, peer.keepalive, peer.allowed_ips) == (None, None, 0, ())


def test_a_pre_shared_key_of_zeros_is_none() -> None:
    assert parse(f"{HEAD}{PEER}PresharedKey = {key_text(bytes(32))}").peers[0].preshared_key is None


def test_secrets_do_not_show() -> None:
    found = parse(f"{HEAD}{PEER}PresharedKey = {OTHER}")
    for secret in (PRIVATE, OTHER, repr(b"\x08" * 32)[2:-1], repr(b"\x02" * 32)[2:-1]):
        assert secret not in f"{found!r} {found} {found.peers[0].preshared_key}"


WRONG = [
    ("", "there is no [Interface] with a PrivateKey: add it"),
    (PEER, "there is no [Interface] with a PrivateKey: add it"),
    ("[Interface]\n", ":1: [Interface] has no PrivateKey: make one with `hythe wg genkey`"),
    (
        "[Interface]\nPrivateKey = abcd",
        ":2: PrivateKey is wrong: a key is 32 bytes, 44 characters of base64, and it has 4 characters: see",
    ),
    (f"{HEAD}{PEER}PresharedKey = {PUBLIC[:-1]}", ":5: PresharedKey is wrong: a key is 32 bytes, 44 characters"),
    (
        f"{HEAD}[Peer]\nPublicKey = {'!' * 44}",
        ":4: PublicKey is wrong: a key is 32 bytes, 44 characters of base64, and its",
    ),
    (f"{HEAD}[Peer]\n", ":3: this [Peer] has no PublicKey: add"),
    (f"{HEAD}[Peer]\nPrivateKey = {PRIVATE}", ":4: PrivateKey is unknown in [Peer]: PublicKey, PresharedKey, AllowedIPs"),
    (f"{HEAD}Foo = 1", ":3: Foo is unknown in [Interface]: PrivateKey, Address"),
    ("Foo = 1", ":1: Foo stands before any section: begin with [Interface]"),
    ("[Server]", ":1: [Server] is no section of a WireGuard configuration: there are [Interface] and [Peer]"),
    (f"{HEAD}MTU", ":3: MTU stands alone: write KEY = VALUE"),
    (f"{HEAD}MTU =", ":3: MTU has no value: write it, or leave the line out"),
    (f"{HEAD}MTU = 1400\nMTU = 1400", ":4: MTU is given twice, first in line 3: leave one out"),
    (f"{HEAD}MTU = 100", ":3: MTU = 100 is not a number from 576 to 65475"),
    (f"{HEAD}Address = fd00::1\nMTU = 1200", ":4: MTU = 1200 is not a number from 1280 to 65475"),
    (f"{HEAD}ListenPort = 70000", ":3: ListenPort = 70000 is not a number from 0 to 65535"),
    (f"{HEAD}Address = 10.7.0", ":3: Address = 10.7.0 is wrong: write an address such as 10.7.0.2/24"),
    (f"{HEAD}PostUp = iptables -A", ":3: PostUp is a command for a root's shell, and hythe runs none: leave it out"),
    (f"{HEAD}PreDown = ls", ":3: PreDown is a command"),
    (f"{HEAD}Table = 1234", ":3: Table names a routing table of the kernel, and hythe touches none"),
    (f"{HEAD}FwMark = 0xca6c", ":3: FwMark marks packets for the kernel's routing rules, and hythe needs none"),
    (f"{HEAD}SaveConfig = true", ":3: SaveConfig would have this file written anew"),
    (f"{HEAD}{HEAD}", ":3: a second [Interface]: one file is one tunnel"),
    (f"{HEAD}{PEER}AllowedIPs = 10.0.0.0/40", ":5: AllowedIPs = 10.0.0.0/40 is wrong: write a network such as 10.7.0.0/24"),
    (f"{HEAD}{PEER}Endpoint = vpn.example.org", ":5: Endpoint = vpn.example.org is wrong: write ADDRESS:PORT"),
    (f"{HEAD}{PEER}Endpoint = 2001:db8::1:51820", ":5: Endpoint = 2001:db8::1:51820 is wrong"),
    (f"{HEAD}{PEER}Endpoint = x:0", ":5: Endpoint = x:0 is wrong"),
    (f"{HEAD}{PEER}PersistentKeepalive = often", ":5: PersistentKeepalive = often is not a number from 0 to 65535"),
    (f"{HEAD}{PEER}{PEER}", ":5: this [Peer] has the same PublicKey as the one in line 3: make it one"),
    (
        f"{HEAD}{PEER}AllowedIPs = 10.0.0.0/8\n[Peer]\nPublicKey = {OTHER}\nAllowedIPs = 10.1.2.3/8",
        ":6: AllowedIPs 10.0.0.0/8 overlaps with that of the [Peer] in line 3: one can have it",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_what_is_wrong_is_said_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "work.conf")
    said = str(caught.value)
    assert said.startswith("work.conf")
    assert sentence in said
    assert "\n" not in said
    assert PRIVATE not in said


def test_our_own_public_key_is_no_peer() -> None:
    own = key_text(parse(HEAD).public_key)
    with pytest.raises(UsageError, match=r":3: this \[Peer\] has our own public key"):
        parse(f"{HEAD}[Peer]\nPublicKey = {own}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HEAD + PEER, "[Interface] has no Address"),
        (f"{HEAD}Address = 10.0.0.2\n", "there is no [Peer]"),
        (f"{HEAD}Address = 10.0.0.2\n{PEER}", ":4: this [Peer] has no Endpoint: add its address and port"),
    ],
)
def test_what_a_client_needs(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "work.conf").require_client()
    assert sentence in str(caught.value)
    assert parse(f"{HEAD}Address = 10.0.0.2\n{PEER}Endpoint = 192.0.2.1:1").require_client().peers


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "work.conf"
    path.write_text(HEAD)
    path.chmod(0o600)
    assert read(path).warnings == ()
    path.write_text(HEAD, encoding="utf-8-sig")  # as some editors have it
    assert read(path).warnings == ()
    path.chmod(0o644)
    assert read(path).warnings == (f"{path} holds a private key and is open to others: chmod o-rwx {path}",)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"none\.conf cannot be read \(No such file or directory\)"):
        read(tmp_path / "none.conf")
    (tmp_path / "binary.conf").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no text"):
        read(tmp_path / "binary.conf")

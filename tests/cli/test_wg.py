"""`hythe wg` as it is called."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hythe.gateway.api.figures import peer
from hythe.tunnel.wireguard.config import parse
from hythe.tunnel.wireguard.keys import key_text, parse_key
from hythe.tunnel.wireguard.report import PeerReport
from hythe.units import SECOND
from hythe.view.wireguard import shown
from tests import needs
from tests.gateway.servers import closed_port


def wg(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hythe", "wg", *words], input=given, capture_output=True, text=True, timeout=30, check=False
    )


def test_keys_are_those_of_wg() -> None:
    private = wg("genkey").stdout
    assert private != wg("genkey").stdout
    public = wg("pubkey", given=private)
    assert (public.returncode, public.stderr) == (0, "")
    theirs = subprocess.run([needs.program("wg"), "pubkey"], input=private, capture_output=True, text=True, check=True)
    assert public.stdout == theirs.stdout
    assert len(parse_key(wg("genpsk").stdout)) == 32


@pytest.mark.parametrize("given", ["", "abc\n", "x" * 44, key_text(bytes(31)), "é"])
def test_what_is_no_key_is_said(given: str) -> None:
    done = wg("pubkey", given=given)
    assert done.returncode == 2
    assert done.stderr.startswith("hythe: standard input: a key is 32 bytes, 44 characters of base64, and it")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    if given.strip():
        assert given.strip() not in done.stderr


def test_a_package_that_is_missing_is_named() -> None:
    code = "import sys; sys.modules['cryptography'] = None; from hythe.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "wg", "pubkey"], input=wg("genkey").stdout, capture_output=True, text=True, check=False
    )
    assert done.stderr == "hythe: WireGuard needs the package cryptography: pip install 'hythe[tunnel]'\n"


def test_a_secret_that_goes_into_an_open_file_is_warned_of(tmp_path: Path) -> None:
    for mode, warned in ((0o644, True), (0o600, False)):
        path = tmp_path / str(mode)
        path.touch()
        path.chmod(mode)
        with path.open("w") as out:
            done = subprocess.run(
                [sys.executable, "-m", "hythe", "wg", "genkey"], stdout=out, stderr=subprocess.PIPE, check=True
            )
        assert (b"is open to others: set umask 077" in done.stderr) is warned


def test_a_configuration_is_checked(tmp_path: Path) -> None:
    private, public = (key_text(bytes([number]) * 32) for number in (8, 9))
    path = tmp_path / "work.conf"
    path.write_text(
        f"[Interface]\nPrivateKey = {private}\nAddress = 10.7.0.2/24\nDNS = 10.7.0.1\n"
        f"# office\n[Peer]\nPublicKey = {public}\nAllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = vpn.example.org:51820\n"
        f"PresharedKey = {private}\nPersistentKeepalive = 25\n"
    )
    path.chmod(0o600)
    done = wg("check", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"interface: {path}",
        f"  public key: {key_text(parse(path.read_text()).public_key)}",
        "  address: 10.7.0.2/24",
        "  dns: 10.7.0.1",
        "  listening port: (any)",
        "  mtu: 1420",
        "",
        f"peer: {public}",
        "  name: office",
        "  preshared key: (hidden)",
        "  endpoint: vpn.example.org:51820",
        "  allowed ips: 0.0.0.0/0, ::/0",
        "  persistent keepalive: every 25 seconds",
    ]
    path.chmod(0o644)
    assert "holds a private key and is open to others: chmod o-rwx" in wg("check", str(path)).stderr
    path.write_text(f"[Interface]\nPrivateKey = {private[:-2]}\n")
    done = wg("check", str(path))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"hythe: {path}:2: PrivateKey is wrong: a key is 32 bytes")
    assert private[:20] not in done.stderr


def test_peers_are_shown_as_wg_shows_them() -> None:
    allowed = (ipaddress.ip_network("10.0.0.0/8"),)
    now = time.time_ns()
    heard = PeerReport("KEY=", "phone", "192.0.2.1:7", allowed, 63 * SECOND, 2_048, 1_024, 25 * SECOND, True, False)
    silent = PeerReport("OTHER=", "", "", (), None, 0, 0, 0, False, True)
    text = shown([peer(silent, now), peer(heard, now)], now / SECOND + 0.01)
    assert text.splitlines() == [
        "peer: KEY=",
        "  name: phone",
        "  preshared key: (hidden)",
        "  endpoint: 192.0.2.1:7",
        "  allowed ips: 10.0.0.0/8",
        "  latest handshake: 1 minute, 3 seconds ago",
        "  transfer: 2.0 KiB received, 1.0 KiB sent",
        "  persistent keepalive: every 25 seconds",
        "",
        "peer: OTHER=",
        "  allowed ips: (none)",
        "  handshake: under way",
    ]


def test_no_session_has_peers(tmp_path: Path) -> None:
    assert "no session is called 'nobody'" in wg("show", "nobody").stderr


def test_both_ends_of_a_tunnel_are_shown(tmp_path: Path) -> None:
    """A `hythe gateway --wg` and a `hythe run --via wg:`."""
    needs.program("ping")
    keys = [wg("genkey").stdout.strip() for _ in range(2)]
    public = [wg("pubkey", given=key).stdout.strip() for key in keys]
    shared, port = wg("genpsk").stdout.strip(), closed_port()
    files = tmp_path / "server.conf", tmp_path / "client.conf"
    peer = "[Peer]\nPublicKey = {}\nPresharedKey = {}\n"
    files[0].write_text(
        f"[Interface]\nPrivateKey = {keys[0]}\nAddress = 10.77.0.1/24\nListenPort = {port}\n"
        f"# laptop\n{peer.format(public[1], shared)}AllowedIPs = 10.77.0.2/32\n"
    )
    files[1].write_text(
        f"[Interface]\nPrivateKey = {keys[1]}\nAddress = 10.77.0.2/24\nDNS = 10.77.0.1\n"
        f"# office\n{peer.format(public[0], shared)}AllowedIPs = 0.0.0.0/0\nEndpoint = 127.0.0.1:{port}\n"
    )
    for file in files:
        file.chmod(0o600)
    environment = needs.clean_environment(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path))

    def begun(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "hythe", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)

    def show(name: str) -> str:
        return hythe("wg", "show", name)

    def hythe(*asking: str) -> str:
        words = [sys.executable, "-m", "hythe", *asking]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout

    with begun("gateway", "--wg", str(files[0]), "--name", "far") as gateway:
        try:
            assert gateway.stdout is not None
            assert "can connect" in gateway.stdout.readline()
            script = "ping -c 1 -W 9 10.77.0.1 | grep received; read end"
            with begun("run", "--name", "near", "--via", f"wg:{files[1]}", "--", "sh", "-c", script) as run:
                assert run.stdout is not None
                assert " 1 received" in run.stdout.readline()
                near, far = show("near"), show("far")
                asked = hythe("host", "--via", f"wg:{files[1]}", "gateway.hythe.internal")
                assert asked == "gateway.hythe.internal has address 10.77.0.1\n"
                run.communicate("\n", timeout=20)
            assert run.returncode == 0
        finally:
            gateway.terminate()
            gateway.communicate(timeout=20)
    for text, key, name, end in ((near, public[0], "office", f"127.0.0.1:{port}"), (far, public[1], "laptop", "127.0.0.1:")):
        assert f"peer: {key}\n  name: {name}\n  preshared key: (hidden)\n  endpoint: {end}" in text
        assert re.search(
            r"latest handshake: (\d+ seconds?|less than a second) ago\n  transfer: \d+ B received, \d+ B sent", text
        )
    assert not any(secret in near + far for secret in (*keys, shared))

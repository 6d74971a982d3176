"""SOCKS by the proxy's rules: streams, datagrams, who has logged in."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from hythe.proxy import server
from hythe.proxy.users import hash_password
from hythe.tunnel.socks.messages import ASSOCIATE, BIND, CONNECT, NAME, build_address, build_datagram, parse_datagram
from tests import needs
from tests.gateway.servers import echo, tcp_server
from tests.proxy.running import OPEN, proxy

SOCKS = '[[socks]]\nlisten = "127.0.0.1:0"\n'


def curl(proxy: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [needs.program("curl"), "-sS", "-m", "20", "--noproxy", "", "-x", proxy, "-d", "hello", "--http0.9", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=needs.clean_environment())


@pytest.mark.parametrize("scheme", ["socks4a", "socks5", "socks5h"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_loopback_is_closed_in_any_spelling(tmp_path: Path, scheme: str, host: str) -> None:
    if scheme == "socks4a" and host.startswith("["):
        scheme = "socks5"  # it knows no IPv6
    with tcp_server(echo) as port, proxy(SOCKS, tmp_path) as it:
        said = curl(f"{scheme}://127.0.0.1:{it.ports[0]}", f"http://{host}:{port}/")
        assert said.returncode != 0
        assert "EACCES" in it.lines(1)[0]


def reply(port: int, host: str, to: int) -> int:
    """What SOCKS5 says to a request for that."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        stream.sendall(b"\5\1\0")
        assert stream.recv(2) == b"\5\0"
        stream.sendall(bytes((5, CONNECT, 0, NAME, len(host))) + host.encode() + to.to_bytes(2, "big"))
        return stream.recv(100)[1]


def test_its_own_port_is_closed_in_any_spelling_whatever_rules_say(tmp_path: Path) -> None:
    text = '[[socks]]\nlisten = "*:0"\nexpose = "yes, to everyone"\n[[rule]]\naction = "allow"\n' + OPEN
    with proxy(text, tmp_path) as it:
        spelled = ["127.0.0.1", "127.1", "127.9.9.9", "2130706433", "0x7f.1", "0177.0.0.1", "0", "0.0.0.0", "::", "::1"]
        spelled += ["::ffff:127.0.0.1", "0:0:0:0:0:ffff:7f00:1", "localhost", "LOCALHOST", "64:ff9b::7f00:1"]
        (port,) = set(it.ports)
        for number, host in enumerate(spelled, 1):
            assert reply(port, host, port) != 0, host
            assert "EACCES" in it.lines(number)[-1], host
        assert it.open_flows() == 0


def test_nc(tmp_path: Path) -> None:
    with tcp_server(echo) as port, proxy(SOCKS + OPEN, tmp_path) as it:
        command = [needs.program("nc"), "-N", "-X", "5", "-x", f"127.0.0.1:{it.ports[0]}", "127.0.0.1", str(port)]
        said = subprocess.run(command, input=b"through", capture_output=True, timeout=30, check=True)
        assert said.stdout == b"through"


def test_only_users_come_in_and_rules_know_them(tmp_path: Path) -> None:
    rules = (
        '[[rule]]\naction = "allow"\nusers = "me"\nto = "127.0.0.1"\n'
        f'[users]\nme = "{hash_password("secret")}"\nother = "{hash_password("word")}"\n'
    )

    def last_word(stream: socket.socket) -> None:
        stream.sendall(stream.recv(1_000)[-5:])

    with tcp_server(last_word) as port, proxy(SOCKS + rules, tmp_path) as it:
        url, at = f"http://127.0.0.1:{port}/", f"127.0.0.1:{it.ports[0]}"
        assert "hello" in curl(f"socks5://me:secret@{at}", url).stdout
        for login in ("", "me:wrong@", "other:word@"):
            assert curl(f"socks5://{login}{at}", url).returncode != 0
        lines = it.lines(4)
        assert "(me) - socks CONNECT" in lines[0]
        assert " - socks refused EACCES: no method in common" in lines[1]
        assert lines[2].endswith(" - socks login as 'me' refused")
        assert "(other) - socks CONNECT" in lines[3]
        assert "EACCES: the rules of this proxy do not let other go to 127.0.0.1" in lines[3]


def test_a_peer_is_waited_for_where_rules_let_it_come(tmp_path: Path) -> None:
    with proxy(SOCKS + OPEN, tmp_path) as it:
        for peer, reply in (("127.0.0.1", 0), ("169.254.1.1", 2)):
            with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as control:
                control.sendall(b"\x05\x01\x00")
                assert control.recv(2) == b"\x05\x00"
                control.sendall(bytes((5, BIND, 0)) + build_address(peer, 0))
                said = control.recv(100)
                assert said[:2] == bytes((5, reply))
                if reply:
                    continue
                with socket.create_connection(("127.0.0.1", int.from_bytes(said[-2:], "big")), timeout=20) as far:
                    assert control.recv(100)[:2] == b"\x05\x00"
                    far.sendall(b"back")
                    assert control.recv(4) == b"back"
        assert "socks BIND 127.0.0.1:0 0 4 " in it.lines(2)[0]


def test_the_way_out_is_the_entrys(tmp_path: Path) -> None:
    """One proxy by another: the first knows only what it is asked for, the second what that is."""
    (tmp_path / "far").mkdir()
    with tcp_server(echo) as port, proxy(SOCKS + OPEN, tmp_path / "far") as far:
        near = SOCKS + f'via = "socks5://127.0.0.1:{far.ports[0]}"\n' + OPEN
        with proxy(near, tmp_path) as it:
            command = [needs.program("nc"), "-N", "-X", "5", "-x", f"127.0.0.1:{it.ports[0]}"]
            said = subprocess.run(
                [*command, "localhost", str(port)], input=b"x", capture_output=True, timeout=30, check=True
            )
            assert said.stdout == b"x"
            said = subprocess.run([*command, "10.0.0.1", "80"], input=b"x", capture_output=True, timeout=30, check=False)
            assert said.returncode != 0
            assert f"localhost:{port}" in far.lines(1)[0]
            assert "EACCES" in it.lines(2)[1]
        assert len(far.lines(1)) == 1


def test_connections_leave_from_the_source_of_the_entry(tmp_path: Path) -> None:
    def tell(stream: socket.socket) -> None:
        stream.sendall(stream.getpeername()[0].encode())

    with tcp_server(tell) as port, proxy(SOCKS + 'source = "127.0.0.9"\n' + OPEN, tmp_path) as it:
        command = [needs.program("nc"), "-X", "5", "-x", f"127.0.0.1:{it.ports[0]}", "127.0.0.1", str(port)]
        said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)
        assert said.stdout == b"127.0.0.9"


def test_datagrams_go_where_rules_let_them(tmp_path: Path) -> None:
    with (
        proxy(SOCKS + OPEN, tmp_path) as it,
        socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as control,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        for each in (server, client):
            each.settimeout(20)
            each.bind(("127.0.0.1", 0))
        control.sendall(b"\x05\x01\x00")
        assert control.recv(2) == b"\x05\x00"
        control.sendall(bytes((5, ASSOCIATE, 0)) + build_address("0.0.0.0", 0))
        reply = control.recv(100)
        relay = ("127.0.0.1", int.from_bytes(reply[-2:], "big"))
        port = server.getsockname()[1]
        client.sendto(build_datagram("169.254.169.254", 80, b"never"), relay)
        client.sendto(build_datagram("127.0.0.1", port, b"hello"), relay)
        data, there = server.recvfrom(100)
        assert data == b"hello"
        server.sendto(b"back", there)
        assert parse_datagram(client.recv(100)) == (("127.0.0.1", port), b"back")
        control.close()
        assert "socks UDP ASSOCIATE 5 4 " in it.lines(1)[0]


def test_an_association_that_nothing_passes_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SWEEP", 0.02)
    with (
        proxy(SOCKS + 'idle = "100ms"\n', tmp_path) as it,
        socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as control,
    ):
        control.sendall(b"\x05\x01\x00")
        assert control.recv(2) == b"\x05\x00"
        control.sendall(bytes((5, ASSOCIATE, 0)) + build_address("0.0.0.0", 0))
        assert control.recv(100)[:2] == b"\x05\x00"
        assert control.recv(1) == b""
        assert "socks UDP ASSOCIATE 0 0 " in it.lines(1)[0]
        assert "ETIMEDOUT: nothing has moved for 0.1 s" in it.lines(1)[0]

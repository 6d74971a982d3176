"""What stands before and behind what is said: the PROXY protocol, TLS, the names of its clients, FTP."""

from __future__ import annotations

import contextlib
import ftplib
import io
import os
import queue
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hythe.errors import MachineError
from hythe.proxy import server
from tests import needs
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.proxy.peers import certificate, heeding, sending
from tests.proxy.running import OPEN, proxy, read_all, talk
from tests.proxy.test_mapping import mapped, saying
from tests.via.ftpserver import CONTENT, vsftpd
from tests.wire.hellos import hello, records

LOCAL = 'proxied = "127.0.0.0/8"\n'


def asked(port: int) -> tuple[str, str]:
    """What a server says whose we are, and whose we are."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        own = "{}:{}".format(*stream.getsockname())
        stream.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        with stream.makefile("rb") as file:
            return file.read().partition(b"\r\n\r\n")[2].decode(), own


# --- The PROXY protocol


@pytest.mark.parametrize("before", ["v1", "v2", "nginx"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_between_real_peers(tmp_path: Path, before: str, version: str) -> None:
    """The last of three proxies knows the first one's client, and so does our log."""
    for behind in ("nginx", "haproxy"):
        place = tmp_path / behind
        place.mkdir()
        with (
            heeding(place, behind) as last,
            proxy(mapped(f'"127.0.0.1:{last}"', f'{LOCAL}proxy_protocol = "{version}"'), place) as it,
            sending(place, before, it.ports[0]) as first,
        ):
            said, own = asked(first)
            assert said == own
            assert any(own in line for count in (1, 2) for line in it.lines(count)), "one may be a look if it is there"


def test_who_is_not_named_is_taken_for_what_he_is(tmp_path: Path) -> None:
    line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    with tcp_server(echo) as port, proxy(mapped(f'"127.0.0.1:{port}"', 'proxied = "192.0.2.0/24"'), tmp_path) as it:
        assert talk(it.ports[0], line + b"hello") == line + b"hello"
        assert " 127.0.0.1:" in it.lines(1)[0]


def test_one_that_is_named_must_begin_by_it(tmp_path: Path) -> None:
    with tcp_server(echo) as port, proxy(mapped(f'"127.0.0.1:{port}"', LOCAL), tmp_path) as it:
        for said in (b"GET / HTTP/1.0\r\n\r\n", b"PROXY TCP4 x\r\n", b"PROXY TCP4 192.0"):
            with contextlib.suppress(ConnectionResetError):
                assert talk(it.ports[0], said) == b""
        assert talk(it.ports[0], b"PROXY UNKNOWN\r\nhello") == b"hello"
        with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"PROXY TCP6 2001:db8::1 2001:db8::2 5 6\r\nhello":
                stream.sendall(bytes((byte,)))
            assert stream.recv(5, socket.MSG_WAITALL) == b"hello"
        assert "[2001:db8::1]:5" in it.lines(5)[-1]


def test_rules_and_limits_go_by_who_the_client_is(tmp_path: Path) -> None:
    """A rule for clients sees the header's address."""
    rules = '[[rule]]\naction = "refuse"\nclients = "192.0.2.0/24"\n[[rule]]\naction = "allow"\n'
    with tcp_server(echo) as port, proxy(mapped(f'"127.0.0.1:{port}"', LOCAL) + rules, tmp_path) as it:
        assert talk(it.ports[0], b"PROXY TCP4 198.51.100.1 192.0.2.2 1 2\r\nhello") == b"hello"
        with pytest.raises(ConnectionResetError):
            talk(it.ports[0], b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello")


# --- TLS


@contextmanager
def serving_tls(pem: Path) -> Iterator[int]:
    """An echo inside of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def serve(stream: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(stream, server_side=True) as inside:
            while data := inside.recv(65_536):
                inside.sendall(data)
            inside.unwrap()

    with tcp_server(serve) as port:
        yield port


def within(port: int, name: str, authority: Path, data: bytes) -> tuple[bytes, str]:
    """What comes back inside of TLS, and whose the certificate was."""
    context = ssl.create_default_context(cafile=str(authority))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as stream,
        context.wrap_socket(stream, server_hostname=name) as inside,
    ):
        inside.sendall(data)
        got = b""
        while len(got) < len(data) and (more := inside.recv(1 << 20)):
            got += more
        whose = str(inside.getpeercert()["subject"])  # type: ignore[index]
        inside.unwrap().close()
        return got, whose


def test_tls_ends_here_and_begins_here(tmp_path: Path) -> None:
    """From a client's TLS to plain text, from there to the destination's TLS: two proxies of ours."""
    near, far = certificate(tmp_path, "near.test", "DNS:near.test"), certificate(tmp_path, "far", "IP:127.0.0.1")
    data = bytes(range(256)) * 8_000
    with serving_tls(far) as port:
        out = mapped(f'"127.0.0.1:{port}"', f'tls = true\nauthorities = "{far}"')
        with proxy(out, tmp_path) as second:
            assert talk(second.ports[0], data) == data
            inner = mapped(f'"127.0.0.1:{second.ports[0]}"', f'certificate = "{near}"')
            (tmp_path / "first").mkdir()
            with proxy(inner, tmp_path / "first") as first:
                assert within(first.ports[0], "near.test", near, data)[0] == data


def test_a_destination_that_does_not_prove_who_it_is(tmp_path: Path) -> None:
    far, other = certificate(tmp_path, "far", "IP:127.0.0.1"), certificate(tmp_path, "other", "IP:127.0.0.2")
    with serving_tls(far) as right, serving_tls(other) as wrong:
        to = f'["127.0.0.1:{wrong}", "127.0.0.1:{right}"]'
        with proxy(mapped(to, f'tls = true\nauthorities = "{far}"'), tmp_path) as it:
            assert talk(it.ports[0], b"hello") == b"hello", "the next destination is tried"
        with proxy(mapped(f'"127.0.0.1:{wrong}"', "tls = true"), tmp_path) as it:
            with pytest.raises(ConnectionResetError):
                talk(it.ports[0], b"hello")
            assert "does not prove who it is" in it.lines(2)[-1]


def test_a_certificate_is_read_anew(tmp_path: Path) -> None:
    first = certificate(tmp_path, "first", "DNS:near.test")
    used = tmp_path / "used.pem"
    used.write_text(first.read_text())
    with tcp_server(echo) as port, proxy(mapped(f'"127.0.0.1:{port}"', f'certificate = "{used}"'), tmp_path) as it:
        at = it.ports[0]
        assert "first" in within(at, "near.test", first, b"hello")[1]
        with socket.create_connection(("127.0.0.1", at), timeout=20) as stream:
            context = ssl.create_default_context(cafile=str(first))
            with context.wrap_socket(stream, server_hostname="near.test") as old:
                used.write_text("nonsense")
                assert "first" in within(at, "near.test", first, b"hello")[1], "what cannot be used is not"
                second = certificate(tmp_path, "second", "DNS:near.test")
                fresh = tmp_path / "fresh.pem"
                fresh.write_text(second.read_text())
                os.replace(fresh, used)
                assert "second" in within(at, "near.test", second, b"hello")[1]
                old.sendall(b"still")
                assert old.recv(5) == b"still"
                old.unwrap().close()
        assert any("cannot be used" in each for each in it.server.flows.notices)


def test_files_that_cannot_be_used_change_nothing(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "near", "DNS:near.test")
    bad = ('certificate = "none.pem"', f'certificate = "{pem}.cert"', 'tls = true\nauthorities = "none.pem"')
    with tcp_server(echo) as port, proxy(mapped(f'"127.0.0.1:{port}"', f'certificate = "{pem}"'), tmp_path) as it:
        for each in bad:
            with pytest.raises(MachineError, match=r"cannot be (used|read)"):
                it.reload(mapped(f'"127.0.0.1:{port}"', each))
        assert within(it.ports[0], "near.test", pem, b"hello")[0] == b"hello"


def test_what_is_not_tls_is_sent_away(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "near", "DNS:near.test")
    with tcp_server(echo) as port, proxy(mapped(f'"127.0.0.1:{port}"', f'certificate = "{pem}"'), tmp_path) as it:
        with contextlib.suppress(ConnectionResetError):
            assert b"hello" not in talk(it.ports[0], b"GET / HTTP/1.0\r\n\r\nhello")
        assert within(it.ports[0], "near.test", pem, b"hello")[0] == b"hello"


def dying(stream: socket.socket) -> None:
    """Hear five bytes, and reset the connection."""
    stream.recv(5)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


RESET = struct.pack("ii", 1, 0)


def test_a_break_passes_through_tls(tmp_path: Path) -> None:
    """Who is cut off is told so, at either end of either TLS, and nothing of it stays open."""
    near, far = certificate(tmp_path, "near.test", "DNS:near.test"), certificate(tmp_path, "far", "IP:127.0.0.1")
    context = ssl.create_default_context(cafile=str(near))
    reset: queue.Queue[str] = queue.Queue()

    def waiting(stream: socket.socket) -> None:
        stream.sendall(stream.recv(5, socket.MSG_WAITALL))
        try:
            reset.put(repr(stream.recv(1)))
        except ConnectionResetError:
            reset.put("reset")

    def dying_in_tls(stream: socket.socket) -> None:
        inner = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        inner.load_cert_chain(far)
        with inner.wrap_socket(stream, server_side=True) as inside:
            dying(inside)

    ends = contextlib.ExitStack()
    with ends:
        ports = [ends.enter_context(tcp_server(each)) for each in (dying, waiting, dying_in_tls)]
        text = "".join(mapped(f'"127.0.0.1:{each}"', f'certificate = "{near}"\n') for each in ports[:2])
        text += mapped(f'"127.0.0.1:{ports[2]}"', f'tls = true\nauthorities = "{far}"')
        it = ends.enter_context(proxy(text, tmp_path))
        for at in it.ports[:2]:
            with (
                socket.create_connection(("127.0.0.1", at), timeout=20) as stream,
                context.wrap_socket(stream, server_hostname="near.test", suppress_ragged_eofs=False) as inside,
            ):
                inside.sendall(b"hello")
                if at == it.ports[0]:
                    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
                        inside.recv(1)
                else:
                    assert inside.recv(5) == b"hello"
                    inside.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        assert reset.get(timeout=20) == "reset"
        with socket.create_connection(("127.0.0.1", it.ports[2]), timeout=20) as stream:
            stream.sendall(b"hello")
            with pytest.raises(ConnectionResetError):
                stream.recv(1)
        assert all("ECONNRESET" in line for line in it.lines(3))
        assert it.open_flows() == 0


def test_a_client_in_tls_that_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SWEEP", 0.02)
    pem = certificate(tmp_path, "near", "DNS:near.test")
    context = ssl.create_default_context(cafile=str(pem))

    def pour(stream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                stream.sendall(bytes(1 << 20))

    with tcp_server(pour) as port, contextlib.ExitStack() as stack:
        text = mapped(f'"127.0.0.1:{port}"', f'certificate = "{pem}"\nunread = "100ms"\n')
        it = stack.enter_context(proxy(text, tmp_path))
        stream = stack.enter_context(socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20))
        with context.wrap_socket(stream, server_hostname="near.test", suppress_ragged_eofs=False) as inside:
            assert "ETIMEDOUT: somebody has taken nothing of what it is sent for 0.1 s" in it.lines(1)[0]
            with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
                read_all(inside)
        assert not it.open_flows()


def test_curl_by_an_https_proxy(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "near", "IP:127.0.0.1")
    text = f'[[http]]\nlisten = "127.0.0.1:0"\ncertificate = "{pem}"\n{OPEN}'
    with saying(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello") as port, proxy(text, tmp_path) as it:
        curl = [needs.program("curl"), "--silent", "--show-error", "--max-time", "20", "--proxy-cacert", str(pem)]
        for more in ((), ("--proxytunnel",)):
            words = [*curl, *more, "--proxy", f"https://127.0.0.1:{it.ports[0]}", f"http://127.0.0.1:{port}/"]
            assert subprocess.run(words, capture_output=True, check=True, timeout=30).stdout == b"hello"


# --- Checks


@pytest.mark.parametrize(("version", "header"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")])
def test_a_check_speaks_as_its_map_does(tmp_path: Path, version: str, header: bytes) -> None:
    """A destination is not left with half a beginning, and one that proves nothing fails."""
    far, other = certificate(tmp_path, "far", "IP:127.0.0.1"), certificate(tmp_path, "other", "IP:127.0.0.2")
    heard: queue.Queue[object] = queue.Queue()

    def checked(pem: Path) -> Callable[[socket.socket], None]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)

        def serve(stream: socket.socket) -> None:
            try:
                begin = stream.recv(len(header), socket.MSG_WAITALL)
                with context.wrap_socket(stream, server_side=True, suppress_ragged_eofs=False) as inside:
                    heard.put((begin, inside.recv(100)))
                    with contextlib.suppress(OSError):  # it need not wait for our end
                        inside.unwrap().close()
            except OSError as error:
                if pem == far:  # one that is cut off by the end of the proxy is none of the first two
                    heard.put(error)

        return serve

    with tcp_server(checked(other)) as wrong, tcp_server(checked(far)) as right:
        lines = f'check = "20ms"\nproxy_protocol = "{version}"\ntls = true\nauthorities = "{far}"'
        with proxy(mapped(f'["127.0.0.1:{wrong}", "127.0.0.1:{right}"]', lines), tmp_path) as it:
            for _ in range(2):
                assert heard.get(timeout=20) == (header, b""), "an end by close_notify, and nothing else"
            balance = it.server.entries[0].speaker.balance  # type: ignore[union-attr]
            while not it.within(lambda: balance.targets[0].until):
                continue
            assert it.within(lambda: balance.choose(())) is balance.targets[1]
            assert it.within(lambda: balance.targets[1].until) == 0
            assert not it.within(lambda: it.server.flows.count), "a check is nobody's connection"


# --- Names


def neither(stream: socket.socket) -> None:
    """Say so, and hear everything out."""
    with contextlib.suppress(OSError):
        stream.sendall(b"neither")
        while stream.recv(65_536):
            pass


def test_by_name_without_decrypting(tmp_path: Path) -> None:
    one, two = certificate(tmp_path, "one", "DNS:one.test"), certificate(tmp_path, "two", "DNS:a.two.test")
    with serving_tls(one) as first, serving_tls(two) as second, tcp_server(neither) as other:
        names = f'names = {{ "ONE.test" = "127.0.0.1:{first}", "*.two.test" = "127.0.0.1:{second}" }}'
        with proxy(mapped(f'"127.0.0.1:{other}"', names), tmp_path) as it:
            at = it.ports[0]
            assert "one" in within(at, "one.test", one, b"hello")[1]
            assert "two" in within(at, "a.two.test", two, b"hello")[1]
            for name in ("two.test", "three.test", None):
                assert talk(at, hello(name)) == b"neither"
            slow = records(hello("three.test"), [1, 2, 3, 50, 100])
            with socket.create_connection(("127.0.0.1", at), timeout=20) as stream:
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in slow:
                    stream.sendall(bytes((byte,)))
                assert stream.recv(7, socket.MSG_WAITALL) == b"neither"
            with contextlib.suppress(ConnectionResetError):
                assert talk(at, b"GET / HTTP/1.0\r\n\r\n") == b""


# --- FTP


@pytest.mark.parametrize("passive", [True, False])
def test_ftp(tmp_path: Path, passive: bool) -> None:
    first = closed_port()
    with (
        vsftpd() as server,
        proxy(mapped(f'"127.0.0.1:{server.port}"', f'ftp = true\ndata_ports = "{first}-{first}"'), tmp_path) as it,
    ):
        client = ftplib.FTP(timeout=10)
        client.connect("127.0.0.1", it.ports[0])
        client.login()
        client.set_pasv(passive)
        for _ in range(2):
            got = io.BytesIO()
            client.retrbinary("RETR file", got.write)
            assert got.getvalue() == CONTENT
            client.storbinary("STOR in/new", io.BytesIO(CONTENT))
            assert (server.put / "new").read_bytes() == CONTENT
            client.delete("in/new")
        client.quit()
        lines = it.lines(5)
        assert sum(f" {len(CONTENT)} " in each and "(data)" in each for each in lines) == 4
        assert sum(f"map -> 127.0.0.1:{server.port} " in each for each in lines) == 1
        assert it.open_flows() == 0


@pytest.mark.slow
def test_a_channel_is_not_idle_while_its_data_goes_on(tmp_path: Path) -> None:
    with vsftpd() as server, proxy(mapped(f'"127.0.0.1:{server.port}"', 'ftp = true\nidle = "1s"'), tmp_path) as it:
        client = ftplib.FTP(timeout=20)
        client.connect("127.0.0.1", it.ports[0])
        client.login()
        with contextlib.closing(client.transfercmd("STOR in/slow")) as data:
            for _ in range(40):
                data.sendall(b"x")
                time.sleep(0.1)
        assert client.voidresp().startswith("226")
        assert (server.put / "slow").read_bytes() == 40 * b"x"
        client.quit()

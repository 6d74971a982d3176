"""The way by HTTP's CONNECT, through a real proxy, in the clear and by TLS."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hythe.via.make import make
from hythe.via.spec import parse
from tests import needs
from tests.gateway.servers import closed_port, tcp_server
from tests.via.proxies import tinyproxy
from tests.via.test_socks import failing, reach


def test_tinyproxy(tmp_path: Path, echo_port: int) -> None:
    with tinyproxy(tmp_path) as proxy:
        text = f"http://127.0.0.1:{proxy}"
        for host in ("127.0.0.1", "localhost"):
            assert reach(text, host, echo_port, bytes(300_000)) == bytes(300_000)
        error = failing(text, "127.0.0.1", closed_port())
        assert "the proxy says: 500 Unable to connect" in str(error)
        assert f"({text} -> 127.0.0.1:" in str(error)


def test_basic_authentication(tmp_path: Path, echo_port: int) -> None:
    with tinyproxy(tmp_path, "BasicAuth me secret") as proxy:
        assert reach(f"http://me:secret@127.0.0.1:{proxy}", "127.0.0.1", echo_port) == b"hello"
        for login in ("", "me:wrong@"):
            error = failing(f"http://{login}127.0.0.1:{proxy}", "127.0.0.1", echo_port)
            assert error.errno in (errno.ENETUNREACH, errno.ECONNREFUSED)
            assert "the proxy says: 40" in str(error)


def test_a_port_that_the_proxy_does_not_allow(tmp_path: Path, echo_port: int) -> None:
    with tinyproxy(tmp_path, "ConnectPort 443") as proxy:
        error = failing(f"http://127.0.0.1:{proxy}", "127.0.0.1", echo_port)
        assert error.errno == errno.EACCES
        assert "the proxy says: 403 Access violation" in str(error)


def answering(answer: bytes) -> contextlib.AbstractContextManager[int]:
    """Give every connection the same answer, in pieces, until the client has heard enough."""

    def serve(connection: socket.socket) -> None:
        connection.recv(4_096)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(answer), 7):
                connection.sendall(answer[start : start + 7])

    return tcp_server(serve)


@pytest.mark.parametrize(
    ("answer", "number", "words"),
    [
        (b"HTTP/1.1 503 No Way\r\nContent-Length: 3\r\n\r\nabc", errno.EHOSTUNREACH, "the proxy says: 503 No Way"),
        (b"HTTP/1.0 504 Too Late\r\n\r\n", errno.ETIMEDOUT, "504 Too Late"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", errno.ECONNREFUSED, "302 Found"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", errno.ENETUNREACH, "the proxy does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nbroken", errno.ENETUNREACH, "the proxy does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + 5_000 * b"X-Long: 01234567\r\n", errno.ENETUNREACH, "the proxy does not speak HTTP"),
        (b"", errno.ENETUNREACH, ""),
    ],
)
def test_answers(answer: bytes, number: int, words: str) -> None:
    with answering(answer) as port:
        error = failing(f"http://127.0.0.1:{port}", "a.example", 80)
    assert error.errno == number
    assert words in str(error)


def test_what_follows_the_answer_stays_in_the_socket() -> None:
    async def main(port: int) -> bytes:
        stream = await make(parse(f"http://127.0.0.1:{port}")).open("a.example", 80)
        reader, writer = await asyncio.open_connection(sock=stream)
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
        return said

    with answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\n\r\n220 ready\r\n") as port:
        assert asyncio.run(main(port)) == b"220 ready\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Return the folder of a certificate for 127.0.0.1 that vouches for itself, and its key."""
    words = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=proxy"
    )
    command = [needs.program("openssl"), *words.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    return tmp_path


@contextlib.contextmanager
def secure_proxy(authority: Path, *, cut: bool = False) -> Iterator[int]:
    """An echo behind CONNECT behind TLS; when the client has ended it says goodbye. `cut`: it just goes, in the middle."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as stream:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.recv(1)
            assert head.startswith(b"CONNECT a.example:80 HTTP/1.1\r\n")
            stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while data := stream.recv(65_536):
                stream.sendall(data)
                if cut:
                    return
            stream.sendall(b"bye")
            stream.unwrap()

    with tcp_server(serve) as port:
        yield port


async def goodbye(port: int, data: bytes) -> bytes:
    way = make(parse(f"https://127.0.0.1:{port}"))
    reader, writer = await asyncio.open_connection(sock=await way.open("a.example", 80))
    writer.write(data)
    said = await reader.readexactly(len(data))
    writer.write_eof()
    said += await reader.read()
    writer.close()
    await writer.wait_closed()
    await way.close()
    return said


def test_by_tls_one_direction_ends_and_the_other_goes_on(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "cert.pem"))
    with secure_proxy(authority) as port:
        assert asyncio.run(goodbye(port, bytes(500_000))) == bytes(500_000) + b"bye"


def test_by_tls_what_is_cut_off_does_not_look_like_an_end(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(port: int) -> None:
        way = make(parse(f"https://127.0.0.1:{port}"))
        reader, writer = await asyncio.open_connection(sock=await way.open("a.example", 80))
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await way.close()

    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "cert.pem"))
    with secure_proxy(authority, cut=True) as port:
        asyncio.run(main(port))


def test_a_certificate_that_proves_nothing(authority: Path) -> None:
    with secure_proxy(authority) as port:
        error = failing(f"https://127.0.0.1:{port}", "a.example", 80)
    assert error.errno == errno.ENETUNREACH
    assert "the proxy's certificate proves nothing (self-signed certificate)" in str(error)


def test_tls_to_a_proxy_without() -> None:
    with answering(b"HTTP/1.0 400 Bad Request\r\n\r\n") as port:
        error = failing(f"https://127.0.0.1:{port}", "a.example", 80)
    assert error.errno == errno.ENETUNREACH

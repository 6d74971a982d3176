"""The HTTP proxy with curl, and with clients and servers that curl is too polite to be."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hythe.proxy.users import hash_password
from tests import needs
from tests.gateway.servers import Content, closed_port, echo, file_server, tcp_server
from tests.proxy.running import OPEN, Running, proxy, talk

HTTP = '[[http]]\nlisten = "127.0.0.1:0"\n' + OPEN
SIZE = 2_000_017


def curl(proxy: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [needs.program("curl"), "-sS", "-m", "20", "--noproxy", "", "-x", proxy, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=needs.clean_environment())


def digest(path: Path) -> str:
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


@pytest.mark.parametrize("tunnel", [False, True])
def test_curl_downloads_and_uploads(tmp_path: Path, rng: random.Random, tunnel: bool) -> None:
    content, got = Content(rng), tmp_path / "got"
    options = ["-p"] if tunnel else []
    with file_server(content) as port, proxy(HTTP, tmp_path) as it:
        at = f"http://127.0.0.1:{it.ports[0]}"
        said = curl(at, *options, "-o", str(got), f"http://localhost:{port}/{SIZE}")
        assert said.returncode == 0, said.stderr
        assert digest(got) == content.sha256(SIZE)
        put = curl(at, *options, "-T", str(got), f"http://127.0.0.1:{port}/")
        assert content.sha256(SIZE) in put.stdout, put.stderr
        method = "CONNECT" if tunnel else "GET"
        assert f"http {method} localhost:{port}" in it.lines(2)[0]


def test_one_connection_carries_many_requests(tmp_path: Path, rng: random.Random) -> None:
    with file_server(Content(rng)) as port, proxy(HTTP, tmp_path) as it:
        url = f"http://127.0.0.1:{port}/1000"
        said = curl(f"http://127.0.0.1:{it.ports[0]}", "-w", "%{num_connects} ", *["-o", "/dev/null", url] * 3)
        assert said.stdout == "1 0 0 ", said.stderr


def answering(answer: bytes, heard: list[bytes]) -> Callable[[socket.socket], None]:
    """Serve each request of a connection the same bytes, once its head has come."""

    def serve(stream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            data = b""
            while part := stream.recv(65_536):
                data += part
                while b"\r\n\r\n" in data:
                    request, _, data = data.partition(b"\r\n\r\n")
                    heard.append(request)
                    stream.sendall(answer)
                    if b"Connection: close" in answer:
                        return

    return serve


def asking(it: Running, port: int, *lines: str, path: str = "/", method: str = "GET", body: bytes = b"") -> bytes:
    head = (f"{method} http://127.0.0.1:{port}{path} HTTP/1.1", "Host: other", *lines, "", "")
    return talk(it.ports[0], "\r\n".join(head).encode() + body)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_what_belongs_to_a_connection_stays_there(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with tcp_server(answering(OK, heard)) as port, proxy(HTTP, tmp_path) as it:
        lines = ("Connection: close, X-Mine", "X-Mine: 1", "X-Other: 2", "Proxy-Authorization: Basic eDp5", "TE: trailers")
        answer = asking(it, port, *lines)
    head = heard[0].decode()
    assert head.startswith("GET / HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}" in head
    assert "X-Other: 2" in head
    assert "Via: 1.1 hythe" in head
    for gone in ("X-Mine", "Proxy-", "TE:", "other", "close"):
        assert gone not in head
    assert answer.endswith(b"hi")
    assert b"Via: 1.1 hythe" in answer


def test_a_body_stays_a_body_whatever_connection_names(tmp_path: Path) -> None:
    """Its length is no option of a connection: without it the server would take the body for another request."""
    heard: list[bytes] = []
    inner = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"
    with tcp_server(answering(OK, heard)) as port, proxy(HTTP, tmp_path) as it:
        lines = ("Connection: content-length, host, transfer-encoding", f"Content-Length: {len(inner)}")
        answer = asking(it, port, *lines, method="POST", body=inner)
        assert answer.endswith(b"hi")
    assert f"Content-Length: {len(inner)}".encode() in heard[0]
    assert f"Host: 127.0.0.1:{port}".encode() in heard[0]
    assert heard[1] == inner.removesuffix(b"\r\n\r\n")


@pytest.mark.parametrize(("method", "left"), [("OPTIONS", 1), ("TRACE", 1), ("GET", 2)])
def test_forwards_are_counted_where_they_count(tmp_path: Path, method: str, left: int) -> None:
    heard: list[bytes] = []
    with tcp_server(answering(OK, heard)) as port, proxy(HTTP, tmp_path) as it:
        assert asking(it, port, "Max-Forwards: 2", method=method).endswith(b"hi")
    assert f"Max-Forwards: {left}".encode() in heard[0]


def test_trailers_and_extensions_of_chunks_stay_behind(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def serve(stream: socket.socket) -> None:
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += stream.recv(65_536)
        heard.append(data)
        stream.sendall(OK)

    with tcp_server(serve) as port, proxy(HTTP, tmp_path) as it:
        body = b"5;name=value\r\nhello\r\n0\r\nContent-Length: 3\r\nX: y\r\n\r\n"
        assert asking(it, port, "Transfer-Encoding: chunked", method="PUT", body=body).endswith(b"hi")
    assert heard[0].partition(b"\r\n\r\n")[2] == b"5\r\nhello\r\n0\r\n\r\n"


def test_requests_sent_ahead_are_answered_in_turn(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with tcp_server(answering(OK, heard)) as port, proxy(HTTP, tmp_path) as it:
        one = f"POST http://127.0.0.1:{port}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        two = f"GET http://127.0.0.1:{port}/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answers = talk(it.ports[0], (one + two).encode())
    assert answers.count(b"200 OK") == 2
    assert [each.split()[1] for each in heard if each.startswith((b"GET", b"POST"))] == [b"/1", b"/2"]


def test_an_upgrade_goes_through(tmp_path: Path) -> None:
    def upgrading(stream: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += stream.recv(65_536)
        assert b"Upgrade: echo" in head
        stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst ")
        echo(stream)

    with tcp_server(upgrading) as port, proxy(HTTP, tmp_path) as it:
        answer = asking(it, port, "Connection: Upgrade", "Upgrade: echo", body=b"and last")
        assert b"101 Switching Protocols" in answer
        assert answer.endswith(b"\r\n\r\nfirst and last")


def test_connect_passes_on_what_was_sent_before_its_answer(tmp_path: Path) -> None:
    with tcp_server(echo) as port, proxy(HTTP, tmp_path) as it:
        answer = talk(it.ports[0], f"CONNECT localhost:{port} HTTP/1.1\r\nHost: a\r\n\r\nearly".encode())
        assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nearly"


def test_a_response_that_breaks_off_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    cut = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nhalf"
    with tcp_server(answering(cut, [])) as port, proxy(HTTP, tmp_path) as it, pytest.raises(ConnectionResetError):
        asking(it, port)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", b"the server has closed the connection without an answer\n"),
        (b"HTTP/1.1 20", b"the server's answer is not HTTP/1.1 (peer unexpectedly closed connection)\n"),
        (b"SSH-2.0-x\r\n\r\n", b"the server's answer is not HTTP/1.1 (illegal status line)\n"),
    ],
)
def test_what_is_no_response_is_told_in_words(tmp_path: Path, answer: bytes, sentence: bytes) -> None:
    def serve(stream: socket.socket) -> None:
        stream.recv(65_536)
        stream.sendall(answer)

    with tcp_server(serve) as port, proxy(HTTP, tmp_path) as it:
        head, _, body = asking(it, port).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 ")
    assert body == sentence


def test_a_response_of_an_old_server_ends_with_its_connection(tmp_path: Path) -> None:
    old = b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nto the end"
    with tcp_server(answering(old, [])) as port, proxy(HTTP, tmp_path) as it:
        answer = asking(it, port, "Connection: close")
        assert b"to the end" in answer
        assert answer.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST http://127.0.0.1:1/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET http://127.0.0.1:1/ HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://127.0.0.1:1/\r\n\r\n", 400),
        (b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"GET http://127.0.0.1:1/ HTTP/9.9\r\nHost: a\r\n\r\n", 505),
        (b"GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nHost: a\r\n\r\n", 403),
        (b"CONNECT no-such-name.invalid:80 HTTP/1.1\r\nHost: a\r\n\r\n", 502),
    ],
)
def test_a_refusal_is_a_status_and_one_sentence(tmp_path: Path, request_bytes: bytes, status: int) -> None:
    with proxy(HTTP, tmp_path) as it:
        head, _, body = talk(it.ports[0], request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert body.count(b"\n") == 1
    assert b"Connection: close" in head


def test_nobody_there_is_a_bad_gateway(tmp_path: Path) -> None:
    with proxy(HTTP, tmp_path) as it:
        answer = asking(it, closed_port())
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway")
        assert b"connection refused (direct -> 127.0.0.1:" in answer
        assert " 502 0 0 " in it.lines(1)[0]


def test_users_log_in(tmp_path: Path, rng: random.Random) -> None:
    users = HTTP + f'[users]\nme = "{hash_password("sécret")}"\n'
    with file_server(Content(rng)) as port, proxy(users, tmp_path) as it:
        url, at = f"http://127.0.0.1:{port}/5", f"127.0.0.1:{it.ports[0]}"
        for login, options, status in (
            ("", (), "407"),
            ("me:wrong@", (), "407"),
            ("me:s%C3%A9cret@", (), "200"),
            ("me:s%C3%A9cret@", ("--proxy-anyauth",), "200"),
        ):
            said = curl(f"http://{login}{at}", *options, "-o", "/dev/null", "-w", "%{http_code}", url)
            assert said.stdout == status, (login, said.stderr)
        asked, refused, served, *_ = it.lines(5)
        assert " - http refused 407 EACCES: this proxy wants to know who asks" in asked
        assert refused.endswith(" - http login as 'me' refused")
        assert "(me) - http GET" in served


def test_a_silent_client_holds_nobody_up(tmp_path: Path, rng: random.Random) -> None:
    with file_server(Content(rng)) as port, proxy(HTTP, tmp_path) as it, contextlib.ExitStack() as stack:
        for _ in range(50):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", it.ports[0])))
            slow.sendall(b"GET http://127.0.0.1/ HT")
        said = curl(f"http://127.0.0.1:{it.ports[0]}", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{port}/5")
        assert said.stdout == "200", said.stderr


def test_an_answer_before_the_body_has_come_reaches_the_client(tmp_path: Path) -> None:
    early = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with (
        tcp_server(answering(early, [])) as port,
        proxy(HTTP, tmp_path) as it,
        socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream,
    ):
        stream.sendall(f"PUT http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n".encode())
        assert stream.recv(12) == b"HTTP/1.1 413"


def test_a_client_that_waits_to_be_told_to_go_on_is_told(tmp_path: Path) -> None:
    def serve(stream: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += stream.recv(65_536)
        stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not data.endswith(b"body"):
            data += stream.recv(65_536)
        stream.sendall(OK)

    with (
        tcp_server(serve) as port,
        proxy(HTTP, tmp_path) as it,
        socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream,
    ):
        lines = (f"PUT http://127.0.0.1:{port}/ HTTP/1.1", "Host: a", "Content-Length: 4", "Expect: 100-continue", "", "")
        stream.sendall("\r\n".join(lines).encode())
        assert stream.recv(100).startswith(b"HTTP/1.1 100 ")
        stream.sendall(b"body")
        assert stream.recv(100).startswith(b"HTTP/1.1 200 ")

"""The web server with curl, nc, telnet and plain sockets, on the kernel's stack and on our own."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from tests import needs
from tests.serve.serving import Served, serving

MIB = 1_024 * 1_024


def curl(served: Served, path: str, *words: str) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields (the last of a name) and body."""
    command = [needs.program("curl"), "-sSi", "--raw", "--path-as-is", "--max-time", "20", *words]
    ran = subprocess.run([*command, f"http://127.0.0.1:{served.port}{path}"], capture_output=True, timeout=30, check=True)
    head, _, body = ran.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), fields, body


def decoded(served: Served, path: str, *words: str) -> bytes:
    command = [needs.program("curl"), "-sS", "--compressed", "--max-time", "20", *words]
    command.append(f"http://127.0.0.1:{served.port}{path}")
    return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout


def test_a_file_whole_and_in_parts(served: Served, folder: Path) -> None:
    whole = (folder / "blob.bin").read_bytes()
    status, fields, body = curl(served, "/blob.bin")
    assert (status, body, fields["content-length"]) == (200, whole, str(len(whole)))
    assert fields["accept-ranges"] == "bytes"
    status, fields, body = curl(served, "/blob.bin", "-r", "1000-1999")
    assert (status, body, fields["content-range"]) == (206, whole[1000:2000], f"bytes 1000-1999/{len(whole)}")
    assert curl(served, "/blob.bin", "-r", "-5")[2] == whole[-5:]
    status, fields, body = curl(served, "/blob.bin", "-r", "0-1,10-11")
    assert status == 206
    assert fields["content-type"].startswith("multipart/byteranges")
    assert whole[10:12] in body
    status, fields, _ = curl(served, "/blob.bin", "-r", f"{len(whole)}-")
    assert (status, fields["content-range"]) == (416, f"bytes */{len(whole)}")
    assert curl(served, "/empty.txt")[:1] == (200,)
    status, fields, body = curl(served, "/blob.bin", "-r", f"7-8,{len(whole)}-")  # what there is of it
    assert (status, body, fields["content-range"]) == (206, whole[7:9], f"bytes 7-8/{len(whole)}")
    for ignored in ("lines=1-2", "bytes=5-4", "bytes=x", "bytes=-", "bytes=1", "bytes=", "none"):
        assert curl(served, "/a.txt", "-H", f"Range: {ignored}")[::2] == (200, b"hello\n")
    status, fields, _ = curl(served, "/a.txt", "-I", "-r", "0-1")
    assert (status, fields["content-length"]) == (200, "6")


def test_validators(served: Served) -> None:
    _, fields, _ = curl(served, "/a.txt")
    tag, modified = fields["etag"], fields["last-modified"]
    for header in (f"If-None-Match: {tag}", f"If-None-Match: W/{tag}", "If-None-Match: *", f"If-Modified-Since: {modified}"):
        status, fields, body = curl(served, "/a.txt", "-H", header)
        assert (status, body, fields["vary"]) == (304, b"", "Accept-Encoding")
    assert curl(served, "/a.txt", "-H", 'If-None-Match: "other"')[0] == 200
    assert curl(served, "/a.txt", "-r", "0-1", "-H", 'If-Range: "other"')[0] == 200
    assert curl(served, "/a.txt", "-H", 'If-None-Match: "other"', "-H", f"If-Modified-Since: {modified}")[0] == 200
    for known in (tag, modified):
        status, fields, body = curl(served, "/a.txt", "-r", "0-1", "-H", f"If-Range: {known}")
        assert (status, body, fields["vary"]) == (206, b"he", "Accept-Encoding")
    assert curl(served, "/a.txt", "-r", "0-1", "-H", f"If-Range: W/{tag}")[0] == 200
    _, fields, _ = curl(served, "/")
    assert curl(served, "/", "-H", f"If-None-Match: {fields['etag']}")[0] == 304
    assert curl(served, "/", "-H", 'If-Match: "other"')[0] == 412


def test_preconditions_that_forbid(served: Served) -> None:
    _, fields, _ = curl(served, "/a.txt")
    tag, modified = fields["etag"], fields["last-modified"]
    for header in ('If-Match: "other"', f"If-Match: W/{tag}", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"):
        assert curl(served, "/a.txt", "-H", header)[0] == 412
    for header in ("If-Match: *", f'If-Match: "other", {tag}', f"If-Unmodified-Since: {modified}", "If-Unmodified-Since: x"):
        assert curl(served, "/a.txt", "-H", header)[0] == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_whatever_the_client_accepts_is_compressed(served: Served, folder: Path, coding: str) -> None:
    for name in ("a.txt", "middling.txt"):
        status, fields, body = curl(served, f"/{name}", "-H", f"Accept-Encoding: {coding}")
        assert (status, fields["content-encoding"], fields["vary"]) == (200, coding, "Accept-Encoding")
        assert int(fields["content-length"]) == len(body)
        assert fields["etag"].startswith('W/"')
        assert curl(served, f"/{name}", "-H", f"If-None-Match: {fields['etag']}")[0] == 304
        assert decoded(served, f"/{name}", "-H", f"Accept-Encoding: {coding}") == (folder / name).read_bytes()
        assert decoded(served, f"/{name}") == (folder / name).read_bytes()
    status, fields, body = curl(served, "/long.txt", "-H", f"Accept-Encoding: {coding}")
    assert (fields["content-encoding"], fields["transfer-encoding"]) == (coding, "chunked")
    assert len(body) < (folder / "long.txt").stat().st_size / 2
    assert decoded(served, "/long.txt", "-H", f"Accept-Encoding: {coding}") == (folder / "long.txt").read_bytes()
    assert "content-encoding" not in curl(served, "/blob.bin", "-H", f"Accept-Encoding: {coding}")[1]
    assert "content-encoding" not in curl(served, "/a.txt", "-H", f"Accept-Encoding: {coding}", "-r", "0-1")[1]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/inside.txt", 200),
        ("/odd%20%22%3Cn%3E%C3%A9.txt", 200),
        ("/index/", 200),
        ("/index/index.html", 200),
        ("/sub", 301),
        ("/nothing", 404),
        ("/a.txt/", 404),
        ("/.hidden", 404),
        ("/.git/config", 404),
        ("/shown.txt", 404),
        ("/outside.txt", 404),
        ("/outside/secret.txt", 404),
        ("/../secret.txt", 404),
        ("/%2e%2e/secret.txt", 404),
        ("/sub/..%2f..%2fsecret.txt", 404),
        ("//etc/passwd", 404),
        ("/circle", 404),
        ("/pipe", 404),
        ("/%00", 404),
        ("/" + "n" * 300, 404),
    ],
)
def test_what_may_be_named(served: Served, path: str, status: int) -> None:
    assert curl(served, path)[0] == status


def test_a_listing_shows_what_can_be_had(served: Served) -> None:
    listing = curl(served, "/")[2].decode()
    links = re.findall('href="(.*?)"', listing)
    assert links == [
        "./index/",
        "./sub/",
        "./a.txt",
        "./blob.bin",
        "./empty.txt",
        "./inside.txt",
        "./long.txt",
        "./middling.txt",
        "./odd%20%22%3Cn%3E%C3%A9.txt",
    ]
    assert "odd &quot;&lt;n&gt;é.txt" in listing
    assert all(curl(served, f"/{link.removeprefix('./')}")[0] == 200 for link in links)
    status, fields, _ = curl(served, "/sub")
    assert (status, fields["location"]) == (301, "./sub/")


def test_nothing_can_be_changed(served: Served) -> None:
    status, fields, _ = curl(served, "/a.txt", "-X", "PUT", "-d", "other")
    assert (status, fields["allow"]) == (405, "GET, HEAD")
    assert curl(served, "/a.txt", "-I")[:1] == (200,)
    assert curl(served, "/a.txt")[2] == b"hello\n"


def test_a_client_that_half_closes_gets_all_its_answers(served: Served, folder: Path) -> None:
    requests = b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /blob.bin HTTP/1.1\r\nHost: x\r\n\r\n"
    command = [needs.program("nc"), "-N", "-w", "10", "127.0.0.1", str(served.port)]
    ran = subprocess.run(command, input=requests, capture_output=True, timeout=30, check=True)
    assert ran.stdout.count(b"HTTP/1.1 200 OK") == 2
    assert ran.stdout.endswith((folder / "blob.bin").read_bytes())


def test_telnet_asks_for_a_page(served: Served) -> None:
    command = [needs.program("telnet"), "127.0.0.1", str(served.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as telnet:
        assert telnet.stdin is not None
        assert telnet.stdout is not None
        telnet.stdin.write(b"GET /a.txt HTTP/1.0\n\n")
        telnet.stdin.flush()
        said = telnet.stdout.read()  # to the end: the server closes after HTTP/1.0
    assert b"HTTP/1.1 200 OK" in said
    assert b"hello" in said


def test_a_whole_address_is_a_path_of_ours(served: Served) -> None:
    """As it is asked of a proxy, which we are to the client that names us as one."""
    proxy = ("--proxy", f"http://127.0.0.1:{served.port}")
    assert curl(served, "/a.txt", *proxy)[::2] == (200, b"hello\n")
    assert curl(served, "/sub/..%2f..%2fsecret.txt", *proxy)[0] == 404
    served.wait_for(rf" - GET http://127\.0\.0\.1:{served.port}/a\.txt HTTP/1\.1 200 6$")


def test_the_log_has_one_line_a_request(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 10) as client:
        port = client.getsockname()[1]
        client.sendall(b"GET /a.txt?q=%20 HTTP/1.0\r\n\r\n")
        while client.recv(65_536):
            pass
    stamp = r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] - "
    served.wait_for(stamp + rf"[\d.]+:{port} - GET /a\.txt\?q=%20 HTTP/1\.0 200 6$")
    with socket.create_connection(("127.0.0.1", served.port), 10) as client:
        port = client.getsockname()[1]
        client.sendall(b"nonsense\x1b[31m\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 400 ")
    served.wait_for(stamp + rf"[\d.]+:{port} - unreadable request 400$")
    assert "\x1b" not in served.said()


@pytest.mark.parametrize("words", [[], pytest.param(["--stack"], marks=pytest.mark.slow)], ids=["kernel", "stack"])
def test_a_thousand_clients_are_kept(words: list[str], folder: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    request = b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(str(folder), *words) as served, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", served.port), 20)) for _ in range(1_000)]
        for _ in range(2):
            for client in clients:
                client.sendall(request)
            for client in clients:
                answer = b""
                while not answer.endswith(b"hello\n"):
                    part = client.recv(4_096)
                    assert part, answer
                    answer += part


def test_a_text_and_an_end_in_order() -> None:
    with serving("--text", "Good day") as served:
        assert curl(served, "/")[2] == b"Good day\n"
        assert curl(served, "/other")[0] == 404
        with socket.create_connection(("127.0.0.1", served.port), 10) as idle:
            assert served.end() == 0
            assert idle.recv(1) == b""

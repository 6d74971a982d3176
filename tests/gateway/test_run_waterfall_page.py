"""The page of a real program: a look-up, plain HTTP, TLS, an upload, a stall, a refusal, a name that nobody has.

docs/waterfall.png is a picture of it, which is taken anew with HYTHE_PICTURES=docs in the environment.
"""

from __future__ import annotations

import io
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from hythe.serve.certificate import made
from hythe.wire import dns
from tests import needs
from tests.gateway.nameserver import NameServer
from tests.gateway.servers import closed_port, listen_on_both

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.gateway.conftest import Person

#: What host.hythe.internal is from inside: this machine's loopback.
INSIDE = bytes((10, 83, 64, 2))
KNOWN = ("shop.example", "api.shop.example", "images.shop.example", "backup.example", "statistics.example")
SIZE = (1200, 640)
COLOURS = 64

#: Its ports are in the environment, so that the command line is short.
PROGRAM = """#!{python} -I
import http.client, os, socket, ssl, subprocess, threading

web, api, images, backup, statistics = map(int, os.environ["PORTS"].split())
secure = ssl.create_default_context()
secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
secure.set_alpn_protocols(["h2", "http/1.1"])

def connect(host, port):
    made = (http.client.HTTPSConnection(host, port, timeout=20, context=secure) if port == api
            else http.client.HTTPConnection(host, port, timeout=20))
    made.connect()
    return made

def ask(connection, path, body=None):
    connection.request("POST" if body else "GET", path, body)
    connection.getresponse().read()
    connection.close()

ask(connect("shop.example", web), "/")
work = []
for host, port, path, body in (("api.shop.example", api, "/cart", None), ("images.shop.example", images, "/large.jpg", None),
                               ("backup.example", backup, "/", bytes(600_000))):
    work.append(threading.Thread(target=ask, args=(connect(host, port), path, body)))
    work[-1].start()
for host, port in (("statistics.example", statistics), ("fonts.exmaple", 443)):
    try:
        connect(host, port)
    except OSError:
        pass
curl = "curl -sko /dev/null --http1.1 --tls-max 1.2"
subprocess.run([*curl.split(), f"https://api.shop.example:{{api}}/price"], check=True)
for each in work:
    each.join()
print("done")
"""


class Names(NameServer):
    """Knows the shop, and takes its time."""

    def _answer(self, query: dns.Query, limit: int) -> bytes | None:
        time.sleep(0.03)
        if query.text not in KNOWN or query.kind != dns.A:
            return dns.build_answer(query, rcode=dns.NOERROR if query.text in KNOWN else dns.NXDOMAIN)
        return dns.build_answer(query, [INSIDE], ttl=60, limit=limit)


def answer(size: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode()


def asked(connection: socket.socket) -> None:
    """Read a request to its end."""
    head = b""
    while b"\r\n\r\n" not in head and (piece := connection.recv(65_536)):
        head += piece
    told = re.search(rb"Content-Length: (\d+)", head)
    left = int(told[1]) - len(head.partition(b"\r\n\r\n")[2]) if told else 0
    while left > 0 and (piece := connection.recv(16_384)):
        left -= len(piece)
        time.sleep(0.01)


def web(connection: socket.socket) -> None:
    asked(connection)
    time.sleep(0.1)
    connection.sendall(answer(40_000) + bytes(40_000))


def images(connection: socket.socket) -> None:
    """A piece each moment, and once none for long."""
    asked(connection)
    time.sleep(0.05)
    connection.sendall(answer(120_000))
    for turn in range(12):
        connection.sendall(bytes(10_000))
        time.sleep(0.5 if turn == 4 else 0.03)


def backup(connection: socket.socket) -> None:
    asked(connection)
    time.sleep(0.1)
    connection.sendall(answer(2) + b"ok")


def secured(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inner:
            asked(inner)
            time.sleep(0.2)
            inner.sendall(answer(3_000) + bytes(3_000))

    return serve


def serving(cleanup: ExitStack, serve: Callable[[socket.socket], None], wish: int) -> int:
    """The port of a server of this machine's loopback: `wish`, where one may have that."""
    with suppress(OSError):
        listener = socket.create_server(("127.0.0.1", wish))
        cleanup.callback(listener.close)
        _accept(listener, serve)
        return wish
    listeners = listen_on_both()
    for listener in listeners:
        cleanup.callback(listener.close)
        _accept(listener, serve)
    return int(listeners[0].getsockname()[1])


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    def handle(connection: socket.socket) -> None:
        with connection:
            serve(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def refusing() -> int:
    """A port that refuses: 443, where nobody listens on that."""
    with socket.socket() as sock:
        sock.settimeout(5)
        return 4318 if sock.connect_ex(("127.0.0.1", 4318)) else closed_port()


def take_picture(page: Path, profile: Path) -> bytes:
    """In a browser, the line of the images opened; few colours, few bytes."""
    text = page.read_text()
    at = text.index("images.shop.example")
    at = text.rindex("<details>", 0, at)
    page.write_text(text[:at] + "<details open>" + text[at + len("<details>") :])
    made = profile / "made.png"
    options = f"--headless --no-sandbox --disable-gpu --hide-scrollbars --window-size={SIZE[0]},{SIZE[1]}"
    command = [
        needs.program("chromium"),
        *options.split(),
        f"--user-data-dir={profile}",
        f"--screenshot={made}",
        f"file://{page}",
    ]
    subprocess.run(command, capture_output=True, timeout=100, check=True)
    small = Image.open(made).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    assert small.size == SIZE
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


@pytest.mark.slow
def test_the_page_of_a_program_that_does_everything(nobody: Person, folder: Path, tmp_path: Path) -> None:
    program, page = nobody.folder / "shop", folder / "shop.html"
    program.write_text(PROGRAM.format(python=nobody.python))
    program.chmod(0o755)
    context, _ = made(["127.0.0.1"])
    context.set_alpn_protocols(["http/1.1"])
    needs.program("curl")
    with Names() as names, ExitStack() as cleanup:
        servers = ((web, 80), (secured(context), 443), (images, 8080), (backup, 8081))
        ports = [serving(cleanup, serve, wish) for serve, wish in servers]
        options = f"-4 --host-loopback {names.option} --delay 15ms --summary={page}"
        ran = nobody.run(options, "./shop", PORTS=" ".join(map(str, [*ports, refusing()])))
    program.unlink()
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr
    rows = page.read_text().split("<tr")[2:]
    assert len(rows) == 7
    by_name = {name: next(row for row in rows if f"<summary>{name}" in row) for name in (*KNOWN, "dns fonts.exmaple")}
    for name in KNOWN:
        assert '<span class="part dns"' in by_name[name]
    secure = [row for row in rows if "<summary>api.shop.example" in row]
    assert "TLS 1.3 for api.shop.example, h2 or http/1.1 offered" in secure[0]
    assert "TLS 1.2 for api.shop.example, http/1.1" in secure[1]
    assert "curl[" in secure[1]
    assert '<span class="part stall"' in by_name["images.shop.example"]
    assert "connection refused" in by_name["statistics.example"]
    assert "no such name" in by_name["dns fonts.exmaple"]
    assert '<span class="part transfer"' in by_name["backup.example"]
    picture = take_picture(page, tmp_path)
    assert len(picture) > 10_000, "it is blank"
    kept = os.environ.get("HYTHE_PICTURES")
    if kept:
        (Path(kept) / "waterfall.png").write_bytes(picture)

"""The pictures of docs/live.md, and those of the tour that its own commands do not make, of programs that run.

HYTHE_PICTURES=docs in the environment takes them anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.servers import closed_port, tcp_server

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

HYTHE = [sys.executable, "-m", "hythe"]
DOCS = Path(__file__).parents[2] / "docs"
#: The program of the tour.
APP = next(
    text
    for text in re.findall(r"<<'END'\n(.*?)^END$", (DOCS / "tour.md").read_text(), re.DOTALL | re.MULTILINE)
    if "import" in text
)


def gives(connection: socket.socket) -> None:
    """As much as is taken."""
    connection.recv(4_096)
    try:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        for _ in range(2_000):
            connection.sendall(bytes(65_536))
    except ConnectionError:
        return


@contextmanager
def running(name: str, *words: str, cwd: Path) -> Iterator[None]:
    process = subprocess.Popen([*HYTHE, "run", "-q", "--name", name, *words], cwd=cwd, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def picture(name: str, place: Path) -> str:
    """Of a session, once it is there."""
    subprocess.run(
        ["sh", "-c", f'until {" ".join(HYTHE)} ps | grep -q "^{name} "; do sleep 0.1; done'], check=True, timeout=60
    )
    subprocess.run([*HYTHE, "live", name, "--picture", str(place)], check=True, timeout=60)
    text = place.read_text()
    assert "@font-face" not in text
    return re.sub(r"&#160;|&nbsp;", " ", text)


def keep(made: Path, name: str) -> None:
    kept = os.environ.get("HYTHE_PICTURES")
    if kept:
        shutil.copy(made, Path(kept) / name)


@pytest.mark.slow
def test_the_picture_of_live(tmp_path: Path) -> None:
    needs.network()
    needs.program("curl")
    with tcp_server(gives) as port:
        url, refused = f"http://host.hythe.internal:{port}/", closed_port()
        script = (
            f"for rate in 20k 90k 400k; do curl -so /dev/null --limit-rate $rate {url} & done; "
            f"(while sleep 2; do curl -s http://host.hythe.internal:{refused}/; done) & "
            f"python3 -c 'import urllib.request; urllib.request.urlopen(\"{url}\").read(300_000)' & wait %1"
        )
        faults = "--host-loopback -4 --delay 20ms --down-loss 1% --down-rate 8mbit"
        with running("shown", *faults.split(), "--", "sh", "-c", script, cwd=tmp_path):
            text = picture("shown", tmp_path / "live.svg")
    assert "delay=20ms" in text
    assert text.count(f"host.hythe.internal:{port}") >= 3
    keep(tmp_path / "live.svg", "live.svg")


@pytest.mark.slow
def test_the_pictures_of_the_tour(tmp_path: Path) -> None:
    needs.network()
    # Those of the page may be its own test's, beside this one.
    port, refused = (8133, 8134) if os.environ.get("HYTHE_PICTURES") else (closed_port(), closed_port())
    (tmp_path / "app.py").write_text(APP.replace("8133", str(port)).replace("8134", str(refused)))
    server = subprocess.Popen([*HYTHE, "serve", str(DOCS), "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        subprocess.run(
            ["sh", "-c", "until curl -so /dev/null $0; do sleep 0.1; done", f"http://127.0.0.1:{port}/"],
            check=True,
            timeout=60,
        )
        faults = ["-4", "--host-loopback", "--delay", "20ms", "--down-loss", "nth:30@tcp", "--capture", "app.pcapng"]
        subprocess.run([*HYTHE, "run", *faults, "--", "python3", "app.py"], cwd=tmp_path, check=True, timeout=60)
        words = ["plot", "app.pcapng", "--stream", "1", "-o", "tour-sequence.svg"]
        subprocess.run([*HYTHE, *words], cwd=tmp_path, check=True, timeout=60)
        with running("app", "--host-loopback", "--delay", "100ms", "--", "python3", "app.py", "--forever", cwd=tmp_path):
            text = picture("app", tmp_path / "tour-live.svg")
    finally:
        server.terminate()
        server.wait(20)
    assert f"host.hythe.internal:{port}" in text
    assert "sent again" in (tmp_path / "tour-sequence.svg").read_text()
    keep(tmp_path / "tour-live.svg", "tour-live.svg")
    keep(tmp_path / "tour-sequence.svg", "tour-sequence.svg")

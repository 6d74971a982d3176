"""The programs that people run, in `hythe run`, against their real servers on this machine's loopback."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hythe.units import MIB
from tests import needs
from tests.gateway.servers import closed_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Person

HOST = "host.hythe.internal"
FAMILIES = pytest.mark.parametrize("family", ["-4", "-6"])


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder that everybody may write to."""
    folder = needs.public_folder()
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def server(*words: str, port: int, cwd: Path, host: str = "127.0.0.1") -> Iterator[None]:
    """Run a server until the `with` ends; it must come to listen on `port`."""
    log = cwd / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, env=needs.clean_environment()
        )
    try:
        wait_for_listener(host, port, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def wait_for_listener(host: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection((host, port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"nobody listens on port {port}: {log.read_text()}"
            time.sleep(0.02)
        else:
            return


def ok(result: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed that must have succeeded."""
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


# --- ssh


@pytest.fixture
def sshd(place: Path) -> Iterator[int]:
    """Run a real sshd for root, with keys of its own, on 127.0.0.1 and ::1; return its port."""
    needs.root()
    program, keygen = needs.program("sshd"), needs.program("ssh-keygen")
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True, timeout=30)
    (place / "authorized").write_text((place / "user.pub").read_text())
    place.chmod(0o755)
    separated = Path("/run/sshd")  # Debian's sshd insists on it, and its service makes it
    made = not separated.exists()
    separated.mkdir(mode=0o755, exist_ok=True)
    port = closed_port()
    options = {
        "HostKey": place / "host",
        "AuthorizedKeysFile": place / "authorized",
        "ListenAddress": f"127.0.0.1:{port}",
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "UseDNS": "no",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    with server(program, "-D", "-e", "-f", "/dev/null", *words, "-o", f"ListenAddress=[::1]:{port}", port=port, cwd=place):
        yield port
    if made:
        separated.rmdir()


def ssh(place: Path, port: int, family: str, *command: str) -> list[str]:
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"]
    words = ["ssh", "-F", "none", family, "-p", str(port), "-i", str(place / "key"), "-l", "root"]
    return [*words, *(word for each in options for word in ("-o", each)), HOST, *command]


def give_key(place: Path, person: Person) -> None:
    """Let `person` have the key, which ssh wants to be his alone."""
    shutil.copy(place / "user", place / "key")
    (place / "key").chmod(0o600)
    if person.prefix:
        os.chown(place / "key", needs.NOBODY, needs.NOBODY)


@FAMILIES
def test_ssh(person: Person, place: Path, sshd: int, family: str) -> None:
    needs.program("ssh")
    give_key(place, person)
    said = person.run("--host-loopback", *ssh(place, sshd, family, "echo $((6 * 7)); exit 5"))
    assert (said.stdout, said.returncode) == ("42\n", 5), said.stderr


def test_megabytes_over_ssh_both_ways(person: Person, place: Path, sshd: int) -> None:
    needs.program("ssh")
    give_key(place, person)
    data = random.Random(22).randbytes(8_000_000)
    result = subprocess.run(
        person.words("--host-loopback", *ssh(place, sshd, "-4", "cat")),
        input=data,
        capture_output=True,
        timeout=60,
        check=True,
        cwd=person.folder,
        env=needs.clean_environment(),
    )
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()


# --- git, pip


@pytest.fixture
def web(place: Path) -> Iterator[int]:
    """Serve `place`/www with Python's own web server; return the port."""
    (place / "www").mkdir()
    port = closed_port()
    words = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(place / "www")]
    with server(*words, port=port, cwd=place):
        yield port


def git(*words: str, cwd: Path) -> str:
    env = needs.clean_environment(
        GIT_CONFIG_GLOBAL="/dev/null",
        GIT_CONFIG_SYSTEM="/dev/null",
        GIT_AUTHOR_NAME="a",
        GIT_AUTHOR_EMAIL="a@example.org",
        GIT_COMMITTER_NAME="a",
        GIT_COMMITTER_EMAIL="a@example.org",
    )
    return subprocess.run(
        [needs.program("git"), *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_git_clone_over_http(person: Person, place: Path, web: int) -> None:
    origin = place / "origin"
    origin.mkdir()
    git("init", "-q", "-b", "main", ".", cwd=origin)
    (origin / "data").write_bytes(random.Random(9).randbytes(3_000_000))
    for number in range(20):
        (origin / f"file-{number}").write_text(f"{number}\n" * 1_000)
        git("add", ".", cwd=origin)
        git("commit", "-q", "-m", f"commit {number}", cwd=origin)
    git("clone", "-q", "--bare", str(origin), str(place / "www" / "repo.git"), cwd=place)
    git("update-server-info", cwd=place / "www" / "repo.git")
    script = (
        f"git clone -q http://{HOST}:{web}/repo.git {place}/clone-{person.name} && git -C {place}/clone-{person.name} log"
    )
    log = ok(person.run("--host-loopback", "sh", "-c", f"export HOME={place}; {script} --format=%s"))
    assert log.splitlines() == [f"commit {number}" for number in reversed(range(20))]
    assert (place / f"clone-{person.name}" / "data").read_bytes() == (origin / "data").read_bytes()


def make_wheel(folder: Path) -> bytes:
    """Make the wheel of a package of 2 MiB without a build system: an archive with three files in it."""
    import zipfile

    path = folder / "ferry-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("ferry.py", "CARGO = '" + random.Random(4).randbytes(MIB).hex() + "'\n")
        wheel.writestr("ferry-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: ferry\nVersion: 1.0\n")
        wheel.writestr("ferry-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("ferry-1.0.dist-info/RECORD", "ferry.py,,\n")
    return path.read_bytes()


def test_pip_download_from_a_local_index(root: Person, place: Path, web: int) -> None:
    """With the pip of the tests' own environment, which root may read."""
    shelf = place / "www" / "simple" / "ferry"
    shelf.mkdir(parents=True)
    wheel = make_wheel(shelf)
    words = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--isolated",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--quiet",
        "--index-url",
        f"http://{HOST}:{web}/simple",
        "--trusted-host",
        HOST,
        "--dest",
        str(place / "got"),
        "ferry",
    ]
    ok(root.run("--host-loopback", *words))
    assert (place / "got" / "ferry-1.0-py3-none-any.whl").read_bytes() == wheel


# --- iperf3


@pytest.fixture
def iperf3(place: Path) -> Iterator[int]:
    program = needs.program("iperf3")
    port = closed_port()
    with server(program, "--server", "--port", str(port), port=port, cwd=place):
        yield port


@FAMILIES
@pytest.mark.parametrize("way", ["", "--reverse", "--bidir", "--parallel 8"])
def test_iperf3_tcp(nobody: Person, iperf3: int, family: str, way: str) -> None:
    command = ["iperf3", family, "--client", HOST, "--port", str(iperf3), "--bytes", "32M", "--json", *way.split()]
    end = json.loads(ok(nobody.run("--host-loopback", *command)))["end"]
    assert end["sum_received"]["bits_per_second"] > 100e6, "not even a hundredth of what it can do"
    assert end["sum_received"]["bytes"] > 0


@FAMILIES
@pytest.mark.parametrize("way", ["", "--reverse"])
def test_iperf3_udp(person: Person, iperf3: int, family: str, way: str) -> None:
    """At 10 Mbit/s, which a socket's buffer holds for a tenth of a second when nobody has the time to read."""
    command = [
        "iperf3",
        family,
        "--client",
        HOST,
        "--port",
        str(iperf3),
        "--bytes",
        "600K",
        "--json",
        "--udp",
        "--length",
        "1200",
        "--bitrate",
        "10M",
        *way.split(),
    ]
    total = json.loads(ok(person.run("--host-loopback", *command)))["end"]["sum"]
    assert total["packets"] > 400
    assert total["lost_percent"] < 1


# --- Servers inside


NGINX = """
daemon off; pid {place}/nginx.pid; error_log {place}/error.log; worker_processes 2;
events {{ worker_connections 512; }}
http {{
    access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fast;
    uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    server {{ listen 80; listen [::]:80; location / {{ return 200 "$remote_addr is who we see\\n"; }} }}
}}
"""


def test_nginx_on_port_80_with_workers_of_its_choice(person: Person, place: Path) -> None:
    """As root its workers become its default user; as anybody else it may still have port 80."""
    program = needs.program("nginx")
    (place / "nginx.conf").write_text(NGINX.format(place=place))
    # Without -e it would write to its log folder before it has read where to.
    words = [program, "-e", str(place / "error.log"), "-c", str(place / "nginx.conf")]
    with person.running(
        "-p 0:80", "sh", "-c", '"$@" & sleep 0.3; ps -o user= -C nginx; echo .; wait', "sh", *words
    ) as inside:
        port = inside.picked_port()
        users = []
        while (line := inside.line().strip()) != ".":
            users.append(line)
        for host in ("127.0.0.1", "[::1]"):
            said = subprocess.run(
                [
                    "curl",
                    "-sS",
                    "--retry",
                    "20",
                    "--retry-connrefused",
                    "--retry-all-errors",
                    "--retry-delay",
                    "1",
                    f"http://{host}:{port}/",
                ],
                capture_output=True,
                text=True,
                timeout=30,
                check=True,
            )
            assert said.stdout.endswith("is who we see\n")
        loaded = subprocess.run(
            [needs.program("wrk"), "-t2", "-c32", "-d1", f"http://127.0.0.1:{port}/"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    assert (len(users), users.count("root")) == ((3, 1) if person.name == "root" else (3, 0)), users
    assert "Socket errors" not in loaded, loaded
    assert float(loaded.partition("Requests/sec:")[2].split()[0]) > 500, loaded


def test_pythons_own_web_server_inside(person: Person, place: Path) -> None:
    (place / "page").write_text("from inside\n")
    words = [person.python, "-m", "http.server", "80", "--directory", str(place)]
    with person.running("-p 0:80", *words) as inside:
        port = inside.picked_port()
        curl = [
            "curl",
            "-sS",
            "--retry",
            "40",
            "--retry-connrefused",
            "--retry-all-errors",
            "--retry-delay",
            "0",
            "--retry-max-time",
            "15",
            f"http://127.0.0.1:{port}/page",
        ]
        said = subprocess.run(curl, capture_output=True, text=True, timeout=30, check=True)
    assert said.stdout == "from inside\n"


# --- And others


def test_ping(person: Person) -> None:
    needs.program("ping")
    for family in ("-4", "-6"):
        # Without -w it waits twice as long as an answer took, and no longer.
        assert ", 3 received" in ok(
            person.run("", "ping", family, "-q", "-c", "3", "-w", "20", "-i", "0.01", "gateway.hythe.internal")
        )


def test_netcat_both_ways(person: Person) -> None:
    """One listens, the other speaks, both inside: the command's own loopback is its own."""
    needs.program("nc")
    listens = "grep -q ':0FA0 00000000:0000 0A' /proc/net/tcp"
    script = f"nc -l 127.0.0.1 4000 & until {listens}; do sleep 0.02; done; echo hello | nc -N 127.0.0.1 4000; wait"
    assert ok(person.run("", "sh", "-c", script)) == "hello\n"


def test_tcpdump_sees_the_network_inside(root: Person) -> None:
    needs.program("tcpdump")
    script = "ping -4 -q -i 0.1 gateway.hythe.internal >/dev/null & tcpdump -i hythe0 -n -c 4 -l icmp 2>/dev/null"
    said = ok(root.run("", "sh", "-c", script))
    assert "ICMP echo request" in said
    assert "ICMP echo reply" in said

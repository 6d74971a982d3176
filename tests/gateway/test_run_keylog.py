"""`--keylog`: captures of real HTTPS that open decrypted, whichever library the command has, and whoever writes them."""

from __future__ import annotations

import re
import shutil
import signal
import ssl
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.servers import tcp_server
from tests.gateway.sessions import session, until
from tests.link import tshark

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Person

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
PATH = "/a/private/path"
#: Python's `ssl` heeds the log in every context that `create_default_context` makes.
CLIENT = """
import http.client, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
one = http.client.HTTPSConnection("host.hythe.internal", int(sys.argv[1]), context=context)
one.request("GET", sys.argv[2])
print(one.getresponse().read().decode(), end="", flush=True)
"""
#: It asks when it is told to, and ends when it is told to.
WAITING = """
import http.client, signal, ssl, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
one = http.client.HTTPSConnection("host.hythe.internal", int(sys.argv[1]), context=context)
one.request("GET", sys.argv[2])
print(one.getresponse().read().decode(), end="", flush=True)
signal.sigwait({signal.SIGUSR1})
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a self-made certificate, its key in the same file."""
    made = tmp_path_factory.mktemp("tls") / "both.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=host.hythe.internal"
    command = [needs.program("openssl"), *words.split(), "-keyout", str(made), "-out", f"{made}.cert"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    made.write_text(made.read_text() + (made.parent / f"{made.name}.cert").read_text())
    return made


@contextmanager
def https(certificate: Path, version: ssl.TLSVersion, curves: str = "") -> Iterator[int]:
    """Yield the port of a server that has one secret, and speaks this version at the most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.maximum_version = version
    if curves:
        context.set_ecdh_curve(curves)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                more = secure.recv(4_096)
                if not more:  # a browser opens some in advance
                    return
                request += more
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nsecret\n")

    with tcp_server(serve) as port:
        yield port


def capture_file(person: Person, folder: Path) -> Path:
    """Return a file of his that everybody may read, at first."""
    file = folder / "capture.pcapng"
    file.touch(0o644)
    shutil.chown(file, person.name)
    return file


def is_in_clear(file: Path, port: int, program: str) -> None:
    """What was asked and answered can be read in one pass, and whose it was is told."""
    rows = tshark.fields(
        file,
        "http.request.uri",
        "http.response.code",
        "ip.dst_host",
        "frame.comment",
        only=f"http || (frame.comment && tcp.port == {port})",
        options=("-d", f"tcp.port=={port},tls", "-N", "n"),
    )
    assert [host for uri, _, host, _ in rows if uri == PATH] == ["host.hythe.internal"], rows
    assert "200" in [code for _, code, _, _ in rows]
    is_told([said for *_, said in rows if said], program)


def is_told(said: list[str], program: str) -> None:
    """Some comment is that program's."""
    # A machine with much to do may have something sent again, and that is told as well.
    assert [each for each in said if re.match(rf"{program}\[\d+\]", each)], said


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", ["", "--mtu 1500"])
def test_curls_https_is_in_clear(
    person: Person, folder: Path, certificate: Path, version: ssl.TLSVersion, options: str
) -> None:
    file = capture_file(person, folder)
    with https(certificate, version) as port:
        words = [needs.program("curl"), "-sk", "-4", f"https://host.hythe.internal:{port}{PATH}"]
        result = person.run(f"--host-loopback --capture {file} --keylog {options}", *words)
    assert (result.returncode, result.stdout, result.stderr) == (0, "secret\n", "")
    assert file.stat().st_mode & 0o777 == 0o600
    is_in_clear(file, port, "curl")


@pytest.mark.parametrize("version", VERSIONS)
def test_pythons_https_is_in_clear(nobody: Person, folder: Path, certificate: Path, version: ssl.TLSVersion) -> None:
    file = capture_file(nobody, folder)
    with https(certificate, version) as port:
        words = [nobody.python, "-c", CLIENT, str(port), PATH]
        result = nobody.run(f"-4 --host-loopback --capture {file} --keylog", *words)
    assert (result.returncode, result.stdout, result.stderr) == (0, "secret\n", "")
    is_in_clear(file, port, "python")


def test_a_hello_to_be_said_again_has_no_secrets_to_wait_for(nobody: Person, folder: Path, certificate: Path) -> None:
    """The server insists on a curve for which the client has no share (RFC 8446, 4.1.4)."""
    file = capture_file(nobody, folder)
    with https(certificate, ssl.TLSVersion.TLSv1_3, curves="secp521r1") as port:
        words = [nobody.python, "-c", CLIENT, str(port), PATH]
        result = nobody.run(f"-4 --host-loopback --capture {file} --keylog", *words)
    assert (result.returncode, result.stdout, result.stderr) == (0, "secret\n", "")
    decode = ("-d", f"tcp.port=={port},tls")
    assert len(tshark.fields(file, "frame.number", only="tls.handshake.type == 2", options=decode)) == 2
    is_in_clear(file, port, "python")


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_chromiums_https_is_in_clear(nobody: Person, folder: Path, certificate: Path, version: ssl.TLSVersion) -> None:
    file = capture_file(nobody, folder)
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --ignore-certificate-errors --dump-dom"
    with https(certificate, version) as port:
        url = f"https://host.hythe.internal:{port}{PATH}"
        words = [needs.program("chromium"), *flags.split(), f"--user-data-dir={folder}/profile", url]
        result = nobody.run(
            f"-4 --host-loopback --capture {file} --keylog", *words, timeout=60, HOME=str(folder), TMPDIR=str(folder)
        )
    assert "secret" in result.stdout, result.stderr
    is_in_clear(file, port, "chromium|Chrome_ChildIOT|NetworkService")


# --- From the session


def test_whoever_asks_the_session_has_it_in_clear(person: Person, folder: Path, certificate: Path) -> None:
    theirs, ours = capture_file(person, folder), folder / "session.pcapng"
    with https(certificate, ssl.TLSVersion.TLSv1_3) as port:
        options = f"-4 --host-loopback --capture {theirs} --keylog"
        command = [person.python, "-c", WAITING, str(port), PATH]
        with session(person, options, *command) as (running, asked):
            assert running.line() == "ready\n"
            words = [*person.prefix, person.python, "-m", "hythe", "dump", "--session", asked.name, "-w", str(ours)]
            with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=person.folder) as dump:
                assert dump.stderr is not None
                assert "listening on" in dump.stderr.readline()
                running.process.send_signal(signal.SIGUSR1)
                assert running.line() == "secret\n"
                until(lambda: asked.about().totals.open == 0)
                running.process.send_signal(signal.SIGUSR1)
                dump.communicate(timeout=20)
    for file in (theirs, ours):
        is_in_clear(file, port, "python")


def test_without_a_keylog_the_session_has_no_secrets(nobody: Person, folder: Path, certificate: Path) -> None:
    ours = folder / "session.pcapng"
    with https(certificate, ssl.TLSVersion.TLSv1_3) as port:
        command = [nobody.python, "-c", WAITING, str(port), PATH]
        with session(nobody, "-4 --host-loopback", *command) as (running, asked):
            assert running.line() == "ready\n"
            words = [*nobody.prefix, nobody.python, "-m", "hythe", "dump", "--session", asked.name, "-w", str(ours)]
            with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=nobody.folder) as dump:
                assert dump.stderr is not None
                assert "listening on" in dump.stderr.readline()
                running.process.send_signal(signal.SIGUSR1)
                assert running.line() == "secret\n"
                running.process.send_signal(signal.SIGUSR1)
                dump.communicate(timeout=20)
    chosen = f"http || (frame.comment && tcp.port == {port})"
    rows = tshark.fields(ours, "http.request.uri", "frame.comment", only=chosen, options=("-d", f"tcp.port=={port},tls"))
    assert not [uri for uri, _ in rows if uri]
    is_told([said for _, said in rows], "python")


# --- The log


def test_a_keylog_without_a_capture(nobody: Person) -> None:
    result = nobody.run("--keylog", "true")
    assert result.returncode == 2
    assert "--keylog puts secrets into a capture, and there is none: add --capture FILE" in result.stderr


def test_the_command_cannot_read_what_it_logs(nobody: Person, folder: Path) -> None:
    """Its log is a pipe, its own and gone with it; a program that writes nonsense there does no harm."""
    script = 'test -p "$SSLKEYLOGFILE" && echo nonsense >>"$SSLKEYLOGFILE" && stat -c %a "$SSLKEYLOGFILE"'
    result = nobody.run(f"--capture {folder}/capture.pcapng --keylog", "sh", "-c", script)
    assert (result.returncode, result.stdout, result.stderr) == (0, "600\n", "")
    assert b"nonsense" not in (folder / "capture.pcapng").read_bytes()

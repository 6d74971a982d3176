"""HTTPS, with a certificate made on the spot and with one of the user's."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests import needs
from tests.serve.serving import STACKS, serving


@pytest.mark.parametrize("words", STACKS, ids=["kernel", "stack"])
def test_a_certificate_is_made_and_its_fingerprint_shown(words: list[str], tmp_path: Path) -> None:
    with serving("--tls", "--text", "private", *words) as served:
        pem = ssl.get_server_certificate(("127.0.0.1", served.port), timeout=10)
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
        assert f"Certificate: SHA256 {digest.hex(':').upper()}\n" in served.said()
        trusted = tmp_path / "trusted.pem"
        trusted.write_text(pem)
        for name in ("127.0.0.1", "localhost"):
            command = [needs.program("curl"), "-sS4", "--cacert", str(trusted), f"https://{name}:{served.port}/"]
            assert subprocess.run(command, capture_output=True, timeout=30, check=True).stdout == b"private\n"
        with socket.create_connection(("127.0.0.1", served.port), 10) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP/1.1 200" not in plain.recv(4_096)


def test_a_certificate_is_given(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"]
    out = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([needs.program("openssl"), *made, *out], capture_output=True, timeout=30, check=True)
    with serving("--cert", str(certificate), "--key", str(key), "--text", "private") as served:
        command = [needs.program("curl"), "-sS", "--cacert", str(certificate), f"https://127.0.0.1:{served.port}/"]
        assert subprocess.run(command, capture_output=True, timeout=30, check=True).stdout == b"private\n"

"""The networks of the stream contract, and a certificate."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import needs
from tests.aio.kernel import HOST, KERNEL, Kernel
from tests.aio.sides import Network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("loopback", "pair", "pair-wire", "tun-client", "tun-server")


@pytest.fixture(scope="session")
def kernel() -> Iterator[Kernel]:
    """A kernel at the other end of a TUN device."""
    made = Kernel()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=[(kind, version) for kind in KINDS for version in (4, 6)], ids=lambda each: f"{each[0]}-ipv{each[1]}")
def network(request: pytest.FixtureRequest) -> Network:
    """Every kind of network, with IPv4 and IPv6."""
    kind, version = request.param
    return Network(kind, version, request.getfixturevalue("kernel") if kind.startswith("tun") else None)


class Certificate(NamedTuple):
    """A self-made certificate for the name hythe.test and every address of the tests, good for two days."""

    certificate: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        """What a server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client(self) -> ssl.SSLContext:
        """Trust in this one only."""
        return ssl.create_default_context(cafile=str(self.certificate))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Made anew with openssl(1)."""
    folder = tmp_path_factory.mktemp("tls")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    addresses = ["127.0.0.1", "::1", "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2", *KERNEL.values(), *HOST.values()]
    names = ",".join(["DNS:hythe.test", *(f"IP:{each}" for each in addresses)])
    command = [needs.program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=hythe.test", "-addext", f"subjectAltName={names}"]
    command += ["-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return made

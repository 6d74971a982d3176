"""What `hythe run --capture` writes, as tshark sees it: every packet in order, every checksum right."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from hythe.units import MIB
from tests import needs
from tests.gateway.nameserver import NameServer
from tests.gateway.servers import Content, closed_port, file_server
from tests.link import tshark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Person

#: port size closed-port file program: bytes down and up, a port where nobody is, pings whole and in fragments, names.
SCRIPT = """
set -e
for family in 4 6; do
    curl -sS --fail -$family -o "$4" http://host.hythe.internal:$1/$2
    curl -sS --fail -$family -T "$4" http://host.hythe.internal:$1/ >/dev/null
    if curl -s -$family http://host.hythe.internal:$3/; then exit 1; fi
    ping -$family -c 2 -i 0.1 gateway.hythe.internal
    ping -$family -c 1 -s 3000 gateway.hythe.internal
done
dig +tries=1 plain.test
dig +tries=1 big.test
rm "$4"
closed=$3
shift 4
exec "$@" "$closed"
"""
REFUSED = """
import socket, sys
for family in (socket.AF_INET, socket.AF_INET6):
    place = socket.getaddrinfo("host.hythe.internal", int(sys.argv[1]), family, socket.SOCK_DGRAM)[0][4]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(place)
        sock.send(b"anybody?")
        try:
            sock.recv(1)
        except ConnectionRefusedError:
            continue
        sys.exit("not refused")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that everybody can write to."""
    made = needs.public_folder()
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def captured(nobody: Person, file: Path, options: str) -> tshark.Reading:
    """Have all that said once, and read what was written."""
    for each in ("curl", "ping", "dig", "tshark"):
        needs.program(each)
    with file_server(Content(random.Random(20_261_120))) as port, NameServer() as names:
        words = ("sh", "-c", SCRIPT, "sh", str(port), str(MIB), str(closed_port()), f"{file.parent}/file")
        options = f"--host-loopback {names.option} --capture {file} {options}"
        result = nobody.run(options, *words, *nobody.script(REFUSED))
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    return tshark.read(file)


@pytest.mark.parametrize("options", ["", "--mtu 1500", "--delay 1ms"])
def test_a_capture_is_right(nobody: Person, folder: Path, options: str) -> None:
    """A machine too busy to let hythe or the command run for some milliseconds looks like a loss: then once more."""
    tries = 1
    found = captured(nobody, folder / "capture.pcapng", options)
    while tries < 3 and any("retransmission" in each for each in found.complaints):
        found = captured(nobody, folder / "capture.pcapng", options)
        tries += 1
    assert found.complaints == []
    assert found.protocols >= {"ip", "ipv6", "tcp", "http", "dns", "icmp", "icmpv6"}
    assert found.verified["tcp"] > 2 * 2 * MIB // (1_500 if options else 65_520)

"""Clients inside `hythe run`: the start of a program that connects to a server of this machine's loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

FAMILIES = pytest.mark.parametrize("family", ["4", "6"])
#: Opens a connection to port argv[2] of this machine over IPv(argv[1]).
CONNECT = """
import errno, hashlib, socket, struct, sys, time
family = socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET
def connect():
    address = socket.getaddrinfo("host.hythe.internal", int(sys.argv[2]), family, socket.SOCK_STREAM)[0][4]
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(20)
    connection.connect(address)
    return connection
"""


def inside(person: Person, program: str, family: str, port: int, options: str = "") -> str:
    """Return what a program prints that has `connect`, and insist that nobody complains."""
    result = person.run(f"--host-loopback {options}", *person.script(CONNECT + program, family, str(port)))
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout

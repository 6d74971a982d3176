"""Ports as people write them, and their names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hythe.services.ports import category, port_number, port_range, service_name


@pytest.mark.parametrize(
    ("text", "protocol", "port"),
    [
        ("80", "tcp", 80),
        ("0", "tcp", 0),
        ("65535", "udp", 65_535),
        ("65536", "tcp", None),
        ("-1", "tcp", None),
        ("http", "tcp", 80),
        ("www", "tcp", 80),  # an alias of /etc/services and of IANA
        ("www-http", "tcp", 80),  # IANA's alone
        ("couchdb", "tcp", 5984),  # not in Debian's /etc/services
        ("CouchDB", "tcp", 5984),
        ("exec", "tcp", 512),
        ("exec", "udp", None),
        ("biff", "udp", 512),
        ("x11", "udp", 6000),
        ("no-such-service", "tcp", None),
        ("", "tcp", None),
        ("٨٠", "tcp", None),
        ("a\0b", "tcp", None),
        ("\ud800", "tcp", None),
    ],
)
def test_a_port_is_a_number_or_a_service(text: str, protocol: str, port: int | None) -> None:
    assert port_number(text, protocol) == port


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("80", range(80, 81)),
        ("20-25", range(20, 26)),
        ("ftp-data", range(20, 21)),  # a name, not what lies between two
        ("ftp-data-smtp", range(20, 26)),
        ("25-20", None),
        ("1-70000", None),
        ("-", None),
    ],
)
def test_a_range_has_two_ends(text: str, wanted: range | None) -> None:
    assert port_range(text) == wanted


def test_names_of_ports() -> None:
    assert service_name(443, "tcp") == "https"
    assert service_name(674, "tcp") == "acap"  # well-known, but not in Debian's /etc/services
    assert service_name(5984, "tcp") is None  # as netstat has it
    assert service_name(50_000, "tcp") is None
    assert service_name(70_000, "tcp") is None


@pytest.mark.parametrize(
    ("port", "wanted"),
    [
        (0, "reserved"),
        (1, "well-known"),
        (1023, "well-known"),
        (1024, "registered"),
        (49_151, "registered"),
        (49_152, "private"),
        (65_535, "private"),
    ],
)
def test_categories_are_those_of_rfc_6335(port: int, wanted: str) -> None:
    assert category(port) == wanted


def test_reading_a_number_reads_no_table() -> None:
    """`hythe run -p` pays at its start for what it uses."""
    script = (
        "import sys, hythe.services.ports as p; p.port_number('http'); sys.exit('hythe.services.registry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode == 0

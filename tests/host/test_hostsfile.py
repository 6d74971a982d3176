"""hosts(5), forwards and backwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hythe.host.hostsfile import HostsFile

FILE = """
127.0.0.1   localhost
192.0.2.1\tWWW.test www alias # comment
192.0.2.2   www
2001:db8::1 www.test
192.0.2.1   www again
nonsense    name
192.0.2.9
fe80::1%eth0 scoped
"""
ONE, TWO = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))


def test_names_to_addresses() -> None:
    file = HostsFile(FILE)
    assert file.addresses("www") == [ONE, TWO]
    assert file.addresses("Www.Test.") == [ONE, bytes.fromhex("20010db8" + "0" * 23 + "1")]
    assert file.addresses("scoped") == [bytes.fromhex("fe80" + "0" * 27 + "1")]
    assert [file.addresses(each) for each in ("name", "comment", "192.0.2.9", "")] == [[]] * 4


def test_addresses_to_names() -> None:
    file = HostsFile(FILE)
    assert file.names(ONE) == ["WWW.test", "www", "alias", "again"]
    assert file.names(bytes((192, 0, 2, 9))) == []


@pytest.mark.rfc("6761", "6.3")
def test_localhost_needs_no_file() -> None:
    loopback = [bytes(15) + b"\1", b"\x7f\0\0\1"]
    for name in ("localhost", "LOCALHOST.", "app.localhost"):
        assert HostsFile().addresses(name) == loopback
        assert not HostsFile().says(name)
    assert HostsFile(FILE).addresses("localhost") == [b"\x7f\0\0\1"]
    assert HostsFile(FILE).says("localhost")
    assert HostsFile().addresses("notlocalhost") == []


@given(st.text())
def test_any_text_is_a_file(text: str) -> None:
    file = HostsFile(text)
    assert isinstance(file.addresses("x"), list)

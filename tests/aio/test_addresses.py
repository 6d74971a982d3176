"""`hythe.aio.addresses`: the shapes of the standard library."""

from __future__ import annotations

import pytest

from hythe.aio.addresses import check_port, endpoint, pack, sockaddr
from hythe.errors import UsageError


def test_text_and_bytes() -> None:
    assert pack("10.0.0.1") == b"\x0a\0\0\1"
    assert pack("::1") == bytes(15) + b"\1"
    assert pack("localhost") is None
    assert pack("10.1") is None


def test_socket_addresses() -> None:
    assert sockaddr(b"\x0a\0\0\1", 80) == ("10.0.0.1", 80)
    assert sockaddr(bytes(15) + b"\1", 80) == ("::1", 80, 0, 0)
    assert endpoint(b"\x0a\0\0\1", 80) == "10.0.0.1:80"
    assert endpoint(bytes(15) + b"\1", 80) == "[::1]:80"


@pytest.mark.parametrize("port", [-1, 65_536, None, "80"])
def test_a_port_is_a_number(port: object) -> None:
    with pytest.raises(UsageError, match="is not a port"):
        check_port(port)  # type: ignore[arg-type]

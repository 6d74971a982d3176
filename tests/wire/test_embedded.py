"""IPv4 addresses inside IPv6 ones, in every spelling that leads somewhere."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

import pytest

from hythe.wire.embedded import embedded


@pytest.mark.parametrize(
    "text",
    ["::127.0.0.1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::127.0.0.1", "2002:7f00:1::"],
)
def test_what_leads_to_loopback(text: str) -> None:
    carried = embedded(inet_pton(AF_INET6, text))
    assert carried is not None
    assert inet_ntop(AF_INET, carried) == "127.0.0.1"


@pytest.mark.parametrize("text", ["2001:db8::7f00:1", "fe80::7f00:1", "fd00::1", "2003:7f00:1::"])
def test_what_does_not(text: str) -> None:
    assert embedded(inet_pton(AF_INET6, text)) is None

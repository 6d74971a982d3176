"""What ways lead to: an echo, on both loopbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gateway.servers import echo, tcp_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def echo_port() -> Iterator[int]:
    """Return the port of a server that sends back what it is sent."""
    with tcp_server(echo) as port:
        yield port

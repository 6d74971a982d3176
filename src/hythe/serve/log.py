"""The form of a line of the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

Say = Callable[[str], object]


def stamped(client: str, what: str) -> str:
    """``[2026-11-20 20:52:48] - 127.0.0.1:35310 - GET / HTTP/1.1 200 1234``; bytes of the body at the end."""
    return f"[{datetime.now():%Y-%m-%d %H:%M:%S}] - {client} - {what}"


def endpoint(address: tuple[str, int] | None) -> str:
    """``127.0.0.1:80``, ``[::1]:80``."""
    if address is None:
        return "-"
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

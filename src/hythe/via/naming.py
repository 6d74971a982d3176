"""Datagrams to names, for ways that send to addresses: each name is looked up once, and what is sent meanwhile waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from hythe.via.base import Buffer

#: Names that one association looks up.
_NAMES_MAX: Final = 64


class NamedSending:
    """`find`: the address of a name, None for none; `send`: to an address."""

    __slots__ = ("_find", "_lookups", "_send")

    def __init__(self, find: Callable[[str], Awaitable[str | None]], send: Callable[[Buffer, str, int], object]) -> None:
        self._find = find
        self._send = send
        self._lookups: dict[str, asyncio.Future[str | None]] = {}

    def send(self, data: Buffer, name: str, port: int) -> bool:
        """Send it as soon as there is an address. False when there are too many names."""
        lookup = self._lookups.get(name)
        if lookup is None:
            if len(self._lookups) >= _NAMES_MAX:
                return False
            lookup = self._lookups[name] = asyncio.ensure_future(self._find(name))
        lookup.add_done_callback(partial(self._found, bytes(data), port))
        return True

    def close(self) -> None:
        """Look no more."""
        for lookup in self._lookups.values():
            lookup.cancel()

    def _found(self, data: bytes, port: int, lookup: asyncio.Future[str | None]) -> None:
        if not lookup.cancelled() and (host := lookup.result()) is not None:
            with contextlib.suppress(OSError):  # nobody waits for it any more
                self._send(data, host, port)

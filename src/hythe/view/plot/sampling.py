"""Congestion windows of a running session: no packet tells them, but hythe's end of each connection does, when it is asked.

They are asked for from a thread of its own while packets are read, every so often: between, nobody knows.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from types import TracebackType
from typing import Final

from hythe.errors import MachineError, UsageError
from hythe.session.client import Session, find
from hythe.session.model import End
from hythe.view.analysis.conversation import Conversation

#: Seconds between two rounds, and connections asked in each.
_PAUSE: Final = 0.02
_ASKED: Final = 16
#: Answers kept of each connection.
_KEPT: Final = 100_000


class Windows:
    """Asks the session called `name` while it is open; `give` then puts what it was told into the series it belongs to."""

    def __init__(self, name: str) -> None:
        self._session: Session = find(name)
        self._told: dict[tuple[bytes, bytes], list[tuple[int, int]]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Windows:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def give(self, conversation: Conversation) -> None:
        """The windows of hythe's end of one, to its way."""
        for index, way in enumerate(conversation.ways):
            ends = (conversation.ends[index], conversation.ends[1 - index])
            if way.series is not None:
                way.series.cwnd += self._told.get(ends, [])

    def _ask(self) -> None:
        while not self._stop.wait(_PAUSE):
            try:
                for each in self._session.connections()[:_ASKED]:
                    if each.protocol == "tcp":
                        info = self._session.connection(each.id).info
                        told = self._told.setdefault((_packed(each.remote), _packed(each.inside)), [])
                        if info is not None and len(told) < _KEPT:
                            told.append((time.time_ns(), info.cwnd))
            except UsageError:
                continue  # a connection has ended between the two questions
            except MachineError:
                return  # the session has ended


def _packed(end: End) -> bytes:
    try:
        return ipaddress.ip_address(end.address).packed + end.port.to_bytes(2, "big")
    except ValueError:
        return b""  # a name, of which packets know nothing

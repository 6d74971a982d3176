"""Follow a session while it goes on: its notices, and with `verbose` a line for each connection that opens or ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hythe.gateway.session import FlowRecord, Session
from hythe.units import format_bytes, format_duration
from hythe.view.summary import endpoint, far, outcome

_STEP: Final = 0.2


class Follower:
    """Prints what is new in a session by `say(line)`."""

    def __init__(self, say: Callable[[str], None], *, verbose: bool, quiet: bool) -> None:
        self._say = say
        self._verbose = verbose
        self._quiet = quiet
        self._told = 0  # notices
        self._opened = 0  # the highest flow number told of
        self._ended_count = 0

    async def __call__(self, session: Session) -> None:
        """Until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(_STEP)
                self._flush(session)
        finally:
            self._flush(session)

    def _flush(self, session: Session) -> None:
        """Print what has not been printed."""
        notices = session.notices[self._told :]
        self._told += len(notices)
        if not self._quiet:
            for notice in notices:
                self._say(f"hythe: {notice}")
        if self._verbose:
            self._flows(session)

    def _flows(self, session: Session) -> None:
        fresh = session.ended - self._ended_count
        self._ended_count = session.ended
        past = list(session.past)[-fresh:] if fresh else []
        for record in sorted([*past, *(flow.record for flow in session.live.values())], key=lambda each: each.number):
            if record.number > self._opened:
                self._opened = record.number
                self._say(f"hythe: {record.protocol} {_ends(record)}")
        for record in past:
            self._say(_ending(record))


def _ends(record: FlowRecord) -> str:
    return f"{endpoint(*record.inside)} {'<-' if record.inbound else '->'} {far(record)}"


def _ending(record: FlowRecord) -> str:
    return (
        f"hythe: {record.protocol} {_ends(record)} "
        f"{outcome(record)}: {format_bytes(record.bytes_up)} up, {format_bytes(record.bytes_down)} down, "
        f"{format_duration(record.ended - record.began)}"
    )

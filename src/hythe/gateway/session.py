"""The session: what a running gateway knows of its connections. Views read it, and it alone.

A flow that is going on is read from its connection when somebody asks; one that has ended leaves its figures in its
`FlowRecord`. The number of records kept of ended flows is bounded; `count` and the byte totals are not.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from hythe.wire.segment import split_key

#: Ended flows remembered.
KEPT: Final = 20_000


@dataclass(slots=True)
class FlowRecord:
    """One flow. `key`: its socket pair as the gateway's host receives it (the command is the remote end).

    `outside`: where it goes on the way out, as (address or name, port); None where it was refused before that. `inbound`:
    it was opened by `outside`, towards a published port. Times are nanoseconds of the driver's clock, sizes bytes, `up` is
    away from the command. `error`: errno of what ended it, or 0.
    """

    number: int
    protocol: str
    key: bytes
    outside: tuple[str, int] | None
    began: int
    name: str = ""
    inbound: bool = False
    ended: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    rtt: int = 0
    retransmits: int = 0
    state: str = ""
    error: int = 0

    @property
    def inside(self) -> tuple[str, int]:
        """The command's end: (address, port)."""
        address, port, _, _ = split_key(self.key)
        return str(ipaddress.ip_address(address)), port

    @property
    def destination(self) -> tuple[str, int]:
        """What the command asked for: (address, port)."""
        _, _, address, port = split_key(self.key)
        return str(ipaddress.ip_address(address)), port


class LiveFlow(Protocol):
    """A flow that is going on."""

    record: FlowRecord

    def refresh(self) -> None:
        """Bring the figures in `record` up to date."""


class Session:
    """All flows of one gateway, by number."""

    def __init__(self, began: int) -> None:
        self.began = began
        self.live: dict[int, LiveFlow] = {}
        self.past: deque[FlowRecord] = deque(maxlen=KEPT)
        self.notices: list[str] = []  # sentences for the person who runs this
        self.count = 0
        self.ended = 0
        self.bytes_up = 0
        self.bytes_down = 0

    def begin(self, protocol: str, key: bytes, outside: tuple[str, int] | None, now: int) -> FlowRecord:
        """A flow more; its owner puts itself into `live` under the record's number if it goes on."""
        self.count += 1
        return FlowRecord(self.count, protocol, key, outside, now)

    def end(self, record: FlowRecord, now: int) -> None:
        """It has ended; its figures are final."""
        self.live.pop(record.number, None)
        record.ended = now
        self.bytes_up += record.bytes_up
        self.bytes_down += record.bytes_down
        self.ended += 1
        self.past.append(record)

    def records(self) -> Iterator[FlowRecord]:
        """Every flow known, ended ones first, figures fresh."""
        yield from self.past
        for flow in list(self.live.values()):
            flow.refresh()
            yield flow.record

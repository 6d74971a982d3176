"""Who decides what a command, or a peer, may connect to, and by which way: somebody to the right of this room.

It is asked once for each connection, when its SYN has come, and from then on the bytes go as they would without it. Of the
end it hears from the session, as its observers do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hythe.gateway.egress.base import Destination
    from hythe.gateway.session import FlowRecord, Session
    from hythe.via.base import Pace, Way


class Policy(Protocol):
    """`way`: the one out, or several by rules."""

    way: Way

    def knows(self, name: str) -> bool:
        """May `name` be connected to, by anybody at any port? If not, nobody is asked for its addresses."""

    def admit(self, record: FlowRecord, destination: Destination) -> None:
        """Let a connection out. OSError with the errno of what the command is told (EACCES, EDQUOT)."""

    def permit(self, record: FlowRecord, name: str, address: str, port: int) -> None:
        """Let one that was admitted by name go to an address that `name` has. OSError."""

    def permit_ping(self, source: bytes, destination: Destination) -> None:
        """Let `source` (packed) ping somebody. OSError."""

    def pace(self, record: FlowRecord) -> Pace | None:
        """How fast one that was admitted may be; None for as fast as it can."""

    def reload(self) -> None:
        """Read anew what it goes by; a mistake in it is told, and changes nothing."""

    async def close(self) -> None:
        """Tell of what goes on as if it ended now, and let go."""


class PolicyPlan(Protocol):
    """A policy before there is a gateway."""

    def begin(self, session: Session, clock: Callable[[], int]) -> Policy:
        """For a gateway that has begun. Raises `UsageError`, `MachineError`."""

"""The eleven states of RFC 9293, 3.3.2, and every transition between them, as one table.

The numbers are module constants because the hot path compares them; `State` names them for views and tests. A change of
state happens only through `after`, so what is not in `TRANSITIONS` cannot happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum, auto
from types import MappingProxyType
from typing import Final

CLOSED: Final = 0
LISTEN: Final = 1
SYN_SENT: Final = 2
SYN_RECEIVED: Final = 3
ESTABLISHED: Final = 4
FIN_WAIT_1: Final = 5
FIN_WAIT_2: Final = 6
CLOSE_WAIT: Final = 7
CLOSING: Final = 8
LAST_ACK: Final = 9
TIME_WAIT: Final = 10


class State(IntEnum):
    """The states by name, spelled as netstat spells them (`label`)."""

    CLOSED = CLOSED
    LISTEN = LISTEN
    SYN_SENT = SYN_SENT
    SYN_RECEIVED = SYN_RECEIVED
    ESTABLISHED = ESTABLISHED
    FIN_WAIT_1 = FIN_WAIT_1
    FIN_WAIT_2 = FIN_WAIT_2
    CLOSE_WAIT = CLOSE_WAIT
    CLOSING = CLOSING
    LAST_ACK = LAST_ACK
    TIME_WAIT = TIME_WAIT

    @property
    def label(self) -> str:
        """``FIN_WAIT1``, ``SYN_RECV`` …: netstat(8)'s spelling."""
        return {3: "SYN_RECV", 5: "FIN_WAIT1", 6: "FIN_WAIT2"}.get(self.value, self.name)


#: `State.label` by number.
LABELS: Final = tuple(state.label for state in State)


class Event(Enum):
    """What moves a connection: the labels of the arrows in RFC 9293, figure 5."""

    OPEN = auto()  # active OPEN: SYN goes out
    SYN = auto()  # SYN came in without an ACK of ours
    SYN_ACK = auto()  # SYN came in with the ACK of our SYN
    ACK_OF_SYN = auto()
    SHUTDOWN = auto()  # the owner has nothing more to send: FIN goes out
    FIN = auto()
    ACK_OF_FIN = auto()
    TIMEOUT = auto()  # 2 MSL are over
    DELETE = auto()  # RST, abort, retransmissions given up

    __hash__ = object.__hash__  # members are single objects; Enum would hash the name, in Python


_TABLE: dict[tuple[int, Event], int] = {
    (CLOSED, Event.OPEN): SYN_SENT,
    (CLOSED, Event.SYN): SYN_RECEIVED,
    (LISTEN, Event.SYN): SYN_RECEIVED,
    (SYN_SENT, Event.SYN): SYN_RECEIVED,  # simultaneous open
    (SYN_SENT, Event.SYN_ACK): ESTABLISHED,
    (SYN_RECEIVED, Event.ACK_OF_SYN): ESTABLISHED,
    (ESTABLISHED, Event.SHUTDOWN): FIN_WAIT_1,
    (ESTABLISHED, Event.FIN): CLOSE_WAIT,
    (FIN_WAIT_1, Event.ACK_OF_FIN): FIN_WAIT_2,
    (FIN_WAIT_1, Event.FIN): CLOSING,  # simultaneous close
    (FIN_WAIT_2, Event.FIN): TIME_WAIT,
    (CLOSE_WAIT, Event.SHUTDOWN): LAST_ACK,
    (CLOSING, Event.ACK_OF_FIN): TIME_WAIT,
    (LAST_ACK, Event.ACK_OF_FIN): CLOSED,
    (TIME_WAIT, Event.TIMEOUT): CLOSED,
    (FIN_WAIT_2, Event.TIMEOUT): CLOSED,  # an orphan nobody waits for
    **{(state, Event.DELETE): CLOSED for state in range(LISTEN, TIME_WAIT + 1)},
}

#: (state, event) -> next state. Read-only.
TRANSITIONS: Final[Mapping[tuple[int, Event], int]] = MappingProxyType(_TABLE)

#: States in which the peer may still send us data, and in which we may still send (RFC 9293, 3.10.4 and 3.10.2).
MAY_RECEIVE: Final = frozenset({ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2})
MAY_SEND: Final = frozenset({SYN_SENT, SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT})


def after(state: int, event: Event) -> int:
    """The state that `event` leads to. KeyError means a bug in `hythe.tcp`, never bad input."""
    return TRANSITIONS[state, event]

"""The moments of one connection, as they are noted: nanoseconds of the driver's clock, 0 for what has not happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hythe.session.model import Process
    from hythe.wire.tls import Answer, Hello

#: What is waited for: the far end or the command to say something, either to take what is there, packets sent again, the
#: command to go on with what it says.
REMOTE, COMMAND, REMOTE_FULL, COMMAND_FULL, LOSS, COMMAND_MORE = range(6)
#: As the API calls them.
WAITS: Final = ("remote", "command", "remote full", "command full", "loss", "command more")
#: Nobody can say yet: it will be he who says something next.
UNDECIDED: Final = 6
#: Pauses kept of each connection.
PAUSES: Final = 64


class Moments:
    """`waiting`: for which of the above, since `at`; `spent`: nanoseconds for each until then.

    `pauses`: from, to and for which; of more than `PAUSES` the rest is counted. `hello`, `answer`: of TLS. `process`: whose
    it is, once that has been found out; `inode`: of the socket, until then.
    """

    __slots__ = (
        "answer",
        "asked",
        "at",
        "connected",
        "first_down",
        "first_up",
        "hello",
        "inode",
        "last_down",
        "last_up",
        "left_out",
        "outside_resent",
        "outside_rtt",
        "pauses",
        "process",
        "reached",
        "spent",
        "tls_began",
        "tls_ended",
        "waiting",
    )

    def __init__(self) -> None:
        self.reached = self.connected = self.tls_began = self.tls_ended = 0
        self.first_up = self.asked = self.last_up = self.first_down = self.last_down = 0
        self.spent = [0] * len(WAITS)
        self.waiting = UNDECIDED
        self.at = 0
        self.pauses: list[tuple[int, int, int]] = []
        self.left_out = 0
        self.hello: Hello | None = None
        self.answer: Answer | None = None
        self.process: Process | None = None
        self.inode = 0
        self.outside_rtt = 0
        self.outside_resent = -1

    def pause(self, began: int, ended: int, waiting: int) -> None:
        """Nothing moved from then to then."""
        if len(self.pauses) < PAUSES:
            self.pauses.append((began, ended, waiting))
        else:
            self.left_out += 1

"""How long an owner waits for what it has sent: the user timeout (RFC 9293, 3.10.8; RFC 5482), and SO_LINGER.

Theory of operation. The clock runs from the first time that something has to be sent again, reckoned from when it was first
sent, until the peer acknowledges something; so the end may be found out late by one backed-off time-out. The same goes for
a window that stays shut (Linux TCP_USER_TIMEOUT). When the user timeout is over the connection is, without a word to the
peer, as RFC 9293 has it. It replaces the limit of retransmissions, in either direction.

With `TcpConfig.user_timeout_option` each side tells the other how long it means to wait, and waits as long as the one who
waits longest, between limits of its own (RFC 5482, 3.1).
"""

from __future__ import annotations

import errno
from typing import Final

from hythe.tcp.block import ControlBlock
from hythe.units import NEVER, SECOND
from hythe.wire.options import Options

#: RFC 5482, 3.1: L_LIMIT at least the 100 s of RFC 9293's R2; U_LIMIT so that nobody makes us keep it for days.
_LOWER: Final = 100 * SECOND
_UPPER: Final = 3_600 * SECOND
#: The option can tell 32767 minutes.
_TOLD_MAX: Final = 0x7FFF * 60


def tell(tcb: ControlBlock, options: Options) -> None:
    """Put our user timeout into a SYN's options (RFC 5482, 3)."""
    if tcb.config.user_timeout_option and tcb.config.user_timeout:
        options.user_timeout = min(max(tcb.config.user_timeout // SECOND, 1), _TOLD_MAX)


def heed(tcb: ControlBlock, seconds: int) -> None:
    """The peer says how long it means to wait (RFC 5482, 3.1)."""
    if tcb.config.user_timeout_option:
        tcb.user_timeout = min(_UPPER, max(tcb.config.user_timeout, seconds * SECOND, _LOWER))


def begin(tcb: ControlBlock, since: int) -> None:
    """What left at `since` is the first that nobody has answered."""
    tcb.user_at = since + tcb.user_timeout


def end(tcb: ControlBlock) -> None:
    """The time is over; unless something was acknowledged meanwhile, so is the connection."""
    tcb.user_at = NEVER
    if tcb.tries or tcb.probes:
        tcb.fail(tcb.pending_error or errno.ETIMEDOUT)

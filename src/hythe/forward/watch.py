"""Is the far end still there? Told earlier than TCP and the keep-alive do, so that a forward is soon up again.

When a network was away for a while and comes back, TCP goes on with what it has sent only at its next retransmission, which
may be a minute off. So a connection that is suspicious (nothing heard for a keep-alive and some seconds, its segments sent
again and again, or its own address no more this machine's) is not waited for alone: a second connection is tried. Once that
gets through while the first is still silent, the first is given up.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hythe.tunnel.ssh.connection import ClientConnection

_TICK: Final = 0.5
#: Seconds that an answer to a sign of life may take; segments sent again so often are suspicious.
_ANSWER: Final = 5.0
_RESENT: Final = 3
#: Seconds that a second connection may take, and that the first then has to say something.
_PROBE: Final = 3.0
_GRACE: Final = 1.0
#: Back-off: from the first delay on doubled, up to one that keeps a return to within seconds; after a long time, slower.
FIRST: Final = 0.25
CAP: Final = 2.0
LONG: Final = 600.0
CAP_LONG: Final = 30.0
_RETRANSMITS: Final = 2  # offset of tcpi_retransmits in struct tcp_info


class Backoff:
    """Delays between attempts, with jitter, so that many clients of one server do not come all at once."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._attempt = 0
        self._waited = 0.0

    def next(self) -> float:
        """Seconds until the next attempt."""
        cap = CAP if self._waited < LONG else CAP_LONG
        delay = min(cap, FIRST * 2.0 ** min(self._attempt, 16))
        self._attempt += 1
        self._waited += delay
        return delay * self._dice.uniform(0.5, 1.0)


async def until_lost(connection: ClientConnection, probe: Callable[[], Awaitable[socket.socket]], interval: float) -> str:
    """Until the connection has ended, or is given up; why. `interval`: seconds between signs of life, 0 for none."""
    loop = asyncio.get_running_loop()
    closed = loop.create_task(connection.wait_closed())
    try:
        while True:
            await asyncio.wait([closed], timeout=_TICK)
            if closed.done():
                return "the connection was lost"
            quiet = loop.time() - connection.heard
            silent = interval > 0 and quiet > interval + _ANSWER
            if (silent or _is_stuck(connection)) and await _gets_through(probe):
                heard = connection.heard
                await asyncio.wait([closed], timeout=_GRACE)
                if connection.heard == heard and not closed.done():
                    connection.abort()
                    return "the connection was silent, and a new one got through"
    finally:
        closed.cancel()


async def _gets_through(probe: Callable[[], Awaitable[socket.socket]]) -> bool:
    try:
        async with asyncio.timeout(_PROBE):
            stream = await probe()
    except OSError:
        return False
    stream.close()
    return True


def _is_stuck(connection: ClientConnection) -> bool:
    """Does the kernel send the same segments again and again, or from an address that it does not have any more?"""
    stream = connection.get_extra_info("socket")
    if stream is None or stream.family == socket.AF_UNIX or stream.fileno() < 0:
        return False
    info: bytes = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
    return info[_RETRANSMITS] >= _RESENT or not _has(stream.family, stream.getsockname())


def _has(family: socket.AddressFamily, address: tuple[Any, ...]) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address[0], 0, *address[2:]))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True

"""Ports: who may bind which, and which one a client gets (RFC 6056).

An ephemeral port is drawn at random from the configured range and the range walked from there (RFC 6056, 3.3.2,
algorithm 2 with a walk instead of new draws, so that it ends). "In use" for a client means the whole socket pair, so
two clients may share a port towards different servers.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from random import Random
from typing import Final

PRIVILEGED: Final = 1_024


def ephemeral(first: int, last: int, dice: Random, used: Callable[[int], bool]) -> int:
    """A port of [first, last] for which `used` is False. OSError(EADDRNOTAVAIL) when there is none."""
    count = last - first + 1
    start = dice.randrange(count)
    for step in range(count):
        port = first + (start + step) % count
        if not used(port):
            return port
    raise OSError(
        errno.EADDRNOTAVAIL,
        f"all ephemeral ports {first}-{last} are in use: widen HostConfig.ephemeral_ports or close connections",
    )


def check_right(port: int, allowed: bool) -> None:
    """PermissionError when `port` is privileged and the host has no right to those."""
    if 0 < port < PRIVILEGED and not allowed:
        raise PermissionError(
            errno.EACCES,
            f"port {port} is privileged (below {PRIVILEGED}): give the host "
            "allow_privileged_ports=True or choose a higher port",
        )

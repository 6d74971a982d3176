"""What everything that runs on one host shares: the host, its driver, the loop, and the transports that live."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hythe.aio.addresses import endpoint
from hythe.aio.driver import Driver
from hythe.errors import connection_error
from hythe.host.host import Host
from hythe.tcp.connection import Connection
from hythe.wire.segment import split_key


class Abandoned(Protocol):
    """Whatever must be told when its host goes."""

    def abandon(self, error: OSError) -> None:
        """The host is closing: end, for the reason `error`."""

    def is_closing(self) -> bool:
        """Has its user let go of it?"""


class Runtime:
    """Made when the host starts."""

    __slots__ = ("core", "driver", "loop", "transports")

    def __init__(self, core: Host, driver: Driver) -> None:
        self.core = core
        self.driver = driver
        self.loop: asyncio.AbstractEventLoop = driver.loop
        self.transports: set[Abandoned] = set()


def failure(connection: Connection, number: int) -> OSError:
    """The built-in exception for errno `number` on this connection; see `hythe.errors.connection_error`."""
    remote, remote_port, local, local_port = split_key(connection.key)
    return connection_error(number, endpoint(local, local_port), endpoint(remote, remote_port))

"""A link that keeps time (a tunnel: handshakes, keepalives) beneath others that do not pass it on.

Whatever stands on it (a watcher, a capture, faults) is driven by its own deadlines, if it has any. So the time of the lowest
link is minded beside them, by the host's timers, and what the others see of it is a plain link.
"""

from __future__ import annotations

from hythe.aio.driver import Driver
from hythe.host.interfaces import Interface
from hythe.link.base import DelayingLink
from hythe.units import NEVER


class Still:
    """`link` without its deadlines; its verbs are the link's own, so it costs nothing."""

    __slots__ = ("close", "fileno", "link", "receive", "send")

    def __init__(self, link: DelayingLink) -> None:
        self.link = link
        self.receive = link.receive
        self.send = link.send
        self.fileno = link.fileno
        self.close = link.close

    @property
    def mtu(self) -> int:
        """The link's."""
        return self.link.mtu


class Pulse:
    """Minds the deadlines of `link`, which lies beneath `interface`, as `Timed`, until `close`."""

    __slots__ = ("_driver", "_interface", "_link", "deadline", "filed")

    def __init__(self, link: DelayingLink, driver: Driver, interface: Interface) -> None:
        self._link = link
        self._driver = driver
        self._interface = interface
        self.filed = NEVER
        self.deadline = NEVER
        link.on_deadline = self._moved
        self._moved(link.next_deadline())

    def _moved(self, deadline: int) -> None:
        self.deadline = deadline
        self._driver.host.around.timers.file(self)

    def fire(self, now: int) -> None:
        """Something is due, in either direction."""
        self._link.release(now)
        self._driver.read(self._interface, now)
        self.deadline = self._link.next_deadline()

    def close(self) -> None:
        """No more."""
        self._link.on_deadline = lambda _: None
        self._driver.host.around.timers.cancel(self)

"""The driver: the one place that reads a clock, waits for descriptors, and turns the crank of a host.

Theory of operation. A turn is always *feed, visit, re-arm*: read a bounded batch of packets, let timers fire, let the
owner of everything with news visit, emit, and go on while there is work. All descriptors (links and any number of
sockets) are in one epoll of our own, whose descriptor the asyncio loop watches, so that a socket costs one registration
in its life. Sockets are edge-triggered: their owners keep `readable` and `writable` flags, set by the edge and cleared by
EAGAIN. Links are level-triggered and read in batches that grow while they come back full, because an EAGAIN is an
exception, and an exception is dearer than a poll.

*Look again*: after work the driver does not sleep at once but polls a little longer, yielding the processor between
(`look_again`); the answer to what was just sent is often microseconds away, and a sleep costs fifty. It gives the loop
its turn after `TURN` at the latest.

The driver never looks into a packet. It knows owners by two methods: `visit(item, now)`, called with the connection,
listener or endpoint that has news, and `on_events(events, now)`, called for a registered descriptor. A visit sets `news` to
0; what it does to the item it visits needs no other, unless it leaves `news` behind.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable
from os import sched_yield
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, Protocol

from hythe.host.host import Host
from hythe.host.interfaces import Interface
from hythe.link.base import DelayingLink
from hythe.tcp.timers import TimerQueue
from hythe.units import MICROSECOND, MILLISECOND, NEVER, SECOND
from hythe.wire.packet import Packet

if TYPE_CHECKING:
    from hythe.aio.alarm import Alarm

#: How long to poll for more before sleeping, where a system call's latency counts (measured: round trip 195 -> 90 µs).
LOOK_AGAIN: Final = 50 * MICROSECOND
#: A turn gives way to the asyncio loop after this long.
TURN: Final = 1 * MILLISECOND
#: Packets read from one link in a row: super-segments, of which more would not stay in the cache, and small ones, of
#: which more go on as one (measured: 25 % more datagrams a second).
BATCH: Final = 8
BATCH_SMALL: Final = 32
_SMALL: Final = 2_048
#: So many packets are read one by one before another is looked for behind one: in a dialogue they come alone.
_ALONE: Final = 8
_EVENTS: Final = 64

#: What a socket's owner is told of; and before it has filled the socket's buffer.
EDGE: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET
READABLE_EDGE: Final = EDGE & ~select.EPOLLOUT


#: Takes one packet that has come by an interface, at `now`: a host, or who stands before it.
Receiver = Callable[[Packet, int, Interface], object]


class Watcher(Protocol):
    """Whatever has a descriptor registered with the driver."""

    def on_events(self, events: int, now: int) -> None:
        """The descriptor reported `events` (EPOLL bits). Note them; the work is done in `visit`."""


class _Feed:
    """One interface's way into the host: how many packets to read at a time, and when that was done last.

    `alone`: how many were read one by one since a batch last brought less than was asked for.
    """

    __slots__ = ("alone", "batch", "interface", "read_at", "receive", "releases")

    def __init__(self, interface: Interface, receive: Receiver) -> None:
        self.interface = interface
        self.receive = receive
        self.batch = 1
        self.alone = 0
        self.read_at = -1
        self.releases: _Releases | None = None


class _Releases:
    """A link that keeps packets until a time, `Timed` among the host's timers. `read(feed, now)` is the driver's."""

    __slots__ = ("_feed", "_link", "_read", "_timers", "deadline", "filed")

    def __init__(self, feed: _Feed, link: DelayingLink, timers: TimerQueue, read: Callable[[_Feed, int], None]) -> None:
        self._feed = feed
        self._link = link
        self._timers = timers
        self._read = read
        self.filed = NEVER
        self.deadline = NEVER
        link.on_deadline = self._moved
        self._moved(link.next_deadline())

    def _moved(self, deadline: int) -> None:
        self.deadline = deadline
        self._timers.file(self)

    def fire(self, now: int) -> None:
        """Let go of what is due, both ways. The link tells of its next deadline.

        What was read in this pass nobody has visited yet: reading again would overwrite it, so that waits for the next.
        """
        self._link.release(now)
        if self._feed.read_at != now:
            self._read(self._feed, now)

    def close(self) -> None:
        """The link is driven no more."""
        self._link.on_deadline = lambda _: None
        self._timers.cancel(self)


class Driver:
    """Runs one host on the running asyncio loop. `clock`: monotonic nanoseconds, the same clock as the loop's."""

    def __init__(self, host: Host, *, look_again: int = 0, clock: Callable[[], int] = monotonic_ns) -> None:
        self.host = host
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self._look_again = look_again
        self._epoll = select.epoll()
        self._feeds: dict[int, _Feed] = {}
        self._watchers: dict[int, Watcher] = {}
        self._chores: deque[Callable[[], object]] = deque()
        self._scheduled = False
        self._turning = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._alarm: Alarm | None = None  # instead of the loop's timer, where milliseconds are too coarse
        self.closed = False
        self.loop.add_reader(self._epoll.fileno(), self.turn)

    # --- Descriptors

    def add_link(self, interface: Interface, receive: Receiver | None = None) -> None:
        """Read packets from the link of this interface and give each to `receive`: the host's own unless given."""
        fd = interface.link.fileno()
        self._feeds[fd] = feed = _Feed(interface, receive or self.host.receive)
        if isinstance(interface.link, DelayingLink):
            if self._alarm is None:
                from hythe.aio.alarm import Alarm  # start-up pays for what is used

                self._alarm = Alarm()
                self.register(self._alarm.fd, self._alarm)
            feed.releases = _Releases(feed, interface.link, self.host.around.timers, self._feed)
        self._epoll.register(fd, select.EPOLLIN)

    def remove_link(self, interface: Interface) -> None:
        """Read no more from it; before the link is closed."""
        fd = interface.link.fileno()
        feed = self._feeds.pop(fd, None)
        if feed is not None:
            self._epoll.unregister(fd)
            if feed.releases is not None:
                feed.releases.close()

    def read(self, interface: Interface, now: int) -> None:
        """Read from the interface's link although nothing says that it is readable: something beneath has kept packets."""
        feed = self._feeds.get(interface.link.fileno())
        if feed is not None and feed.read_at != now:  # else nobody has visited yet what was read in this pass
            self._feed(feed, now)

    def register(self, fd: int, watcher: Watcher, events: int = EDGE) -> None:
        """Tell `watcher` of events of `fd`, once for each edge."""
        self._watchers[fd] = watcher
        self._epoll.register(fd, events)

    def watch(self, fd: int, events: int) -> None:
        """From now on tell of these events of a registered descriptor; of those that hold already, at once."""
        self._epoll.modify(fd, events)

    def unregister(self, fd: int) -> None:
        """Forget a descriptor; before it is closed. Harmless when it was not registered."""
        if self._watchers.pop(fd, None) is not None and not self.closed:
            self._epoll.unregister(fd)

    def forget(self, fd: int) -> None:
        """`unregister` for a descriptor that is closed next: that takes it out of the epoll as well."""
        self._watchers.pop(fd, None)

    # --- The cycle

    def put_off(self, chore: Callable[[], object]) -> None:
        """Call `chore` when there is nothing else to do, at the end of the turn at the latest: nobody waits for it."""
        self._chores.append(chore)
        self.wake()

    def wake(self) -> None:
        """Something was noted outside a turn: have one soon."""
        if not self._scheduled and not self._turning and not self.closed:
            self._scheduled = True
            self.loop.call_soon(self._turn_soon)

    def _turn_soon(self) -> None:
        self._scheduled = False
        self.turn()

    def turn(self) -> None:
        """Feed, visit, re-arm, until there is nothing to do or it is the loop's turn."""
        if self.closed:
            return
        self._turning = True
        clock = self.clock
        now = clock()
        give_way = now + TURN
        quiet_since = now
        try:
            while True:
                worked = self._cycle(now)
                now = clock()
                if worked:
                    quiet_since = now
                    if now >= give_way:
                        break
                elif self._chores:
                    self._chores.popleft()()
                elif now - quiet_since >= self._look_again:
                    break
                else:
                    sched_yield()
            while self._chores:
                self._chores.popleft()()
            self.host.settle(now)
        finally:
            self._turning = False
        if self.host.around.ready:
            self.wake()
        self._rearm()

    def _cycle(self, now: int) -> bool:
        """One pass. False when there was nothing to do."""
        host = self.host
        worked = False
        for fd, events in self._epoll.poll(0, _EVENTS):
            worked = True
            watcher = self._watchers.get(fd)
            if watcher is not None:
                watcher.on_events(events, now)
            elif fd in self._feeds:
                feed = self._feeds[fd]
                if feed.releases is not None:
                    now = self.clock()  # a delay counts from here; the processor may have been elsewhere since
                self._feed(feed, now)
        if host.next_deadline() <= now:
            host.fire(now)
            worked = True
        if host.around.ready:
            worked = True
            for item in host.take_ready():  # what is noted meanwhile is for the next pass: packets in between
                owner = item.owner
                if owner is not None:
                    owner.visit(item, now)
                item.queued = False  # what the visit itself noted, the emit that follows does
                host.attend(item, now)
                if item.news and not item.queued and item.owner is not None:  # its owner wants another
                    item.queued = True
                    host.around.ready.append(item)
        return worked

    def _feed(self, feed: _Feed, now: int) -> None:
        interface = feed.interface
        feed.read_at = now
        try:
            packets = interface.link.receive(now, feed.batch)
        except OSError as error:
            self._link_failed(interface, error)
            return
        receive = feed.receive
        for packet in packets:
            receive(packet, now, interface)
        if len(packets) < feed.batch:
            feed.batch = len(packets) or 1
            feed.alone = 0
        elif feed.batch == 1 and feed.alone < _ALONE:
            feed.alone += 1
        else:
            feed.batch = min(2 * feed.batch, BATCH_SMALL if packets[-1].length <= _SMALL else BATCH)

    def _link_failed(self, interface: Interface, error: OSError) -> None:
        """The device is gone, and would stay readable for ever: say so once. What went through it will time out."""
        self.remove_link(interface)
        message = f"the link of interface {interface.name} has failed and is read no more"
        self.loop.call_exception_handler({"message": message, "exception": error})

    def _rearm(self) -> None:
        """Have the loop call at the nearest deadline; only touched when that moved earlier or has passed."""
        deadline = self.host.next_deadline()
        if self._alarm is not None:
            if deadline < self._alarm.at:
                self._alarm.set(deadline)
        elif deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_at(deadline / SECOND, self._on_timer)
            self._timer_at = deadline

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        self.turn()

    def close(self) -> None:
        """Stop. Descriptors and links stay their owners'."""
        if self.closed:
            return
        self.closed = True
        while self._chores:
            self._chores.popleft()()
        self.loop.remove_reader(self._epoll.fileno())
        if self._timer is not None:
            self._timer.cancel()
        if self._alarm is not None:
            self._alarm.close()
        self._epoll.close()

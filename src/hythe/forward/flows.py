"""What is carried, a record for each stream and each client of datagrams; views read it, as they do that of `hythe run`."""

from __future__ import annotations

import errno
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hythe.via.base import Buffer, Datagrams, Listening, Opened, Tally, Way

#: Ended ones that are remembered.
KEPT: Final = 2_000

End = tuple[str, int]
Observer = Callable[[str, object], None]


@dataclass(slots=True)
class Flow:
    """One. `near`: the client's end; with `inbound` that is at the far end (-R). Times are seconds since 1970.

    `via`: the way. `error`: errno of what ended it, or 0. `kill` ends it.
    """

    number: int
    protocol: str
    near: End
    far: End
    inbound: bool
    began: float
    via: str
    tally: Tally = field(default_factory=Tally)
    ended: float = 0.0
    state: str = "SYN_SENT"
    error: int = 0
    kill: Callable[[], None] | None = None


class Flows:
    """All of one `hythe forward`. `first` and `step`: of their numbers, where several processes count together."""

    def __init__(self, first: int = 1, step: int = 1) -> None:
        self._first = first
        self._step = step
        self.began = time.time()
        self.live: dict[int, Flow] = {}
        self.past: deque[Flow] = deque(maxlen=KEPT)
        self.notices: list[str] = []
        self.observers: list[Observer] = []
        self.count = 0
        self.refused = 0
        self._up = 0
        self._down = 0

    @property
    def ended(self) -> int:
        """How many have."""
        return self.count - len(self.live)

    @property
    def answered(self) -> int:
        """DNS queries; the far end looks names up."""
        return 0

    @property
    def bytes_up(self) -> int:
        """Carried away from clients, by all."""
        return self._up + sum(each.tally.up for each in self.live.values())

    @property
    def bytes_down(self) -> int:
        """And to them."""
        return self._down + sum(each.tally.down for each in self.live.values())

    def begin(self, protocol: str, near: End, far: End, via: str, *, inbound: bool = False) -> Flow:
        """One more."""
        number = self._first + self.count * self._step
        self.count += 1
        flow = self.live[number] = Flow(number, protocol, near, far, inbound, time.time(), via)
        return flow

    def opened(self, flow: Flow) -> None:
        """Its far end is there."""
        flow.state = "ESTABLISHED"
        self.tell("opened", flow)

    def end(self, flow: Flow, error: OSError | None) -> None:
        """It has ended; `error` is what ended it before its time."""
        if self.live.pop(flow.number, None) is None:
            return
        flow.ended = time.time()
        flow.kill = None  # and so nothing is kept with the record that the stream had
        flow.error = _number(error) if error is not None else 0
        refused = flow.state == "SYN_SENT"
        flow.state = "CLOSED"
        self._up += flow.tally.up
        self._down += flow.tally.down
        self.refused += refused
        self.past.append(flow)
        self.tell("refused" if refused else "closed", flow)

    def notice(self, sentence: str) -> None:
        """For the person who runs this."""
        self.notices.append(sentence)
        self.tell("notice", sentence)

    def tell(self, kind: str, about: object) -> None:
        """Tell the observers."""
        for observer in self.observers:
            observer(kind, about)


class Counted(Way):
    """A way whose streams and associations are records of `flows`.

    `whose` tells the end of a client that is at the far end of the way `via`, where clients are inbound.
    """

    def __init__(
        self, way: Way, flows: Flows, *, via: str = "", whose: Callable[[socket.socket], End] | None = None
    ) -> None:
        self.name = via or way.name
        self.resolves = way.resolves
        self._way = way
        self._flows = flows
        self._whose = whose or end_of
        self._inbound = whose is not None

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`; not counted, for nobody of ours carries what is opened."""
        return await self._way.open(host, port)

    async def carry(
        self, client: socket.socket, host: str, port: int, *, opened: Opened | None = None, tally: Tally | None = None
    ) -> OSError | None:
        """As `Way.carry`."""
        flow = self._flows.begin("tcp", self._whose(client), (host, port), self.name, inbound=self._inbound)
        flow.kill = lambda: client.shutdown(socket.SHUT_RDWR)

        def ready(far: socket.socket | None) -> bytes:
            self._flows.opened(flow)
            return opened(far) if opened is not None else b""

        ended: OSError | None = OSError(errno.ECONNABORTED, "ended from this side")
        try:
            ended = await self._way.carry(client, host, port, opened=ready, tally=flow.tally)
        except OSError as error:
            ended = error
            raise
        finally:
            self._flows.end(flow, ended)
        return ended

    async def datagrams(self, receive: Any, broken: Any) -> Datagrams:
        """As `Way.datagrams`."""
        flow = self._flows.begin("udp", ("", 0), ("", 0), self.name)

        def received(data: bytes, host: str, port: int) -> None:
            flow.tally.down += len(data)
            receive(data, host, port)

        def ended(error: OSError) -> None:
            self._flows.end(flow, error)
            broken(error)

        try:
            association = await self._way.datagrams(received, ended)
        except OSError as error:
            self._flows.end(flow, error)
            raise
        self._flows.opened(flow)
        return _Association(association, flow, self._flows)

    async def listen(self, peer: str) -> Listening:
        """As `Way.listen`; not counted either."""
        return await self._way.listen(peer)

    async def close(self) -> None:
        """As `Way.close`."""
        await self._way.close()


class _Association:
    def __init__(self, inner: Datagrams, flow: Flow, flows: Flows) -> None:
        self._inner = inner
        self._flow = flow
        self._flows = flows

    def send(self, data: Buffer, host: str, port: int) -> None:
        self._flow.far = (host, port)
        self._flow.tally.up += len(data)
        self._inner.send(data, host, port)

    def close(self) -> None:
        self._inner.close()
        self._flows.end(self._flow, None)


def _number(error: OSError) -> int:
    """Its errno; those of look-ups (`socket.gaierror`) are no errno."""
    if isinstance(error, socket.gaierror):
        return errno.EHOSTUNREACH
    return error.errno or errno.EIO


def end_of(client: socket.socket) -> End:
    """Where a client is."""
    try:
        name: Any = client.getpeername()
    except OSError:
        return "", 0  # gone already
    return (name[0], name[1]) if isinstance(name, tuple) else (name or "unix", 0)

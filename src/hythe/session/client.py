"""Ask a running session, and change it: the one way for everything that shows one.

    from hythe.session.client import find, running

    for session in running():                   # all of this user's, by name
        print(session.about().command)
    web = find("web")                           # `UsageError` says which there are
    for connection in web.connections(ended=100):
        print(connection.remote, connection.bytes_up)
    web.set_faults(loss="5%", delay=None)
    for event in web.events():                  # until the session ends
        print(event.kind)

Every call is a request of its own on a connection of its own, blocks until it is answered, and needs nothing beyond the
standard library. Errors: `UsageError` is what the session answers to a wrong request, `SessionEndedError` that it has ended,
`SessionSilentError`, which is one, that it does not answer.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode

from hythe.errors import MachineError, UsageError
from hythe.session import places
from hythe.session.model import About, Changes, Connection, Detail, Event, Faults, Holding, Listener, Peer, Publish, Query
from hythe.session.plain import build, plain

#: Seconds that an answer may take to begin; a session that is stopped (^Z) gives none.
PATIENCE: Final = 10.0
#: Seconds between two signs of life of a quiet stream of events are fewer than this.
_QUIET: Final = 60.0


class SessionEndedError(MachineError):
    """The session has ended."""


class SessionSilentError(SessionEndedError):
    """The session runs, but does not answer."""


def running(patience: float = PATIENCE) -> list[Session]:
    """The sessions of this user that run, by name; `patience` as in `Session`. What killed ones have left is removed."""
    return [Session(name, path, patience) for name, path in places.sockets()]


def find(name: str, patience: float = PATIENCE) -> Session:
    """The session called `name`; `patience` as in `Session`. Raises `UsageError` that says which there are."""
    sessions = running(patience)
    for session in sessions:
        if session.name == name:
            return session
    there_are = ", ".join(each.name for each in sessions)
    rest = f"there are {there_are}" if len(sessions) > 1 else f"there is {there_are}" if sessions else "none runs"
    raise UsageError(f"no session is called {name!r}: {rest}")


class Session:
    """One session, by its socket. `patience`: seconds that an answer may take to begin.

    Methods raise `SessionEndedError`; where they name or change something, `UsageError` and `MachineError`.
    """

    def __init__(self, name: str, path: str, patience: float = PATIENCE) -> None:
        self.name = name
        self.path = path
        self.patience = patience

    # --- Read

    def about(self) -> About:
        """Name, PID, command, totals, notices."""
        return build(About, self._get("/"))

    def connections(self, *, ended: int = 0, processes: bool = False, moments: bool = False) -> list[Connection]:
        """Those that go on, in front of them the last `ended` that do not; `processes`: say who holds them inside.

        `moments`: from now on have noted what happens to each that begins.
        """
        found = self._get("/connections", ended=ended, processes=int(processes), moments=int(moments))
        return [build(Connection, each) for each in found]

    def changes(self, since: int = 0) -> Changes:
        """What has changed since the answer whose `serial` is `since`; everything, without it."""
        return build(Changes, self._get("/changes", since=since))

    def holders(self, *, after: int = 0) -> list[Holding]:
        """Which processes inside hold which connections; only of those whose `id` is above `after`."""
        return [build(Holding, each) for each in self._get("/holders", after=after)]

    def connection(self, number: int) -> Detail:
        """One of them, with its `info()`."""
        return build(Detail, self._get(f"/connections/{number}"))

    def listeners(self, *, processes: bool = False) -> list[Listener]:
        """Published ports, and those that are listened on inside."""
        return [build(Listener, each) for each in self._get("/listeners", processes=int(processes))]

    def faults(self) -> Faults:
        """Of the wire, with what became of its packets."""
        return build(Faults, self._get("/faults"))

    def queries(self) -> list[Query]:
        """The last DNS queries of the command."""
        return [build(Query, each) for each in self._get("/dns")]

    def peers(self) -> list[Peer]:
        """Of its WireGuard tunnel."""
        return [build(Peer, each) for each in self._get("/peers")]

    def metrics(self) -> str:
        """In Prometheus's text format."""
        with self._request("GET", "/metrics") as answer:
            return answer.read().decode()

    def events(self) -> Iterator[Event]:
        """What happens from now on, until the session ends."""
        with self._request("GET", "/events", pause=_QUIET) as answer:
            while line := _more(answer.readline):
                if line.startswith(b"data: "):
                    yield build(Event, json.loads(line[6:]))

    def capture(self, *, snaplen: int = 0) -> Generator[bytes, None, None]:
        """All packets from now on as pieces of a pcapng file, until the session ends; `snaplen`: so much of each, 0 for all.

        `wire.pcapng.Reader` reads it piece by piece. Whoever reads too slowly misses packets; a comment says how many.
        """
        path = f"/capture?snaplen={snaplen}" if snaplen else "/capture"
        with self._request("GET", path, pause=None) as answer:
            while piece := _more(answer.read1):
                yield piece

    # --- Change

    def kill(self, number: int) -> Connection:
        """Reset a connection."""
        return build(Connection, self._json("DELETE", f"/connections/{number}"))

    def publish(self, publication: str) -> list[Listener]:
        """Publish a port or a range, written as for `hythe run -p`; what was opened. `MachineError`: it is taken."""
        return [build(Listener, each) for each in self._json("POST", "/listeners", plain(Publish(publication)))]

    def unpublish(self, number: int) -> Listener:
        """Take a published port away again, by its `id`; what it was."""
        return build(Listener, self._json("DELETE", f"/listeners/{number}"))

    def set_faults(self, **words: str | None) -> Faults:
        """Change faults by name (``loss="5%"``, ``up_delay="20ms"``); None takes one away."""
        return build(Faults, self._json("PATCH", "/faults", words))

    # --- HTTP

    def _get(self, path: str, **parameters: int) -> Any:
        given = {name: value for name, value in parameters.items() if value}
        return self._json("GET", f"{path}?{urlencode(given)}" if given else path)

    def _json(self, method: str, path: str, body: object = None) -> Any:
        with self._request(method, path, body) as answer:
            return json.loads(answer.read())

    @contextmanager
    def _request(
        self, method: str, path: str, body: object = None, *, pause: float | None = PATIENCE
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer of status 200, in which no pause is longer than `pause`.

        Raises `UsageError`, `MachineError` with the sentence of any other, `SessionEndedError`.
        """
        caller = _Caller(self.path, self.patience)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            caller.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            answer = caller.getresponse()
            if answer.status != http.client.OK:
                raise _problem(answer)
            if caller.sock is not None:
                caller.sock.settimeout(pause)
            yield answer
        except TimeoutError as error:
            raise SessionSilentError(f"the session {self.name!r} does not answer: it may be stopped (^Z)") from error
        except (OSError, http.client.HTTPException) as error:
            raise SessionEndedError(f"the session {self.name!r} has ended") from error
        finally:
            caller.close()


class _Caller(http.client.HTTPConnection):
    """HTTP by a Unix socket."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = places.connect(self._path, self.timeout)


def _more(read: Callable[[], bytes]) -> bytes:
    """The next piece of a stream; nothing when it has ended, one way or the other."""
    try:
        return read()
    except (OSError, http.client.HTTPException):
        return b""


def _problem(answer: http.client.HTTPResponse) -> Exception:
    """Whose fault it is, by the status."""
    sentence = str(json.loads(answer.read())["error"])
    if answer.status >= http.client.INTERNAL_SERVER_ERROR:
        return RuntimeError(f"the session failed to answer:\n{sentence}")
    return MachineError(sentence) if answer.status == http.client.CONFLICT else UsageError(sentence)

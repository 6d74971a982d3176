"""What can be asked of a session, and what can be changed: the one list that server, schema and client go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hythe.session.model import About, Changes, Connection, Detail, Faults, Holding, Listener, Peer, Publish, Query

#: Grows with changes that an older client would misunderstand; fields and routes may be added without.
API: Final = 1

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
PCAPNG: Final = "application/x-pcapng"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Of the query string. `kind`: int, bool or str."""

    name: str
    kind: type
    text: str


@dataclass(frozen=True, slots=True)
class Route:
    """`operation` names the server's method. `path` may have one ``{id}``, a number. `answer`, `body`: their annotation."""

    method: str
    path: str
    operation: str
    text: str
    answer: Any
    media: str = JSON
    body: Any = None
    parameters: Sequence[Parameter] = field(default=())


_PROCESSES = Parameter("processes", bool, "1: tell which process inside holds each socket (some milliseconds)")
_MOMENTS = Parameter("moments", bool, "1: from now on note the moments of connections that begin, and tell them everywhere")
_ENDED = Parameter("ended", int, "so many of the last ones that have ended as well, in front; none unless given")

ROUTES: Final[Sequence[Route]] = (
    Route("GET", "/", "about", "The session: its name, command, totals and notices.", About),
    Route(
        "GET",
        "/connections",
        "connections",
        "The connections that go on, the oldest first.",
        list[Connection],
        parameters=(_ENDED, _PROCESSES, _MOMENTS),
    ),
    Route(
        "GET",
        "/changes",
        "changes",
        "What has changed since the answer before, by its `serial`; everything, unless that is given.",
        Changes,
        parameters=(Parameter("since", int, "the `serial` of the answer before"),),
    ),
    Route(
        "GET",
        "/holders",
        "holders",
        "Which processes inside hold which connections (some milliseconds, more with thousands of sockets).",
        list[Holding],
        parameters=(Parameter("after", int, "only of connections whose `id` is above this"),),
    ),
    Route("GET", "/connections/{id}", "connection", "One connection, with what tcp_info tells of it.", Detail),
    Route("DELETE", "/connections/{id}", "kill", "Reset a connection: the command and the far side see a RST.", Connection),
    Route(
        "GET",
        "/listeners",
        "listeners",
        "Published ports, and the ports that are listened on inside.",
        list[Listener],
        parameters=(_PROCESSES,),
    ),
    Route("POST", "/listeners", "publish", "Publish a port (or a range); what was opened.", list[Listener], body=Publish),
    Route(
        "DELETE",
        "/listeners/{id}",
        "unpublish",
        "Take a published port away again; who is connected by TCP stays.",
        Listener,
    ),
    Route("GET", "/faults", "faults", "The faults of the wire.", Faults),
    Route(
        "PATCH",
        "/faults",
        "set_faults",
        "Change faults by name (loss, up_delay); null takes one away. What is not named stays.",
        Faults,
        body=dict[str, str | None],
    ),
    Route("GET", "/dns", "queries", "The last answers to the command's DNS queries, the oldest first.", list[Query]),
    Route("GET", "/peers", "peers", "The peers of the session's WireGuard tunnel; none where it has none.", list[Peer]),
    Route(
        "GET",
        "/capture",
        "capture",
        "All packets from now on, as the command sees them: pcapng.",
        None,
        PCAPNG,
        parameters=(Parameter("snaplen", int, "of each packet so many bytes at most; all unless given"),),
    ),
    Route("GET", "/events", "events", "What happens from now on, as server-sent events: objects of Event.", None, EVENTS),
    Route("GET", "/metrics", "metrics", "The totals for Prometheus.", None, METRICS),
    Route("GET", "/openapi.json", "openapi", "This description.", dict[str, Any]),
)

"""What a session says of itself, as both ends of the API know it.

Each class is one object of the JSON that travels, field by field (`plain`), and one component of the OpenAPI schema
(`openapi`), which takes its words from the comments `#:` here. Sizes are bytes, lengths of time seconds, moments seconds
since 1970 (UTC). "Up" is away from the command, "inside" is the command's network, "outside" the world.

`Figures` alone travels as an array: there are thousands of them in one answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(slots=True)
class End:
    """One end of a connection: an address (or a name, where the way out resolves names) and a port."""

    address: str
    port: int


@dataclass(slots=True)
class Process:
    """Who holds a socket inside. `pid` is this machine's number for it, not the one that the command sees."""

    pid: int
    program: str
    user: int
    descriptor: int


@dataclass(slots=True)
class Totals:
    """Of the session so far. `refused`: attempts that came to nothing; `open`: connections that go on."""

    connections: int
    open: int
    refused: int
    bytes_up: int
    bytes_down: int
    queries: int


@dataclass(slots=True)
class Tunnel:
    """What `hythe forward` keeps up. `state`: connecting, up or down; `reason`: why it is down. `forwards`: for people."""

    name: str
    via: str
    state: str
    since: float
    reason: str
    forwards: list[str]


@dataclass(slots=True)
class About:
    """One session. `command`: its words; `faults`: those of its wire, as one would write them; `api`: version of this.

    `tunnels`: of a `hythe forward`, which has no command, network or wire.
    """

    name: str
    pid: int
    command: list[str]
    since: float
    api: int
    mtu: int
    addresses: list[str]
    gateways: list[str]
    faults: dict[str, str]
    notices: list[str]
    totals: Totals
    tunnels: list[Tunnel] = field(default_factory=list)


@dataclass(slots=True)
class Tls:
    """What the first messages of TLS say in clear. `name`: whom the client asks for (SNI). `offered`: its ALPN protocols.

    `protocol`: what the server chose of them, which since TLS 1.3 is encrypted, and null then. `version`: ``TLS 1.3``, null
    before the server has said so.
    """

    name: str | None
    offered: list[str]
    protocol: str | None
    version: str | None


@dataclass(slots=True)
class Pause:
    """A time in which nothing moved, though the connection was not over. `waited_for`: one of the words of `Moments`."""

    began: float
    ended: float
    waited_for: str


@dataclass(slots=True)
class Moments:
    """What happened to a connection, and when; null for what has not, or was not seen.

    `reached`: the way outside was open; `connected`: so was the connection inside. `first_up` and so on: bytes arrived at
    hythe; with TLS those behind its handshake, which took from `tls_began` to `tls_ended`. `asked`: the last bytes up before
    the first down. `waits`: seconds by what was waited for: remote and command (to say something), command more (to go on
    with it), remote full and command full (to take what is there), loss (of packets on the command's wire, or that they came
    out of order). `outside_rtt`, `outside_resent`: of the socket outside, when it closed.
    """

    reached: float | None = None
    connected: float | None = None
    tls_began: float | None = None
    tls_ended: float | None = None
    first_up: float | None = None
    asked: float | None = None
    last_up: float | None = None
    first_down: float | None = None
    last_down: float | None = None
    tls: Tls | None = None
    waits: dict[str, float] = field(default_factory=dict)
    pauses: list[Pause] = field(default_factory=list)
    pauses_left_out: int = 0
    outside_rtt: float | None = None
    outside_resent: int | None = None


@dataclass(slots=True)
class Connection:
    """One connection, or for UDP and ICMP what belongs together: a socket pair.

    `inside` is the command's end and `remote` the other one as the command knows it; `outside` and `outside_local` are the
    ends of the socket that leads there (null where there is none). `name`: by which the command had looked `remote` up.
    `via`: the way it goes, of those of --via (null without any).
    `held_up` and `held_down`: on their way, in hythe's hands. `state`: as netstat has it for TCP, UNREPLIED or ASSURED for
    others. `error`: what ended it, or stands in its way, as errno has it (ECONNREFUSED). `process`: only where asked for, or
    where `moments` are noted: those of connections that began while they were.
    """

    id: int
    protocol: str
    inbound: bool
    inside: End
    remote: End
    outside_local: End | None
    outside: End | None
    name: str | None
    via: str | None
    state: str
    error: str | None
    began: float
    ended: float | None
    bytes_up: int
    bytes_down: int
    held_up: int
    held_down: int
    rtt: float | None
    retransmits: int
    process: Process | None
    moments: Moments | None = None


class Figures(NamedTuple):
    """What changes in a connection, by its `id`, as in Connection; an array in this order, to which more may be added."""

    id: int
    state: str
    error: str | None
    ended: float | None
    bytes_up: int
    bytes_down: int
    held_up: int
    held_down: int
    rtt: float | None
    retransmits: int


@dataclass(slots=True)
class Holding:
    """A process inside, and the connections that it holds, by their `id`."""

    pid: int
    program: str
    user: int
    connections: list[int]


@dataclass(slots=True)
class Info:
    """What Linux's tcp_info tells, of hythe's end of the connection with the command; null for what is not known."""

    congestion: str
    cwnd: int
    ssthresh: int | None
    rtt: float | None
    rtt_min: float | None
    rtt_variance: float | None
    rto: float
    mss: int
    receive_mss: int
    unacknowledged: int
    unsent: int
    unread: int
    send_window: int
    receive_window: int
    delivered: int
    sacked: int
    lost: int
    resent: int
    reordering: int
    pacing_rate: int
    retransmits: int
    fast_retransmits: int
    timeouts: int
    backoff: int
    undone: int
    dsacks: int
    ecn: bool


@dataclass(slots=True)
class Detail:
    """One connection with its `info()`; null for what is not TCP, or has ended."""

    connection: Connection
    info: Info | None


@dataclass(slots=True)
class Listener:
    """A port that is listened on: outside, published and leading to `inside`, or inside by a `process`.

    `id`: by which a published one can be taken away again; null for others.
    """

    protocol: str
    outside: End | None
    inside: End
    process: Process | None
    id: int | None = None


@dataclass(slots=True)
class Tally:
    """Packets of one direction of the wire, by what became of them."""

    arrived: int
    passed: int
    lost: int
    dropped: int
    late: int
    doubled: int
    corrupted: int


@dataclass(slots=True)
class Faults:
    """Of the wire between the command and hythe. `words`: as the options of `hythe run` have them, by name (up_delay).

    The tallies are null where the wire has none, `seed` as long as it has never had any.
    """

    words: dict[str, str]
    seed: int | None
    up: Tally | None
    down: Tally | None


@dataclass(slots=True)
class Query:
    """One question that was answered. `answers`: type and data of each record; `took`: null where hythe knew it itself."""

    at: float
    name: str
    type: str
    rcode: str
    answers: list[str]
    took: float | None


@dataclass(slots=True)
class Peer:
    """The far side of a tunnel, as `wg show` has it.

    `endpoint`: where it was heard last, empty before that. `handshake`: when the last one was complete, null before the
    first. `received`, `sent`: bytes on the wire. `trying`: a handshake is under way. `keepalive`: seconds, 0 for none.
    """

    public_key: str
    name: str
    endpoint: str
    allowed_ips: list[str]
    handshake: float | None
    received: int
    sent: int
    keepalive: float
    preshared: bool
    trying: bool


@dataclass(slots=True)
class Event:
    """Something happened. `kind` says which of the others is there.

    opened, closed, refused (connection); query (query); faults (faults); published, unpublished (listener); notice
    (notice); dropped (count): so many events were left out here, because they were not read as fast as they came.
    """

    kind: str
    at: float
    connection: Connection | None = None
    query: Query | None = None
    faults: Faults | None = None
    listener: Listener | None = None
    notice: str | None = None
    count: int | None = None


@dataclass(slots=True)
class Changes:
    """What has changed since another answer of this kind, whose `serial` was given.

    `connections`: those that are new to the caller, or lead elsewhere than before; some may have ended already. `figures`:
    of those that he knows, where anything changed, and the last ones where `ended` is there; an `id` that he does not know
    is to be left out. `queries`, `notices`: new ones. `faults`: all words of the wire, as they are now. `left_out`: so many
    connections came and went in between of which nothing more is told. `complete`: the caller is to forget what he knows:
    `connections` are all that go on, `queries` and `notices` all that are remembered.
    """

    serial: int
    complete: bool
    totals: Totals
    faults: dict[str, str]
    notices: list[str]
    queries: list[Query]
    connections: list[Connection]
    figures: list[Figures]
    left_out: int


@dataclass(slots=True)
class Publish:
    """What to publish, as `hythe run -p` takes it: ``[ADDR:]HOSTPORT:PORT[/udp]``."""

    publish: str


@dataclass(slots=True)
class Problem:
    """What is wrong with a request, where, and what to do."""

    error: str

"""Connections and look-ups as lines of spans: what each was doing, from when to when, and what it waited for most.

Moments come as seconds since 1970 and leave as seconds since the session began. A look-up stands in the line of the first
connection that followed from it; one that led to none, or to no address, has a line of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from hythe.session.model import Connection, Moments, Query, Tls
from hythe.view.sessions import outcome

#: Kinds of spans, in the order in which they follow each other. `idle`: open, and nothing was going on.
DNS: Final = "dns"
CONNECT: Final = "connect"
TLS: Final = "tls"
WAIT: Final = "wait"
TRANSFER: Final = "transfer"
STALL: Final = "stall"
IDLE: Final = "idle"
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        DNS: "looking the name up",
        CONNECT: "connecting",
        TLS: "TLS handshake",
        WAIT: "waiting for the first byte",
        TRANSFER: "transfer",
        STALL: "stall",
        IDLE: "idle",
    }
)
#: Answers to look-ups of one name belong together when they came within this, and the first connection follows this soon.
_TOGETHER: Final = 5.0
#: A pause before the end is idleness when it is longer than this.
_IDLE: Final = 0.05


@dataclass(slots=True)
class Span:
    """`kind`: one of `KINDS`. `text`: what it was, for people."""

    kind: str
    start: float
    end: float
    text: str


@dataclass(slots=True)
class Line:
    """One connection; with `count` above 1 as many alike ones, and with `id` 0 a look-up that led to none.

    `name`: of the far end, or its address. `process`: ``curl[1234]``, empty where unknown; of a tunnel the peer.
    `outcome`: how it ended, in words. `failed`: against somebody's will. `open`: it has not ended. `limits`: what the time
    went for, in seconds; `limited`: the largest of them, in words.
    """

    id: int
    protocol: str
    inbound: bool
    name: str
    address: str
    port: int
    via: str | None
    process: str
    start: float
    end: float
    open: bool
    outcome: str
    failed: bool
    bytes_up: int
    bytes_down: int
    retransmits: int
    tls: Tls | None
    spans: list[Span]
    limits: dict[str, float]
    limited: str
    count: int = 1


@dataclass(slots=True)
class Waterfall:
    """`began`: seconds since 1970; `seconds`: how long the axis is. `connections`: all that there were.

    `notes`: sentences about what is not shown.
    """

    began: float
    seconds: float
    connections: int
    lines: list[Line]
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Lookup:
    """What was asked for one name at about one time. `addresses`: those it has; `outcome`: why none."""

    name: str
    start: float
    end: float
    types: list[str]
    addresses: set[str]
    outcome: str
    used: bool = False


@dataclass(frozen=True, slots=True)
class Inside:
    """What is on the near side. `who`: whose a connection is, in a word; `name`: what sentences call the one inside."""

    who: Callable[[Connection], str]
    name: str


def process_of(connection: Connection) -> str:
    """``curl[1234]``, empty where it is not known."""
    process = connection.process
    return f"{process.program}[{process.pid}]" if process is not None else ""


COMMAND: Final = Inside(process_of, "the command")


def waterfall(
    connections: Iterable[Connection], queries: Iterable[Query], began: float, now: float, inside: Inside = COMMAND
) -> Waterfall:
    """Of a session that began then. `connections`: in the order in which they began, with their moments where there are."""
    found = sorted(connections, key=lambda each: each.began)
    lookups = _lookups(queries)
    by_name: dict[str, list[_Lookup]] = {}
    for each in lookups:
        by_name.setdefault(each.name, []).append(each)
    lines = [_line(each, _of(each, by_name), began, now, inside) for each in map(_named, found)]
    lines += [_lookup_line(each, began) for each in lookups if not each.used]
    lines.sort(key=lambda line: line.start)
    end = max((line.end for line in lines), default=0.0)
    return Waterfall(began, max(end, 1e-3), len(found), lines)


# --- Look-ups


def _lookups(queries: Iterable[Query]) -> list[_Lookup]:
    """Those for addresses, by name: what came close together was one. What hythe knew itself took no time, and is none."""
    found: list[_Lookup] = []
    latest: dict[str, _Lookup] = {}
    for query in queries:
        if query.type not in ("A", "AAAA") or query.took is None:
            continue
        name = query.name.rstrip(".")
        addresses = {data for kind, _, data in (each.partition(" ") for each in query.answers) if kind == query.type}
        start = query.at - (query.took or 0.0)
        known = latest.get(name)
        if known is None or start > known.end or query.at - known.start > _TOGETHER:
            known = latest[name] = _Lookup(name, start, query.at, [], set(), "")
            found.append(known)
        known.start, known.end = min(known.start, start), max(known.end, query.at)
        known.types.append(query.type)
        known.addresses |= addresses
        known.outcome = "" if known.addresses else _RCODES.get(query.rcode, query.rcode)
    return found


_RCODES: Final[Mapping[str, str]] = MappingProxyType(
    {"NXDOMAIN": "no such name", "NOERROR": "no address", "SERVFAIL": "no answer"}
)


def _of(connection: Connection, lookups: Mapping[str, Sequence[_Lookup]]) -> _Lookup | None:
    """The look-up that it followed from, if that had no connection before."""
    for each in reversed(lookups.get(connection.name or "", ())):
        fits = not each.addresses or connection.remote.address in each.addresses
        if fits and each.start <= connection.began and connection.began - each.end < _TOGETHER:
            if each.used:
                return None
            each.used = True
            return each
    return None


def _lookup_line(lookup: _Lookup, began: float) -> Line:
    start, end = lookup.start - began, lookup.end - began
    text = f"look-up of {lookup.name} ({', '.join(dict.fromkeys(lookup.types))})"
    return Line(
        id=0,
        protocol="dns",
        inbound=False,
        name=lookup.name,
        address="",
        port=0,
        via=None,
        process="",
        start=start,
        end=end,
        open=False,
        outcome=lookup.outcome or "answered",
        failed=bool(lookup.outcome),
        bytes_up=0,
        bytes_down=0,
        retransmits=0,
        tls=None,
        spans=[Span(DNS, start, end, text)],
        limits={DNS: end - start},
        limited="",
    )


# --- Connections


def _named(connection: Connection) -> Connection:
    """By what it asked for itself, where it did: many names may have one address, and which was meant TLS knows."""
    tls = connection.moments.tls if connection.moments is not None else None
    if tls is None or not tls.name or connection.inbound or tls.name == connection.name:
        return connection
    return replace(connection, name=tls.name)


def _line(connection: Connection, lookup: _Lookup | None, began: float, now: float, inside: Inside) -> Line:
    far = (connection.outside or connection.remote) if connection.inbound else connection.remote
    spans = list(_spans(connection, lookup, began, now, inside.name))
    limits = _limits(connection, spans)
    ended = connection.ended
    moments = connection.moments
    return Line(
        id=connection.id,
        protocol=connection.protocol,
        inbound=connection.inbound,
        name=connection.name or far.address,
        address=far.address,
        port=far.port,
        via=connection.via,
        process=inside.who(connection),
        start=min(span.start for span in spans),
        end=max(span.end for span in spans),
        open=ended is None and connection.protocol == "tcp",
        outcome=outcome(connection),
        failed=connection.error is not None,
        bytes_up=connection.bytes_up,
        bytes_down=connection.bytes_down,
        retransmits=connection.retransmits,
        tls=moments.tls if moments is not None else None,
        spans=spans,
        limits=limits,
        limited=limited(connection, limits, inside.name),
    )


class _Times:
    """The moments of one connection, as seconds since the session began, none outside of the connection's own time."""

    def __init__(self, connection: Connection, began: float, now: float) -> None:
        self.start = connection.began - began
        self.stop = max(self.start, (connection.ended or now) - began)
        self._began = began
        moments = connection.moments or Moments()
        self.connected = self._since(moments.connected)
        self.tls_began, self.tls_ended = self._since(moments.tls_began), self._since(moments.tls_ended)
        self.first_up, self.first_down = self._since(moments.first_up), self._since(moments.first_down)
        self.asked = self._since(moments.asked)
        seen = (self._since(moments.last_up), self._since(moments.last_down))
        self.last = max((each for each in seen if each is not None), default=None)

    def _since(self, moment: float | None) -> float | None:
        return min(max(moment - self._began, self.start), self.stop) if moment is not None else None


def _spans(connection: Connection, lookup: _Lookup | None, began: float, now: float, near: str) -> Iterator[Span]:
    """In order, none before the one in front of it has ended; there may be time between a look-up and the connection."""
    if lookup is not None:
        types = ", ".join(dict.fromkeys(lookup.types))
        yield Span(DNS, lookup.start - began, lookup.end - began, f"look-up of {lookup.name} ({types})")
    times = _Times(connection, began, now)
    if connection.protocol != "tcp":
        yield from _datagram_spans(connection, times)
    elif connection.moments is None and connection.error is None:
        yield Span(TRANSFER, times.start, times.stop, "open")  # what happened meanwhile was not noted
    elif times.connected is None and (connection.bytes_up or connection.bytes_down):
        yield Span(TRANSFER, times.start, times.stop, "open")  # its packets passed by: through a tunnel, or between peers
    elif times.connected is None:
        yield Span(CONNECT, times.start, times.stop, f"connecting to {_far(connection)}: {outcome(connection)}")
    else:
        yield Span(CONNECT, times.start, times.connected, f"connecting to {_far(connection)}")
        yield from _stream_spans(connection, times, times.connected, began, near)


def _far(connection: Connection) -> str:
    return "the client" if connection.inbound else connection.name or connection.remote.address


def _datagram_spans(connection: Connection, times: _Times) -> Iterator[Span]:
    """UDP and ICMP have no end of their own: the last datagram is it."""
    last = times.last if times.last is not None else times.stop
    if connection.moments is None or times.last is None:
        yield Span(TRANSFER, times.start, last, "datagrams")
    elif times.first_down is None:
        yield Span(WAIT, times.start, last, f"{_far(connection)} did not answer")
    else:
        yield Span(WAIT, times.start, times.first_down, f"waiting for an answer of {_far(connection)}")
        yield Span(TRANSFER, times.first_down, max(last, times.first_down), "datagrams")


def _stream_spans(connection: Connection, times: _Times, at: float, began: float, near: str) -> Iterator[Span]:
    """From when it was open, `at`."""
    if times.tls_began is not None:
        done = times.stop if times.tls_ended is None else times.tls_ended
        if times.tls_began - at > _IDLE:
            yield Span(IDLE, at, times.tls_began, "nothing was said yet")
            at = times.tls_began
        yield Span(TLS, at, done, "TLS handshake" + (", which did not end" if times.tls_ended is None else ""))
        at = done
    asker, answerer = ("the client", near) if connection.inbound else (near, _far(connection))
    asked, answered = times.first_up, times.first_down
    if connection.inbound:
        asked, answered = answered, asked
    if asked is not None and asked - at > _IDLE and (answered is None or asked <= answered):
        yield Span(IDLE, at, asked, f"{asker} said nothing")
        at = asked
    if times.asked is not None and asked is not None and times.asked - max(at, asked) > _IDLE and not connection.inbound:
        yield from _transfer(connection, at, times.asked, began, near)  # a long question: an upload
        at = times.asked
    if answered is not None:
        yield Span(WAIT, at, max(at, answered), f"waiting for the first byte of {answerer}")
        at = max(at, answered)
    elif asked is not None:
        yield Span(WAIT, at, times.stop, f"{answerer} said nothing")
        return
    last = max(at, times.last if times.last is not None else at)
    yield from _transfer(connection, at, last, began, near)
    if times.stop - last > _IDLE:
        yield Span(IDLE, last, times.stop, "open, and nothing was said")


def _transfer(connection: Connection, start: float, end: float, began: float, near: str) -> Iterator[Span]:
    """From `start` to `end`, with the stalls in between."""
    at = start
    moments = connection.moments or Moments()
    for pause in moments.pauses:
        first, last = pause.began - began, pause.ended - began
        if first < at or last > end:
            continue
        if first > at:
            yield Span(TRANSFER, at, first, "transfer")
        # Who has asked nothing is at rest; whatever else stands still is a stall.
        rests = pause.waited_for == ("remote" if connection.inbound else "command")
        text = "waited for " + _WAITS[pause.waited_for].format(far=_far(connection), near=near)
        yield Span(IDLE if rests else STALL, first, last, text)
        at = last
    if end > at:
        yield Span(TRANSFER, at, end, "transfer")


# --- What the time went for

_WAITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "remote": "{far} to say something",
        "remote full": "{far}, or the path to it, to take what was there",
        "command": "{near} to say something",
        "command full": "{near}, or the wire to it, to take what was there",
        "command more": "{near}, or the wire from it, to go on",
        "loss": "packets that were lost, or late, on {near}'s wire",
    }
)
#: Of connecting, what is not the far end's doing.
_WIRE: Final = "wire"
_LIMITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        DNS: "the look-up of its name",
        CONNECT: "{far} to answer the connection",
        _WIRE: "the handshake on {near}'s wire",
        TLS: "the TLS handshake",
        **_WAITS,
    }
)
#: Of the whole, what is worth to be called the limit.
_SHARE: Final = 0.3


def _limits(connection: Connection, spans: Iterable[Span]) -> dict[str, float]:
    found = dict.fromkeys((DNS, CONNECT, TLS), 0.0)
    for span in spans:
        if span.kind in found:
            found[span.kind] += span.end - span.start
    moments = connection.moments
    if moments is not None:
        if moments.connected is not None and moments.reached is not None:
            found[_WIRE] = min(found[CONNECT], max(0.0, moments.connected - max(moments.reached, connection.began)))
            found[CONNECT] -= found[_WIRE]
        for reason, spent in moments.waits.items():
            found[reason] = spent
    return {reason: spent for reason, spent in found.items() if spent > 0}


def limited(connection: Connection, limits: Mapping[str, float], near: str) -> str:
    """What took most of its time, in words; empty where nothing stands out, or it was not noted."""
    total = sum(limits.values())
    if connection.error is not None or connection.moments is None or not total:
        return ""
    reason = max(limits, key=lambda each: limits[each])
    share = limits[reason] / total
    if share < _SHARE:
        return ""
    return f"{share:.0%} of the time waiting for {_LIMITS[reason].format(far=_far(connection), near=near)}"


__all__ = ["KINDS", "Line", "Span", "Waterfall", "limited", "waterfall"]

"""What a look-up found, in the words of host(1), as JSON, and with everything that was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hythe.host.lookup import Found, Status
from hythe.wire import dns
from hythe.wire.dnsmessage import AUTHENTIC, AUTHORITATIVE, CNAME, MX, NS, RECURSION_AVAILABLE, TRUNCATED, TXT, Record
from hythe.wire.dnstext import data_text, name_text, rcode_name, record_text, type_name

_WORDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        dns.A: "has address",
        dns.AAAA: "has IPv6 address",
        CNAME: "is an alias for",
        MX: "mail is handled by",
        NS: "name server",
        dns.PTR: "domain name pointer",
        TXT: "descriptive text",
    }
)
_FLAGS: Final = ((AUTHORITATIVE, "aa"), (TRUNCATED, "tc"), (RECURSION_AVAILABLE, "ra"), (AUTHENTIC, "ad"))


def sentences(found: Found, kinds: Sequence[int]) -> Iterator[str]:
    """One line for each record, or one that says what is not there. `kinds`: the types that were wanted."""
    origin = f" (from {found.source})" if found.source != "dns" else ""
    for record in [*found.aliases, *found.records]:
        yield sentence(record) + origin
    if found.status is Status.NO_DATA:
        yield f"{found.canonical} has no {_either([type_name(kind) for kind in kinds])} record{origin}"
    elif found.status is not Status.FOUND:
        why = f"{found.rcode}({rcode_name(found.rcode)})" if found.rcode > 0 else found.reason
        yield f"Host {found.name} not found: {why}"


def sentence(record: Record) -> str:
    """``example.com has address 192.0.2.1``."""
    words = _WORDS.get(record.kind) or f"has {type_name(record.kind)} record"
    return f"{name_text(record.name)} {words} {data_text(record)}"


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def asked(found: Found, servers: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Every question and what came of it, as comments, with the records of the answers as in a master file."""
    for question, outcome in found.outcomes:
        queries = f"{outcome.asked} {'query' if outcome.asked == 1 else 'queries'}"
        yield f";; {name_text(question.name)} {type_name(question.kind)}: {queries}"
        for number, reason in outcome.failures.items():
            yield f";;   {_server(servers, number)} {reason}"
        message = outcome.message
        if message is None:
            continue
        flags = " ".join(word for bit, word in _FLAGS if message.flags & bit)
        by = f"{_server(servers, outcome.server)} over {'TCP' if outcome.stream else 'UDP'}"
        yield f";;   {rcode_name(message.rcode)} from {by}, {message.size} bytes, flags {flags or 'none'}"
        for record in [*message.answers, *message.authorities]:
            yield record_text(record)


def as_json(found: Found, servers: Sequence[tuple[str, int]]) -> str:
    """One object; `records` has the aliases first, in order. `server` is null for what needed none."""
    helpful = [outcome for _, outcome in found.outcomes if outcome.message is not None]
    server = _server(servers, helpful[-1].server) if helpful else None
    return json.dumps(
        {
            "name": found.name,
            "status": found.status.name,
            "rcode": rcode_name(found.rcode) if found.rcode >= 0 else None,
            "canonical": found.canonical,
            "source": found.source,
            "server": server,
            "authentic": found.authentic,
            "reason": found.reason or None,
            "records": [_fields(record) for record in [*found.aliases, *found.records]],
        },
        indent=2,
    )


def _fields(record: Record) -> dict[str, object]:
    kind = type_name(record.kind)
    return {"name": name_text(record.name), "type": kind, "ttl": record.ttl, "data": data_text(record)}


def _server(servers: Sequence[tuple[str, int]], number: int) -> str:
    address, port = servers[number]
    return f"{address}#{port}"

"""The figures of a session for Prometheus (text format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from hythe.session.model import Faults, Totals

#: Field of `Totals` -> (metric, type, help).
_TOTALS: Final[Mapping[str, tuple[str, str, str]]] = {
    "connections": ("hythe_connections_total", "counter", "Connections begun, refused ones included."),
    "open": ("hythe_connections_open", "gauge", "Connections that go on."),
    "refused": ("hythe_connections_refused_total", "counter", "Connections that came to nothing."),
    "bytes_up": ("hythe_sent_bytes_total", "counter", "Payload from the command."),
    "bytes_down": ("hythe_received_bytes_total", "counter", "Payload to the command."),
    "queries": ("hythe_dns_answers_total", "counter", "DNS queries of the command that were answered."),
}


def text(name: str, since: float, totals: Totals, faults: Faults, host: Mapping[str, int]) -> str:
    """All of them. `host`: counters of the stack, by name."""
    label = f'session="{name}"'
    return "".join(f"{line}\n" for line in _lines(label, since, totals, faults, host))


def _lines(label: str, since: float, totals: Totals, faults: Faults, host: Mapping[str, int]) -> Iterator[str]:
    yield from _head("hythe_start_time_seconds", "gauge", "When the session began, in seconds since 1970.")
    yield f"hythe_start_time_seconds{{{label}}} {since:.3f}"
    for field, (metric, kind, words) in _TOTALS.items():
        yield from _head(metric, kind, words)
        yield f"{metric}{{{label}}} {getattr(totals, field)}"
    yield from _head("hythe_host_total", "counter", "What the stack counts, by reason.")
    for reason, count in host.items():
        yield f'hythe_host_total{{{label},reason="{reason}"}} {count}'
    if faults.up is None or faults.down is None:
        return
    yield from _head("hythe_wire_packets_total", "counter", "Packets of a wire with faults, by what became of them.")
    for way, found in (("up", faults.up), ("down", faults.down)):
        for fate in ("arrived", "passed", "lost", "dropped", "late", "doubled", "corrupted"):
            yield f'hythe_wire_packets_total{{{label},direction="{way}",fate="{fate}"}} {getattr(found, fate)}'


def _head(metric: str, kind: str, words: str) -> Iterator[str]:
    yield f"# HELP {metric} {words}"
    yield f"# TYPE {metric} {kind}"

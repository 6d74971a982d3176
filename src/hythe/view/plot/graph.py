"""What is drawn of one way of a conversation, apart from how: layers of marks in seconds and bytes, or milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hythe.errors import UsageError
from hythe.units import MILLISECOND, SECOND
from hythe.view.analysis.conversation import Conversation, end_text
from hythe.view.analysis.series import Series

#: Shapes: `BARS` stand from y to z at x; `STEPS` keep their level until the next; `LINE` joins points; `DOTS` does not.
BARS: Final = "bars"
STEPS: Final = "steps"
LINE: Final = "line"
DOTS: Final = "dots"
#: Parts that throughput is measured in, and the shortest.
_PARTS: Final = 120
_PART_LEAST: Final = MILLISECOND


@dataclass(slots=True)
class Layer:
    """Marks of one meaning. `marks`: (x, y) or, of bars, (x, y, z). `tone` names a colour: see `TONES`."""

    name: str
    shape: str
    tone: str
    marks: list[tuple[float, ...]]


@dataclass(slots=True)
class Graph:
    """One picture; `y` is what its vertical axis counts."""

    title: str
    y: str
    layers: list[Layer]


#: A window that is so many times as high as all else would press that flat; and the room that is left above it then.
_ABOVE: Final = 3.0
_ROOM: Final = 1.3


def top(drawn: Graph) -> float:
    """How high the picture reaches: over everything, or over all but a window that is far above."""
    rest = max((mark[-1] for layer in drawn.layers if layer.tone != "window" for mark in layer.marks), default=0.0)
    whole = max((mark[-1] for layer in drawn.layers for mark in layer.marks), default=0.0)
    return rest * _ROOM if 0 < rest * _ABOVE < whole else whole * 1.05 or 1.0


def legend(drawn: Graph, layer: Layer) -> str:
    """Its name, and whether it lies above the picture, at least in part."""
    above = layer.tone == "window" and max(mark[-1] for mark in layer.marks) > top(drawn)
    return f"{layer.name} (up to {max(mark[-1] for mark in layer.marks):,.0f}, above)" if above else layer.name


#: Colours that tell apart on white and on black, and for the colour-blind (after Okabe and Ito).
TONES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "data": "#0072b2",
        "ack": "#009e73",
        "window": "#b8860b",
        "sack": "#cc79a7",
        "resent": "#d55e00",
        "late": "#7b5ea7",
        "quiet": "#777777",
    }
)


def graph(conversation: Conversation, index: int, kind: str) -> Graph:
    """Of the way from `ends[index]`. Raises `UsageError` where the capture has nothing of that kind."""
    way = conversation.ways[index]
    assert way.series is not None
    made = KINDS[kind](way.series, conversation.start)
    made.layers = [each for each in made.layers if each.marks]
    if not made.layers:
        sender = end_text(conversation.ends[index])
        raise UsageError(f"there is nothing to draw of what {sender} sent: the capture has no such packets")
    ends = " → ".join(end_text(conversation.ends[each]) for each in (index, 1 - index))
    made.title = f"{conversation.number}: {ends}, {made.title}"
    return made


def busier(conversation: Conversation) -> int:
    """The way that carries more."""
    return 0 if conversation.ways[0].octets >= conversation.ways[1].octets else 1


def _sequence(series: Series, start: int) -> Graph:
    def bars(stretches: Iterable[tuple[int, int, int, int]]) -> list[tuple[float, ...]]:
        return [((time - start) / SECOND, first, last) for time, first, last, _ in stretches]

    acks = [((time - start) / SECOND, ack) for time, ack, _ in series.acks]
    edges = [((time - start) / SECOND, edge) for time, _, edge in series.acks]
    return Graph(
        "sequence numbers",
        "bytes from the beginning",
        [
            Layer("window", STEPS, "window", list(edges)),
            Layer("acknowledged", STEPS, "ack", list(acks)),
            Layer("data", BARS, "data", bars(series.data)),
            Layer("SACK", BARS, "sack", bars(series.sacks)),
            Layer("out of order", BARS, "late", bars(series.late)),
            Layer("sent again", BARS, "resent", bars(series.resent)),
        ],
    )


def _rtt(series: Series, start: int) -> Graph:
    marks: list[tuple[float, ...]] = [((time - start) / SECOND, sample / MILLISECOND) for time, sample in series.rtt]
    return Graph("round-trip time", "milliseconds", [Layer("round trip", DOTS, "data", marks)])


def _flight(series: Series, start: int) -> Graph:
    marks: list[tuple[float, ...]] = [((time - start) / SECOND, size) for time, size in series.flight]
    window = [((time - start) / SECOND, edge - ack) for time, ack, edge in series.acks]
    cwnd = [((time - start) / SECOND, size) for time, size in series.cwnd]
    return Graph(
        "bytes in flight",
        "bytes",
        [
            Layer("window", STEPS, "window", list(window)),
            Layer("congestion window", STEPS, "resent", list(cwnd)),
            Layer("in flight", STEPS, "data", marks),
        ],
    )


def _throughput(series: Series, start: int) -> Graph:
    sent = [(time, last - first) for time, first, last, _ in (*series.data, *series.resent, *series.late)]
    arrived, before = [], 0
    for time, ack, _ in series.acks:
        if ack > before:
            arrived.append((time, ack - before))
            before = ack
    times = [time for time, _ in (*sent, *arrived)]
    part = max(_PART_LEAST, (max(times, default=start) - start) // _PARTS)
    return Graph(
        "throughput",
        "bytes a second",
        [
            Layer("sent", STEPS, "data", _rates(sent, start, part)),
            Layer("acknowledged", STEPS, "ack", _rates(arrived, start, part)),
        ],
    )


def _rates(sizes: Sequence[tuple[int, int]], start: int, part: int) -> list[tuple[float, ...]]:
    if not sizes:
        return []
    places = [max(0, time - start) // part for time, _ in sizes]  # captures may have packets out of order
    parts = [0] * (max(places) + 2)
    for place, (_, size) in zip(places, sizes, strict=True):
        parts[place] += size
    return [(index * part / SECOND, size * SECOND / part) for index, size in enumerate(parts)]


KINDS: Final[Mapping[str, Callable[[Series, int], Graph]]] = MappingProxyType(
    {"sequence": _sequence, "rtt": _rtt, "throughput": _throughput, "flight": _flight}
)

"""A connection as a line of a table, in as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hythe.session.model import Connection
from hythe.view.sessions import outcome
from hythe.view.summary import endpoint
from hythe.view.terminal.cells import lapse, quantity, rate, spark
from hythe.view.visible import visible
from hythe.view.watch.arrange import far
from hythe.view.watch.model import Watched


@dataclass(frozen=True, slots=True)
class Column:
    """`order`: what its heading sorts by. `text`: of a connection, None for its sparkline; `right`: ends on one line.

    `rank`: those with the highest go first where there is too little room; a `width` of 0 is all that is left.
    """

    heading: str
    order: str
    width: int
    rank: int
    right: bool
    text: Callable[[Watched], str] | None


def remote(connection: Connection) -> str:
    """The far end, by name where the command knows it by one."""
    end = connection.outside or connection.remote
    return visible(endpoint(connection.name or end.address, end.port))


def _id(each: Watched) -> str:
    return str(each.connection.id)


def _to(each: Watched) -> str:
    arrow = "<" if each.connection.inbound else ""
    via = f" via {each.connection.via}" if each.connection.via and each.connection.via != "direct" else ""
    udp = "" if each.connection.protocol == "tcp" else f"{each.connection.protocol} "
    return f"{udp}{arrow}{remote(each.connection)}{visible(via)}"


def _owner(each: Watched) -> str:
    return visible(each.owner.program) if each.owner is not None else ""


#: How connections fail, in as many cells as the column has.
_SHORT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ECONNREFUSED": "refused",
        "ECONNRESET": "reset",
        "ECONNABORTED": "aborted",
        "ETIMEDOUT": "timed out",
        "EHOSTUNREACH": "no route",
        "ENETUNREACH": "no network",
        "EACCES": "forbidden",
    }
)


def _state(each: Watched) -> str:
    found = each.connection
    return _SHORT.get(found.error or "") or outcome(found).replace("ESTABLISHED", "ESTAB")


def _from(each: Watched) -> str:
    inside = each.connection.inside
    return visible(endpoint(inside.address, inside.port))


COLUMNS: Final[Sequence[Column]] = (
    Column("ID", "id", 5, 3, True, _id),
    Column("TO", "to", 0, 0, False, _to),
    Column("UP/s", "rate", 5, 0, True, lambda each: rate(each.up)),
    Column("DOWN/s", "rate", 6, 0, True, lambda each: rate(each.down)),
    Column("RATE", "rate", 8, 2, True, None),
    Column("UP", "up", 5, 6, True, lambda each: quantity(each.connection.bytes_up)),
    Column("DOWN", "down", 5, 6, True, lambda each: quantity(each.connection.bytes_down)),
    Column("RTT", "rtt", 6, 1, True, lambda each: lapse(each.connection.rtt)),
    Column("RTX", "resent", 3, 1, True, lambda each: str(each.connection.retransmits or "")),
    Column("STATE", "state", 10, 1, False, _state),
    Column("OWNER", "owner", 8, 2, False, _owner),
    Column("FROM", "id", 21, 7, False, _from),
)
#: What the column that takes the rest has at least.
_REST_MIN: Final = 18


def fitting(width: int) -> list[tuple[Column, int]]:
    """The columns for which there is room in `width` cells, each with its own width."""
    chosen = list(COLUMNS)
    while True:
        fixed = sum(each.width + 1 for each in chosen) - 1
        rest = width - fixed
        dispensable = max(chosen, key=lambda each: each.rank)
        if rest >= _REST_MIN or not dispensable.rank:
            return [(each, each.width or max(1, rest)) for each in chosen]
        chosen.remove(dispensable)


def line(watched: Watched, tick: int, columns: Sequence[tuple[Column, int]]) -> str:
    """One connection, in the tick."""
    cells = []
    for column, width in columns:
        text = column.text(watched) if column.text is not None else _spark(watched, tick, width)
        cells.append(_cell(text, width, column))
    return " ".join(cells)


def _spark(watched: Watched, tick: int, width: int) -> str:
    if watched.history is None:
        return ""
    return spark([up + down for up, down in watched.history.last(tick, width)])


def headings(columns: Sequence[tuple[Column, int]], order: str, *, turned: bool) -> str:
    """The line above; the column that is sorted by has a mark."""
    cells, marked = [], False
    for column, width in columns:
        text = column.heading
        if column.order == order and not marked:
            marked = True
            text = (text[: width - 1] + ("▴" if turned else "▾"))[:width]
        cells.append(_cell(text, width, column))
    return " ".join(cells)


def _cell(text: str, width: int, column: Column) -> str:
    if len(text) > width:  # of an end the port stays
        port = text[text.rfind(":") :] if column.heading == "TO" and ":" in text else ""
        port = port if len(port) < width // 2 else ""
        text = text[: width - 1 - len(port)] + "…" + port
    return text.rjust(width) if column.right else text.ljust(width)


def colour(watched: Watched) -> str:
    """Of the whole line: what has ended is dim, what went wrong red, what moves bright."""
    if watched.gone:
        return "red" if watched.connection.error else "grey50"
    return "bold" if watched.up or watched.down else ""


def described(watched: Watched) -> str:
    """One connection in a sentence: for questions about it."""
    end = far(watched)
    return f"{watched.connection.protocol} connection {watched.connection.id} to {visible(endpoint(end.address, end.port))}"

"""Tables and fields as text, for a terminal of some width or for a file that has none.

Without a width a row is one line with a column for each kind of address and all bits. Within a width ports, IPs, MACs and
bits share a column, since of these a layer has one kind; addresses go on in a line of their own where they must, words wrap,
and of the bits as many octets are shown as there is room for.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from hythe.view.layers.model import DOWN, PHYSICAL, Dissection, Ends, Header, Row, Shown, Table, bits

_HEADINGS: Final = ("Layer", "Protocol", "PDU", "Info", "Ports", "IPs", "MACs", "Bits")
_FOLDED: Final = (*_HEADINGS[:4], "Ports, IPs, MACs, bits")
_FIELDS: Final = ("Field", "Offset", "Width", "Value", "Meaning", "Reference")
_GAP: Final = 2
#: No narrower, whatever the terminal: words and addresses are not cut.
_INFO_MIN: Final = 12
_MEANING_MIN: Final = 10
_ADDRESSES_MIN: Final = 25  # Src MAC and one of those
_VALUE_MAX: Final = 40
#: Below so many columns the fields' names, values and references wrap, too.
_ROOMY: Final = 110
_NARROW: Final = (18, 6, 5, 17, 100, 14)


def packet_text(shown: Shown, width: int | None, *, fields: bool) -> str:
    """Both tables of a packet, and every field of it if that is wanted. `width` in columns, None for no limit."""
    parts = [heading(shown)]
    for table in shown.tables:
        parts.append(table_text(table, shown.dissection, width))
    if shown.dissection.broken:
        parts.append("\n".join(_wrap(f"Broken: {shown.dissection.broken}.", width or 10_000)))
    if fields:
        parts += [header_text(header, width) for header in shown.dissection.headers]
    return "\n\n".join(parts) + "\n"


def heading(shown: Shown) -> str:
    """``1. SYN, 10.0.0.3 to 10.0.0.2``."""
    between = f", {shown.source} to {shown.destination}" if shown.source else ""
    return f"{shown.number}. {shown.title}{between}"


def caption(table: Table) -> str:
    """``At the sender, 10.0.0.3, going down``."""
    host = f", {table.host}" if table.host else ""
    return f"At the {table.side}{host}, going {table.direction} {'↓' if table.direction == DOWN else '↑'}"


def table_text(table: Table, found: Dissection, width: int | None) -> str:
    """One table with its caption."""
    if width is None:
        lines = _lay_out(_HEADINGS, [[[cell] for cell in _cells(row, found)] for row in table.rows])
    else:
        lines = _lay_out(_FOLDED, _folded(table.rows, found, width))
    return "\n".join((caption(table), "", *lines))


def row_ends(ends: Ends) -> str:
    """``Src Port 35310, Dst Port 80``."""
    return ", ".join(f"{name} {text}" for name, text in ends)


def _cells(row: Row, found: Dissection) -> tuple[str, ...]:
    wire = bits(found.data) if row.layer == PHYSICAL else ""
    named = (row_ends(row.ports), row_ends(row.addresses), row_ends(row.macs))
    return (row.layer, row.protocol, row.pdu, row.info, *named, wire)


def _folded(rows: Sequence[Row], found: Dissection, width: int) -> list[list[list[str]]]:
    """Rows of cells of lines. What the first three columns leave is shared by the other two."""
    cells = [_cells(row, found) for row in rows]
    left = width - sum(_GAP + max(len(heading), *(len(row[at]) for row in cells)) for at, heading in enumerate(_FOLDED[:3]))
    named = [[row.ports, row.addresses, row.macs] for row in rows]
    whole = max((len(row_ends(each)) for kinds in named for each in kinds), default=0)
    longest = max((len(f"{name} {text}") for kinds in named for each in kinds for name, text in each), default=0)
    info = max(len(_FOLDED[3]), *(len(row[3]) for row in cells))
    one_line = whole + _GAP + info <= left
    # Words wrap; addresses do not, and the heading above them has to fit, too.
    share = max(len(_FOLDED[4]), whole) if one_line else max(longest, _ADDRESSES_MIN)
    info = min(info, max(_INFO_MIN, left - _GAP - share))
    out = []
    for row, kinds in zip(cells, named, strict=True):
        ends = next((each for each in kinds if each), ())
        if one_line or not ends:
            last = [row_ends(ends)] if ends else []
        else:
            last = [f"{name} {text}" for name, text in ends]
        if row[7]:
            last = [_octets(row[7], max(_ADDRESSES_MIN, left - _GAP - info))]
        out.append([[row[0]], [row[1]], [row[2]], _wrap(row[3], info), last])
    return out


def _octets(text: str, room: int) -> str:
    """As many as fit; an ellipsis says that there are more."""
    if len(text) <= room:
        return text
    return text[: (room - 1) // 9 * 9] + "…"


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _lay_out(headings: Sequence[str], rows: Sequence[Sequence[Sequence[str]]]) -> Iterator[str]:
    """Columns as wide as their widest line, with a rule beneath the headings."""
    every = [[[heading] for heading in headings], *rows]
    widths = [max((len(line) for row in every for line in row[at]), default=0) for at in range(len(headings))]
    for number, row in enumerate(every):
        for at in range(max(len(cell) for cell in row)):
            pieces = [cell[at] if at < len(cell) else "" for cell in row]
            padded = (piece.ljust(width + _GAP) for piece, width in zip(pieces, widths, strict=True))
            yield "".join(padded).rstrip()
        if number == 0:
            rules = ("-" * min(width, 60) + " " * (width - min(width, 60) + _GAP) for width in widths)
            yield "".join(rules).rstrip()


def header_text(header: Header, width: int | None) -> str:
    """Every field of a header. Offsets are bytes from its beginning, and bits behind the point; widths are bits."""
    rows = []
    for each in header.fields:
        place = f"{each.offset // 8}" + (f".{each.offset % 8}" if each.offset % 8 else "")
        rows.append([each.name, place, str(each.width), each.text, each.meaning, each.reference])
    widths = [max(len(row[at]) for row in [_FIELDS, *rows]) for at in range(len(_FIELDS))]
    if width is not None:
        if width < _ROOMY:
            widths = [min(each, most) for each, most in zip(widths, _NARROW, strict=True)]
        widths[3] = min(widths[3], _VALUE_MAX)
        widths[4] = max(_MEANING_MIN, width - sum(widths) + widths[4] - _GAP * (len(widths) - 1))
    wrapped = [[_wrap(cell, room) for cell, room in zip(row, widths, strict=True)] for row in rows]
    lines = _lay_out(_FIELDS, wrapped)
    title = f"{header.name}, {header.size} bytes at byte {header.at} ({header.reference})"
    return "\n".join((title, "", *lines))

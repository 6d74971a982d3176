"""Tables and fields as one page of HTML: it needs no script and fetches nothing, so it can be kept, mailed and printed.

What opens and closes are `details` elements, which keyboards and screen readers know; tables have captions and headings in
both directions; colours follow the reader's choice of dark or light and never say anything alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from hythe.view.layers.model import DOWN, PHYSICAL, Dissection, Ends, Field, Header, Row, Shown, Table, bits
from hythe.view.layers.text import caption, heading

_HEADINGS: Final = ("Layer", "Protocol", "PDU", "Info", "Ports", "IPs", "MACs", "Bits")
_FIELDS: Final = ("Field", "Offset (byte.bit)", "Width (bits)", "Value", "Meaning", "Reference")
#: Octets of bits that stand in a table; the others open below them.
_OCTETS: Final = 8
#: The page fetches nothing, whatever is in a packet.
_POLICY: Final = "default-src 'none'; base-uri 'none'; style-src 'unsafe-inline'"
_RFC_EDITOR: Final = "https://www.rfc-editor.org/rfc/rfc"
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --line: #8c959f; --quiet: #57606a; --bar: #eef1f4;
  --link: #0550ae; --bad: #a40e26; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #6e7681; --quiet: #a4adb8; --bar: #1c232b; --link: #79b8ff;
    --bad: #ff8f87; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 92rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
a { color: var(--link); }
nav ol { columns: 16rem; padding-left: 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
thead th { background: var(--bar); }
tbody th { font-weight: 600; white-space: nowrap; }
.ends { white-space: nowrap; } .wire, .value { font-family: ui-monospace, monospace; font-size: .875rem; }
.value { overflow-wrap: anywhere; }
details { margin: .3rem 0; } summary { cursor: pointer; padding: .2rem; }
summary:focus-visible, a:focus-visible, .scroll:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.broken { color: var(--bad); font-weight: 600; } .quiet { color: var(--quiet); }
@media print { details::details-content { content-visibility: visible; block-size: auto; } }
"""


def page(packets: Sequence[Shown], title: str = "Layer by layer") -> str:
    """A whole document."""
    return "".join(_document(packets, title))


def _document(packets: Sequence[Shown], title: str) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    yield f"<header><h1>{escape(title)}</h1></header>\n"
    yield f"<p>{len(packets)} packet{'s' * (len(packets) != 1)}, each at its sender going down and at its receiver going up."
    yield " Every field of a header opens below its tables.</p>\n"
    yield '<nav aria-label="Packets"><ol>\n'
    for each in packets:
        text = escape(heading(each).partition(" ")[2])
        yield f'<li value="{each.number}"><a href="#packet-{each.number}">{text}</a></li>\n'
    yield "</ol></nav>\n<main>\n"
    for each in packets:
        yield from _packet(each)
    yield "</main>\n</body>\n</html>\n"


def _packet(shown: Shown) -> Iterator[str]:
    name = f"packet-{shown.number}"
    yield f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">{escape(heading(shown))}</h2>\n'
    if shown.dissection.broken:
        yield f'<p class="broken">Broken: {escape(shown.dissection.broken)}.</p>\n'
    for table in shown.tables:
        yield from _table(table, shown.dissection)
    for header in shown.dissection.headers:
        yield from _header(header)
    if shown.dissection.payload:
        yield f"<details><summary>Payload, {len(shown.dissection.payload)} bytes at byte {shown.dissection.payload_at}"
        yield f'</summary><p class="value">{shown.dissection.payload.hex(" ", 2)}</p></details>\n'
    yield "</section>\n"


def _table(table: Table, found: Dissection) -> Iterator[str]:
    way = "down" if table.direction == DOWN else "up"
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption(table)[:-2])}">'
    yield f'<table class="layers {way}"><caption>{escape(caption(table))}</caption>\n'
    yield _heads(_HEADINGS)
    yield "<tbody>\n"
    for row in table.rows:
        cells = "".join(f"<td>{escape(text)}</td>" for text in (row.protocol, row.pdu, row.info))
        ends = "".join(f'<td class="ends">{_ends(each)}</td>' for each in (row.ports, row.addresses, row.macs))
        yield f'<tr><th scope="row">{escape(row.layer)}</th>{cells}{ends}<td class="wire">{_bits(row, found)}</td></tr>\n'
    yield "</tbody></table></div>\n"


def _bits(row: Row, found: Dissection) -> str:
    """All of them; the first few are seen."""
    if row.layer != PHYSICAL:
        return ""
    if len(found.data) <= _OCTETS:
        return bits(found.data)
    return f"<details><summary>{bits(found.data[:_OCTETS])} …</summary>{bits(found.data[_OCTETS:])}</details>"


def _header(header: Header) -> Iterator[str]:
    title = f"{header.layer}: {header.name}, {header.size} bytes at byte {header.at}"
    yield f"<details><summary>{escape(title)} ({escape(header.reference)})</summary>\n"
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="Fields of {escape(header.name)}">'
    yield f'<table class="fields"><caption>Fields of {escape(header.name)}</caption>\n{_heads(_FIELDS)}<tbody>\n'
    for each in header.fields:
        yield _field(each)
    yield "</tbody></table></div></details>\n"


def _field(field: Field) -> str:
    place = f"{field.offset // 8}" + (f".{field.offset % 8}" if field.offset % 8 else "")
    return (
        f'<tr><th scope="row">{escape(field.name)}</th><td>{place}</td><td>{field.width}</td>'
        f'<td class="value">{escape(field.text)}</td><td>{escape(field.meaning)}</td>'
        f"<td>{_reference(field.reference)}</td></tr>\n"
    )


def _reference(text: str) -> str:
    """A link to the RFC's section: followed by whoever wants to, never fetched by the page."""
    words = text.replace(",", "").split()
    if len(words) < 2 or words[0] != "RFC":
        return escape(text)
    section = f"#section-{words[2]}" if len(words) > 2 else ""
    return f'<a href="{_RFC_EDITOR}{words[1]}.html{section}">{escape(text)}</a>'


def _heads(names: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>\n"


def _ends(ends: Ends) -> str:
    return "<br>".join(escape(f"{name} {text}") for name, text in ends)

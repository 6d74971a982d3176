"""The waterfall as one page of HTML that fetches nothing: a table whose last column is drawn.

Everything can be read without the drawing and without the script: each row opens (`details`) to its parts in words. The
script zooms the axis, by buttons, by + - 0 and the arrow keys, or by the wheel over a bar, and filters rows by text. Colours
follow the reader's choice of dark or light and never say anything alone: stalls are hatched, what is idle is a line.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from html import escape
from typing import Final

from hythe.units import format_bytes
from hythe.view.visible import visible
from hythe.view.waterfall.axis import spell, ticks
from hythe.view.waterfall.groups import grouped
from hythe.view.waterfall.model import KINDS, Line, Span, Waterfall
from hythe.view.waterfall.text import label, tls_text

#: Rows shown at most.
ROWS: Final = 1_000

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --line: #d0d7de; --faint: #57606a; --bad: #b3261e;
  --dns: #2b8a9e; --connect: #c77700; --tls: #8b4fb3; --wait: #7fb069; --transfer: #0072b2; --stall: #d1242f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; --faint: #9aa4ae;
  --bad: #ff8a80; --dns: #56c4d8; --connect: #f0a83a; --tls: #c391e8; --wait: #8fd07a; --transfer: #58a6e0;
  --stall: #ff6b6b; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--paper); color: var(--ink); font: .9rem/1.4 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .3rem; overflow-wrap: anywhere; } p { margin: .2rem 0; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: .6rem 0; }
button, input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--faint); border-radius: 4px;
  padding: .15rem .6rem; }
:focus-visible { outline: 3px solid var(--transfer); outline-offset: 2px; }
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; margin: .4rem 0; }
.key { display: inline-block; width: 1.4rem; height: .7rem; margin-right: .35rem; vertical-align: baseline; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { text-align: left; padding: .2rem .5rem .2rem 0; vertical-align: top; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; font-weight: inherit; }
thead th { color: var(--faint); border: 0; } caption { text-align: left; color: var(--faint); }
.who { width: 27.5%; } .what { width: 11.5rem; } .how { width: 10rem; } .bar { padding-right: 0; }
.what span { white-space: nowrap; margin-right: .4rem; }
tr.failed .who summary, .failed .how { color: var(--bad); }
summary { cursor: pointer; } details div { width: max-content; max-width: 90vw; margin: .5rem 0 .6rem; }
details ol { margin: 0; padding-left: 1.6rem; color: var(--faint); }
.track { position: relative; height: 1.15rem; overflow: hidden;
  background: linear-gradient(90deg, var(--line) 1px, #0000 1px) var(--grid, 0%) 0 / var(--step) 100%; }
.axis { position: relative; height: 1.2rem; }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis .first { transform: none; } .axis .last { transform: translateX(-100%); }
.part { position: absolute; top: .15rem; height: .85rem; min-width: 2px;
  left: calc((var(--s) - var(--from, 0)) / var(--span, 1) * (100% - 2px));
  width: calc((var(--e) - var(--s)) / var(--span, 1) * 100%); }
.dns { background: var(--dns); } .connect { background: var(--connect); } .tls { background: var(--tls); }
.wait { background: var(--wait); } .transfer { background: var(--transfer); }
.stall { background: repeating-linear-gradient(45deg, var(--stall) 0 4px, var(--paper) 4px 7px); }
.idle { background: linear-gradient(var(--faint), var(--faint)) 0 50% / 100% 2px no-repeat; }
.faint { color: var(--faint); }
@media (max-width: 50rem) { table { table-layout: auto; } .what, .how { display: none; } .who { width: 40%; } }
"""
_SCRIPT: Final = """
'use strict';
const table = document.querySelector('table'), whole = Number(table.dataset.seconds);
const axis = document.querySelector('.axis'), told = document.querySelector('output');
let from = 0, span = whole;
function spell(seconds, figures) {
  if (seconds < 5e-10) return '0';
  const [unit, name] = seconds >= .9995 ? [1, 's'] : seconds >= .9995e-3 ? [1e-3, 'ms'] : [1e-6, 'µs'];
  return String(+(seconds / unit).toPrecision(figures)) + ' ' + name;
}
function step() {
  for (let unit = 1e-9; ; unit *= 10) {
    const found = [1, 2, 5].find(part => span / (part * unit) <= 5.00001);
    if (found) return found * unit;
  }
}
function mark(tick) {
  const found = document.createElement('span'), place = (tick - from) / span;
  found.textContent = spell(tick, 9);
  found.style.left = place * 100 + '%';
  found.className = place < .03 ? 'first' : place > .95 ? 'last' : '';
  return found;
}
function draw() {
  span = Math.min(whole, Math.max(span, 1e-6)); from = Math.min(whole - span, Math.max(0, from));
  table.style.setProperty('--from', from); table.style.setProperty('--span', span);
  const each = step(), first = Math.ceil(from / each - 1e-6), count = Math.floor((from + span) / each + 1e-6) - first;
  axis.replaceChildren(...Array.from({length: count + 1}, (_, at) => mark((first + at) * each)));
  table.style.setProperty('--step', each / span * 100 + '%');
  table.style.setProperty('--grid', (first * each - from) / (span - each) * 100 + '%');
  told.textContent = 'shown: ' + spell(from, 4) + ' to ' + spell(from + span, 4);
}
function zoom(factor, at) { from += span * at * (1 - factor); span *= factor; draw(); }
const steps = {'+': () => zoom(.5, .5), '-': () => zoom(2, .5), '0': () => { from = 0; span = whole; draw(); },
  ArrowLeft: () => { from -= span / 5; draw(); }, ArrowRight: () => { from += span / 5; draw(); }};
for (const each of document.querySelectorAll('button[data-step]')) {
  each.addEventListener('click', () => steps[each.dataset.step]());
}
document.addEventListener('keydown', event => {
  if (event.target.tagName === 'INPUT' || event.ctrlKey || event.altKey || event.metaKey || !steps[event.key]) return;
  event.preventDefault(); steps[event.key]();
});
table.addEventListener('wheel', event => {
  const track = event.target.closest('.track');
  if (!track) return;
  event.preventDefault();
  const box = track.getBoundingClientRect();
  zoom(event.deltaY < 0 ? .8 : 1.25, (event.clientX - box.left) / box.width);
}, {passive: false});
const filter = document.querySelector('input');
filter.addEventListener('input', () => {
  const wanted = filter.value.toLowerCase();
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted); shown += !row.hidden;
  }
  told.textContent = shown + ' of ' + table.tBodies[0].rows.length + ' lines';
});
document.querySelector('.tools').hidden = false;
draw();
"""


def page(found: Waterfall, title: str) -> str:
    """A whole document. `title`: what ran, as it was typed."""
    return "".join(_document(grouped(found, ROWS), visible(title)))


def _document(found: Waterfall, title: str) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; base-uri 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.began))
    count = f"{found.connections} connection{'s' * (found.connections != 1)}"
    yield f"<p>{count} in {spell(found.seconds)}, from {when} on.</p>\n"
    for note in found.notes:
        yield f"<p>{escape(note)}.</p>\n"
    yield '<ul class="legend" aria-label="Colours">'
    for kind, words in KINDS.items():
        yield f'<li><span class="key {kind}"></span>{escape(words)}</li>'
    yield '</ul>\n<div class="tools" hidden>'
    for step, words in (("+", "Zoom in (+)"), ("-", "Zoom out (-)"), ("0", "Show all (0)")):
        yield f'<button type="button" data-step="{step}">{escape(words)}</button>'
    yield '<label>Filter <input type="search"></label><output aria-live="polite"></output></div>\n<main>\n'
    yield f'<table data-seconds="{found.seconds:.9f}" style="--span: {found.seconds:.9f}; '
    marks = ticks(found.seconds, 5)
    yield f'--step: {100 * marks[1] / found.seconds:.6f}%">\n'
    yield "<caption>One line a connection. Open a line to read what it did, and what limited it.</caption>\n"
    yield '<thead><tr><th class="who" scope="col">Connection</th><th class="what" scope="col">Size</th>'
    yield '<th class="how" scope="col">Result</th><th class="bar" scope="col"><div class="axis">'
    for tick in marks:
        place = tick / found.seconds
        at = "first" if place < 0.03 else "last" if place > 0.95 else ""
        yield f'<span class="{at}" style="left: {100 * place:.6f}%">{spell(tick)}</span>'
    yield "</div></th></tr></thead>\n<tbody>\n"
    for line in found.lines:
        yield from _row(line)
    yield f"</tbody></table></main>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"


def _row(line: Line) -> Iterator[str]:
    yield f'<tr{" class=failed" if line.failed else ""}><th class="who" scope="row"><details><summary>{escape(label(line))}'
    if line.process:
        yield f' <span class="faint">{escape(visible(line.process))}</span>'
    yield "</summary><div><ol>"
    for span in line.spans:
        yield f"<li>{escape(_said(span))}</li>"
    yield "</ol>"
    for fact in _facts(line):
        yield f"<p>{escape(visible(fact))}</p>"
    yield "</div></details></th>"
    both = f"<span>↑ {format_bytes(line.bytes_up)}</span> <span>↓ {format_bytes(line.bytes_down)}</span>"
    size = "" if line.protocol == "dns" else both
    yield f'<td class="what">{size}</td><td class="how">{escape(visible(_result(line)))}</td>'
    yield '<td class="bar"><div class="track">'
    for span in line.spans:
        place = f"--s: {span.start:.6f}; --e: {span.end:.6f}"
        yield f'<span class="part {span.kind}" style="{place}" title="{escape(_said(span))}"></span>'
    yield "</div></td></tr>\n"


def _said(span: Span) -> str:
    """``connect 1.20 ms: connecting to example.org``."""
    return f"{span.kind} {spell(span.end - span.start)}, at {spell(span.start)}: {visible(span.text)}"


def _result(line: Line) -> str:
    if line.failed or line.protocol == "dns":
        return line.outcome
    return "still open" if line.open else spell(line.end - line.start)


def _facts(line: Line) -> Iterator[str]:
    if line.address and line.address != line.name:
        yield f"address {line.address}"
    if line.via:
        yield f"via {line.via}"
    if line.tls is not None:
        yield tls_text(line)
    if line.retransmits:
        yield f"{line.retransmits} packets were sent again to the command"
    if line.limited:
        yield f"{line.limited}." if line.count == 1 else line.limited

"""Graphs as one page of HTML that fetches nothing: a canvas each, drawn and zoomed by a script of a few lines within it.

The wheel and + and - zoom, dragging and the arrow keys move, a double click and 0 show all again; moving over a graph tells
the nearest mark. What a graph shows stands below it as text as well, for those who cannot see it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from hythe.view.plot.graph import TONES, Graph, Layer, legend, top

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --line: #d0d7de; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; } }
body { margin: 0 auto; max-width: 100rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 0 0 .4rem; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(36rem, 100%), 1fr)); gap: 1.5rem; }
canvas { width: 100%; height: 26rem; border: 1px solid var(--line); touch-action: none; }
canvas:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; } .key { font-weight: 700; }
output { display: block; min-height: 1.5em; font-family: ui-monospace, monospace; font-size: .875rem; }
"""
_SCRIPT: Final = """
'use strict';
const graphs = JSON.parse(document.getElementById('graphs').textContent);
const LEFT = 76, BOTTOM = 34, TOP = 10, RIGHT = 10;
function nice(span) {
  const unit = 10 ** Math.floor(Math.log10(span / 5)), left = span / 5 / unit;
  return unit * (left < 1.5 ? 1 : left < 3.5 ? 2 : left < 7.5 ? 5 : 10);
}
function show(canvas, graph) {
  const told = canvas.parentElement.querySelector('output'), all = [Infinity, -Infinity];
  for (const layer of graph.layers) for (const mark of layer.marks) {
    all[0] = Math.min(all[0], mark[0]); all[1] = Math.max(all[1], mark[0]);
  }
  if (all[1] <= all[0]) all[1] = all[0] + 1e-3;
  const pad = (all[1] - all[0]) / 50;
  const whole = [all[0] - pad, all[1] + pad, 0, graph.top];
  let view = whole.slice(), drag = null;
  const wide = () => canvas.clientWidth - LEFT - RIGHT, high = () => canvas.clientHeight - TOP - BOTTOM;
  const x = t => LEFT + (t - view[0]) / (view[1] - view[0]) * wide();
  const y = v => TOP + (view[3] - v) / (view[3] - view[2]) * high();
  function draw() {
    const scale = window.devicePixelRatio || 1, pen = canvas.getContext('2d'), style = getComputedStyle(canvas);
    canvas.width = canvas.clientWidth * scale; canvas.height = canvas.clientHeight * scale;
    pen.scale(scale, scale); pen.font = '12px system-ui, sans-serif';
    const ink = style.color, line = style.borderTopColor;
    pen.fillStyle = ink; pen.strokeStyle = line; pen.lineWidth = 1;
    for (let step = nice(view[1] - view[0]), t = Math.ceil(view[0] / step) * step; t <= view[1]; t += step) {
      pen.beginPath(); pen.moveTo(x(t), TOP); pen.lineTo(x(t), TOP + high()); pen.stroke();
      pen.textAlign = 'center'; pen.fillText(+t.toPrecision(7) + ' s', x(t), TOP + high() + 18);
    }
    for (let step = nice(view[3] - view[2]), v = Math.ceil(view[2] / step) * step; v <= view[3]; v += step) {
      pen.beginPath(); pen.moveTo(LEFT, y(v)); pen.lineTo(LEFT + wide(), y(v)); pen.stroke();
      pen.textAlign = 'right'; pen.fillText((+v.toPrecision(7)).toLocaleString('en'), LEFT - 6, y(v) + 4);
    }
    pen.save(); pen.beginPath(); pen.rect(LEFT, TOP, wide(), high()); pen.clip();
    for (const layer of graph.layers) {
      pen.strokeStyle = pen.fillStyle = layer.colour; pen.lineWidth = layer.bold ? 5 : layer.shape === 'bars' ? 2 : 1.25;
      pen.beginPath();
      let before = null;
      for (const mark of layer.marks) {
        const at = x(mark[0]);
        if (layer.shape === 'bars') {
          if (at < LEFT - 2 || at > LEFT + wide() + 2) continue;
          pen.moveTo(at, y(mark[1])); pen.lineTo(at, Math.min(y(mark[2]), y(mark[1]) - 1));
        } else if (layer.shape === 'dots') {
          pen.rect(at - 1.5, y(mark[1]) - 1.5, 3, 3);
        } else {
          if (before === null) pen.moveTo(at, y(mark[1]));
          else { if (layer.shape === 'steps') pen.lineTo(at, y(before)); pen.lineTo(at, y(mark[1])); }
          before = mark[1];
        }
      }
      if (layer.shape === 'dots') pen.fill(); else pen.stroke();
    }
    pen.restore();
  }
  function zoom(factor, px, py) {
    const t = view[0] + (px - LEFT) / wide() * (view[1] - view[0]), v = view[3] - (py - TOP) / high() * (view[3] - view[2]);
    view = [t - (t - view[0]) * factor, t + (view[1] - t) * factor,
      v - (v - view[2]) * factor, v + (view[3] - v) * factor];
    draw();
  }
  function move(dx, dy) {
    const t = dx / wide() * (view[1] - view[0]), v = dy / high() * (view[3] - view[2]);
    view = [view[0] - t, view[1] - t, view[2] + v, view[3] + v]; draw();
  }
  function tell(px, py) {
    let best = 400, text = '';
    for (const layer of graph.layers) for (const mark of layer.marks) {
      const dx = x(mark[0]) - px, dy = y((mark[1] + mark[mark.length - 1]) / 2) - py;
      if (dx * dx + dy * dy < best) {
        best = dx * dx + dy * dy;
        const values = mark.slice(1).map(each => +each.toFixed(3)).join(' to ');
        text = layer.name + ' at ' + mark[0].toFixed(6) + ' s: ' + values;
      }
    }
    told.textContent = text;
  }
  canvas.addEventListener('wheel', event => {
    event.preventDefault(); zoom(event.deltaY < 0 ? 0.8 : 1.25, event.offsetX, event.offsetY);
  }, {passive: false});
  canvas.addEventListener('pointerdown', event => {
    drag = [event.offsetX, event.offsetY]; canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    if (!drag) { tell(event.offsetX, event.offsetY); return; }
    move(event.offsetX - drag[0], event.offsetY - drag[1]); drag = [event.offsetX, event.offsetY];
  });
  canvas.addEventListener('pointerup', () => { drag = null; });
  canvas.addEventListener('dblclick', () => { view = whole.slice(); draw(); });
  canvas.addEventListener('keydown', event => {
    const middle = [LEFT + wide() / 2, TOP + high() / 2];
    const known = {'+': () => zoom(0.8, ...middle), '-': () => zoom(1.25, ...middle),
      '0': () => { view = whole.slice(); draw(); },
      ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0),
      ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40)};
    if (known[event.key]) { event.preventDefault(); known[event.key](); }
  });
  new ResizeObserver(draw).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}
document.querySelectorAll('canvas').forEach((canvas, index) => show(canvas, graphs[index]));
"""


def page(graphs: Sequence[Graph]) -> str:
    """A whole document."""
    return "".join(_document(graphs))


def _document(graphs: Sequence[Graph]) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; base-uri 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(graphs[0].title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>TCP, drawn</h1>\n"
    yield "<p>Wheel, + and - zoom. Drag or arrow keys move. Double click or 0 shows all of it.</p>\n<main>\n"
    for each in graphs:
        counts = ", ".join(f"{len(layer.marks)} of {layer.name}" for layer in each.layers)
        yield f"<section><h2>{escape(each.title)}</h2>\n"
        yield f'<canvas tabindex="0" role="img" aria-label="{escape(each.title)}: {escape(each.y)} over seconds"></canvas>\n'
        yield "<output></output>\n<ul>"
        for layer in each.layers:
            yield f'<li><span class="key" style="color: {TONES[layer.tone]}">▬</span> {escape(legend(each, layer))}</li>'
        yield f"</ul><p>Marks: {escape(counts)}; upwards {escape(each.y)}.</p></section>\n"
    told = [{"top": top(each), "layers": [_layer(layer) for layer in each.layers]} for each in graphs]
    text = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
    yield f'</main>\n<script type="application/json" id="graphs">{text}</script>\n'
    yield f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"


def _layer(layer: Layer) -> dict[str, object]:
    marks = [[round(each, 6) for each in mark] for mark in layer.marks]
    return {
        "name": layer.name,
        "shape": layer.shape,
        "colour": TONES[layer.tone],
        "bold": layer.tone == "resent",
        "marks": marks,
    }

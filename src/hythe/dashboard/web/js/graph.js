// A connection drawn: sequence numbers, round trips, throughput, flight. uPlot has the axes and the zoom, the marks are ours.

import uPlot from "/vendor/uplot/uPlot.esm.js";
import {get} from "./api.js";
import {h} from "./dom.js";
import {Repeated} from "./repeated.js";
import {colour} from "./theme.js";

const HEIGHT = 420;
const KINDS = [["sequence", "Sequence numbers"], ["rtt", "Round-trip time"], ["throughput", "Throughput"], ["flight", "Bytes in flight"]];
const STEP = 0.25;

/** Draw the marks of one layer: bars stand from y to z, steps keep their level, a line joins, dots do not. */
function paint(plot, {shape, colour: tone, marks}) {
  const pen = plot.ctx;
  const x = (mark) => plot.valToPos(mark[0], "x", true);
  const y = (value) => plot.valToPos(value, "y", true);
  pen.strokeStyle = pen.fillStyle = tone;
  pen.lineWidth = (shape === "bars" ? 3 : 1.5) * devicePixelRatio;
  pen.beginPath();
  let before = null;
  for (const mark of marks) {
    const at = x(mark);
    const level = y(mark[1]);
    if (shape === "dots") pen.rect(at - 2, level - 2, 4, 4);
    else if (shape === "bars") {
      pen.moveTo(at, level);
      pen.lineTo(at, Math.min(y(mark[2]), level - devicePixelRatio));
    } else if (before === null) pen.moveTo(at, level);
    else {
      if (shape === "steps") pen.lineTo(at, before);
      pen.lineTo(at, level);
    }
    before = level;
  }
  if (shape === "dots") pen.fill();
  else pen.stroke();
}

/** The panel; its graph is asked for again as packets come. */
export function graphPanel(path) {
  const kind = h("select", {id: "graph-kind", onchange: () => repeated.again()}, KINDS.map(([value, text]) => h("option", {value}, text)));
  const way = h("select", {id: "graph-way", onchange: () => repeated.again()},
    [["", "the way that carries more"], ["there", "from who opened it"], ["back", "to who opened it"]].map(([value, text]) => h("option", {value}, text)));
  const title = h("p", {id: "graph-title"});
  const place = h("div", {class: "chart", id: "graph", role: "img", tabindex: 0});
  const legend = h("ul", {class: "legend"});
  const element = h("div", null, h("div", {class: "bar"}, h("label", null, "Draw ", kind), h("label", null, "of ", way)), title, place, legend,
    h("p", {class: "quiet"}, "Drag to zoom, double click or 0 to see all; + and - zoom, arrow keys move."));
  let graph = null;
  let plot = null;

  function extent() {
    let [low, high] = [Infinity, -Infinity];
    for (const layer of graph.layers) {
      for (const mark of layer.marks) {
        low = Math.min(low, mark[0]);
        high = Math.max(high, mark[0]);
      }
    }
    const pad = Math.max((high - low) / 50, 1e-4);
    return [low - pad, high + pad, graph.top];
  }

  function make() {
    const [low, high, top] = extent();
    const zoomed = plot?.zoomed ? {...plot.scales} : null;
    plot?.destroy();
    const axis = {stroke: colour("ink"), grid: {stroke: colour("line"), width: 1}, ticks: {stroke: colour("line"), width: 1}};
    plot = new uPlot({
      width: Math.max(200, place.clientWidth - 20), height: HEIGHT, legend: {show: false},
      scales: {x: {time: false, range: (_, least, most) => [least ?? low, most ?? high]}, y: {range: () => [0, top]}},
      axes: [{...axis, values: (_, splits) => splits.map((each) => `${+each.toFixed(6)} s`)},
        {...axis, size: 90, values: (_, splits) => splits.map((each) => each.toLocaleString("en"))}],
      cursor: {drag: {x: true, y: false}},
      series: [{}, {show: true, stroke: "transparent", points: {show: false}}],
      hooks: {
        drawClear: [], draw: [(each) => {
          each.ctx.save();
          each.ctx.beginPath();
          each.ctx.rect(each.bbox.left, each.bbox.top, each.bbox.width, each.bbox.height);
          each.ctx.clip();
          for (const layer of graph.layers) paint(each, layer);
          each.ctx.restore();
        }],
        setSelect: [(each) => { each.zoomed = true; }],
      },
    }, [[low, high], [0, top]], place);
    if (zoomed) {
      plot.setScale("x", {min: zoomed.x.min, max: zoomed.x.max});
      plot.zoomed = true;
    }
  }

  function move(factor, shift) {
    const {min, max} = plot.scales.x;
    const middle = (min + max) / 2 + shift * (max - min);
    const half = (max - min) / 2 * factor;
    plot.setScale("x", {min: middle - half, max: middle + half});
    plot.zoomed = true;
  }

  place.addEventListener("keydown", (event) => {
    const acts = {"+": () => move(0.8, 0), "-": () => move(1.25, 0), ArrowLeft: () => move(1, -STEP), ArrowRight: () => move(1, STEP), 0: all};
    if (plot && event.key in acts) {
      event.preventDefault();
      acts[event.key]();
    }
  });
  place.addEventListener("dblclick", () => plot && all());

  function all() {
    plot.zoomed = false;
    make();
  }

  async function ask() {
    const wanted = new URLSearchParams({kind: kind.value, ...(way.value ? {way: way.value} : {})});
    try {
      graph = await get(`${path}/graph?${wanted}`);
    } catch (error) {
      title.textContent = error.message;
      return;
    }
    graph.title = graph.title.replace(/^\d+: /, ""); // the conversation's number, of one
    title.textContent = `${graph.title} (${graph.y})`;
    const counts = graph.layers.map((each) => `${each.marks.length} of ${each.name}`).join(", ");
    place.setAttribute("aria-label", `${graph.title}: ${graph.y} over seconds. Marks: ${counts}.`);
    legend.replaceChildren(...graph.layers.map((each) => {
      const key = h("span", {"aria-hidden": "true"}, "▬ ");
      key.style.color = each.colour;
      return h("li", null, key, `${each.legend} (${each.marks.length})`);
    }));
    make();
  }

  const repeated = new Repeated(ask);
  const themed = () => plot && make();
  const sized = new ResizeObserver(() => plot?.setSize({width: Math.max(200, place.clientWidth - 20), height: HEIGHT}));
  window.addEventListener("themechange", themed);
  sized.observe(place);
  return {
    element,
    see: (yes) => repeated.see(yes),
    changed: (count) => repeated.changed(count),
    end() {
      repeated.end();
      sized.disconnect();
      window.removeEventListener("themechange", themed);
      plot?.destroy();
    },
  };
}

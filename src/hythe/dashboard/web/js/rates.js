// The chart of a session's rates over the last minutes, drawn by uPlot.

import uPlot from "/vendor/uplot/uPlot.esm.js";
import {h} from "./dom.js";
import {moment, rate} from "./format.js";
import {colour} from "./theme.js";

const HEIGHT = 260;

/** An element with the chart, `draw(moments)` for it, and `end`. */
export function ratesChart() {
  const place = h("div", {class: "chart", role: "img", "aria-label": "Bytes a second, up and down, over the last minutes"});
  let plot = null;
  let data = [[], [], []];

  function options() {
    const axis = {stroke: colour("ink"), grid: {stroke: colour("line"), width: 1}, ticks: {stroke: colour("line"), width: 1}};
    const value = (_, each) => (each === null ? "–" : rate(each));
    return {
      width: Math.max(200, place.clientWidth - 20),
      height: HEIGHT,
      scales: {y: {range: (_, low, high) => [0, Math.max(high, 1) * 1.05]}},
      axes: [{...axis, space: 80, values: (_, splits) => splits.map(moment)},
        {...axis, size: 90, incrs: Array.from({length: 50}, (_, power) => 2 ** power), values: (_, splits) => splits.map((each) => (each ? rate(each) : "0"))}],
      series: [
        {value: (_, each) => (each === null ? "–" : moment(each))},
        {label: "up", stroke: colour("up"), width: 2, value, points: {show: false}},
        {label: "down", stroke: colour("down"), width: 2, dash: [6, 3], value, points: {show: false}},
      ],
    };
  }

  function make() {
    plot?.destroy();
    plot = new uPlot(options(), data, place);
    plot.root.setAttribute("aria-hidden", "true"); // the figures are told in words above
  }

  const sized = new ResizeObserver(() => plot?.setSize({width: Math.max(200, place.clientWidth - 20), height: HEIGHT}));
  const themed = () => plot && make();
  window.addEventListener("themechange", themed);
  sized.observe(place);
  return {
    element: place,
    draw(moments) {
      data = [0, 1, 2].map((column) => moments.map((each) => each[column]));
      if (plot) plot.setData(data);
      else make();
    },
    end() {
      sized.disconnect();
      window.removeEventListener("themechange", themed);
      plot?.destroy();
    },
  };
}

// A connection's rate over the last minute as a small area; drawn anew only when it is in sight.

import {SAMPLES} from "./session.js";

/** Draw `rates`, a ring of which `place` was written last, in this colour. */
export function spark(canvas, rates, place, colour) {
  const scale = window.devicePixelRatio || 1;
  const [wide, high] = [100, 22];
  if (canvas.width !== wide * scale) {
    canvas.width = wide * scale;
    canvas.height = high * scale;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, wide, high);
  let most = 0;
  for (const each of rates) if (each > most) most = each;
  if (!most) return;
  pen.fillStyle = colour;
  const step = wide / SAMPLES;
  for (let index = 0; index < SAMPLES; index += 1) {
    const tall = rates[(place + 1 + index) % SAMPLES] / most * (high - 2);
    if (tall > 0) pen.fillRect(index * step, high - Math.max(1, tall), Math.max(1, step - 0.4), Math.max(1, tall));
  }
}

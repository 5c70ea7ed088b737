/** Gives counted values to a quantile sketch, which wants them one by one. */
import type { KllSketch } from "../sketches/kll-sketch.ts";

/** Takes each of `values[0, size)` `counts[i]` times, `total` values in all. */
export function updateQuantiles(
  sketch: KllSketch,
  values: Float64Array,
  counts: Float64Array,
  size: number,
  total: number,
): void {
  const most = Math.min(RUN.length, total);
  let filled = 0;
  for (let i = 0; i < size; i++) {
    const value = values[i]!;
    for (let left = counts[i]!; left > 0; left--) {
      RUN[filled++] = value;
      if (filled < most) continue;
      sketch.updateMany(RUN, 0, filled);
      filled = 0;
    }
  }
  sketch.updateMany(RUN, 0, filled);
}

/** Values that are handed over at a time. */
const RUN = new Float64Array(1024);

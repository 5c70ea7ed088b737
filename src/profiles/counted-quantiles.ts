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
  const run = RUN.length < total ? RUN : RUN.subarray(0, total);
  let filled = 0;
  for (let i = 0; i < size; i++) {
    const value = values[i]!;
    for (let left = counts[i]!; left > 0; ) {
      const end = Math.min(run.length, filled + left);
      left -= end - filled;
      run.fill(value, filled, end);
      filled = end;
      if (filled < run.length) break;
      sketch.updateMany(run, 0, filled);
      filled = 0;
    }
  }
  sketch.updateMany(run, 0, filled);
}

/** Values that are handed over at a time. */
const RUN = new Float64Array(1024);

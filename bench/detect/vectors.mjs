// Metrics as the baselines see them: the same that the detector scores, transformed as it transforms them, by column; NaN where there is
// nothing to measure. `floors` holds the least spread of each that is believed, or a share that was always 0 outranks every fault.
//
// A metric takes part once it has been there in most of the past windows: shares of single values come and go with the values (tail
// numbers by the thousand in a year of hours), and vectors that had a column for each would be empty.
import { spreadFloor, transformedValue } from "../../dist/anomaly/transform.js";

/** A value of 0 has no floor, and nothing is divided by 0. */
const FLOOR_LEAST = 1e-9;
/** Share of the windows that a metric must have been there; about 30 windows are remembered. */
const PRESENCE_MIN = 0.8;
const PRESENCE_RATE = 1 / 30;

export class VectorSpace {
  /** By metric id: how often it is there, and its column, with the window since which it has one. */
  #known = new Map();
  #width = 0;

  /** A clean window, at its place in the stream. */
  learn(metrics, at) {
    const rate = Math.max(PRESENCE_RATE, 1 / (at + 1));
    for (const { id, scored } of metrics) {
      if (!scored) continue;
      const known = this.#known.get(id) ?? { presence: 0, last: at, column: -1, since: 0 };
      known.presence = known.presence * (1 - rate) ** Math.max(1, at - known.last) + rate;
      known.last = at;
      this.#known.set(id, known);
      if (known.column >= 0 || known.presence < PRESENCE_MIN) continue;
      known.column = this.#width++;
      known.since = at;
    }
  }

  /** Of a window at this place in some stream: of metrics that had a column by then. */
  vectorOf(metrics, at) {
    const values = new Float64Array(this.#width).fill(Number.NaN);
    const floors = new Float64Array(this.#width).fill(1);
    for (const metric of metrics) {
      const { column = -1, since } = this.#known.get(metric.id) ?? {};
      const value = column < 0 || since >= at ? undefined : transformedValue(metric);
      if (value === undefined) continue;
      values[column] = value;
      floors[column] = Math.max(FLOOR_LEAST, spreadFloor(metric.kind, metric.n, value, value));
    }
    return { values, floors };
  }
}

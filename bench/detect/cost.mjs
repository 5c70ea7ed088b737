// What one window costs the detector at 200 metrics, and how large its state is. CPU time, beside that of one eigenvalue decomposition of as
// many metrics in the same run: what a design would pay that decomposes anew for each window, and a measure of the machine.
import { PCA } from "ml-pca";
import { createDetector } from "../../dist/anomaly/detector.js";
import { SeededRandom } from "../../dist/core/random.js";
import { quantileOf } from "./figures.mjs";
import { normal } from "./sales.mjs";
import { DAY_MS } from "./windows.mjs";

const METRICS = 200;
const SEASON = 7;
/** Compiled by then, and past the warm-up. */
const WARM = 120;
const MEASURED = 200;
const KINDS = ["value", "share", "count"];
/** Metrics that move with one of so many causes, as those of a field do. */
const FACTORS = 12;

export function detectorCost(seed, detect) {
  const random = new SeededRandom(seed);
  const detector = createDetector({ season: SEASON, warmup: "auto", windowMs: DAY_MS, ...detect });
  const times = [];
  for (let index = 0; index < WARM + MEASURED; index++) {
    const input = { index, metrics: metricsOf(random) };
    const ms = cpuMs(() => detector.learnOne(input, detector.scoreOne(input)));
    if (index >= WARM) times.push(ms);
  }
  return {
    decompositionMs: decompositionMs(random),
    metrics: METRICS,
    season: SEASON,
    msMedian: quantileOf(times, 0.5),
    msP99: quantileOf(times, 0.99),
    msMean: times.reduce((sum, time) => sum + time, 0) / times.length,
    snapshotBytes: Buffer.byteLength(JSON.stringify(detector.snapshot())),
  };
}

function cpuMs(work) {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Median, once compiled. */
function decompositionMs(random) {
  const rows = Array.from({ length: WARM }, () => Float64Array.from({ length: METRICS }, () => normal(random)));
  const columns = Array.from({ length: METRICS }, (_, i) => i);
  const covariance = columns.map((i) => columns.map((j) => rows.reduce((sum, row) => sum + row[i] * row[j], 0)));
  const times = Array.from({ length: 12 }, () => cpuMs(() => new PCA(covariance, { isCovarianceMatrix: true })));
  return quantileOf(times.slice(4), 0.5);
}

function metricsOf(random) {
  const factors = Array.from({ length: FACTORS }, () => normal(random));
  return Array.from({ length: METRICS }, (_, i) => {
    const kind = KINDS[i % KINDS.length];
    const move = factors[i % FACTORS] + normal(random);
    const value =
      kind === "share"
        ? 1 / (1 + Math.exp(3 - 0.2 * move))
        : kind === "count"
          ? Math.round(1000 + 50 * move)
          : 10 + move;
    return {
      id: `metric${i % 10}(f${Math.floor(i / 10)})`,
      kind,
      fields: [`f${Math.floor(i / 10)}`],
      value,
      n: 1000,
      scored: true,
    };
  });
}

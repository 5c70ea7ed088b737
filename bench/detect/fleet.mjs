// Many small data sets without a fault: how many alerts a person who watches a thousand of them gets, against the stated budget. Each has
// 6 to 20 metrics of varied character, some of which move together, and its own level of noise.
import { createDetector } from "../../dist/anomaly/detector.js";
import { SeededRandom } from "../../dist/core/random.js";
import { normal } from "./sales.mjs";
import { DAY_MS } from "./windows.mjs";

const SEASON = 7;
/** Windows after the warm-up of a daily series, which is 37. */
const JUDGED = 150;
const WARMUP = 37;
/** From here on the calibration has something to go by. */
const SETTLED = 60;
const METRICS_MIN = 6;
const METRICS_MAX = 20;

/** By what a metric is like: gives the next value of one. */
const CHARACTERS = [
  function gaussian(random) {
    const [level, spread] = [100 * random.next(), 0.5 + 5 * random.next()];
    return { kind: "value", next: ({ common }) => level + spread * (normal(random) + common) };
  },
  function heavyTailed(random) {
    const [level, spread] = [100 * random.next(), 0.5 + 2 * random.next()];
    return { kind: "value", next: () => level + spread * student4(random) };
  },
  function seasonal(random) {
    const wave = Array.from({ length: SEASON }, () => 10 * normal(random));
    const slope = 0.02 * normal(random);
    return { kind: "value", next: ({ index }) => 50 + wave[index % SEASON] + slope * index + 2 * normal(random) };
  },
  function rareShare(random) {
    const share = 0.0005 + 0.01 * random.next() ** 2;
    return { kind: "share", next: ({ rows }) => poisson(random, share * rows) / rows };
  },
  function commonShare(random) {
    const logit = 2 * normal(random);
    return { kind: "share", next: ({ common }) => 1 / (1 + Math.exp(-(logit + 0.1 * (normal(random) + common)))) };
  },
  function counts(random) {
    const level = 5 + 2 * random.next();
    const wave = Array.from({ length: SEASON }, () => 0.2 * normal(random));
    return {
      kind: "count",
      next: ({ index, common }) =>
        Math.round(Math.exp(level + wave[index % SEASON] + 0.05 * (normal(random) + common))),
    };
  },
];

/** `datasets` of them; `detect`: options of `createDetector()`. Counts and standard errors are over data sets, whose alarms come in runs. */
export function runFleet({ datasets, seed, detect, falseAlarmsPer30 }) {
  const alarms = [];
  const settled = [];
  let judged = 0;
  let settledWindows = 0;
  for (let dataset = 0; dataset < datasets; dataset++) {
    const verdicts = runDataset(new SeededRandom(new SeededRandom(seed * 1_000_003 + dataset).nextUint32()), detect);
    const late = verdicts.slice(Math.max(0, verdicts.length - (WARMUP + JUDGED - SETTLED)));
    const failed = ({ outcome }) => outcome === "fail";
    alarms.push(verdicts.filter(failed).length);
    settled.push(late.filter(failed).length);
    judged += verdicts.length;
    settledWindows += late.length;
  }
  return {
    datasets,
    all: against(alarms, judged, falseAlarmsPer30),
    afterSettled: { fromWindow: SETTLED, ...against(settled, settledWindows, falseAlarmsPer30) },
    quiet: alarms.filter((count) => count === 0).length / datasets,
    most: Math.max(...alarms),
  };
}

function against(counts, windows, falseAlarmsPer30) {
  const alarms = counts.reduce((sum, count) => sum + count, 0);
  const mean = alarms / counts.length;
  const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / Math.max(1, counts.length - 1);
  const expected = (windows / 30) * falseAlarmsPer30;
  const se = Math.sqrt(variance * counts.length);
  return { windows, alarms, expected, se, ratio: alarms / expected, ratioSe: se / expected };
}

/** Verdicts of the windows that are judged. */
function runDataset(random, detect) {
  const detector = createDetector({ season: SEASON, warmup: "auto", windowMs: DAY_MS, ...detect });
  const count = METRICS_MIN + random.below(METRICS_MAX - METRICS_MIN + 1);
  const sources = Array.from({ length: count }, () => CHARACTERS[random.below(CHARACTERS.length)](random));
  const rows = Math.round(200 * 100 ** random.next());
  const verdicts = [];
  for (let index = 0; index < WARMUP + JUDGED; index++) {
    const common = normal(random);
    const metrics = sources.map(({ kind, next }, i) => ({
      id: `metric(f${i})`,
      kind,
      fields: [`f${i}`],
      value: next({ index, common, rows }),
      n: rows,
      scored: true,
    }));
    const score = detector.scoreOne({ index, metrics });
    detector.learnOne({ index, metrics }, score);
    if (score.outcome !== "unknown") verdicts.push(score);
  }
  return verdicts;
}

/** Student's t with four degrees of freedom. */
function student4(random) {
  let squares = 0;
  for (let i = 0; i < 4; i++) squares += normal(random) ** 2;
  return normal(random) / Math.sqrt(squares / 4);
}

/** Knuth's way below 30, beyond it the normal one. */
function poisson(random, mean) {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  const limit = Math.exp(-mean);
  let product = random.next();
  let count = 0;
  while (product > limit) {
    product *= random.next();
    count++;
  }
  return count;
}

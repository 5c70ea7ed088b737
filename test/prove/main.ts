/**
 * `npm run prove`: the errors that the sketches promise, over many seeds: `--seeds N`, @default 1000 · `--count N` values of
 * each stream, @default 65536. Prints each share or error with its bound, and ends with 1 when one is missed.
 */
import { parseArgs } from "node:util";
import { hllErrors, itemFaults, KLL_BOUND, kllErrors } from "./bounds.ts";
import { DISTRIBUTIONS, ITEM_STREAMS } from "./distributions.ts";

/** Of all hashes of one size: so much of a size takes a second. */
const HLL_HASHES = 2e8;
const HLL_SIZES = [1, 10, 100, 1000, 3000, 10_000, 30_000, 100_000, 1_000_000, 10_000_000];
/** 1.04 / sqrt(4096) */
const HLL_ERROR = 0.01625;

const { values: options } = parseArgs({
  options: { seeds: { type: "string", default: "1000" }, count: { type: "string", default: "65536" } },
});
const seeds = Number(options.seeds);
const count = Number(options.count);
if (![seeds, count].every((value) => Number.isSafeInteger(value) && value > 0)) {
  console.error("Cannot prove: --seeds and --count are whole numbers above 0");
  process.exit(2);
}
let missed = 0;

console.log(`KLL, k = 200: share of ${seeds} sketches of ${count} values whose worst rank error is at most 1.33 %`);
for (const distribution of Object.keys(DISTRIBUTIONS)) {
  const errors = kllErrors({ distribution, seeds, count });
  for (const [way, worst] of [
    ["one pass", errors.whole],
    ["merged from 64", errors.merged],
  ] as const) {
    const share = worst.filter((error) => error <= KLL_BOUND).length / seeds;
    const p99 = [...worst].sort((a, b) => a - b)[Math.ceil(0.99 * seeds) - 1]!;
    const figures = `${percent(share, 1)}  (99 of 100 below ${percent(p99, 3)}, largest ${percent(Math.max(...worst), 3)})`;
    tell(`${distribution}, ${way}`, figures, share >= 0.99, "at least 99 %");
  }
}

console.log("HLL, lgK = 12: bias and standard error of the estimate");
for (const distinct of HLL_SIZES) {
  const runs = Math.max(10, Math.min(seeds, Math.floor(HLL_HASHES / distinct)));
  const errors = hllErrors({ seeds: runs, distinct });
  for (const [way, of] of [
    ["one pass", errors.whole],
    ["union", errors.union],
  ] as const) {
    const bias = of.reduce((sum, error) => sum + error, 0) / runs;
    const error = Math.sqrt(of.reduce((sum, one) => sum + one * one, 0) / runs);
    // Three standard errors of what is measured over this many runs.
    const isBiased = Math.abs(bias) > (3 * HLL_ERROR) / Math.sqrt(runs);
    const isWide = error > HLL_ERROR * (1 + 3 / Math.sqrt(2 * runs));
    const figures = `${percent(bias, 3)}, ${percent(error, 3)}  (${runs} sketches)`;
    tell(`${distinct} distinct, ${way}`, figures, !isBiased && !isWide, "0 and 1.625 %, within 3 standard errors");
  }
}

console.log(`frequent items, 256 slots: faults in sketches of ${count} items`);
for (const stream of Object.keys(ITEM_STREAMS)) {
  const { sketches, errorMax, missed: lost, outside, tooLarge } = itemFaults({ stream, seeds, count });
  const figures = `${lost} missed, ${outside} outside of their bounds, error at most ${percent(errorMax, 3)}  (${sketches} sketches)`;
  tell(stream, figures, lost + outside + tooLarge === 0, "none, error at most 1.036 %");
}
console.log(missed === 0 ? "every bound holds" : `${missed} bounds are missed`);
process.exit(missed === 0 ? 0 : 1);

function tell(name: string, figures: string, holds: boolean, bound: string): void {
  if (!holds) missed++;
  console.log(`  ${name.padEnd(32)} ${figures}  ${bound}: ${holds ? "holds" : "MISSED"}`);
}

function percent(share: number, digits: number): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/**
 * `npm run fuzz -- --minutes N [--seed S] | --seeds N [--seed S]`: the reader program against avsc, seed after seed. Says what was
 * tried, and of the first seed that fails what differs and how to see it again; then the exit code is 1.
 */
import { parseArgs } from "node:util";
import { LIMITS, ReaderFailure, runSeed, type Tally } from "./reader-case.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seeds: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});

const first = wholeNumber("seed", values.seed);
const seeds = values.seeds === undefined ? Number.POSITIVE_INFINITY : wholeNumber("seeds", values.seeds);
const minutes = Number(values.minutes ?? (values.seeds === undefined ? "1" : "Infinity"));
if (!(minutes > 0)) throw new RangeError(`--minutes must be above 0, got ${values.minutes}`);
const end = performance.now() + minutes * 60_000;
const tally: Tally = {
  schemas: 0,
  seedsWithoutSchema: 0,
  notCompared: 0,
  valid: 0,
  damaged: new Map(),
  cpuMsMax: 0,
  bytesMax: 0,
};

let seed = first;
try {
  for (; seed < first + seeds && performance.now() < end; seed++) runSeed(seed, tally);
  say(`seeds ${first} to ${seed - 1}: no difference`);
} catch (error) {
  process.exitCode = 1;
  say(`seed ${seed}: ${error instanceof ReaderFailure ? error.message : (error as Error).stack}`);
  say(`replay  npm run fuzz -- --seed ${seed} --seeds 1`);
}
const without = `${tally.seedsWithoutSchema} seeds without a valid one`;
say(`${tally.schemas} schemas (${tally.notCompared} beyond the columns; ${without}), ${tally.valid} valid events`);
const damaged = [...tally.damaged].sort(([a], [b]) => (a < b ? -1 : 1));
say(`damaged events: ${damaged.map(([outcome, count]) => `${count} ${outcome}`).join(", ")}`);
const [cpu, bytes] = [tally.cpuMsMax.toFixed(1), (tally.bytesMax / 1e6).toFixed(1)];
say(`most for one event: ${cpu} ms of ${LIMITS.cpuMs}, ${bytes} MB of ${LIMITS.bytes / 1e6}`);

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`--${name} must be a whole number, got ${text}`);
  return Number(text);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

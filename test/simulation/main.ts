/**
 * `npm run simulate -- --seeds N [--first S] [--workers W] | --seed S [--trace] [--plant NAME] | --planted all|NAME`: runs
 * seeds, and says of each that fails what broke and how to see it again. Exit code 1 when one fails, or a planted bug is not
 * found. Each seed is a run of its own, so workers share them without changing any.
 */
import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { PLANTS } from "./planted.ts";
import { FAULTS } from "./scenario.ts";
import { failureOf, type Run, type RunOptions, simulate } from "./simulator.ts";

/** A planted bug has to be found within so many seeds. */
const PLANTED_SEEDS = 500;
const MAX_FAILURES = 10;
/** A word in between, of a long run. */
const TELL_EVERY = 1000;

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    first: { type: "string", default: "1" },
    workers: { type: "string" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    plant: { type: "string" },
    planted: { type: "string" },
  },
});

process.on("unhandledRejection", (error) => {
  say(`G4 unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = 1;
});

const options: RunOptions = {
  ...(values.trace && { onTrace: say }),
  ...(values.plant !== undefined && { plant: plantName(values.plant) }),
};
if (process.send !== undefined) workForParent();
else if (values.planted !== undefined) await findPlanted(values.planted);
else if (values.seed !== undefined) await runSeeds(wholeNumber("seed", values.seed), 1, 1);
else {
  const workers = wholeNumber("workers", values.workers ?? String(availableParallelism()));
  await runSeeds(wholeNumber("first", values.first), wholeNumber("seeds", values.seeds ?? "200"), workers);
}

async function runSeeds(first: number, count: number, workers: number): Promise<void> {
  const runs: Run[] = [];
  let failures = 0;
  let seed = first;
  const next = () => (seed < first + count && failures < MAX_FAILURES ? seed++ : undefined);
  const take = (run: Run) => {
    runs.push(run);
    if (runs.length % TELL_EVERY === 0) say(`${runs.length} of ${count} seeds, ${failures} failed`);
    if (run.violations.length === 0) return;
    failures++;
    process.exitCode = 1;
    say(`${failureOf(run, options.plant)}\n`);
  };
  const startedMs = performance.now();
  if (Math.min(workers, count) <= 1) {
    for (let one = next(); one !== undefined; one = next()) take(await simulate(one, options));
  } else {
    await Promise.all(Array.from({ length: Math.min(workers, count) }, () => shareSeeds(next, take)));
  }
  say(totals(runs, failures, (performance.now() - startedMs) / 1000));
}

/** A process that runs one seed after the other, as long as there are some. */
async function shareSeeds(next: () => number | undefined, take: (run: Run) => void): Promise<void> {
  const worker = fork(process.argv[1]!, process.argv.slice(2));
  const hand = () => {
    const seed = next();
    if (seed === undefined) worker.disconnect();
    else worker.send(seed);
  };
  worker.on("message", (run: Run) => {
    take(run);
    hand();
  });
  hand();
  const code = await exitOf(worker);
  if (code === 0) return;
  process.exitCode = 1;
  say(`a worker ended with exit code ${code}`);
}

function exitOf(worker: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => worker.once("exit", resolve));
}

function workForParent(): void {
  process.on("message", async (seed: number) => {
    const run = await simulate(seed, options);
    if (process.connected) process.send?.(run);
  });
}

async function findPlanted(which: string): Promise<void> {
  const names = which === "all" ? Object.keys(PLANTS) : [plantName(which)];
  for (const plant of names) {
    let run: Run | undefined;
    let seeds = 0;
    for (let seed = 1; seed <= PLANTED_SEEDS && (run?.violations.length ?? 0) === 0; seed++) {
      run = await simulate(seed, { plant });
      seeds++;
    }
    const [violation] = run?.violations ?? [];
    if (violation === undefined) process.exitCode = 1;
    say(
      violation === undefined
        ? `${plant}: NOT FOUND in ${seeds} seeds`
        : `${plant}: found by seed ${seeds}: ${violation}`,
    );
  }
}

function totals(runs: readonly Run[], failures: number, seconds: number): string {
  const sum = (of: (run: Run) => number) => runs.reduce((total, run) => total + of(run), 0);
  const faults = FAULTS.map((fault) => `${fault} ${sum((run) => run.faults[fault])}`);
  const simulated = sum(({ simulatedMs }) => simulatedMs) / 1000;
  return [
    `faults: ${faults.join(", ")}`,
    `${runs.length} seeds, ${failures} failed; ${sum(({ events }) => events)} events, ${sum(({ windows }) => windows)} windows, ${sum(({ revisions }) => revisions)} revisions, ${sum(({ late }) => late)} late; ${(simulated / 3600).toFixed(1)} h simulated in ${seconds.toFixed(1)} s: ${Math.round(simulated / seconds)} simulated seconds per second`,
  ].join("\n");
}

function plantName(text: string): string {
  if (Object.hasOwn(PLANTS, text)) return text;
  throw new RangeError(
    `There is no planted bug ${JSON.stringify(text)}: expected all, ${Object.keys(PLANTS).join(", ")}`,
  );
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`--${name} is ${JSON.stringify(text)}, expected a whole number`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

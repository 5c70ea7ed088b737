// What a value costs in our sketches, beside Apache DataSketches for Java in the same run: CPU time, a process for each
// measurement, the two alternating, Java warmed up inside its process. Needs Java and
// `node scripts/setup-kafka.mjs datasketches`, and `npm run build` first. Prints the ratios; KLL has a target.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SeededRandom } from "../dist/core/random.js";
import { hashDoubles } from "../dist/sketches/hash.js";
import { HllSketch } from "../dist/sketches/hll-sketch.js";
import { KllSketch } from "../dist/sketches/kll-sketch.js";
import { Results } from "./results.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const COUNT = 1 << 20;
/** As the profiler hands them over. */
const BATCH = 1024;
/** Of a process each. */
const REPEATS = 3;
const WARM_ROUNDS = 3;
const ROUNDS = 5;
const KLL_RATIO_TARGET = 0.6;

const DISTRIBUTIONS = {
  uniform: (random) => random.next(),
  lognormal: (random) => Math.exp(3 * normal(random)),
  Pareto: (random) => 1 / (random.next() + 1e-12),
  sorted: (_, index) => index,
  timestamps: (random, index) => 1.7e12 + index * 10 + random.below(1000),
};
const SKETCHES = { kll, hll };

const [sketch, file] = process.argv.slice(2);
if (sketch === undefined) main();
else console.log(JSON.stringify(measured(SKETCHES[sketch], doublesOf(file))));

function main() {
  const cache = process.env.STREAMGAUGE_JAVA_CACHE || join(root, "node_modules/.cache/streamgauge-java");
  const jars = join(cache, "datasketches-6.2.0/libs");
  if (!existsSync(jars)) {
    console.error(`Cannot measure: ${jars} is not there; run node scripts/setup-kafka.mjs datasketches`);
    process.exit(2);
  }
  const folder = mkdtempSync(join(tmpdir(), "streamgauge-bench-"));
  const results = new Results("bench:sketches");
  try {
    for (const [name, draw] of Object.entries(DISTRIBUTIONS)) {
      const path = join(folder, name);
      const random = new SeededRandom(5);
      const values = Float64Array.from({ length: COUNT }, (_, index) => draw(random, index));
      writeFileSync(path, new Uint8Array(values.buffer));
      compare(results, "kll", name, path, jars, KLL_RATIO_TARGET);
      if (name === "uniform") compare(results, "hll", name, path, jars);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  results.save();
}

function compare(results, kind, distribution, path, jars, target) {
  const ours = [];
  const theirs = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    ours.push(child(process.execPath, [fileURLToPath(import.meta.url), kind, path]));
    theirs.push(child("java", ["-cp", `${jars}/*`, join(root, "bench/java/SketchBench.java"), kind, path]));
  }
  results.add(
    `${kind.toUpperCase()}, ${distribution}: CPU per value ÷ DataSketches Java`,
    median(ours) / median(theirs),
    "×",
    target,
  );
}

function child(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout).nsPerValue;
}

/** The best of the rounds: what disturbs a round only makes it slower. */
function measured(run, values) {
  let best = Number.POSITIVE_INFINITY;
  let estimate = 0;
  for (let round = -WARM_ROUNDS; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    estimate = run(values);
    const { user, system } = process.cpuUsage(before);
    if (round >= 0) best = Math.min(best, ((user + system) * 1000) / values.length);
  }
  return { nsPerValue: best, estimate };
}

function kll(values) {
  const sketch = new KllSketch();
  for (let from = 0; from < values.length; from += BATCH) sketch.updateMany(values, from, from + BATCH);
  return sketch.quantile(0.5);
}

/** With the hashing, which DataSketches does inside. */
function hll(values) {
  const sketch = new HllSketch();
  const lo = new Int32Array(BATCH);
  const hi = new Int32Array(BATCH);
  for (let from = 0; from < values.length; from += BATCH) {
    hashDoubles(values.subarray(from, from + BATCH), BATCH, lo, hi);
    sketch.updateHashes(lo, 0, BATCH);
  }
  return sketch.estimate();
}

function doublesOf(path) {
  const bytes = readFileSync(path);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** Sum of 12 uniform values: near enough to a normal one. */
function normal(random) {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.next();
  return sum;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

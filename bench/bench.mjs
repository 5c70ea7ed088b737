// What the project claims about its speed (`results.mjs` prints and keeps it). `npm run bench` measures the demo, the profiler and the start of the command line;
// `npm run bench -- --install` also a fresh `npm ci`. Each measurement is a process of its own.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Results } from "./results.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const cli = join(root, "dist/cli/main.js");
const results = new Results("bench");

await measureDemo();
measureProfiler();
measureHotPath();
measureLimits();
measureMerge();
measureHelp();
measureDependencies();
if (process.argv.includes("--install")) measureInstall();
results.save();

/** The demo as a user runs it: first incident, end, memory. */
async function measureDemo() {
  const out = mkdtempSync(join(tmpdir(), "streamgauge-bench-"));
  const start = performance.now();
  const child = spawn(process.execPath, [cli, "demo", "--once", "--json", "--out", out], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let first;
  let rssMax = 0;
  const watch = setInterval(() => {
    rssMax = Math.max(rssMax, peakRss(child.pid));
  }, 50);
  child.stdout.on("data", () => {
    first ??= performance.now();
  });
  const code = await new Promise((resolve) => {
    child.on("exit", resolve);
  });
  clearInterval(watch);
  if (code !== 0) throw new Error(`the demo ended with exit code ${code}`);
  const seconds = (performance.now() - start) / 1000;
  const windows = readFileSync(join(out, "metrics.jsonl"), "utf8").trimEnd().split("\n").length;
  rmSync(out, { recursive: true });
  results.add("demo: first incident", (first - start) / 1000, "s", 10);
  results.add(`demo: all 336,776 events, ${windows} windows judged`, seconds, "s", 30);
  results.add("demo: peak RSS", rssMax, "MB", 512);
}

/** VmHWM, MB; 0 where there is no /proc. */
function peakRss(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** CPU per event of the profiler on the memory log, beside avsc decoding the same bytes, interleaved. */
function measureProfiler() {
  const rounds = { avsc: [], profiler: [], "profiler-daily": [] };
  for (let round = 0; round < 3; round++) {
    for (const variant of Object.keys(rounds)) {
      const child = spawnSync(process.execPath, [join(root, "bench/profiler.mjs"), variant], { encoding: "utf8" });
      if (child.status !== 0) throw new Error(child.stderr);
      rounds[variant].push(JSON.parse(child.stdout).nsPerEvent);
    }
  }
  const [profiler, daily, avsc] = [median(rounds.profiler), median(rounds["profiler-daily"]), median(rounds.avsc)];
  results.add("profiler from the memory log, one core", 1e9 / profiler, "flights/s", 150_000, "at least");
  results.add("… as in the demo: 58 flights per profile", 1e9 / daily, "flights/s");
  results.add("profiler: CPU per event ÷ avsc decode of the same bytes", profiler / avsc, "×");
  results.add("… as in the demo: 58 flights per profile", daily / avsc, "×");
}

/** CPU per trip event beside avsc's decoding of the same bytes; `node bench/hot-path.mjs` has every step on the way. */
function measureHotPath() {
  for (const name of ["reader program", "everything", "… written every 5000 events"]) {
    const { ratio } = output("bench/hot-path.mjs", "--variant", name);
    results.add(`trip event ÷ avsc decode: ${name}`, ratio, "×", name === "everything" ? 1 : undefined);
  }
}

/** What grows with fields, states and events. */
function measureLimits() {
  const of = (...args) => output("bench/hot-path-limits.mjs", ...args);
  results.add("CPU per field: 512 fields ÷ 16 fields", of("fields", "512").ns / of("fields", "16").ns, "×", 2);
  results.add(
    "CPU per event: 1,000 profiles at random ÷ one",
    of("states", "1000").ns / of("states", "1").ns,
    "×",
    2.5,
  );
  const open = of("open");
  results.add("10,000 open profiles of 27 columns and 50 events", open.megabytes, "MB", 1000);
  results.add("… pause of a full collection", open.gcMs, "ms", 50);
  results.add("major collections in 1,000,000 events", of("collections").major, "", 0);
  const delta = of("delta");
  results.add("delta of 27 columns and 5,000 events", delta.kilobytes, "kB", 120);
  results.add("… to write, read and merge", delta.msWrite + delta.msMerge, "ms", 3);
}

function output(script, ...args) {
  const child = spawnSync(process.execPath, [join(root, script), ...args], { encoding: "utf8" });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout);
}

/** What the judge pays for a delta of a few events. */
function measureMerge() {
  const child = spawnSync(process.execPath, [join(root, "bench/merge.mjs")], { encoding: "utf8" });
  if (child.status !== 0) throw new Error(child.stderr);
  const { msRead, msMerge } = JSON.parse(child.stdout);
  results.add("judge: reading a delta of 27 fields and 50 events", msRead, "ms");
  results.add("judge: merging it into a window of 100,000 events", msMerge, "ms", 0.3);
}

function measureHelp() {
  const times = [];
  for (let round = 0; round < 9; round++) {
    const start = performance.now();
    spawnSync(process.execPath, [cli, "--help"]);
    times.push((performance.now() - start) / 1000);
  }
  results.add("streamgauge --help", median(times), "s", 0.3);
}

function measureDependencies() {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  results.add("direct runtime dependencies", Object.keys(dependencies).length, "", 12);
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const compiled = Object.entries(packages).filter(([, entry]) => entry.hasInstallScript && !entry.dev);
  results.add("runtime packages with an install script", compiled.length, "", 0);
}

function measureInstall() {
  const folder = mkdtempSync(join(tmpdir(), "streamgauge-install-"));
  for (const file of ["package.json", "package-lock.json"]) cpSync(join(root, file), join(folder, file));
  const start = performance.now();
  const child = spawnSync("npm", ["ci", "--ignore-scripts"], { cwd: folder, encoding: "utf8" });
  if (child.status !== 0) throw new Error(child.stderr);
  results.add("npm ci", (performance.now() - start) / 1000, "s", 60);
  rmSync(folder, { recursive: true });
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

// What a benchmark measured: printed as it comes, each figure beside its target, and appended as one line to bench/results.jsonl,
// from which `npm run docs:figures` makes the tables of the README.
import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

const FOLDER = new URL(".", import.meta.url);

export class Results {
  #script;
  #results = [];

  /** `script`: the npm script that is run for it. */
  constructor(script) {
    this.#script = script;
  }

  /** Without a target it is only told. */
  add(name, measured, unit, target, sense = "at most") {
    const value = Number(measured.toPrecision(4));
    const met = target === undefined ? undefined : sense === "at most" ? value <= target : value >= target;
    this.#results.push({ name, value, unit, target, sense, met });
    const goal =
      target === undefined ? "" : `${sense} ${target.toLocaleString("en-US")}  ${met ? "reached" : "MISSED"}`;
    console.log(`${name.padEnd(64)} ${`${value.toLocaleString("en-US")} ${unit}`.padStart(18)}  ${goal}`);
  }

  save() {
    const commit = spawnSync("git", ["rev-parse", "--short", "HEAD"], { cwd: FOLDER, encoding: "utf8" }).stdout.trim();
    const run = {
      script: this.#script,
      at: new Date().toISOString(),
      commit,
      node: process.version,
      cpu: `${cpus().length} × ${cpus()[0]?.model}`,
      results: this.#results,
    };
    appendFileSync(fileURLToPath(new URL("results.jsonl", FOLDER)), `${JSON.stringify(run)}\n`);
  }
}

/** Apache DataSketches for Python as the other side: `pip install datasketches==5.2.0`. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("./python-sketches.py", import.meta.url));
const GOLDEN = fileURLToPath(new URL("./fixtures/golden.json.gz", import.meta.url));
const MOST_OUTPUT_BYTES = 64 << 20;

export type Kind = "kll" | "items" | "hll4" | "hll6" | "hll8";

/** What Python reads off a sketch; which of these are there depends on the kind. */
export interface Told {
  readonly n: number;
  readonly min: number;
  readonly max: number;
  readonly quantiles: readonly number[];
  readonly ranks: readonly number[];
  readonly totalWeight: number;
  readonly items: readonly (readonly [text: string, estimate: number, lower: number, upper: number])[];
  readonly estimate: number;
  readonly type: string;
}

/** A sketch of `n` values that Python wrote. */
export interface PythonSketch extends Told {
  readonly kind: Kind;
  readonly form: "update" | "sorted" | "compact" | "updatable" | "union" | "union with 2000";
  /** Base64. */
  readonly bytes: string;
}

interface HashOf {
  readonly coupon: number;
  readonly hi: number;
}

export interface Golden {
  readonly head: { readonly generator: string; readonly version: string };
  readonly hashes: {
    readonly longs: readonly ({ readonly value: string } & HashOf)[];
    readonly doubles: readonly ({ readonly bits: string } & HashOf)[];
    readonly texts: readonly ({ readonly text: string } & HashOf)[];
  };
  readonly cases: readonly PythonSketch[];
}

/** Ranks at which Python tells quantiles: not 0 and 1, where ours are the minimum and maximum, and its own kept values. */
export const RANKS = [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999];

export const golden: Golden = JSON.parse(gunzipSync(readFileSync(GOLDEN)).toString());

export function writtenByPython(requests: readonly { readonly kind: Kind; readonly n: number }[]): PythonSketch[] {
  return run("write", requests) as PythonSketch[];
}

export function readByPython(sketches: readonly { readonly kind: Kind; readonly bytes: Uint8Array }[]): Told[] {
  return run(
    "read",
    sketches.map(({ kind, bytes }) => ({ kind, bytes: Buffer.from(bytes).toString("base64") })),
  ) as Told[];
}

/** A `describe` that is skipped where Python lacks the package, and fails there under `CI=true`. */
export function describeWithPython(name: string, tests: () => void): void {
  const isThere = spawnSync("python3", ["-c", "import datasketches"]).status === 0;
  if (isThere) {
    describe(name, tests);
    return;
  }
  const advice = "needs `pip install datasketches==5.2.0`";
  if (process.env.CI === "true") {
    test(`${name} ${advice}`, () => {
      throw new Error(`${name} ${advice}`);
    });
  } else {
    describe.skip(`${name} (${advice})`, tests);
  }
}

function run(command: string, input: unknown): unknown[] {
  const { status, stdout, stderr } = spawnSync("python3", [SCRIPT, command], {
    input: JSON.stringify(input),
    encoding: "utf8",
    maxBuffer: MOST_OUTPUT_BYTES,
  });
  if (status !== 0) throw new Error(`${SCRIPT} ${command} ended with ${status}: ${stderr}`);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

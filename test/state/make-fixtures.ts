/**
 * Makes `test/state/fixtures/v<n>`: the state of a judge, the deltas it applied last and those it has not applied yet,
 * as this version of the program writes them, and what it makes of the rest. A fixture is never made anew: programs to
 * come have to read what this one wrote. Run by `STREAMGAUGE_MAKE_FIXTURES=1 npx vitest run test/state/fixtures.test.ts`.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { VERSION } from "../../src/config/version.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import type { LogRecord } from "../../src/core/log.ts";
import { DATASET, DAY_MS, deltasOf, HOUR_MS, type JudgeResult, judgeRun, TOPICS } from "./state-kit.ts";

export const FIXTURE_DATASETS: readonly DatasetConfig[] = [
  { ...DATASET, slices: [] },
  {
    ...DATASET,
    topic: "trips",
    windows: { sizesMs: [12 * HOUR_MS, DAY_MS], timezone: "Europe/Berlin" },
    slices: [{ by: "route.origin", name: "origin", limit: 1 }],
    fields: new Map([["tailnum", { values: "hide" }]]),
    detect: { season: 2, warmup: 6 },
  },
];

interface StoredRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: string | null;
  /** Base64, as are the values of headers. */
  readonly value: string;
  readonly headers: readonly (readonly [key: string, value: string])[];
}

export interface Fixture {
  /** This file. */
  readonly generator: string;
  /** The program whose bytes these are. */
  readonly program: string;
  /** The newest record of each key of the state topic. */
  readonly state: readonly LogRecord[];
  /** Offset of the first delta that is here: those before it are applied, and empty. */
  readonly firstOffset: number;
  readonly deltas: readonly LogRecord[];
  /** Lines that follow from the state and the deltas behind it, by topic. */
  readonly expected: Readonly<Record<string, readonly string[]>>;
}

/** How the fixture was, packed. */
export async function makeFixture(): Promise<Buffer> {
  const untilMs = Date.UTC(2013, 0, 22);
  const perDataset = await Promise.all(
    FIXTURE_DATASETS.map((dataset, at) =>
      deltasOf({ dataset, untilMs, lateChance: 0.05, every: 60 + 30 * at, flushRecords: 20, partitions: 1 }),
    ),
  );
  const deltas = perDataset.flat().sort((a, b) => a.timestampMs - b.timestampMs);
  const split = deltas.findIndex(({ timestampMs }) => timestampMs >= Date.UTC(2013, 0, 20));
  const writer = `streamgauge ${VERSION}`;
  const before = await judgeRun({ deltas: deltas.slice(0, split), datasets: FIXTURE_DATASETS, writer });
  const firstOffset = split - 6;
  const kept = deltas.slice(firstOffset).map((record, at) => ({ ...record, offset: firstOffset + at }));
  const after = await continued({ state: before.state, deltas: kept, firstOffset });
  return gzipSync(
    JSON.stringify({
      generator: "test/state/make-fixtures.ts",
      program: writer,
      firstOffset,
      state: before.state.map(stored),
      deltas: kept.map(stored),
      expected: Object.fromEntries(COMPARED_TOPICS.map((topic) => [topic, after.outputs[topic]])),
    }),
    { level: 9 },
  );
}

export function readFixture(packed: Uint8Array): Fixture {
  const { state, deltas, ...rest } = JSON.parse(gunzipSync(packed).toString()) as Omit<Fixture, "state" | "deltas"> & {
    readonly state: readonly StoredRecord[];
    readonly deltas: readonly StoredRecord[];
  };
  return { ...rest, state: state.map(recordOf), deltas: deltas.map(recordOf) };
}

/** What a judge makes of the deltas behind the state. */
export function continued(fixture: Pick<Fixture, "state" | "deltas" | "firstOffset">): Promise<JudgeResult> {
  // A tombstone in place of each delta before: the judge's position is behind them.
  const nothing = { timestampMs: 0, key: null, value: null, headers: [] };
  const before = Array.from({ length: fixture.firstOffset }, (_, offset) => ({ ...nothing, offset }));
  return judgeRun({ state: fixture.state, deltas: [...before, ...fixture.deltas], datasets: FIXTURE_DATASETS });
}

export const COMPARED_TOPICS = [TOPICS.metrics, TOPICS.verdicts, TOPICS.alerts];

function stored({ offset, timestampMs, key, value, headers }: LogRecord): StoredRecord {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return {
    offset,
    timestampMs,
    key: key === null ? null : Buffer.from(key).toString(),
    value: base64(value!),
    headers: headers.map((header) => [header.key, base64(header.value)] as const),
  };
}

function recordOf({ offset, timestampMs, key, value, headers }: StoredRecord): LogRecord {
  return {
    offset,
    timestampMs,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value, "base64"),
    headers: headers.map(([name, bytes]) => ({ key: name, value: Buffer.from(bytes, "base64") })),
  };
}

/** `streamgauge profile` and `profile show`: profile files of recorded data, without a detector. */
import { basename, join } from "node:path";
import { parseDuration } from "../config/duration.ts";
import { openAvroContainer } from "../consumers/avro-container.ts";
import { MemoryLog } from "../consumers/memory-log.ts";
import { systemClock } from "../core/clock.ts";
import type { DatasetConfig } from "../core/config.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import { isoTime, printable } from "../core/text.ts";
import { createReaderSource, InProcessRegistry } from "../schemas/registry.ts";
import { collectProfiles } from "../stages/profile-collector.ts";
import { EVENTS_FIELD, type ProfileRecord, readProfile, writeProfileFile } from "../state/profile-container.ts";
import { type ReadSketches, readSketches } from "../state/profile-sketches.ts";
import { openFileFeed } from "./file-feed.ts";
import { createHashLabel } from "./hash-label.ts";
import type { Io } from "./io.ts";
import { createLogger } from "./logger.ts";
import { makeOutDirectory } from "./out-directory.ts";
import { createProgress } from "./progress.ts";

export interface WriteProfilesArgs {
  readonly inputs: readonly string[];
  readonly out: string;
  readonly timeField?: string;
  /** Such as `1d`. */
  readonly window: string;
  readonly json: boolean;
}

const PROFILES_TOPIC = "streamgauge.profiles";
const FLUSH_RECORDS = 20_000;
const DAY_MS = 86_400_000;
/** Without an event time there is one window, longer than any file's time: it begins with the epoch. */
const ONE_WINDOW_MS = 36_500 * DAY_MS;

export async function writeProfiles(args: WriteProfilesArgs, io: Io): Promise<number> {
  const sizeMs = args.timeField === undefined ? ONE_WINDOW_MS : windowSize(args.window);
  const clock = systemClock();
  const registry = new InProcessRegistry();
  const dataset = datasetFor(args, sizeMs);
  const feed = await openFileFeed({
    inputs: args.inputs,
    datasets: [dataset],
    registry,
    futureLimitMs: clock.nowMs() + dataset.time.maxAheadMs,
  });
  const progress = createProgress(io, clock, { total: feed.eventCount, unit: "events" });
  const log = new MemoryLog({ clock });
  await log.createTopics([
    { name: dataset.topic, partitions: 1, forgetConsumed: true },
    { name: PROFILES_TOPIC, partitions: 1, forgetConsumed: true },
  ]);
  await makeOutDirectory(args.out);
  const written = new Set<string>();
  try {
    await collectProfiles({
      log,
      readers: createReaderSource(registry, { clock }),
      clock,
      logger: createLogger(io),
      dataset,
      profilesTopic: PROFILES_TOPIC,
      hashLabel: createHashLabel("profile", io.env),
      feed: feed.records,
      flushRecords: FLUSH_RECORDS,
      onProgress: progress.update,
      onWindow: async ({ window, revision, profile, names }) => {
        const start = args.timeField === undefined ? "all" : isoTime(window.startMs).replaceAll(":", "-");
        const path = join(args.out, `${dataset.topic}.${start}.profile`);
        const policyOf = (field: string) => dataset.fields.get(field)?.values ?? dataset.valuesDefault;
        await writeProfileFile(path, window, revision, profile, { names, policyOf });
        written.add(path);
      },
    });
  } finally {
    progress.finish();
  }
  for (const note of feed.notes()) io.stderr(note);
  if (args.json) io.stdout(JSON.stringify({ events: feed.eventCount, files: [...written] }));
  else io.stdout(`${feed.eventCount.toLocaleString("en-US")} events, ${written.size} profiles in ${args.out}`);
  return EXIT_CODES.ok;
}

export async function showProfile(args: { readonly file: string; readonly json: boolean }, io: Io): Promise<number> {
  const records = await readProfile(await openAvroContainer(args.file, false, {}));
  if (args.json) {
    io.stdout(JSON.stringify(records.map(withBase64)));
    return EXIT_CODES.ok;
  }
  const [first] = records;
  const fields = records.filter(({ field }) => field !== EVENTS_FIELD);
  if (first === undefined || fields.length === 0) {
    io.stdout(`${args.file}: a window without fields`);
    return EXIT_CODES.ok;
  }
  io.stdout(
    `${printable(first.dataset)} · ${printable(first.slice)} · ${isoTime(first.windowStart)} to ${isoTime(first.windowEnd)}`,
  );
  const rows = fields.map((record) => rowOf(record, sketchesOf(args.file, record)));
  const table = [SHOWN_COLUMNS.map(([title]) => title), ...rows];
  const widths = SHOWN_COLUMNS.map((_, column) => Math.max(...table.map((row) => (row[column] ?? "").length)));
  for (const row of table) {
    io.stdout(
      row
        .map((cell, column) => align(cell, widths[column] ?? 0, column < 2))
        .join("  ")
        .trimEnd(),
    );
  }
  for (const line of absenceLines(first)) io.stdout(line);
  return EXIT_CODES.ok;
}

/** Which fields are absent together, and in how many events; an event in which none is needs no line. */
function absenceLines({ values, nullPatterns }: ProfileRecord): string[] {
  const patterns = (nullPatterns ?? []).filter(({ absent }) => absent?.length !== 0);
  const lines = patterns.slice(0, NULL_PATTERNS_SHOWN).map(({ hash, absent, count }) => {
    const fields =
      absent === null ? `fields that cannot be told (${hash})` : absent.map((name) => printable(name)).join(", ");
    return `  ${percent(count, values)} without ${fields}`;
  });
  const left = patterns.length - lines.length;
  if (left > 0) lines.push(`  and ${left} other combinations of absent fields`);
  return lines.length === 0 ? [] : ["", ...lines];
}

function sketchesOf(file: string, record: ProfileRecord): ReadSketches {
  try {
    return readSketches(record);
  } catch (error) {
    const what = `field ${printable(record.field)}: ${(error as Error).message}`;
    throw new StreamgaugeError("SG_INPUT", `Cannot read ${file}: ${what}`, { cause: error });
  }
}

/** Sketches as base64, as other programs take them. */
function withBase64(record: ProfileRecord): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, value instanceof Buffer ? value.toString("base64") : value]),
  );
}

const NULL_PATTERNS_SHOWN = 10;
/** Of the most frequent text. */
const TOP_CHARACTERS_MAX = 20;

const SHOWN_COLUMNS: readonly (readonly [
  title: string,
  value: (record: ProfileRecord, sketches: ReadSketches) => string,
])[] = [
  ["field", (record) => record.field],
  ["type", (record) => record.type],
  ["values", (record) => String(record.values)],
  ["null", (record) => percent(record.nulls, record.values + record.nulls)],
  ["missing", (record) => percent(record.missing, record.values + record.nulls + record.missing)],
  ["distinct", (record) => number(record.distinct)],
  ["min", (record) => number(record.min)],
  ["mean", (record) => number(record.mean)],
  ["p50", (record, sketches) => number(quantileOf(record, sketches, 0.5))],
  ["p99", (record, sketches) => number(quantileOf(record, sketches, 0.99))],
  ["max", (record) => number(record.max)],
  ["s.d.", (record) => number(record.stddev)],
  ["length", (record) => number(record.lengthMean)],
  ["pattern", ({ patterns }) => patterns?.[0]?.pattern ?? ""],
  ["top", (_, sketches) => topOf(sketches)],
];

function rowOf(record: ProfileRecord, sketches: ReadSketches): string[] {
  return SHOWN_COLUMNS.map(([, value]) => printable(value(record, sketches)));
}

/** Of values: that of the lengths of arrays and maps has no column. */
function quantileOf(record: ProfileRecord, { quantiles }: ReadSketches, q: number): number | null {
  return record.mean === null ? null : (quantiles?.quantile(q) ?? null);
}

function topOf({ frequent }: ReadSketches): string {
  const text = frequent?.top(1)[0]?.label;
  if (text === undefined) return "";
  const shown = text.slice(0, TOP_CHARACTERS_MAX);
  return JSON.stringify(shown) + (shown.length < text.length ? "…" : "");
}

function percent(part: number, whole: number): string {
  return whole === 0 || part === 0 ? "0" : `${((part / whole) * 100).toFixed(1)} %`;
}

function number(value: number | string | null): string {
  if (value === null) return "";
  if (typeof value === "string" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

function align(cell: string, width: number, left: boolean): string {
  return left ? cell.padEnd(width) : cell.padStart(width);
}

function windowSize(text: string): number {
  const sizeMs = parseDuration(text);
  if (sizeMs === undefined || sizeMs < 60_000 || sizeMs % 60_000 !== 0) {
    throw new StreamgaugeError(
      "SG_CONFIG",
      `--window: expected whole minutes, hours or days such as 1h or 1d, got "${text}"`,
    );
  }
  return sizeMs;
}

function datasetFor(args: WriteProfilesArgs, sizeMs: number): DatasetConfig {
  const [first = "input"] = args.inputs;
  return {
    topic: basename(first).replace(/\..*$/, "") || "input",
    time: {
      ...(args.timeField === undefined ? {} : { field: args.timeField }),
      latenessMs: DAY_MS,
      idleAfterMs: 60_000,
      unheardAfterMs: 300_000,
      maxAheadMs: DAY_MS,
    },
    windows: { sizesMs: [sizeMs], timezone: "UTC" },
    slices: [],
    fields: new Map(),
    valuesDefault: "show",
    detect: { season: 1, warmup: 1 },
    flushEveryMs: 5000,
  };
}

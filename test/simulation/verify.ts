/**
 * The oracle: what must have been told, recomputed from the events as they lie committed in the input log.
 *
 * G1 every record is in one place of the ledger, and once in the latest revision of its window, or `late`;
 * G2 each (slice, window, revision) is told once, each verdict, each alert and each refused record too;
 * G3 `consumed` adds up per range and per window, and the ranges of a partition join from 0 to the end.
 */
import type { MemoryLog } from "../../src/consumers/memory-log.ts";
import type { LogRecord } from "../../src/core/log.ts";
import { isoTime, textOf } from "../../src/core/text.ts";
import type { TopicNames } from "../../src/core/topics.ts";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import { emptyCounts, type LedgerCounts } from "../../src/core/window.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createPaneClock } from "../../src/windows/panes.ts";
import { type Flush, ID_OPS, isRow, type RawEvent } from "../windows/flushes.ts";
import { Oracle } from "../windows/oracle.ts";
import { PLACES, type Truth } from "./events.ts";
import { INPUT, QUARANTINE, type Scenario } from "./scenario.ts";

export interface Evidence {
  readonly scenario: Scenario;
  readonly log: MemoryLog;
  /** By record key. */
  readonly truths: ReadonlyMap<string, Truth>;
  readonly partitions: number;
  readonly topics: TopicNames;
  readonly violate: (what: string) => void;
}

export interface Figures {
  readonly events: number;
  readonly windows: number;
  readonly revisions: number;
  readonly late: number;
}

interface Event extends RawEvent {
  readonly offset: number;
  readonly truth: Truth;
}

type Line = Pick<MetricsRecord, "slice" | "windowStart" | "windowEnd" | "revision" | "counts" | "metrics">;

export function verify(evidence: Evidence): Figures {
  const inputs = Array.from({ length: evidence.partitions }, (_, partition) => eventsOf(evidence, partition));
  const oracle = checkLedger(evidence, inputs);
  checkQuarantine(evidence, inputs);
  const { metrics, verdicts, windows, alerts } = evidence.topics;
  const read = (topic: string) => evidence.log.records(topic, 0);
  const lines = read(metrics).map(({ value }) => JSON.parse(textOf(value!)) as Line);
  once(evidence, "metrics", lines.map(lineName));
  for (const topic of [verdicts, windows]) {
    const names = read(topic).map(({ value }) => {
      const line = JSON.parse(textOf(value!)) as Line & { by?: string };
      return `${lineName(line)} ${line.by ?? ""}`;
    });
    once(evidence, topic, names);
  }
  once(
    evidence,
    "alerts",
    read(alerts).map((record) => headerOf(record, "ce_id")),
  );
  checkWindows(evidence, oracle, lines);
  return {
    events: inputs.reduce((sum, events) => sum + events.length, 0),
    windows: lines.filter(({ revision }) => revision === 0).length,
    revisions: lines.filter(({ revision }) => revision > 0).length,
    late: [...oracle.late.values()].reduce((sum, late) => sum + late.length, 0),
  };
}

function eventsOf({ log, truths, scenario }: Evidence, partition: number): Event[] {
  return log.records(INPUT, partition).map((record) => {
    const truth = truths.get(textOf(record.key!))!;
    const { kind } = truth;
    const hasTime = kind === "valid" || kind === "invalid";
    if (
      (kind === "future") !==
      (hasTime || kind === "future" ? truth.atMs > record.timestampMs + scenario.dataset.time.maxAheadMs : false)
    ) {
      throw new Error(`the generator calls ${JSON.stringify(truth)} at ${record.timestampMs} by a wrong name`);
    }
    return {
      id: record.offset,
      offset: record.offset,
      partition,
      kind,
      timeMs: hasTime ? truth.atMs : record.timestampMs,
      arrivalMs: record.timestampMs,
      value: truth.place ?? "",
      truth,
    };
  });
}

/** G1, G3: the entries as they lie in the profiles topic against the events of their ranges. */
function checkLedger(evidence: Evidence, inputs: readonly (readonly Event[])[]): Oracle {
  const { scenario, log, topics, violate } = evidence;
  const { time, windows, slices, topic } = scenario.dataset;
  const oracle = new Oracle({
    dataset: topic,
    clock: createPaneClock(windows),
    time,
    slices,
    seasonWindows: () => scenario.dataset.detect.season as number,
    ops: ID_OPS,
  });
  const ends = new Array<number>(inputs.length).fill(0);
  for (const { value, offset } of log.records(topics.profiles, 0)) {
    const delta = decodeDelta(value!);
    if (delta.kind === "pane") continue;
    const { entry } = delta;
    const { partition, fromOffset, toOffset } = entry;
    const end = ends[partition]!;
    const name = `${partition}[${fromOffset}, ${toOffset}) at ${offset}`;
    if (fromOffset !== end) {
      violate(`G3 range ${name} does not join: ${end} expected`);
      continue;
    }
    ends[partition] = toOffset;
    const events = inputs[partition]!.filter((event) => event.offset >= fromOffset && event.offset < toOffset);
    const counts = countsOf(events);
    const wrong = differences(entry.counts, counts);
    if (wrong !== "") violate(`G1 ledger of ${name}: ${wrong}`);
    const rows = events.filter(isRow).map(({ timeMs }) => timeMs);
    const maxMs = rows.length === 0 ? undefined : Math.max(...rows);
    if (entry.maxEventTimeMs !== maxMs)
      violate(`G1 ledger of ${name}: event time ${entry.maxEventTimeMs}, not ${maxMs}`);
    const flush: Flush = { entry, events, panes: [] };
    oracle.apply(flush);
  }
  for (const [partition, end] of ends.entries()) {
    const expected = log.offsets(INPUT, partition).end;
    if (end !== expected) violate(`G3 the ranges of partition ${partition} end at ${end}, not ${expected}`);
  }
  return oracle;
}

function checkQuarantine(evidence: Evidence, inputs: readonly (readonly Event[])[]): void {
  const found = evidence.log
    .records(QUARANTINE, 0)
    .map((record) => `${headerOf(record, "sg_partition")}@${headerOf(record, "sg_offset")}`);
  once(evidence, "quarantine", found);
  const names = new Set(found);
  for (const { kind, partition, offset } of inputs.flat()) {
    const isRefused = kind === "undecodable" || kind === "invalid";
    if (isRefused !== names.has(`${partition}@${offset}`)) {
      evidence.violate(`G1 ${kind} record ${partition}@${offset} is ${isRefused ? "not " : ""}in quarantine`);
    }
  }
}

/** G1, G2, G3: the latest revision of each window and slice. */
function checkWindows({ scenario, violate }: Evidence, oracle: Oracle, lines: readonly Line[]): void {
  const latest = new Map<string, Line>();
  const revisions = new Map<string, number>();
  for (const line of lines) {
    const name = windowName(line.slice, line.windowStart, line.windowEnd);
    if (line.revision !== (revisions.get(name) ?? -1) + 1) {
      violate(`G2 ${name}: revision ${line.revision} after ${revisions.get(name) ?? "nothing"}`);
    }
    revisions.set(name, line.revision);
    latest.set(name, line);
    const { consumed, ...parts } = line.counts;
    const sum = Object.values(parts).reduce((total, part) => total + part, 0);
    if (sum !== consumed) violate(`G3 ${lineName(line)}: consumed ${consumed}, its parts ${sum}`);
  }
  for (const sizeMs of scenario.dataset.windows.sizesMs) {
    for (const window of oracle.windows.get(sizeMs)!.values()) {
      const start = isoTime(window.startMs);
      const end = isoTime(window.endMs);
      const name = windowName("all", start, end);
      const line = latest.get(name);
      if (window.state !== "closed") {
        if (line !== undefined) violate(`G1 ${name} is told, but was never due`);
        continue;
      }
      if (line === undefined) {
        violate(`G1 ${name} was never told`);
        continue;
      }
      const events = window.events as Event[];
      const counts = countsOf(events);
      counts.late = window.late;
      counts.consumed += window.late;
      const wrong = differences(line.counts, counts) || figuresWrong(line, events);
      if (wrong !== "") violate(`G1 ${name} revision ${line.revision}: ${wrong}`);
      checkSlices(violate, latest, { start, end, events: events.filter(isRow) });
    }
  }
  const told = [...latest.values()].filter(({ slice }) => slice === "all").length;
  const due = [...oracle.windows.values()].reduce(
    (sum, windows) => sum + [...windows.values()].filter(({ state }) => state === "closed").length,
    0,
  );
  if (told !== due) violate(`G1 ${told} windows are told, ${due} were due`);
}

/** A value that is met first in a late event has no place among the slices: then it is in `other`, and only then. */
function checkSlices(
  violate: (what: string) => void,
  latest: ReadonlyMap<string, Line>,
  window: { readonly start: string; readonly end: string; readonly events: readonly Event[] },
): void {
  const { start, end, events } = window;
  const byPlace = new Map<string, Event[]>();
  for (const event of events) {
    if (event.truth.place === null) continue;
    const own = byPlace.get(event.truth.place) ?? [];
    own.push(event);
    byPlace.set(event.truth.place, own);
  }
  const rowsOf = (line: Line | undefined) => (line === undefined ? 0 : line.counts.valid + line.counts.invalid);
  let elsewhere = 0;
  for (const place of PLACES) {
    const name = windowName(`place=${place}`, start, end);
    const line = latest.get(name);
    const own = byPlace.get(place) ?? [];
    const rows = rowsOf(line);
    elsewhere += own.length - rows;
    if (rows > own.length) violate(`G1 ${name}: ${rows} rows, not ${own.length}`);
    if (rows !== own.length || line === undefined) continue;
    const { late } = line.counts;
    const counts = countsOf(own);
    const wrong = differences(line.counts, { ...counts, late, consumed: counts.consumed + late });
    const figures = wrong || figuresWrong(line, own);
    if (figures !== "") violate(`G1 ${name} revision ${line.revision}: ${figures}`);
  }
  const other = rowsOf(latest.get(windowName("place=other", start, end)));
  if (other !== elsewhere) violate(`G1 ${start}/${end}: ${other} rows in place=other, not ${elsewhere}`);
}

/** The exact figures of a window; empty when all are right. */
function figuresWrong({ metrics }: Line, events: readonly Event[]): string {
  const rows = events.filter(isRow);
  if (rows.length === 0) return "";
  const fares = rows.flatMap(({ truth }) => (truth.fare === null ? [] : [truth.fare]));
  const places = rows.flatMap(({ truth }) => (truth.place === null ? [] : [truth.place]));
  const times = rows.map(({ truth }) => truth.atMs);
  const expected: [id: string, value: number | undefined][] = [
    ["row_count()", rows.length],
    ["null_rate(fare)", (rows.length - fares.length) / rows.length],
    ["null_rate(place)", (rows.length - places.length) / rows.length],
    ["missing_rate(fare)", 0],
    ["distinct_count(fare)", fares.length === 0 ? undefined : new Set(fares).size],
    ["distinct_count(place)", places.length === 0 ? undefined : new Set(places).size],
    ["min(at)", Math.min(...times)],
    ["max(at)", Math.max(...times)],
    ...momentsOf("fare", fares),
  ];
  for (const [id, value] of expected) {
    const told = metrics[id];
    if (value === undefined ? told !== null : !isClose(Number(told ?? Number.NaN), value)) {
      return `${id} is ${told}, not ${value}`;
    }
  }
  return "";
}

function momentsOf(field: string, values: readonly number[]): [string, number | undefined][] {
  const has = values.length > 0;
  const sum = values.reduce((total, value) => total + value, 0);
  return [
    [`min(${field})`, has ? Math.min(...values) : undefined],
    [`max(${field})`, has ? Math.max(...values) : undefined],
    [`mean(${field})`, has ? sum / values.length : undefined],
  ];
}

/** Means are merged, so their last bits depend on the order. */
function isClose(told: number, expected: number): boolean {
  return Math.abs(told - expected) <= 1e-9 * Math.max(1, Math.abs(expected));
}

function countsOf(events: readonly Event[]): LedgerCounts {
  const counts = emptyCounts();
  for (const { kind } of events) {
    counts.consumed++;
    counts[kind]++;
  }
  return counts;
}

function differences(told: Readonly<LedgerCounts>, expected: Readonly<LedgerCounts>): string {
  const names = Object.keys(expected) as (keyof LedgerCounts)[];
  return names
    .filter((name) => told[name] !== expected[name])
    .map((name) => `${name} is ${told[name]}, not ${expected[name]}`)
    .join(", ");
}

/** G2 */
function once({ violate }: Evidence, what: string, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) violate(`G2 ${what}: ${name} twice`);
    seen.add(name);
  }
}

function headerOf(record: LogRecord, key: string): string {
  return textOf(record.headers.find((header) => header.key === key)?.value ?? new Uint8Array());
}

function lineName({ slice, windowStart, windowEnd, revision }: Line): string {
  return `${windowName(slice, windowStart, windowEnd)} ${revision}`;
}

function windowName(slice: string, start: string, end: string): string {
  return `${slice} ${start}/${end}`;
}

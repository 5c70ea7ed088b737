/**
 * Was every event counted once? Compares what `streamgauge run` committed with what lies committed in its input, both read
 * by an independent reader. It knows nothing of how the run went.
 *
 * 1. The ledger's ranges of each input partition join from 0 to behind its last record. A range that is covered already
 *    is a repeat, which the judge leaves out; an overlap by halves and a gap are findings.
 * 2. Each ledger entry counts the records of its range, and stands behind as many pane records as it says.
 * 3. Every (window, slice, revision) is once in metrics, and once in verdicts by the detector.
 * 4. Counts and exact figures of the newest revision of each window are those of the input's events.
 * 5. Every undecodable record is in quarantine, and nothing else is; twice only where something was repeated.
 * 6. The ids of alerts are distinct.
 */
import type { MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { type DeltaLedger, decodeDelta } from "../../src/profiles/delta-codec.ts";

/** A committed record of the input, as the producer's own decoder reads it. */
export interface InputEvent {
  readonly partition: number;
  readonly offset: number;
  /** Of the event; of an undecodable record that of the broker. Epoch milliseconds. */
  readonly timeMs: number;
  /** Absent: cannot be decoded. */
  readonly values?: Readonly<Record<string, number | string | null>>;
}

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: Uint8Array | null;
  readonly headers: ReadonlyMap<string, Uint8Array>;
}

export interface ChaosReading {
  readonly inputTopic: string;
  /** In order of offset within each partition. */
  readonly input: readonly InputEvent[];
  /** End of each input partition as a read-committed reader sees it; markers of transactions lie before it. */
  readonly ends: ReadonlyMap<number, number>;
  readonly profiles: readonly ReadRecord[];
  readonly metrics: readonly MetricsRecord[];
  readonly verdicts: readonly VerdictRecord[];
  readonly alerts: readonly ReadRecord[];
  readonly quarantine: readonly ReadRecord[];
}

export interface CheckOptions {
  readonly windowSizeMs: number;
  /** Windows that end later are not closed and not compared. Epoch milliseconds. */
  readonly closedUntilMs: number;
  /** Field by which there are slices besides `all`, and their name. */
  readonly slice: { readonly field: string; readonly name: string };
  /** Fields whose exact figures are compared. */
  readonly fields: readonly string[];
  /** A broker was killed: it may have lost the last marker of a commit, and a flush may then stand there twice. */
  readonly mayRepeat: boolean;
}

export interface CheckResult {
  /** One sentence each; none: every event was counted once. */
  readonly findings: readonly string[];
  /** Ledger entries whose range was covered already. */
  readonly repeats: number;
  readonly windows: number;
}

export function checkReading(reading: ChaosReading, options: CheckOptions): CheckResult {
  const findings: string[] = [];
  const repeats = checkLedger(reading, findings);
  if (repeats > 0 && !options.mayRepeat) findings.push(`${repeats} ranges stand twice in the ledger`);
  checkOnce("metrics", reading.metrics, findings);
  const detected = reading.verdicts.filter(({ by }) => by === "detector");
  checkOnce("verdicts", detected, findings);
  const told = new Set(detected.map(keyOf));
  for (const line of reading.metrics) {
    if (!told.has(keyOf(line))) findings.push(`no verdict: ${keyOf(line)}`);
  }
  const windows = checkWindows(reading, options, findings);
  checkQuarantine(reading, repeats > 0, findings);
  const ids = reading.alerts.map(({ headers }) => String(headers.get("ce_id")));
  if (new Set(ids).size < ids.length) findings.push(`${ids.length - new Set(ids).size} ids of alerts stand twice`);
  return { findings, repeats, windows };
}

function checkLedger({ inputTopic, input, ends, profiles }: ChaosReading, findings: string[]): number {
  const positions = new Map<number, number>();
  const panes = new Map<number, number>();
  const events = new Map<number, InputEvent[]>();
  for (const event of input) {
    const own = events.get(event.partition);
    if (own === undefined) events.set(event.partition, [event]);
    else own.push(event);
  }
  let repeats = 0;
  for (const { value } of profiles) {
    if (value === null) continue;
    const delta = decodeDelta(value);
    const { partition, fromOffset, toOffset, topic } = delta.origin;
    if (topic !== inputTopic) continue;
    if (delta.kind === "pane") {
      panes.set(partition, (panes.get(partition) ?? 0) + 1);
      continue;
    }
    const where = `partition ${partition} [${fromOffset}, ${toOffset})`;
    const seen = panes.get(partition) ?? 0;
    panes.set(partition, 0);
    if (seen !== delta.paneRecords) findings.push(`${where}: ${seen} pane records, ${delta.paneRecords} told`);
    compareRange(where, delta, events.get(partition) ?? [], findings);
    const position = positions.get(partition) ?? 0;
    if (fromOffset > position) findings.push(`${where}: a gap, ${position} was expected`);
    // Empty ranges tell only that the partition is owned.
    else if (toOffset > fromOffset && toOffset <= position) repeats++;
    else if (fromOffset < position && toOffset > position)
      findings.push(`${where}: overlaps, ${position} was expected`);
    positions.set(partition, Math.max(position, toOffset));
  }
  for (const [partition, count] of panes) {
    if (count > 0) findings.push(`partition ${partition}: ${count} pane records without a ledger entry`);
  }
  const lasts = new Map(input.map(({ partition, offset }) => [partition, offset]));
  for (const [partition, end] of ends) {
    const position = positions.get(partition) ?? 0;
    const least = (lasts.get(partition) ?? -1) + 1;
    if (position < least) findings.push(`partition ${partition}: ledger ends at ${position}, records at ${least}`);
    if (position > end) findings.push(`partition ${partition}: ledger ends at ${position}, the log at ${end}`);
  }
  return repeats;
}

/** `input`: of this partition. */
function compareRange(where: string, { origin, entry }: DeltaLedger, input: readonly InputEvent[], findings: string[]) {
  const inside = input.slice(firstFrom(input, origin.fromOffset), firstFrom(input, origin.toOffset));
  const undecodable = inside.filter(({ values }) => values === undefined).length;
  const wanted = { consumed: inside.length, valid: inside.length - undecodable, undecodable };
  for (const [name, count] of Object.entries(wanted)) {
    const counted = entry.counts[name as keyof typeof wanted];
    if (counted !== count) findings.push(`${where}: ${counted} ${name}, the input has ${count}`);
  }
}

/** Index of the first event at or behind the offset. */
function firstFrom(input: readonly InputEvent[], offset: number): number {
  let low = 0;
  let high = input.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (input[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkOnce(what: string, lines: readonly (MetricsRecord | VerdictRecord)[], findings: string[]): void {
  const seen = new Set<string>();
  for (const line of lines) {
    const key = keyOf(line);
    if (seen.has(key)) findings.push(`${what}: ${key} stands twice`);
    seen.add(key);
  }
}

function keyOf({ dataset, slice, windowStart, windowEnd, revision }: MetricsRecord | VerdictRecord): string {
  return [dataset, slice, windowStart, windowEnd, revision].join("|");
}

function checkWindows({ input, metrics }: ChaosReading, options: CheckOptions, findings: string[]): number {
  const truth = new Map<string, InputEvent[]>();
  for (const event of input) {
    const startMs = Math.floor(event.timeMs / options.windowSizeMs) * options.windowSizeMs;
    if (startMs + options.windowSizeMs > options.closedUntilMs) continue;
    for (const slice of slicesOf(event, options)) {
      const key = `${slice}|${new Date(startMs).toISOString()}`;
      const events = truth.get(key);
      if (events === undefined) truth.set(key, [event]);
      else events.push(event);
    }
  }
  const newest = new Map<string, MetricsRecord>();
  for (const line of metrics) {
    const key = `${line.slice}|${line.windowStart}`;
    if (line.revision >= (newest.get(key)?.revision ?? 0)) newest.set(key, line);
  }
  for (const [key, events] of truth) {
    const line = newest.get(key);
    if (line === undefined) findings.push(`${key}: is missing in metrics, has ${events.length} events`);
    else compareWindow(key, line, events, options.fields, findings);
  }
  for (const [key, line] of newest) {
    if (Date.parse(line.windowEnd) <= options.closedUntilMs && !truth.has(key) && line.counts.consumed > 0) {
      findings.push(`${key}: ${line.counts.consumed} events, the input has none`);
    }
  }
  return truth.size;
}

/** An undecodable record has no values, and belongs to the whole alone. */
function slicesOf({ values }: InputEvent, { slice }: CheckOptions): string[] {
  return values === undefined ? ["all"] : ["all", `${slice.name}=${values[slice.field]}`];
}

function compareWindow(
  key: string,
  { counts, metrics }: MetricsRecord,
  events: readonly InputEvent[],
  fields: readonly string[],
  findings: string[],
): void {
  const rows = events.flatMap(({ values }) => (values === undefined ? [] : [values]));
  const wanted = new Map<string, number>([["row_count()", rows.length]]);
  for (const field of fields) {
    const values = rows.map((row) => row[field] ?? null).filter((value) => value !== null);
    if (rows.length > 0) wanted.set(`null_rate(${field})`, 1 - values.length / rows.length);
    if (values.length > 0) wanted.set(`distinct_count(${field})`, new Set(values).size);
    const numbers = values.filter((value) => typeof value === "number");
    if (numbers.length === 0) continue;
    wanted.set(`min(${field})`, Math.min(...numbers));
    wanted.set(`max(${field})`, Math.max(...numbers));
  }
  if (counts.consumed !== events.length) {
    findings.push(`${key}: ${counts.consumed} consumed, the input has ${events.length}`);
  }
  if (counts.undecodable !== events.length - rows.length) {
    findings.push(`${key}: ${counts.undecodable} undecodable, the input has ${events.length - rows.length}`);
  }
  for (const [metric, value] of wanted) {
    const told = metrics[metric];
    // Rates are quotients: the last digits.
    if (typeof told !== "number" || Math.abs(told - value) > 1e-9) {
      findings.push(`${key}: ${metric} is ${told}, by the input ${value}`);
    }
  }
}

function checkQuarantine({ input, quarantine }: ChaosReading, isRepeated: boolean, findings: string[]): void {
  const held = new Map<string, number>();
  for (const { headers } of quarantine) {
    const origin = `${headers.get("sg_partition")}/${headers.get("sg_offset")}`;
    held.set(origin, (held.get(origin) ?? 0) + 1);
  }
  for (const { partition, offset, values } of input) {
    if (values !== undefined) continue;
    const origin = `${partition}/${offset}`;
    const times = held.get(origin) ?? 0;
    held.delete(origin);
    if (times === 0) findings.push(`quarantine: ${origin} is missing`);
    if (times > 1 && !isRepeated) findings.push(`quarantine: ${origin} stands ${times} times`);
  }
  for (const origin of held.keys()) findings.push(`quarantine: ${origin} is no undecodable record of the input`);
}

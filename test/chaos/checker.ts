/**
 * Was every event counted once? Compares what `streamgauge run` committed with what lies committed in its input, both read
 * by an independent reader. It knows nothing of how the run went, except whether a broker may have lost a marker.
 *
 * 1. The ledger's ranges of each input partition join from 0 to behind its last record.
 * 2. Each ledger entry counts the records of its range by kind, and stands behind as many pane records as it says.
 * 3. Every (window, slice, revision) is once in metrics, in windows, and in verdicts by the detector.
 * 4. Counts and figures of the newest revision of each window are those of the input's events (`window-check.ts`).
 * 5. Every undecodable or invalid record is in quarantine, and nothing else is; twice only where a broker may have lost a marker.
 * 6. The ids of alerts are distinct, and one tells of gaps and overlaps if and only if there are some.
 */

import { isoTime } from "../../src/core/text.ts";
import type { AlertRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { type DeltaLedger, decodeDelta } from "../../src/profiles/delta-codec.ts";
import { countsOf, isRow } from "../windows/flushes.ts";
import type { ChaosReading, CheckOptions, CheckResult, InputEvent } from "./reading.ts";
import { WindowCheck } from "./window-check.ts";

interface LedgerFigures {
  deltas: number;
  repeats: number;
  overlaps: number;
}

export function checkReading(reading: ChaosReading, options: CheckOptions): CheckResult {
  const findings: string[] = [];
  const check = new WindowCheck(reading.inputTopic, options);
  const ledger = checkLedger(reading, options, check, findings);
  checkOnce("metrics", reading.metrics, findings);
  checkOnce("windows", reading.windows, findings);
  const detected = reading.verdicts.filter(({ by }) => by === "detector");
  checkOnce("verdicts", detected, findings);
  for (const [what, lines] of [
    ["verdict", detected],
    ["summary", reading.windows],
  ] as const) {
    const told = new Set(lines.map(keyOf));
    for (const line of reading.metrics) {
      if (!told.has(keyOf(line))) findings.push(`no ${what}: ${keyOf(line)}`);
    }
  }
  const windows = check.finish(reading, findings);
  checkQuarantine(reading, options, findings);
  checkAlerts(reading, ledger.overlaps > 0, findings);
  return { findings, figures: { events: reading.input.length, ...ledger, ...windows } };
}

function checkLedger(
  { inputTopic, input, ends, profiles }: ChaosReading,
  { mayRepeat }: CheckOptions,
  check: WindowCheck,
  findings: string[],
): LedgerFigures {
  const figures: LedgerFigures = { deltas: 0, repeats: 0, overlaps: 0 };
  const positions = new Map<number, number>();
  const panes = new Map<number, number>();
  const events = new Map<number, InputEvent[]>();
  for (const event of input) {
    const own = events.get(event.partition);
    if (own === undefined) events.set(event.partition, [event]);
    else own.push(event);
  }
  for (const { value, offset } of profiles) {
    if (value === null) continue;
    const delta = decodeDelta(value);
    const { partition, fromOffset, toOffset, topic } = delta.origin;
    if (topic !== inputTopic) continue;
    if (delta.kind === "pane") {
      panes.set(partition, (panes.get(partition) ?? 0) + 1);
      continue;
    }
    figures.deltas++;
    const where = `partition ${partition} [${fromOffset}, ${toOffset})`;
    const seen = panes.get(partition) ?? 0;
    panes.set(partition, 0);
    if (seen !== delta.paneRecords) findings.push(`${where}: ${seen} pane records, ${delta.paneRecords} told`);
    const own = events.get(partition) ?? [];
    compareRange(where, delta, inRange(own, fromOffset, toOffset), findings);
    const position = positions.get(partition) ?? 0;
    positions.set(partition, Math.max(position, toOffset));
    // Empty ranges tell only that the partition is owned.
    if (toOffset > fromOffset && toOffset <= position) {
      figures.repeats++;
      if (!mayRepeat) findings.push(`${where}: stands twice, again at ${offset} (${isoTime(delta.entry.wallTimeMs)})`);
      continue;
    }
    if (fromOffset > position) findings.push(`${where}: a gap, ${position} was expected`);
    if (fromOffset < position && toOffset > position) {
      figures.overlaps++;
      if (!mayRepeat) findings.push(`${where}: overlaps, ${position} was expected`);
    }
    // The judge cannot tell which of an overlapping flush it has had: all of it counts.
    const from = Math.min(Math.max(fromOffset, position), toOffset);
    check.take({ ...delta.entry, fromOffset: from }, inRange(own, fromOffset, toOffset));
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
  return figures;
}

function compareRange(where: string, { entry }: DeltaLedger, inside: readonly InputEvent[], findings: string[]): void {
  // Late is decided by the judge.
  const { late: _, ...wanted } = countsOf(inside);
  for (const [name, count] of Object.entries(wanted)) {
    const counted = entry.counts[name as keyof typeof wanted];
    if (counted !== count) findings.push(`${where}: ${counted} ${name}, the input has ${count}`);
  }
  let maxMs: number | undefined;
  for (const event of inside) {
    if (isRow(event)) maxMs = Math.max(maxMs ?? event.timeMs, event.timeMs);
  }
  if (entry.maxEventTimeMs !== maxMs) findings.push(`${where}: event time ${entry.maxEventTimeMs}, not ${maxMs}`);
}

/** Of one partition's events, those at offsets `[from, to)`. */
function inRange(input: readonly InputEvent[], from: number, to: number): readonly InputEvent[] {
  return input.slice(firstFrom(input, from), firstFrom(input, to));
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

type Line = Pick<VerdictRecord, "dataset" | "slice" | "windowStart" | "windowEnd" | "revision">;

function checkOnce(what: string, lines: readonly Line[], findings: string[]): void {
  const seen = new Set<string>();
  for (const line of lines) {
    const key = keyOf(line);
    if (seen.has(key)) findings.push(`${what}: ${key} stands twice`);
    seen.add(key);
  }
}

function keyOf({ dataset, slice, windowStart, windowEnd, revision }: Line): string {
  return [dataset, slice, windowStart, windowEnd, revision].join("|");
}

function checkQuarantine({ input, quarantine }: ChaosReading, { mayRepeat }: CheckOptions, findings: string[]): void {
  const held = new Map<string, number>();
  for (const { headers } of quarantine) {
    const origin = `${headers.get("sg_partition")}/${headers.get("sg_offset")}`;
    held.set(origin, (held.get(origin) ?? 0) + 1);
  }
  for (const { partition, offset, kind } of input) {
    if (kind !== "undecodable" && kind !== "invalid") continue;
    const origin = `${partition}/${offset}`;
    const times = held.get(origin) ?? 0;
    held.delete(origin);
    if (times === 0) findings.push(`quarantine: ${origin} is missing`);
    if (times > 1 && !mayRepeat) findings.push(`quarantine: ${origin} stands ${times} times`);
  }
  for (const origin of held.keys()) findings.push(`quarantine: ${origin} is no refused record of the input`);
}

function checkAlerts({ alerts }: ChaosReading, hasOverlaps: boolean, findings: string[]): void {
  const ids = alerts.map(({ headers }) => String(headers.get("ce_id")));
  if (new Set(ids).size < ids.length) findings.push(`${ids.length - new Set(ids).size} ids of alerts stand twice`);
  let isOverlapTold = false;
  for (const { value } of alerts) {
    if (value === null) continue;
    const { reason, sentence } = JSON.parse(Buffer.from(value).toString()) as AlertRecord;
    if (reason === "offset-overlap") isOverlapTold = true;
    if (reason === "offset-gap" || (reason === "offset-overlap" && !hasOverlaps))
      findings.push(`an alert: ${sentence}`);
  }
  if (hasOverlaps && !isOverlapTold) findings.push("offsets overlap, and no alert tells of it");
}

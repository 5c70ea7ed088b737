/**
 * Records of our topics → rows that PostgreSQL takes. Others may write to a topic as well: what is not of the shape
 * (core/verdict.ts) is a reason, not an exception.
 *
 * Departures from what a record says, all because of limits of PostgreSQL: a NUL character or half a surrogate pair
 * becomes U+FFFD; a name of more than 512 bytes (an index entry holds 2,704) keeps its beginning. A name that was
 * changed so carries a hash of the original, so that two names stay two.
 */
import { createHash } from "node:crypto";
import type { LogRecord } from "../core/log.ts";
import { textOf } from "../core/text.ts";

export interface WindowKey {
  readonly dataset: string;
  readonly slice: string;
  /** Epoch seconds, for `to_timestamp`. */
  readonly start: number;
  readonly end: number;
  /** Nominal length: a day is 86,400 s, also one of 23 or 25 h. */
  readonly sizeSeconds: number;
  readonly revision: number;
}

export interface WindowRow extends WindowKey {
  readonly partial: boolean;
  /** In the order of `COUNT_COLUMNS`. */
  readonly counts: readonly number[];
  /** Hex; the same record has the same. */
  readonly fingerprint: string;
  readonly values: readonly ValueRow[];
}

export interface ValueRow {
  readonly metric: string;
  readonly value: number | null;
  /** What a number cannot hold: integers beyond 2^53, exactly. */
  readonly text: string | null;
  readonly low: number | null;
  readonly mid: number | null;
  readonly high: number | null;
}

export interface VerdictRow extends WindowKey {
  readonly by: string;
  readonly outcome: string;
  readonly score: number | null;
  readonly pValue: number | null;
  readonly alarm: boolean;
  readonly severity: string | null;
  /** Of a window that ended before the deployment first started. */
  readonly backtest: boolean;
  /** JSON text. */
  readonly causes: string;
}

export interface AlertRow extends WindowKey {
  readonly incident: string;
  readonly state: string;
  /** JSON texts. */
  readonly slices: string;
  readonly causes: string;
  readonly evidence: string;
  readonly concentration: string;
  readonly severity: string;
  readonly reason: string;
  /** As of a verdict: nobody was to be told of it. */
  readonly backtest: boolean;
  readonly sentence: string;
  /** Wall time of the judge, epoch seconds. */
  readonly at: number;
  readonly offset: number;
}

export const COUNT_COLUMNS = [
  "consumed",
  "valid",
  "invalid",
  "undecodable",
  "tombstone",
  "future",
  "late",
  "filtered",
] as const;

const MAX_NAME_BYTES = 512;
const NAME_HEAD = 480;
/** Entries of a list inside a record; ours have 10 causes, and a slice per value. */
const MAX_LIST = 1000;
const MAX_SENTENCE_CHARACTERS = 10_000;
const DAY_S = 86_400;
const HOUR_S = 3600;
/** What PostgreSQL can say: 4713 BC; its end lies beyond that of JavaScript. */
const FIRST_S = -210_866_803_200;
/** What PostgreSQL's text and jsonb refuse: NUL, and halves of surrogate pairs. */
const UNSTORABLE = /[\0\ud800-\udfff]/gu;
const WHOLE_NUMBER = /^-?\d{1,300}$/;

type Fields = Readonly<Record<string, unknown>>;

/** Thrown inside a decoder only: what is wrong with the record. */
class BadRecord extends Error {}

/** The decoded row, or what is wrong with the record. */
export type Decoded<Row> = { readonly row: Row } | { readonly refused: string };

export function decodeWindow(record: LogRecord): Decoded<WindowRow> {
  return decode(record, (fields) => {
    const counts = objectOf(fields.counts, "counts");
    return {
      ...windowKey(fields),
      partial: fields.partial === true,
      counts: COUNT_COLUMNS.map((name) => countOf(counts[name] ?? 0, name)),
      fingerprint: createHash("sha256")
        .update(record.value ?? "")
        .digest("hex")
        .slice(0, 32),
      values: valueRows(objectOf(fields.metrics, "metrics"), objectOf(fields.expected ?? {}, "expected")),
    };
  });
}

export function decodeVerdict(record: LogRecord): Decoded<VerdictRow> {
  return decode(record, (fields) => ({
    ...windowKey(fields),
    by: nameOf(fields.by, "by"),
    outcome: nameOf(fields.outcome, "outcome"),
    score: numberOf(fields.score),
    pValue: numberOf(fields.pValue),
    alarm: fields.alarm === true,
    severity: fields.severity == null ? null : nameOf(fields.severity, "severity"),
    backtest: fields.backtest === true,
    causes: causesText(fields.causes),
  }));
}

export function decodeAlert(record: LogRecord): Decoded<AlertRow> {
  return decode(record, (fields) => ({
    ...windowKey({ ...fields, slice: "" }),
    incident: nameOf(fields.incident, "incident"),
    state: nameOf(fields.state, "state"),
    slices: JSON.stringify(listOf(fields.slices).map((slice) => nameOf(slice, "slices"))),
    severity: nameOf(fields.severity, "severity"),
    reason: nameOf(fields.reason, "reason"),
    backtest: fields.backtest === true,
    sentence: storable(textField(fields.sentence, "sentence")).slice(0, MAX_SENTENCE_CHARACTERS),
    causes: causesText(fields.causes),
    evidence: evidenceText(fields.evidence),
    concentration: concentrationText(fields.concentration),
    at: record.timestampMs / 1000,
    offset: record.offset,
  }));
}

/** A name as it stands in the tables; see the head of this file. */
export function storedName(name: string): string {
  if (name.length * 3 <= MAX_NAME_BYTES && name.search(UNSTORABLE) < 0) return name;
  const clean = storable(name);
  const bytes = Buffer.from(clean, "utf8");
  if (clean === name && bytes.length <= MAX_NAME_BYTES) return name;
  // UTF-16, in which halves of pairs differ.
  const hash = createHash("sha256").update(name, "utf16le").digest("hex").slice(0, 16);
  return `${wholeCharacters(bytes.subarray(0, NAME_HEAD))}…${hash}`;
}

/** `5m`, `1h`, `1d`, as the configuration writes sizes; seconds where nothing else fits. */
export function sizeLabel(sizeSeconds: number): string {
  for (const [unit, seconds] of [
    ["d", DAY_S],
    ["h", HOUR_S],
    ["m", 60],
  ] as const) {
    if (sizeSeconds % seconds === 0) return `${sizeSeconds / seconds}${unit}`;
  }
  return `${sizeSeconds}s`;
}

function decode<Row>(record: LogRecord, read: (fields: Fields) => Row): Decoded<Row> {
  try {
    return { row: read(objectOf(JSON.parse(textOf(record.value ?? new Uint8Array())), "record")) };
  } catch (error) {
    if (error instanceof BadRecord) return { refused: error.message };
    if (error instanceof SyntaxError) return { refused: "it is not JSON" };
    throw error;
  }
}

function windowKey(fields: Fields): WindowKey {
  const start = timeOf(fields.windowStart, "windowStart");
  const end = timeOf(fields.windowEnd, "windowEnd");
  if (end <= start) throw new BadRecord("windowEnd is not after windowStart");
  const revision = countOf(fields.revision, "revision");
  if (revision > 0x7fffffff) throw new BadRecord("revision is too large");
  return {
    dataset: nameOf(fields.dataset, "dataset"),
    slice: nameOf(fields.slice, "slice"),
    start,
    end,
    sizeSeconds: nominalSeconds(end - start),
    revision,
  };
}

/** A day on which the clock is changed belongs to the days. */
function nominalSeconds(seconds: number): number {
  const days = Math.round(seconds / DAY_S);
  const nominal = days >= 1 && Math.abs(seconds - days * DAY_S) <= HOUR_S ? days * DAY_S : Math.round(seconds);
  if (nominal > 0x7fffffff) throw new BadRecord("the window is longer than 68 years");
  return nominal;
}

/** One row per metric, those without a value included: a panel shows them as a gap. */
function valueRows(metrics: Fields, expected: Fields): ValueRow[] {
  const rows: ValueRow[] = [];
  for (const [id, raw] of Object.entries(metrics)) {
    const band = Object.hasOwn(expected, id) ? expected[id] : undefined;
    const [low, mid, high] = listOf(band);
    rows.push({
      metric: storedName(id),
      value: typeof raw === "string" ? wholeNumber(raw) : numberOf(raw),
      text: typeof raw === "string" ? storedName(raw) : null,
      low: numberOf(low),
      mid: numberOf(mid),
      high: numberOf(high),
    });
  }
  return rows;
}

/** The nearest double of a whole number's digits. */
function wholeNumber(text: string): number | null {
  return WHOLE_NUMBER.test(text) ? Number(text) : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function countOf(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new BadRecord(`${name} is not a count`);
  }
  return value;
}

function timeOf(value: unknown, name: string): number {
  const seconds = typeof value === "string" ? Date.parse(value) / 1000 : Number.NaN;
  if (Number.isNaN(seconds)) throw new BadRecord(`${name} is not an ISO 8601 time`);
  if (seconds < FIRST_S) throw new BadRecord(`${name} is before 4713 BC`);
  return seconds;
}

function textField(value: unknown, name: string): string {
  if (typeof value !== "string") throw new BadRecord(`${name} is not a text`);
  return value;
}

function nameOf(value: unknown, name: string): string {
  return storedName(textField(value, name));
}

function objectOf(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BadRecord(`${name} is not an object`);
  }
  return value as Fields;
}

/** Rebuilt field by field: what a stranger wrote may be as deep and as large as it likes. */
function causesText(causes: unknown): string {
  const rows = listOf(causes).map((cause) => {
    const { fields, metric, share, observed, expected, low, high } = objectOf(cause, "causes");
    return {
      fields: listOf(fields).map((field) => nameOf(field, "fields")),
      metric: nameOf(metric, "metric"),
      share: numberOf(share),
      observed: numberOf(observed),
      expected: numberOf(expected),
      low: numberOf(low),
      high: numberOf(high),
    };
  });
  return JSON.stringify(rows);
}

function evidenceText(evidence: unknown): string {
  const rows = listOf(evidence).map((place) => {
    const { topic, partition, offset } = objectOf(place, "evidence");
    return { topic: nameOf(topic, "topic"), partition: numberOf(partition), offset: numberOf(offset) };
  });
  return JSON.stringify(rows);
}

function concentrationText(concentration: unknown): string {
  const rows = listOf(concentration).map((one) => {
    const { metric, dimension, value, share, observed, usual, elsewhere, isNew } = objectOf(one, "concentration");
    return {
      metric: nameOf(metric, "metric"),
      dimension: nameOf(dimension, "dimension"),
      value: value === null ? null : nameOf(value, "value"),
      share: numberOf(share),
      observed: numberOf(observed),
      usual: numberOf(usual),
      elsewhere: numberOf(elsewhere),
      isNew: isNew === true,
    };
  });
  return JSON.stringify(rows);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, MAX_LIST) : [];
}

function storable(text: string): string {
  return text.replace(UNSTORABLE, "\ufffd");
}

/** Text of UTF-8 bytes that may end inside a character, which is dropped. */
function wholeCharacters(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && ((bytes[end - 1] ?? 0) & 0xc0) === 0x80) end--;
  // `end - 1` is the lead byte of the last character, or ASCII: keep it only when it is whole.
  const lead = bytes[end - 1] ?? 0;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return textOf(bytes.subarray(0, end - 1 + length <= bytes.length ? bytes.length : end - 1));
}

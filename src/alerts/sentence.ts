/** One sentence in plain words for an incident: when, what, against which expectation, what else, where worst. */
import type { Cause, IncidentState } from "../core/verdict.ts";
import type { SliceVerdict } from "./incident-tracker.ts";

const DAY_MS = 86_400_000;
const ALL = "all";
/** Causes with less than this part of the main one's blame are not worth a word. */
const ALSO_MIN = 0.1;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export interface SentenceInput {
  readonly state: IncidentState;
  readonly reason: string;
  readonly sizeMs: number;
  readonly startMs: number;
  /** Worst first. */
  readonly alarms: readonly SliceVerdict[];
}

/** "8 Feb: 36 % of `dep_time` is null, expected 0–4 %; also arr_time, air_time; worst at origin=EWR, 38 %". */
export function incidentSentence(input: SentenceInput): string {
  const when = windowLabel(input.startMs, input.sizeMs);
  if (input.state === "resolved") {
    return input.reason === "corrected" ? `${when}: late events took the alarm back` : `${when}: back to normal`;
  }
  // The whole first: its figures are the ones a reader knows; a slice only when the whole is quiet.
  const main = input.alarms.find((alarm) => alarm.slice === ALL) ?? input.alarms[0];
  const cause = main?.causes[0];
  if (main === undefined || cause === undefined) return `${when}: the metrics as a whole are unlike their past`;
  const place = main.slice === ALL ? "" : `at ${main.slice} `;
  const parts = [`${when}: ${place}${causePhrase(cause)}`];
  const others = main.causes
    .slice(1, 4)
    .filter((other) => other.share >= ALSO_MIN * cause.share)
    .map((other) => (other.fields.length === 0 ? phraseOfDataset(other) : other.fields.join(" and ")));
  if (others.length > 0) parts.push(`also ${others.join(", ")}`);
  const elsewhere = input.alarms.flatMap((alarm) => {
    const same = alarm.causes.find((other) => other.metric === cause.metric);
    return alarm === main || same === undefined || !isOut(same) ? [] : [{ slice: alarm.slice, cause: same }];
  });
  if (main.slice === ALL) {
    const worst = worstOf(elsewhere, cause);
    if (worst !== undefined) parts.push(`worst at ${worst.slice}, ${measured(worst.cause)}`);
  } else if (elsewhere.length > 0) {
    parts.push(`likewise at ${elsewhere.map(({ slice }) => slice).join(", ")}`);
  }
  return parts.join("; ");
}

interface Elsewhere {
  readonly slice: string;
  readonly cause: Cause;
}

/** The slice that explains the whole: for a share, one that is further out than the whole; else the first, the highest score. */
function worstOf(elsewhere: readonly Elsewhere[], whole: Cause): Elsewhere | undefined {
  if (!isShare(whole.metric)) return elsewhere[0];
  let worst: Elsewhere | undefined;
  for (const one of elsewhere) {
    if (distance(one.cause) > distance(worst?.cause ?? whole)) worst = one;
  }
  return worst;
}

/** A share means the same everywhere; a count or a mean of a slice has a level of its own. */
function measured(cause: Cause): string {
  const observed = quantity(cause.metric, cause.observed ?? 0);
  return isShare(cause.metric) ? observed : `${observed}, ${expectation(cause)}`;
}

function isOut({ observed, low, high }: Cause): boolean {
  return observed !== null && low !== null && high !== null && (observed < low || observed > high);
}

function distance({ observed, expected }: Cause): number {
  return Math.abs((observed ?? 0) - (expected ?? 0));
}

/** "8 Feb" for a day, "8 Feb 14:00" for what is shorter. */
export function windowLabel(startMs: number, sizeMs: number): string {
  const date = new Date(startMs);
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  if (sizeMs >= DAY_MS) return day;
  return `${day} ${String(date.getUTCHours()).padStart(2, "0")}:${String(date.getUTCMinutes()).padStart(2, "0")}`;
}

/** What one cause says, with its expectation. */
export function causePhrase(cause: Cause): string {
  const field = cause.fields.map((name) => `\`${name}\``).join(" and ");
  const { name, argument } = splitMetric(cause.metric);
  const observed = cause.observed === null ? "nothing" : quantity(cause.metric, cause.observed);
  const expected = expectation(cause);
  switch (name) {
    case "null_rate":
      return `${observed} of ${field} is null, ${expected}`;
    case "missing_rate":
      return `${observed} of ${field} is missing, ${expected}`;
    case "unseen_share":
      return `${observed} of ${field} are values not seen before, ${expected}`;
    case "share":
      return `${observed} of ${field} is ${comparedValue(argument)}, ${expected}`;
    case "zero_rate":
      return `${observed} of ${field} is zero, ${expected}`;
    case "negative_rate":
      return `${observed} of ${field} is negative, ${expected}`;
    case "empty_rate":
      return `${observed} of ${field} is empty text, ${expected}`;
    case "true_rate":
      return `${observed} of ${field} is true, ${expected}`;
    case "nan_rate":
      return `${observed} of ${field} is NaN, ${expected}`;
    case "infinity_rate":
      return `${observed} of ${field} is infinite, ${expected}`;
    case "mean":
      return `the mean of ${field} is ${observed}, ${expected}`;
    case "stddev":
      return `the standard deviation of ${field} is ${observed}, ${expected}`;
    case "length_mean":
      return `the mean length of ${field} is ${observed}, ${expected}`;
    case "length_stddev":
      return `the standard deviation of the length of ${field} is ${observed}, ${expected}`;
    case "invalid_share":
      return `${observed} of the records are invalid, ${expected}`;
    case "undecodable_share":
      return `${observed} of the records cannot be decoded, ${expected}`;
    case "tombstone_share":
      return `${observed} of the records are tombstones, ${expected}`;
    case "future_share":
      return `${observed} of the records lie in the future, ${expected}`;
    case "duplicate_share":
      return `${observed} of the events are duplicates, ${expected}`;
    case "row_count":
      return `${observed} events, ${expected}`;
    default:
      return `${cause.metric} is ${observed}, ${expected}`;
  }
}

function phraseOfDataset(cause: Cause): string {
  const { name } = splitMetric(cause.metric);
  return name === "row_count" ? "the number of events" : name === "duplicate_share" ? "duplicates" : cause.metric;
}

function expectation(cause: Cause): string {
  if (cause.low === null || cause.high === null) {
    return cause.expected === null ? "nothing to compare with" : `expected ${quantity(cause.metric, cause.expected)}`;
  }
  const low = quantity(cause.metric, cause.low);
  const high = quantity(cause.metric, cause.high);
  if (low === high) return `expected ${low}`;
  return `expected ${low.endsWith(" %") && high.endsWith(" %") ? low.slice(0, -2) : low}–${high}`;
}

function isShare(metric: string): boolean {
  const { name } = splitMetric(metric);
  return name === "share" || name.endsWith("_share") || name.endsWith("_rate");
}

function quantity(metric: string, value: number): string {
  if (isShare(metric)) return `${significant(value * 100, 2)} %`;
  return splitMetric(metric).name === "row_count" ? Math.round(value).toLocaleString("en-US") : significant(value, 4);
}

function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(6, Math.max(0, digits - 1 - magnitude));
  return String(Number(value.toFixed(decimals)));
}

function splitMetric(metric: string): { name: string; argument: string } {
  const open = metric.indexOf("(");
  if (open < 0) return { name: metric, argument: "" };
  return { name: metric.slice(0, open), argument: metric.slice(open + 1, -1) };
}

function comparedValue(argument: string): string {
  const equals = argument.indexOf("=");
  return equals < 0 ? argument : argument.slice(equals + 1);
}

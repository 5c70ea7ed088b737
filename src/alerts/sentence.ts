/** One sentence in plain words for an incident: when, what, against which expectation, where from, what else, where worst. */
import { isShareMetric as isShare } from "../core/metric.ts";
import type { Cause, IncidentState } from "../core/verdict.ts";
import type { SettledLevel, SliceVerdict } from "./incident-tracker.ts";
import { originPhrase } from "./origin-phrase.ts";

const DAY_MS = 86_400_000;
const ALL = "all";
/** Causes with less than this part of the main one's blame are not worth a word. */
const ALSO_MIN = 0.1;
/** Slices that are named; a fault of the whole may be in hundreds. */
const LIKEWISE_MAX = 5;
/** Metrics whose new level is told. */
const LEVELS_MAX = 3;
/** As many as a double has. */
const DIGITS_MAX = 15;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export interface SentenceInput {
  readonly state: IncidentState;
  readonly reason: string;
  readonly sizeMs: number;
  readonly startMs: number;
  /** Zone of the windows: the one in which a day is that day. */
  readonly timezone: string;
  /** Entries of the calendar that the window touches. */
  readonly calendar?: readonly string[] | undefined;
  /** Worst first. */
  readonly alarms: readonly SliceVerdict[];
  /** With the reason `new-level`. */
  readonly levels: readonly SettledLevel[];
}

/** "8 Feb: 36 % of `dep_time` is null, expected 0–4 %; also arr_time, air_time; worst at origin=EWR, 38 %". */
export function incidentSentence(input: SentenceInput): string {
  const { calendar = [] } = input;
  const when = windowLabel(input) + (calendar.length === 0 ? "" : ` (${calendar.join(", ")})`);
  if (input.state === "resolved") {
    if (input.reason === "new-level") return `${when}: quiet again at a new level: ${levelPhrases(input.levels)}`;
    if (input.reason === "reset") return `${when}: no longer watched, because what was learned was reset`;
    return input.reason === "corrected" ? `${when}: late events took the alarm back` : `${when}: back to normal`;
  }
  const main = mainAlarm(input.alarms);
  const cause = main?.causes[0];
  if (input.reason === "continues" && main === undefined)
    return `${when}: not back to normal, and not yet at a new level`;
  if (main === undefined || cause === undefined) return `${when}: the metrics as a whole are unlike their past`;
  const place = main.slice === ALL ? "" : `at ${main.slice} `;
  const parts = [`${when}: ${place}${volumePhrase(input, main, cause) ?? causePhrase(cause)}`];
  const origin = originPhrase(cause, main.concentration ?? []);
  if (origin !== undefined) parts.push(origin);
  const others = main.causes
    .slice(1, 4)
    .filter((other) => other.share >= ALSO_MIN * cause.share)
    .map(subject);
  // A field with several metrics out is one field.
  const also = [...new Set(others)].filter((other) => other !== subject(cause));
  if (also.length > 0) parts.push(`also ${also.join(", ")}`);
  const elsewhere = input.alarms.flatMap((alarm) => {
    const same = alarm.causes.find((other) => other.metric === cause.metric);
    return alarm === main || same === undefined || !isOut(same) ? [] : [{ slice: alarm.slice, cause: same }];
  });
  if (main.slice === ALL) {
    const worst = worstOf(elsewhere, cause);
    if (worst !== undefined) parts.push(`worst at ${worst.slice}, ${measured(worst.cause)}`);
  } else if (elsewhere.length > 0) {
    const names = elsewhere.slice(0, LIKEWISE_MAX).map(({ slice }) => slice);
    const more = elsewhere.length - names.length;
    parts.push(`likewise at ${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`);
  }
  return parts.join("; ");
}

/** The whole first: its figures are the ones a reader knows; a slice only when the whole is quiet. */
export function mainAlarm(alarms: readonly SliceVerdict[]): SliceVerdict | undefined {
  return alarms.find((alarm) => alarm.slice === ALL) ?? alarms[0];
}

/** Undefined: the alarm is about what the data holds. */
function volumePhrase(
  { sizeMs, startMs, timezone }: SentenceInput,
  { kind, sinceMs }: SliceVerdict,
  cause: Cause,
): string | undefined {
  if (kind == null || kind === "content" || kind === undefined) return undefined;
  if (splitMetric(cause.metric).name !== "row_count") return undefined;
  const digits = digitsOf(cause);
  const rows = `${quantity(cause.metric, cause.observed ?? 0, digits)} rows`;
  switch (kind) {
    case "no-data": {
      const since = sinceLabel(sinceMs ?? startMs, { sizeMs, startMs, timezone });
      const usual = cause.expected === null ? "" : `, usually ${quantity(cause.metric, cause.expected, digits)} rows`;
      return `no data${since}${usual}`;
    }
    case "less-than-usual":
      return `less than usual: ${rows}, ${expectation(cause, digits)}`;
    case "more-than-usual":
      return `more than usual: ${rows}, ${expectation(cause, digits)}`;
    case "late":
      return `late: ${rows} so far, ${expectation(cause, digits)}, while rows of earlier windows come after these have closed`;
    default:
      return kind satisfies never;
  }
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
  const digits = digitsOf(cause);
  const observed = quantity(cause.metric, cause.observed ?? 0, digits);
  return isShare(cause.metric) ? observed : `${observed}, ${expectation(cause, digits)}`;
}

function isOut({ observed, low, high }: Cause): boolean {
  return observed !== null && low !== null && high !== null && (observed < low || observed > high);
}

function distance({ observed, expected }: Cause): number {
  return Math.abs((observed ?? 0) - (expected ?? 0));
}

/** " since 14:00", with the day where it is another one; of days, nothing for the window's own. */
function sinceLabel(sinceMs: number, window: Pick<SentenceInput, "startMs" | "sizeMs" | "timezone">): string {
  if (window.sizeMs >= DAY_MS && sinceMs === window.startMs) return "";
  const day = windowLabel({ ...window, sizeMs: DAY_MS });
  const label = windowLabel({ ...window, startMs: sinceMs });
  return ` since ${label.startsWith(`${day} `) ? label.slice(day.length + 1) : label}`;
}

/** "8 Feb" for a day, "8 Feb 14:00" for what is shorter. */
export function windowLabel({
  startMs,
  sizeMs,
  timezone,
}: Pick<SentenceInput, "startMs" | "sizeMs" | "timezone">): string {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    month: "numeric",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const part = Object.fromEntries(format.formatToParts(startMs).map(({ type, value }) => [type, value]));
  const day = `${part.day} ${MONTHS[Number(part.month) - 1]}`;
  return sizeMs >= DAY_MS ? day : `${day} ${part.hour}:${part.minute}`;
}

/** What one cause says, with its expectation. */
function causePhrase(cause: Cause): string {
  const digits = digitsOf(cause);
  const observed = cause.observed === null ? "nothing" : quantity(cause.metric, cause.observed, digits);
  return `${statement(cause, observed)}, ${expectation(cause, digits)}`;
}

/** Of each field the first; where many have moved, a few of them. */
function levelPhrases(levels: readonly SettledLevel[]): string {
  const first = levels.filter(
    ({ fields }, at) => levels.findIndex((one) => one.fields.join() === fields.join()) === at,
  );
  const more = first.length - LEVELS_MAX;
  return first.slice(0, LEVELS_MAX).map(levelPhrase).join("; ") + (more > 0 ? `; and ${more} more` : "");
}

function levelPhrase(level: SettledLevel): string {
  const field = level.fields.map((name) => `\`${name}\``).join(" and ");
  const { name } = splitMetric(level.metric);
  // What was new is not any more: there is no level to tell.
  if (name === "unseen_share") return `the new values of ${field} count as known`;
  if (name === "unseen_pattern_share") return `the new patterns of ${field} count as known`;
  if (name === "rare_pattern_share") return "the new combinations of absent fields count as usual";
  const place = level.slice === ALL ? "" : `at ${level.slice} `;
  const digits = levelDigits(level);
  const was = quantity(level.metric, level.was, digits);
  return `${place}${statement(level, quantity(level.metric, level.is, digits))} (was ${was})`;
}

/** `observed` of a metric, in words. */
function statement({ metric, fields }: Pick<Cause, "metric" | "fields">, observed: string): string {
  const field = fields.map((name) => `\`${name}\``).join(" and ");
  const { name, argument } = splitMetric(metric);
  switch (name) {
    case "null_rate":
      return `${observed} of ${field} is null`;
    case "missing_rate":
      return `${observed} of ${field} is missing`;
    case "unseen_share":
      return `${observed} of ${field} are values not seen before`;
    case "share":
      return `${observed} of ${field} is ${comparedValue(argument, fields)}`;
    case "zero_rate":
      return `${observed} of ${field} is zero`;
    case "negative_rate":
      return `${observed} of ${field} is negative`;
    case "non_integer_rate":
      return `${observed} of ${field} is not an integer`;
    case "blank_rate":
      return `${observed} of ${field} is blank text`;
    case "number_like_rate":
      return `${observed} of ${field} reads as a number`;
    case "date_like_rate":
      return `${observed} of ${field} reads as a date`;
    case "unseen_pattern_share":
      return `${observed} of ${field} has a pattern of characters not seen before`;
    case "rare_pattern_share":
      return `${observed} of the events have a rare combination of absent fields${field && ` (${field})`}`;
    case "empty_rate":
      return `${observed} of ${field} is empty text`;
    case "true_rate":
      return `${observed} of ${field} is true`;
    case "nan_rate":
      return `${observed} of ${field} is NaN`;
    case "infinity_rate":
      return `${observed} of ${field} is infinite`;
    case "mean":
      return `the mean of ${field} is ${observed}`;
    case "stddev":
      return `the standard deviation of ${field} is ${observed}`;
    case "gap_mean":
      return `the mean difference of ${field} is ${observed}`;
    case "gap_stddev":
      return `the standard deviation of the difference of ${field} is ${observed}`;
    case "correlation":
      return `the correlation of ${field} is ${observed}`;
    case "repeat_share":
      return `${observed} of ${field} equals the value before`;
    case "mode_share":
      return `${observed} of ${field} is its most frequent value`;
    case "length_mean":
      return `the mean length of ${field} is ${observed}`;
    case "length_stddev":
      return `the standard deviation of the length of ${field} is ${observed}`;
    case "invalid_share":
      return `${observed} of the records are invalid`;
    case "undecodable_share":
      return `${observed} of the records cannot be decoded`;
    case "tombstone_share":
      return `${observed} of the records are tombstones`;
    case "future_share":
      return `${observed} of the records lie in the future`;
    case "late_share":
      return `late: ${observed} of the rows came after their window had closed`;
    case "duplicate_share":
      return `${observed} of the events are duplicates`;
    case "row_count":
      return `${observed} events`;
    default:
      return `${metric} is ${observed}`;
  }
}

/** What a cause speaks of, where it is not the main one. */
function subject(cause: Cause): string {
  if (cause.fields.length > 0) return cause.fields.join(" and ");
  const { name } = splitMetric(cause.metric);
  if (name === "row_count") return "the number of events";
  if (name === "late_share") return "late events";
  return name === "duplicate_share" ? "duplicates" : cause.metric;
}

function expectation(cause: Cause, digits: number): string {
  if (cause.low === null || cause.high === null) {
    if (cause.expected === null) return "nothing to compare with";
    return `expected ${quantity(cause.metric, cause.expected, digits)}`;
  }
  const low = quantity(cause.metric, cause.low, digits);
  const high = quantity(cause.metric, cause.high, digits);
  if (low === high) return `expected ${low}`;
  const from = low.endsWith(" %") && high.endsWith(" %") ? low.slice(0, -2) : low;
  return `expected ${from}${from.startsWith("-") ? " to " : "–"}${high}`;
}

/** Digits that a figure is told with; more only where what is out would look as expected. */
function digitsOf(cause: Cause): number {
  const { metric, observed, low, high } = cause;
  const usual = isShare(metric) ? 2 : 4;
  if (observed === null || low === null || high === null || !isOut(cause)) return usual;
  const bound = observed < low ? low : high;
  for (let digits = usual; digits < DIGITS_MAX; digits++) {
    if (quantity(metric, observed, digits) !== quantity(metric, bound, digits)) return digits;
  }
  return DIGITS_MAX;
}

function levelDigits({ metric, was, is }: SettledLevel): number {
  const least = isShare(metric) ? 2 : splitMetric(metric).name === "row_count" ? 4 : 3;
  for (let digits = least; digits < DIGITS_MAX; digits++) {
    if (quantity(metric, was, digits) !== quantity(metric, is, digits)) return digits;
  }
  return DIGITS_MAX;
}

function quantity(metric: string, value: number, digits: number): string {
  if (isShare(metric)) return `${significant(value * 100, digits)} %`;
  if (splitMetric(metric).name !== "row_count") return significant(value, digits);
  return value.toLocaleString("en-US", { maximumFractionDigits: digits - 4 });
}

function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const text = magnitude < 0 ? value.toPrecision(digits) : value.toFixed(Math.max(0, digits - 1 - magnitude));
  return String(Number(text));
}

function splitMetric(metric: string): { name: string; argument: string } {
  const open = metric.indexOf("(");
  if (open < 0) return { name: metric, argument: "" };
  return { name: metric.slice(0, open), argument: metric.slice(open + 1, -1) };
}

/** The value in `field=value`; a name in backticks may hold an equals sign of its own. */
function comparedValue(argument: string, [field]: readonly string[]): string {
  return field !== undefined && argument.startsWith(`${field}=`) ? argument.slice(field.length + 1) : argument;
}

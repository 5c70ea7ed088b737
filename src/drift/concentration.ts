/**
 * Where a change concentrates: of what is observed beyond what was expected, the part that the events of one partition, writer schema or
 * producer hold, against their part of the events.
 *
 * Of a metric that is a ratio (nulls of values, a sum of numbers), value v of a dimension has part P and whole W, and was expected to have
 * e W, where e is its own ratio in the windows before, scaled so that the whole comes to what the detector expected. The change of v is
 * P − e W; they add up to the change of the whole. Of the number of rows, v was expected to have its usual part of the expected rows.
 *
 * Up to four values are named together, those with the largest changes, when they hold at least 80 % of the change and not more than
 * 125 % (then the others went the other way, and it is another story); when they have at most half of the events, or one of
 * them three quarters; and when chance does not make it. Chance: had the change fallen on the events evenly, n of its parts would fall
 * on them with probability p each, their part of the events; Chernoff's bound n (s ln(s/p) + (1 − s) ln((1 − s)/(1 − p))), s the part
 * that they hold, has to exceed ln 10⁶ and the logarithm of the number of choices that there were. n is the number of independent
 * parts that the change amounts to: its square over the variance of the whole, so that one value far out counts as one.
 *
 * A writer schema that was never there before may have more of the events, even all: that it came with the change says enough.
 */
import { metricName } from "../core/metric.ts";
import { type Cause, type Concentration, ORIGIN_DIMENSIONS, type OriginDimension } from "../core/verdict.ts";
import { partsOfKey } from "../profiles/field-kinds.ts";
import type { FieldNames } from "../profiles/field-names.ts";
import { NO_ORIGIN, type OriginCount, type OriginFigures, type Origins, OTHER_ORIGIN } from "../profiles/origins.ts";

export interface ConcentrationInput {
  /** Most to blame first. */
  readonly causes: readonly Cause[];
  readonly window: Origins;
  /** Of the windows before, later ones counting more. */
  readonly usual: Origins;
  /** How many windows those are; a fraction where they count less. */
  readonly usualWindows: number;
  readonly names: FieldNames;
  /** A metric of the whole window. */
  readonly metric: (id: string) => number | undefined;
}

/** Further causes mostly follow from these. */
const CAUSES_MAX = 3;
const NAMED_MAX = 4;
const LEAST_SHARE = 0.8;
const MOST_SHARE = 1.25;
/** Of several values, a smaller part is nobody's news. */
const LEAST_OWN_SHARE = 0.1;
const MOST_EVENTS = 0.5;
const MOST_EVENTS_OF_ONE = 0.75;
/** Beyond it there are too few others to tell. */
const NEARLY_ALL = 0.98;
/** One alarm in a million that is evenly spread. */
const LEAST_SURPRISE = Math.log(1e6);
/** The usual ratio of a value that had fewer events is mostly that of all. */
const PRIOR_EVENTS = 30;
/** Before, it is not known what is usual, or new. */
const LEAST_WINDOWS = 2.5;
/** What is out of a number of rows has lost or gained at least half. */
const LEAST_ROWS_CHANGE = 0.5;
/** Of the figures that are told. */
const DIGITS = 6;

/** Values of one dimension, as they changed. */
interface Changed {
  readonly value: string;
  readonly isNew: boolean;
  /** Of the change of the whole. */
  readonly share: number;
  /** Of the events of the whole. */
  readonly events: number;
  readonly observed: number | undefined;
  readonly usual: number | undefined;
  readonly part: number;
  readonly whole: number;
}

/** The tightest dimension of a cause first. */
export function concentrationsOf(input: ConcentrationInput): Concentration[] {
  return input.causes.slice(0, CAUSES_MAX).flatMap((cause) => ofCause(cause, input));
}

function ofCause(cause: Cause, input: ConcentrationInput): Concentration[] {
  const changes = changesOf(cause, input);
  if (changes === undefined) return [];
  const found = ORIGIN_DIMENSIONS.flatMap((dimension) => {
    const named = namedOf(changes.of(dimension), changes.parts);
    if (named === undefined) return [];
    return [
      { surprise: named.surprise, told: named.values.map((one) => toldOf(cause, dimension, one, changes, named)) },
    ];
  });
  // Of equal ones the last, which says most: a producer has its own partitions, not they a producer.
  return found
    .reverse()
    .sort((a, b) => b.surprise - a.surprise)
    .flatMap(({ told }) => told);
}

interface Changes {
  /** Independent parts that the change amounts to. */
  readonly parts: number;
  readonly isRows: boolean;
  of(dimension: OriginDimension): Changed[];
}

interface Named {
  readonly values: readonly Changed[];
  readonly surprise: number;
  /** Of all that is not named. */
  readonly restPart: number;
  readonly restWhole: number;
}

function changesOf(cause: Cause, input: ConcentrationInput): Changes | undefined {
  return metricName(cause.metric) === "row_count" ? rowChanges(cause, input) : ratioChanges(cause, input);
}

function rowChanges(
  { observed, expected }: Cause,
  { window, usual, usualWindows }: ConcentrationInput,
): Changes | undefined {
  if (observed === null || expected === null || usualWindows < LEAST_WINDOWS) return undefined;
  const change = observed - expected;
  const all = window.values("partition").reduce((sum, [, figures]) => sum + figures.count("rows"), 0);
  if (change === 0 || all !== observed) return undefined;
  return {
    parts: change ** 2 / Math.max(expected, observed, Math.abs(change)),
    isRows: true,
    of: (dimension) => {
      const before = new Map(usual.values(dimension));
      const now = new Map(window.values(dimension));
      let usualRows = 0;
      for (const figures of before.values()) usualRows += figures.count("rows");
      if (!(usualRows > 0)) return [];
      const values = [...new Set([...before.keys(), ...now.keys()])].sort();
      return values.map((value): Changed => {
        const rows = now.get(value)?.count("rows") ?? 0;
        const events = (before.get(value)?.count("rows") ?? 0) / usualRows;
        const due = events * expected;
        const isOut = Math.abs(rows - due) >= LEAST_ROWS_CHANGE * due;
        return {
          value,
          isNew: isNewIn(before, value),
          share: isOut || value === OTHER_ORIGIN ? (rows - due) / change : 0,
          events,
          observed: rows,
          usual: before.has(value) ? due : undefined,
          part: rows,
          whole: 1,
        };
      });
    },
  };
}

function ratioChanges(cause: Cause, input: ConcentrationInput): Changes | undefined {
  const { window, usual, usualWindows, names } = input;
  const { observed, expected } = cause;
  const ratio = ratioOf(cause, window, names);
  if (ratio === undefined || observed === null || expected === null) return undefined;
  let part = 0;
  let whole = 0;
  for (const [, figures] of window.values("partition")) {
    part += ratio.part(figures);
    whole += ratio.whole(figures);
  }
  const change = part - expected * whole;
  const variance = varianceOf(cause, ratio, whole, change, input);
  if (!(whole > 0) || change === 0 || variance === undefined) return undefined;
  // Not all of the window is told apart: it was begun by a version that did not.
  if (Math.abs(part / whole - observed) > TOLERANCE * (Math.abs(observed) + Math.sqrt(variance / whole))) {
    return undefined;
  }
  const usualRatio = ratioOf(cause, usual, names);
  return {
    parts: change ** 2 / variance,
    isRows: false,
    of: (dimension) => {
      const before = new Map(usual.values(dimension));
      const values = window.values(dimension);
      const due = dueOf(values, before, { ratio, usualRatio, expected, whole });
      return values.flatMap(([value, figures]): Changed[] => {
        const own = { part: ratio.part(figures), whole: ratio.whole(figures) };
        const known = before.get(value);
        return [
          {
            value,
            isNew: usualWindows >= LEAST_WINDOWS && isNewIn(before, value),
            share: (own.part - (due.get(value) ?? 0) * own.whole) / change,
            events: own.whole / whole,
            observed: quotient(own.part, own.whole),
            usual:
              known === undefined || usualRatio === undefined
                ? undefined
                : quotient(usualRatio.part(known), usualRatio.whole(known)),
            ...own,
          },
        ];
      });
    },
  };
}

/** Rounding of sums. */
const TOLERANCE = 1e-6;

/** What the ratio of each value was expected to be, so that the whole comes to what was expected of it. */
function dueOf(
  values: readonly (readonly [string, OriginFigures])[],
  before: ReadonlyMap<string, OriginFigures>,
  of: {
    readonly ratio: Ratio;
    readonly usualRatio: Ratio | undefined;
    readonly expected: number;
    readonly whole: number;
  },
): ReadonlyMap<string, number> {
  const { ratio, usualRatio, expected, whole } = of;
  const due = new Map<string, number>();
  let all = 0;
  for (const [value, figures] of values) {
    const known = before.get(value);
    const [part, events] =
      known === undefined || usualRatio === undefined ? [0, 0] : [usualRatio.part(known), usualRatio.whole(known)];
    const own = (part + PRIOR_EVENTS * expected) / (events + PRIOR_EVENTS);
    due.set(value, own);
    all += own * ratio.whole(figures);
  }
  const mean = all / whole;
  for (const [value, own] of due) {
    if (ratio.isRate) due.set(value, mean > 0 ? Math.min(1, (own * expected) / mean) : expected);
    else due.set(value, own + expected - mean);
  }
  return due;
}

/** The values that hold the change; undefined: no few of them do. */
function namedOf(values: readonly Changed[], parts: number): Named | undefined {
  const known = values.filter(({ value }) => value !== OTHER_ORIGIN);
  const largest = known.sort((a, b) => b.share - a.share || (a.value < b.value ? -1 : 1));
  let share = 0;
  let events = 0;
  let isNew = true;
  for (let count = 1; count <= Math.min(NAMED_MAX, largest.length); count++) {
    const one = largest[count - 1]!;
    if (one.share < LEAST_OWN_SHARE) return undefined;
    share += one.share;
    events += one.events;
    isNew &&= one.isNew;
    if (share < LEAST_SHARE) continue;
    if (share > MOST_SHARE) return undefined;
    const isFew = isNew || events <= (count === 1 ? MOST_EVENTS_OF_ONE : MOST_EVENTS);
    const surprise = surpriseOf(share, events, parts) - lnChoices(known.length, count);
    if (!isFew || !(surprise >= LEAST_SURPRISE || (isNew && events >= NEARLY_ALL))) return undefined;
    const named = largest.slice(0, count);
    const rest = values.filter((other) => !named.includes(other));
    return {
      values: named,
      surprise,
      restPart: rest.reduce((sum, { part }) => sum + part, 0),
      restWhole: rest.reduce((sum, { whole }) => sum + whole, 0),
    };
  }
  return undefined;
}

function toldOf(
  { metric }: Cause,
  dimension: OriginDimension,
  { value, share, observed, usual, isNew }: Changed,
  { isRows }: Changes,
  { restPart, restWhole }: Named,
): Concentration {
  return {
    metric,
    dimension,
    value: value === NO_ORIGIN ? null : value,
    share: rounded(share)!,
    observed: rounded(observed),
    usual: rounded(usual),
    elsewhere: rounded(isRows ? restPart : quotient(restPart, restWhole)),
    ...(isNew && { isNew: true as const }),
  };
}

/** Of a metric and the table it is read from. */
interface Ratio {
  /** Each event is in it once, or not; else numbers are added up. */
  readonly isRate: boolean;
  part(figures: OriginFigures): number;
  whole(figures: OriginFigures): number;
}

const SHARES: Readonly<Record<string, OriginCount>> = {
  invalid_share: "invalid",
  undecodable_share: "undecodable",
  tombstone_share: "tombstone",
  future_share: "future",
};

/** Undefined: it does not follow from what is told apart. */
function ratioOf({ metric, fields }: Cause, origins: Origins, names: FieldNames): Ratio | undefined {
  const name = metricName(metric);
  const counted = SHARES[name];
  if (counted !== undefined) {
    return { isRate: true, part: (figures) => figures.count(counted), whole: ({ size }) => size };
  }
  if (fields.length !== 1) return undefined;
  const place = origins.fields.findIndex((key) => {
    const { path, class: fieldClass } = partsOfKey(key);
    return names.nameOf(path, fieldClass) === fields[0];
  });
  if (place < 0) return undefined;
  const { path, class: fieldClass } = partsOfKey(origins.fields[place]!);
  const present = (figures: OriginFigures) => figures.figure(place, "values") + figures.figure(place, "nulls");
  const rate = (part: Ratio["part"]): Ratio => ({ isRate: true, part, whole: present });
  const mean: Ratio = {
    isRate: false,
    part: (figures) => figures.figure(place, "sum"),
    whole: (figures) => figures.figure(place, "finite"),
  };
  switch (name) {
    case "null_rate":
      return rate((figures) => figures.figure(place, "nulls"));
    case "missing_rate": {
      // Of elements it is not told how many there could have been.
      if (/\[\]|\{\}/.test(path)) return undefined;
      const rows = (figures: OriginFigures) => figures.count("rows");
      return { isRate: true, part: (figures) => rows(figures) - present(figures), whole: rows };
    }
    case "nan_rate":
    case "infinity_rate":
      return rate((figures) => figures.figure(place, "values") - figures.figure(place, "finite"));
    case "zero_rate":
    case "empty_rate":
      return rate((figures) => figures.figure(place, "zeros"));
    case "negative_rate":
      return rate((figures) => figures.figure(place, "negatives"));
    case "true_rate":
      return rate((figures) => figures.figure(place, "sum"));
    case "mean":
      return fieldClass === "number" ? mean : undefined;
    case "length_mean":
      return fieldClass === "array" || fieldClass === "map" ? mean : undefined;
    default:
      return undefined;
  }
}

/** Of the part of the whole window, if its events are independent; at least that of one part for each event that changed. */
function varianceOf(
  { metric, expected }: Cause,
  ratio: Ratio,
  whole: number,
  change: number,
  input: ConcentrationInput,
): number | undefined {
  if (ratio.isRate) {
    const observed = expected! + change / whole;
    const variance = Math.max(observed * (1 - observed), expected! * (1 - expected!)) * whole;
    return Math.max(Math.abs(change), variance);
  }
  const stddev = input.metric(metric.replace("mean", "stddev"));
  return stddev === undefined || !(stddev > 0) ? undefined : stddev ** 2 * whole;
}

/** Chernoff's bound: −ln of the chance that so much of `parts` falls on what has this part of the events. */
function surpriseOf(share: number, events: number, parts: number): number {
  const s = Math.min(1, share);
  const p = Math.max(events, 1e-6);
  if (s <= p) return 0;
  return parts * (s * Math.log(s / p) + (s < 1 ? (1 - s) * Math.log((1 - s) / (1 - p)) : 0));
}

function lnChoices(of: number, count: number): number {
  let ln = 0;
  for (let i = 0; i < count; i++) ln += Math.log((of - i) / (i + 1));
  return ln;
}

/** Where values were forgotten, none is new. */
function isNewIn(before: ReadonlyMap<string, OriginFigures>, value: string): boolean {
  return value !== NO_ORIGIN && value !== OTHER_ORIGIN && !before.has(value) && !before.has(OTHER_ORIGIN);
}

function quotient(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined;
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(DIGITS));
}

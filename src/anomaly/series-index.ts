/**
 * From the first column of a metric matrix to positions in a series: the step is the most common difference, and a larger
 * difference counts as so many steps, so that a gap advances the season. Each difference is rounded for itself:
 * months of 28 to 31 days do not drift.
 */
import { StreamgaugeError } from "../core/errors.ts";

export interface SeriesIndex {
  /** One per row, starting at 0, growing. */
  readonly indices: readonly number[];
  /** The step in milliseconds where the column holds dates or timestamps. */
  readonly stepMs: number | undefined;
}

const ISO_TIME = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
/** Of a cell, in a message. */
const TEXT_MAX = 60;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * ISO 8601 dates and timestamps (UTC where no zone is given) or numbers, growing; the first row decides which. Any other
 * text counts rows. Throws SG_INPUT, naming the row (1 is the first), for a time that cannot be read, is not later than the
 * one before, or stands twice.
 */
export function seriesIndex(times: readonly string[]): SeriesIndex {
  const first = times[0];
  const read = first === undefined ? undefined : [readTime, readNumber].find((reader) => reader(first) !== undefined);
  if (read === undefined) return { indices: times.map((_, row) => row), stepMs: undefined };
  const values = times.map((text, row) => {
    const value = read(text);
    if (value === undefined) {
      const expected = read === readTime ? "a date or timestamp" : "a number";
      throw new StreamgaugeError(
        "SG_INPUT",
        `Cannot read the time of row ${row + 1}: expected ${expected} like the first row, got "${shortened(text)}"`,
      );
    }
    return value;
  });
  const differences = values.slice(1).map((value, i) => {
    const difference = value - values[i]!;
    if (difference > 0) return difference;
    const state = difference === 0 ? "is the time of row" : "lies before row";
    throw new StreamgaugeError(
      "SG_INPUT",
      `Cannot order row ${i + 2}: "${shortened(times[i + 1]!)}" ${state} ${i + 1}`,
    );
  });
  const step = mostCommon(differences);
  const indices = [0];
  for (const difference of differences) indices.push(indices.at(-1)! + Math.max(1, Math.round(difference / step)));
  return { indices, stepMs: read === readTime && differences.length > 0 ? step : undefined };
}

function shortened(text: string): string {
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

function readTime(text: string): number | undefined {
  const match = ISO_TIME.exec(text.trim());
  if (match === null) return undefined;
  // `Date.parse` takes 30 February for the first of March.
  const day = match[0].slice(0, 10);
  if (new Date(`${day}T00:00Z`).getUTCDate() !== Number(day.slice(8))) return undefined;
  const iso = match[0].replace(" ", "T").replace(/([+-]\d{2})(\d{2})$/, "$1:$2");
  const time = Date.parse(iso.length > 10 && match[1] === undefined ? `${iso}Z` : iso);
  return Number.isNaN(time) ? undefined : time;
}

function readNumber(text: string): number | undefined {
  const value = NUMBER.test(text.trim()) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

/** The smaller one where two are equally common; differences equal to nine digits are one. */
function mostCommon(differences: readonly number[]): number {
  const counts = new Map<number, number>();
  let best = 1;
  let bestCount = 0;
  for (const difference of differences) {
    const rounded = Number(difference.toPrecision(9));
    const count = (counts.get(rounded) ?? 0) + 1;
    counts.set(rounded, count);
    if (count > bestCount || (count === bestCount && rounded < best)) {
      best = rounded;
      bestCount = count;
    }
  }
  return best;
}

/** Durations as people write them: `500ms`, `5s`, `2m`, `1h`, `7d`, or a bare `0`. */

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNIT_MS;

/** Six digits: the longest, 999999d, is 2,737 years and far from losing precision. */
export const DURATION_PATTERN = "^(0|[0-9]{1,6}(ms|s|m|h|d))$";
/** The same without zero. */
export const POSITIVE_DURATION_PATTERN = "^0*[1-9][0-9]{0,5}(ms|s|m|h|d)$";
/** So many in each such time. */
export const FALSE_ALARMS_PATTERN = "^[1-9][0-9]{0,4} per 0*[1-9][0-9]{0,5}(ms|s|m|h|d)$";
/** That far before now; the words `earliest` and `latest` stand beside it. */
export const START_FROM_PATTERN = "^-0*[1-9][0-9]{0,5}(ms|s|m|h|d)$";
/** Windows are whole minutes, hours or days. */
export const WINDOW_SIZE_PATTERN = "^0*[1-9][0-9]{0,4}(m|h|d)$";

const PARTS = /^(\d+)(ms|s|m|h|d)$/;

/** Milliseconds, or undefined when it is not a duration. */
export function parseDuration(value: unknown): number | undefined {
  if (value === 0 || value === "0") return 0;
  if (typeof value !== "string") return undefined;
  const match = PARTS.exec(value);
  return match === null ? undefined : Number(match[1]) * UNIT_MS[match[2] as Unit];
}

/** The largest unit that divides it: 3600000 is `1h`. */
export function formatDuration(durationMs: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (durationMs > 0 && durationMs % UNIT_MS[unit] === 0) return `${durationMs / UNIT_MS[unit]}${unit}`;
  }
  return durationMs === 0 ? "0" : `${durationMs}ms`;
}

const LOOSE = /^\s*(\d{1,9}(?:\.\d{1,6})?)\s*([a-zµ]+)\.?\s*$/i;
const ISO_8601 = /^P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?$/i;
/** Spellings seen in other tools' files, by how they begin; the first match counts. */
const SPELLINGS: readonly (readonly [prefix: string, ms: number])[] = [
  ["ms", 1],
  ["mil", 1],
  ["mo", Number.NaN],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
  ["w", 604_800_000],
];

/** What somebody probably meant by `5 minits`, `PT5M` or `1.5h`; undefined when there is no telling. */
export function guessDuration(text: string): string | undefined {
  const iso = ISO_8601.exec(text);
  if (iso !== null) {
    const [days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
    const ms = days! * UNIT_MS.d + hours! * UNIT_MS.h + minutes! * UNIT_MS.m + seconds! * UNIT_MS.s;
    return ms > 0 ? formatDuration(ms) : undefined;
  }
  const loose = LOOSE.exec(text);
  if (loose === null) return undefined;
  const unit = loose[2]!.toLowerCase();
  const spelling = SPELLINGS.find(([prefix]) => unit.startsWith(prefix));
  const ms = Math.round(Number(loose[1]) * (spelling?.[1] ?? Number.NaN));
  const guess = ms > 0 ? formatDuration(ms) : undefined;
  return guess !== undefined && new RegExp(DURATION_PATTERN).test(guess) ? guess : undefined;
}

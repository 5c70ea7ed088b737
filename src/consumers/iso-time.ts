/**
 * ISO 8601 dates and times read from UTF-8 bytes, without making text of them:
 * `YYYY-MM-DD`, or with `T` or a space `hh:mm[:ss[.fraction]]` and a zone `Z`, `±hh`, `±hhmm`, `±hh:mm`; no zone is UTC.
 * Days are those of the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms").
 * A day that its month lacks, minute or second 60 and other forms are no time. `24:00:00` is the next midnight.
 */
export interface IsoTime {
  /** Whole milliseconds since the epoch, rounded down. */
  wholeMs: number;
  /** Microseconds beyond `wholeMs`, 0 to 999; what is finer is cut off. */
  micros: number;
  /** Digits behind the decimal point. */
  fractionDigits: number;
  dateOnly: boolean;
}

export function createIsoTime(): IsoTime {
  return { wholeMs: 0, micros: 0, fractionDigits: 0, dateOnly: false };
}

const DAY_MS = 86_400_000;
const [ZERO, DASH, PLUS, COLON, POINT, BLANK, UPPER_T, UPPER_Z] = [0x30, 0x2d, 0x2b, 0x3a, 0x2e, 0x20, 0x54, 0x5a];

/** Reads `bytes[from, to)` into `out`; false, with `out` undefined, when it is not such a text. */
export function readIsoTime(bytes: Uint8Array, from: number, to: number, out: IsoTime): boolean {
  if (to - from < 10 || bytes[from + 4] !== DASH || bytes[from + 7] !== DASH) return false;
  const year = twoDigits(bytes, from) * 100 + twoDigits(bytes, from + 2);
  const month = twoDigits(bytes, from + 5);
  const day = twoDigits(bytes, from + 8);
  // A pair that is not two digits is NaN, and every comparison with NaN is false.
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return false;
  out.wholeMs = daysFromEpoch(year, month, day) * DAY_MS;
  out.micros = 0;
  out.fractionDigits = 0;
  out.dateOnly = to - from === 10;
  return out.dateOnly || readTimeOfDay(bytes, from + 10, to, out);
}

/** Epoch milliseconds, with microseconds as fraction; NaN when it is no time. */
export function isoTimeMs(bytes: Uint8Array, from: number, to: number, scratch: IsoTime): number {
  return readIsoTime(bytes, from, to, scratch) ? scratch.wholeMs + scratch.micros / 1000 : Number.NaN;
}

function readTimeOfDay(bytes: Uint8Array, from: number, to: number, out: IsoTime): boolean {
  if (to - from < 6 || (bytes[from] !== UPPER_T && bytes[from] !== BLANK) || bytes[from + 3] !== COLON) return false;
  const hour = twoDigits(bytes, from + 1);
  const minute = twoDigits(bytes, from + 4);
  let second = 0;
  let position = from + 6;
  if (position < to && bytes[position] === COLON) {
    if (to - position < 3) return false;
    second = twoDigits(bytes, position + 1);
    position += 3;
    if (position < to && bytes[position] === POINT) position = readFraction(bytes, position + 1, to, out);
    if (position < 0) return false;
  }
  if (!(hour <= 24 && minute <= 59 && second <= 59)) return false;
  if (hour === 24 && (minute > 0 || second > 0 || out.wholeMs % DAY_MS !== 0 || out.micros > 0)) return false;
  const zoneMinutes = readZone(bytes, position, to);
  if (Number.isNaN(zoneMinutes)) return false;
  out.wholeMs += ((hour * 60 + minute - zoneMinutes) * 60 + second) * 1000;
  return true;
}

/** Position behind the digits, or -1 when there is none. */
function readFraction(bytes: Uint8Array, from: number, to: number, out: IsoTime): number {
  let micros = 0;
  let position = from;
  for (; position < to; position++) {
    const digit = bytes[position]! - ZERO;
    if (digit < 0 || digit > 9) break;
    if (position - from < 6) micros = micros * 10 + digit;
  }
  out.fractionDigits = position - from;
  if (out.fractionDigits === 0) return -1;
  for (let digits = out.fractionDigits; digits < 6; digits++) micros *= 10;
  out.micros = micros % 1000;
  out.wholeMs += (micros - out.micros) / 1000;
  return position;
}

/** Minutes east of Greenwich of what stands in `[from, to)`, NaN when it is no zone. */
function readZone(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  if (length === 0) return 0;
  const sign = bytes[from]!;
  if (length === 1) return sign === UPPER_Z ? 0 : Number.NaN;
  if (sign !== PLUS && sign !== DASH) return Number.NaN;
  const colon = length === 6 && bytes[from + 3] === COLON ? 1 : 0;
  if (length !== 3 && length !== 5 + colon) return Number.NaN;
  const hours = twoDigits(bytes, from + 1);
  const minutes = length === 3 ? 0 : twoDigits(bytes, from + 3 + colon);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (sign === DASH ? -1 : 1) * (hours * 60 + minutes);
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const high = bytes[at]! - ZERO;
  const low = bytes[at + 1]! - ZERO;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : Number.NaN;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function daysFromEpoch(year: number, month: number, day: number): number {
  // The year begins in March, so that the leap day is its last.
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

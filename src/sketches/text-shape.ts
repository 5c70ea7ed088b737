/**
 * The shape of a text: which classes of characters follow each other, and whether it reads as a number or a date. It
 * shows no character of the text. Length and shape fit into one number, so that a dictionary that keeps a number of each
 * value keeps both: measure = length × 2^21 + shape.
 *
 * Pattern: runs of one class become one sign, at most 6 of them, then `…`: "JFK-7 b" is `A.9 a`. Classes: `A` and `a` ASCII
 * letters, `9` ASCII digits, ` ` ASCII white space, `.` the other ASCII characters, `é` everything beyond ASCII.
 * Number: `[+-]digits`, with `.` or `,` and digits, with an exponent. Date: year-month-day with two digits each for month and day, or
 * day and month in one or two digits before the year, joined by `-`, `/` or `.`; a blank or `T` and anything may follow.
 * Nothing else is tried: not whether the month exists, no thousands, no blanks around it.
 *
 * Shape, from the lowest bit: 6 × 3 bits, class of each run, 0 after the last · 1 bit, more runs follow · 1 bit, number ·
 * 1 bit, date. The empty text is 0.
 */

/** Lengths stay exact up to 2^32. */
const SHAPE_RANGE = 2 ** 21;
const PATTERN_BITS = 18;
const MORE = 1 << PATTERN_BITS;
const PATTERN_MASK = 2 * MORE - 1;
const NUMBER = 1 << 19;
const DATE = 1 << 20;

const SIGNS = ["", "A", "a", "9", " ", ".", "é"];
const DIGITS = 3;
const BLANK = 4;
const OTHER_ASCII = 5;
const BEYOND_ASCII = 6;
/** In a form only: no pattern has it. */
const MIXED = 7;
const MIXED_RUNS = 3;

/** Of each byte. */
export const CLASSES = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return BEYOND_ASCII;
  const sign = String.fromCharCode(byte);
  if (/[A-Z]/.test(sign)) return 1;
  if (/[a-z]/.test(sign)) return 2;
  if (/[0-9]/.test(sign)) return DIGITS;
  return /[\t-\r ]/.test(sign) ? BLANK : OTHER_ASCII;
});

/** Length in code points, and shape, of the UTF-8 text in `bytes[start, start + length)`. */
export function textMeasure(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  let points = 0;
  let shape = 0;
  let shift = 0;
  let before = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    // Every code point has exactly one byte that is not a continuation byte.
    if ((byte & 0xc0) !== 0x80) points++;
    const kind = CLASSES[byte]!;
    if (kind === before) continue;
    before = kind;
    shape |= shift < PATTERN_BITS ? kind << shift : MORE;
    shift += 3;
  }
  const first = shape & 7;
  if (first === DIGITS || first === OTHER_ASCII) {
    if (isNumber(bytes, start, end)) shape |= NUMBER;
    else if (isDate(bytes, start, end)) shape |= DATE;
  }
  return points * SHAPE_RANGE + shape;
}

export function lengthOf(measure: number): number {
  return Math.floor(measure / SHAPE_RANGE);
}

export function shapeOf(measure: number): number {
  // Many times faster than the remainder of doubles.
  return measure - lengthOf(measure) * SHAPE_RANGE;
}

export function patternOf(shape: number): number {
  return shape & PATTERN_MASK;
}

/**
 * The pattern in which a word of letters and digits in turn (three runs and more, `9A9`) is one sign: of random and of counting identifiers, such as
 * UUIDs and numbers to base 36, every day has runs that none had before.
 */
export function patternForm(pattern: number): number {
  return withWords(pattern, MIXED_RUNS);
}

/** The form in which every word with a digit is that sign: by chance one of such an identifier has digits only. */
export function broadForm(form: number): number {
  return withWords(form, 1);
}

/** Words of at least so many runs, some of them digits, become one sign. */
function withWords(pattern: number, runsLeast: number): number {
  let form = pattern & MORE;
  let to = 0;
  for (let at = 0; at < PATTERN_BITS; ) {
    const kind = (pattern >>> at) & 7;
    if (kind === 0) break;
    let end = at;
    let hasDigits = false;
    for (; end < PATTERN_BITS; end += 3) {
      const next = (pattern >>> end) & 7;
      if (next === 0 || next > DIGITS) break;
      hasDigits ||= next === DIGITS;
    }
    const isMixed = hasDigits && end - at >= 3 * runsLeast;
    form |= (isMixed ? MIXED : kind) << to;
    to += 3;
    // Whether a word that is cut goes on says no more than its sign.
    if (isMixed && end === PATTERN_BITS) form &= ~MORE;
    at = isMixed ? end : at + 3;
  }
  return form;
}

/** White space only, and at least one character of it. */
export function isBlank(shape: number): boolean {
  return patternOf(shape) === BLANK;
}

export function isNumberLike(shape: number): boolean {
  return (shape & NUMBER) !== 0;
}

export function isDateLike(shape: number): boolean {
  return (shape & DATE) !== 0;
}

/** Such as `A9.9…`. */
export function patternText(pattern: number): string {
  let text = "";
  for (let shift = 0; shift < PATTERN_BITS; shift += 3) text += SIGNS[(pattern >>> shift) & 7] ?? "";
  return pattern & MORE ? `${text}…` : text;
}

/** Whether `patternOf()` may say this. */
export function isPattern(pattern: number): boolean {
  if (!Number.isInteger(pattern) || pattern < 0 || pattern > PATTERN_MASK) return false;
  const kinds = [0, 3, 6, 9, 12, 15].map((shift) => (pattern >>> shift) & 7);
  const runs = kinds.indexOf(0);
  const used = runs < 0 ? kinds : kinds.slice(0, runs);
  const isPlain = used.every((kind, i) => kind <= BEYOND_ASCII && kind !== used[i - 1]);
  return isPlain && kinds.slice(used.length).every((kind) => kind === 0) && (pattern < MORE || runs < 0);
}

function isNumber(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if (bytes[at] === PLUS || bytes[at] === MINUS) at++;
  let next = digitsEnd(bytes, at, end);
  if (next === at) return false;
  if (next < end && (bytes[next] === POINT || bytes[next] === COMMA)) {
    at = next + 1;
    next = digitsEnd(bytes, at, end);
    if (next === at) return false;
  }
  if (next < end && (bytes[next]! | CASE) === SMALL_E) {
    at = next + 1;
    if (bytes[at] === PLUS || bytes[at] === MINUS) at++;
    next = digitsEnd(bytes, at, end);
    if (next === at) return false;
  }
  return next === end;
}

function isDate(bytes: Uint8Array, start: number, end: number): boolean {
  const first = digitsEnd(bytes, start, end);
  const joint = bytes[first];
  if (first >= end || (joint !== MINUS && joint !== SLASH && joint !== POINT)) return false;
  const second = digitsEnd(bytes, first + 1, end);
  if (second >= end || bytes[second] !== joint) return false;
  const third = digitsEnd(bytes, second + 1, end);
  const lengths = [first - start, second - first - 1, third - second - 1] as const;
  const isYearFirst = lengths[0] === 4 && lengths[1] === 2 && lengths[2] === 2;
  const isYearLast = isShort(lengths[0]) && isShort(lengths[1]) && lengths[2] === 4;
  return (isYearFirst || isYearLast) && (third === end || bytes[third] === SPACE || bytes[third] === CAPITAL_T);
}

function isShort(digits: number): boolean {
  return digits === 1 || digits === 2;
}

function digitsEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && CLASSES[bytes[at]!] === DIGITS) at++;
  return at;
}

const SPACE = 0x20;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const SLASH = 0x2f;
const CAPITAL_T = 0x54;
const SMALL_E = 0x65;
/** The bit in which the two cases of an ASCII letter differ. */
const CASE = 0x20;

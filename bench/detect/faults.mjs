// The faults that are planted in rows: 14 kinds, each at five sizes. A fault damages exactly round(share × rows) rows, at least one,
// in the column that it names (two for a swap, none where rows are lost or repeated), so that a recall says what it is a recall of.
//
// Rows are arrays in the order of the table's columns: `null` is an absent value, `undefined` one whose parent record is absent, which
// no fault touches. Rows that are given are not changed: what is damaged is a copy. Only rows whose value a fault can change are chosen;
// where that cannot be asked for (a shuffled column, a value that freezes on a common one) some chosen rows may keep their value.
//
// Chance is an argument: nothing is imported, so that the tests need no build.

export const FAULT_SHARES = [0.01, 0.05, 0.1, 0.2, 0.5];

const MINUTES_OF_DAY = 2400;
const HOUR_MS = 3_600_000;
const INT_MAX = 2_147_483_647;
/** New York against its neighbours, UTC and Europe, both ways. */
const HOUR_SHIFTS = [-8, -5, -4, -3, -1, 1, 3, 4, 5, 8];
const SENTINELS = [-1, 99_999];
/** Standard deviations of the window's own values; up to twice as many. */
const OUTLIER_SD = 5;
/** Windows that are tried until one has rows that the fault can damage. */
const WINDOWS_TRIED = 200;

const anyColumn = ({ isEventTime }) => !isEventTime;
const isNumber = ({ type }) => type === "int" || type === "double";
const isText = ({ type }) => type === "string";
const isCategory = (column) => isText(column) && !column.isUnique;
const isTime = ({ clock }) => clock !== undefined;

/**
 * `targets`: the columns, by index, that it can be planted in. `plant` gives the rows with the fault and which of the given rows are
 * damaged, or undefined where too few of them can be.
 */
export const FAULT_KINDS = [
  oneColumn("nulls", anyColumn, () => () => null),
  { name: "volume drop", targets: () => [[]], plant: dropRows },
  { name: "duplicates", targets: () => [[]], plant: repeatRows },
  oneColumn("typos", isText, ({ random }) => ({ isPossible: hasText, change: (text) => mistyped(text, random) })),
  oneColumn("new category", isCategory, newCategory),
  oneColumn(
    "x10",
    isNumber,
    ({ column }) =>
      (value) =>
        fitting(column, value * 10),
  ),
  oneColumn(
    "x0.001",
    isNumber,
    ({ column }) =>
      (value) =>
        fitting(column, value * 0.001),
  ),
  { name: "swapped columns", targets: pairsOfOneType, plant: swapColumns },
  { name: "shuffled column", targets: each(anyColumn), plant: shuffleColumn },
  { name: "frozen value", targets: each(anyColumn), plant: freezeColumn },
  oneColumn("outliers", isNumber, outliers),
  oneColumn("truncation", (column) => isText(column) || isNumber(column), truncation),
  oneColumn("time-zone shift", isTime, shiftedTimes),
  oneColumn("sentinel", isNumber, ({ random }) => {
    const sentinel = SENTINELS[random.below(SENTINELS.length)];
    return () => sentinel;
  }),
];

export function damagedRows(share, rowCount) {
  return Math.max(1, Math.round(share * rowCount));
}

/**
 * One fault in some window of `[from, windowCount)`. `rowsOf(window)` gives its rows, `isKnown(column, text)` whether the table has the
 * value anywhere. In the result `columns` are the names of what is damaged, `damaged` indices of the given rows.
 */
export function drawFault({ kind, share, columns, from, windowCount, rowsOf, isKnown, random }) {
  for (let tried = 0; tried < WINDOWS_TRIED; tried++) {
    const window = from + random.below(windowCount - from);
    const rows = rowsOf(window);
    const planted = plantFault({ kind, share, columns, rows, isKnown, random });
    if (planted !== undefined) return { kind: kind.name, share, window, ...planted };
  }
  throw new Error(`Cannot plant ${kind.name} in ${share} of the rows: no window has enough that it can damage`);
}

/** Undefined: no column has enough rows that the fault can damage. */
export function plantFault({ kind, share, columns, rows, isKnown, random }) {
  const count = damagedRows(share, rows.length);
  for (const target of shuffled(kind.targets(columns), random)) {
    const planted = kind.plant({ rows, count, columns, target, isKnown, random });
    if (planted !== undefined) return { columns: target.map((index) => columns[index].path), ...planted };
  }
  return undefined;
}

/** A kind that changes values of one column, each by itself: `changeOf` gives the change, or that and what it is possible for. */
function oneColumn(name, isEligible, changeOf) {
  return {
    name,
    targets: each(isEligible),
    plant({ rows, count, columns, target, isKnown, random }) {
      const [index] = target;
      const made = changeOf({ rows, index, column: columns[index], isKnown, random });
      if (made === undefined) return undefined;
      const { change, isPossible } =
        typeof made === "function" ? { change: made, isPossible: (value) => made(value) !== value } : made;
      const possible = indicesWhere(rows, (row) => row[index] != null && isPossible(row[index]));
      if (possible.length < count) return undefined;
      const damaged = chosen(possible, count, random);
      return { damaged, rows: changedRows(rows, damaged, (row) => with_(row, index, change(row[index]))) };
    },
  };
}

function dropRows({ rows, count, random }) {
  if (count >= rows.length) return undefined;
  const damaged = chosen(allOf(rows), count, random);
  const lost = new Set(damaged);
  return { damaged, rows: rows.filter((_, i) => !lost.has(i)) };
}

/** Each repeated row follows its first, as with a producer that sends again. */
function repeatRows({ rows, count, random }) {
  const damaged = chosen(allOf(rows), count, random);
  const repeated = new Set(damaged);
  return { damaged, rows: rows.flatMap((row, i) => (repeated.has(i) ? [row, row] : [row])) };
}

function swapColumns({ rows, count, target, random }) {
  const [first, second] = target;
  const possible = indicesWhere(rows, (row) => row[first] != null && row[second] != null && row[first] !== row[second]);
  if (possible.length < count) return undefined;
  const damaged = chosen(possible, count, random);
  const swapped = (row) => with_(with_(row, first, row[second]), second, row[first]);
  return { damaged, rows: changedRows(rows, damaged, swapped) };
}

/** The values of the chosen rows go round in a circle, so that the column as a whole keeps them; one row alone takes that of another. */
function shuffleColumn({ rows, count, target, random }) {
  const [index] = target;
  const possible = indicesWhere(rows, (row) => row[index] !== undefined);
  if (possible.length < count) return undefined;
  const circle = shuffled(chosen(possible, count, random), random);
  const others =
    count > 1 ? [] : indicesWhere(rows, (row) => row[index] !== undefined && row[index] !== rows[circle[0]][index]);
  if (count === 1 && others.length === 0) return undefined;
  const takenFrom = new Map(
    circle.map((row, place) => [row, count > 1 ? circle[(place + 1) % count] : others[random.below(others.length)]]),
  );
  const damaged = [...circle].sort((a, b) => a - b);
  return { damaged, rows: changedRows(rows, damaged, (row, at) => with_(row, index, rows[takenFrom.get(at)][index])) };
}

/** From some row on the value stays what it was in the row before. */
function freezeColumn({ rows, count, target, random }) {
  const [index] = target;
  const possible = indicesWhere(rows, (row) => row[index] !== undefined);
  const starts = [];
  for (let at = 0; at + count < possible.length; at++) if (rows[possible[at]][index] !== null) starts.push(at);
  if (starts.length === 0) return undefined;
  const start = starts[random.below(starts.length)];
  const frozen = rows[possible[start]][index];
  const damaged = possible.slice(start + 1, start + 1 + count);
  return { damaged, rows: changedRows(rows, damaged, (row) => with_(row, index, frozen)) };
}

/** One value that the table has nowhere, of the same make as one that it has. */
function newCategory({ rows, index, isKnown, random }) {
  const values = rows.map((row) => row[index]).filter(hasText);
  if (values.length === 0) return undefined;
  const model = values[random.below(values.length)];
  for (let tried = 0; tried < 100; tried++) {
    const text = [...model].map((character) => likeCharacter(character, random)).join("");
    if (!isKnown(index, text)) return () => text;
  }
  return undefined;
}

function outliers({ rows, index, column, random }) {
  const values = rows.map((row) => row[index]).filter((value) => value != null);
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const spread = variance > 0 ? Math.sqrt(variance) : Math.max(1, Math.abs(mean) / 10);
  const outlier = () => {
    const side = random.bit() === 1 ? 1 : -1;
    return fitting(column, mean + side * OUTLIER_SD * (1 + random.next()) * spread);
  };
  return {
    isPossible: () => true,
    change(value) {
      let damaged = outlier();
      while (damaged === value) damaged = outlier();
      return damaged;
    },
  };
}

/** Texts lose their second half, numbers their decimals or else their last digit. */
function truncation({ column }) {
  if (isText(column)) return (text) => text.slice(0, Math.max(1, Math.ceil(text.length / 2)));
  return (value) => Math.trunc(Number.isInteger(value) ? value / 10 : value) + 0;
}

function shiftedTimes({ column, random }) {
  const hours = HOUR_SHIFTS[random.below(HOUR_SHIFTS.length)];
  switch (column.clock) {
    case "hhmm":
      return (value) => (value + 100 * hours + MINUTES_OF_DAY) % MINUTES_OF_DAY;
    case "hour":
      return (value) => (value + hours + 24) % 24;
    case "ms":
      return (value) => value + hours * HOUR_MS;
    default:
      throw new Error(`Cannot shift ${column.path}: clock is ${column.clock}`);
  }
}

/** An `int` of Avro has no decimals and 32 bits. */
function fitting(column, value) {
  if (column.type !== "int") return value;
  // Not −0, which is no other value than 0.
  return Math.max(-INT_MAX, Math.min(INT_MAX, Math.round(value))) + 0;
}

function mistyped(text, random) {
  const characters = [...text];
  for (;;) {
    const at = random.below(characters.length);
    const typed = [...characters];
    const slip = random.below(4);
    if (slip === 0) typed[at] = likeCharacter(characters[at], random);
    else if (slip === 1) typed.splice(at, 1, characters[at], characters[at]);
    else if (slip === 2 && characters.length > 1) typed.splice(at, 1);
    else if (slip === 3 && at + 1 < characters.length) typed.splice(at, 2, characters[at + 1], characters[at]);
    const result = typed.join("");
    if (result !== text) return result;
  }
}

/** Of the same class, so that the text keeps its pattern. */
function likeCharacter(character, random) {
  if (/[0-9]/.test(character)) return String(random.below(10));
  if (/[A-Z]/.test(character)) return String.fromCharCode(65 + random.below(26));
  if (/[a-z]/.test(character)) return String.fromCharCode(97 + random.below(26));
  return character;
}

function hasText(value) {
  return typeof value === "string" && value.length > 0;
}

function each(isEligible) {
  return (columns) => columns.flatMap((column, index) => (!column.isEventTime && isEligible(column) ? [[index]] : []));
}

function pairsOfOneType(columns) {
  const eligible = columns.flatMap((column, index) =>
    !column.isEventTime && (isText(column) || isNumber(column)) ? [index] : [],
  );
  return eligible.flatMap((first, i) =>
    eligible.slice(i + 1).flatMap((second) => (columns[first].type === columns[second].type ? [[first, second]] : [])),
  );
}

function changedRows(rows, damaged, change) {
  const changed = [...rows];
  for (const at of damaged) changed[at] = change(rows[at], at);
  return changed;
}

function with_(row, index, value) {
  const copy = [...row];
  copy[index] = value;
  return copy;
}

function allOf(rows) {
  return rows.map((_, i) => i);
}

function indicesWhere(rows, isSo) {
  return rows.flatMap((row, i) => (isSo(row) ? [i] : []));
}

/** `count` of them, ascending. */
function chosen(indices, count, random) {
  return shuffled(indices, random, count).sort((a, b) => a - b);
}

/** Fisher–Yates; the first `count` only. */
function shuffled(items, random, count = items.length) {
  const pool = [...items];
  for (let i = 0; i < count; i++) {
    const at = i + random.below(pool.length - i);
    [pool[i], pool[at]] = [pool[at], pool[i]];
  }
  return pool.slice(0, count);
}

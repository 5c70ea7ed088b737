/**
 * What the demo's windows must hold, counted from the source of the data alone: its own reading of the CSV file, the
 * planted faults written down a second time, and no product code.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";

const DAY_MS = 86_400_000;
export const NULLABLE = ["dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time"] as const;
/** Fields of which sum, least and largest value are compared, by the path that they have in the events. */
const MEASURED = {
  "route.distance": "distance",
  dep_delay: "dep_delay",
  arr_delay: "arr_delay",
  air_time: "air_time",
  dep_time: "dep_time",
  hour: "hour",
} as const;

type Row = Record<string, string>;

/** A damaged flight in the order of its time. */
interface Event {
  readonly timeMs: number;
  readonly cells: Row;
}

export interface FieldFigures {
  nulls: number;
  count: number;
  sum: number;
  min: number;
  max: number;
}

/** One window and slice. */
export interface FlightWindow {
  readonly slice: string;
  /** ISO 8601, as in the outputs. */
  readonly start: string;
  readonly end: string;
  rows: number;
  /** Flights of `UA`, upper case. */
  united: number;
  readonly contents: Set<string>;
  readonly fields: Record<string, FieldFigures>;
}

/** Windows by `slice|start`: whole days of UTC, the whole and each airport. */
export function flightWindows(csvGz: string): Map<string, FlightWindow> {
  const windows = new Map<string, FlightWindow>();
  for (const { timeMs, cells } of damagedFlights(csvGz)) {
    const dayMs = Math.floor(timeMs / DAY_MS) * DAY_MS;
    for (const slice of ["all", `origin=${cells.origin}`]) addRow(windowOf(windows, slice, dayMs), cells);
  }
  return windows;
}

function damagedFlights(csvGz: string): Event[] {
  const rows = parse(gunzipSync(readFileSync(csvGz)), { columns: true }) as Row[];
  const events = rows.map((cells) => ({ timeMs: Date.parse(cells.time_hour!), cells }));
  // The sort is stable: flights of one hour stay in the order of the file.
  events.sort((a, b) => a.timeMs - b.timeMs);
  const twice: Event[] = [];
  let newark = 0;
  for (const event of events) {
    const { cells } = event;
    const hour = new Date(event.timeMs).toISOString().slice(0, 13);
    const day = hour.slice(0, 10);
    if ((day === "2013-09-10" || day === "2013-09-11") && cells.carrier === "UA") cells.carrier = "ua";
    if (day === "2013-10-15" && cells.origin === "JFK") {
      cells.distance = String(Math.round(Number(cells.distance) * 1.609344));
    }
    if (day === "2013-11-12" && cells.origin === "EWR" && newark++ % 5 === 0) cells.dep_delay = "";
    twice.push(event);
    if (hour === "2013-12-03T11") twice.push(event);
  }
  return twice;
}

function windowOf(windows: Map<string, FlightWindow>, slice: string, dayMs: number): FlightWindow {
  const start = new Date(dayMs).toISOString();
  const key = `${slice}|${start}`;
  let window = windows.get(key);
  if (window === undefined) {
    const fields: Record<string, FieldFigures> = {};
    for (const name of [...NULLABLE, ...Object.keys(MEASURED)]) {
      fields[name] = { nulls: 0, count: 0, sum: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
    }
    const end = new Date(dayMs + DAY_MS).toISOString();
    window = { slice, start, end, rows: 0, united: 0, contents: new Set(), fields };
    windows.set(key, window);
  }
  return window;
}

function addRow(window: FlightWindow, cells: Row): void {
  window.rows++;
  if (cells.carrier === "UA") window.united++;
  window.contents.add(contentOf(cells));
  for (const name of NULLABLE) if (cells[name] === "") window.fields[name]!.nulls++;
  for (const [path, name] of Object.entries(MEASURED)) {
    const text = cells[name]!;
    if (text === "") continue;
    const field = window.fields[path]!;
    const value = Number(text);
    field.count++;
    field.sum += value;
    field.min = Math.min(field.min, value);
    field.max = Math.max(field.max, value);
  }
}

/** Year, month and day are no fields of the events. */
function contentOf({ year, month, day, ...cells }: Row): string {
  return Object.values(cells).join();
}

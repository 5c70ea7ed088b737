// The tables of the flights (nycflights13, every departure from New York in 2013): by UTC day as the demo cuts them, by hour, and by day
// for each airport apart. Nothing in them is planted: holidays, storms and the one bad record of 27 July are what happened.
import { fileURLToPath } from "node:url";
import avsc from "avsc";
import { DEMO_CONFIG } from "../../dist/cli/demo-feed.js";
import { openInput } from "../../dist/consumers/file-input.js";
import { SeasonPhases } from "../../dist/windows/season-phase.js";
import { DAY_MS, DAYS_BUDGET, HOUR_MS, HOURS_BUDGET } from "./windows.mjs";

const FLIGHTS = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
const YEAR_START_MS = Date.UTC(2013, 0, 1);
/** The last UTC day of the file, in 2014, has the flights of five hours only. */
const DAYS = 365;
const ORIGINS = ["JFK", "LGA", "EWR"];
/** On an average day: with fewer a day says nothing. */
const AIRLINE_FLIGHTS = 8;

const COLUMNS = [
  { path: "time_hour", type: "timestamp", isEventTime: true },
  { path: "dep_time", type: "int", clock: "hhmm" },
  { path: "sched_dep_time", type: "int", clock: "hhmm" },
  { path: "dep_delay", type: "int" },
  { path: "arr_time", type: "int", clock: "hhmm" },
  { path: "sched_arr_time", type: "int", clock: "hhmm" },
  { path: "arr_delay", type: "int" },
  { path: "carrier", type: "string" },
  { path: "flight", type: "int" },
  { path: "tailnum", type: "string" },
  { path: "route.origin", type: "string" },
  { path: "route.dest", type: "string" },
  { path: "route.distance", type: "int" },
  { path: "air_time", type: "int" },
  { path: "hour", type: "int", clock: "hour" },
  { path: "minute", type: "int" },
];

let loaded;

export function flightsByDay() {
  return table("flights", { sizeMs: DAY_MS });
}

/** The first `days` of the year. */
export function flightsByHour(days) {
  return table("hourly", { sizeMs: HOUR_MS, days });
}

export function flightsByOrigin() {
  return ORIGINS.map((origin) => table(`origin ${origin}`, { sizeMs: DAY_MS, origin }));
}

/** Of each airport and airline that has so many flights on an average day, and some on nearly every one. */
export async function flightsByAirline() {
  loaded ??= await loadFlights();
  const days = new Map();
  const counts = new Map();
  for (const row of loaded.rows) {
    const slot = slotOf(row, DAY_MS);
    if (slot >= DAYS) continue;
    const key = `${row[10]} ${row[7]}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    days.set(key, (days.get(key) ?? new Set()).add(slot));
  }
  return [...counts.keys()]
    .filter((key) => counts.get(key) >= AIRLINE_FLIGHTS * DAYS && days.get(key).size >= 0.98 * DAYS)
    .sort()
    .map((key) => {
      const [origin, carrier] = key.split(" ");
      return table(`airline ${key}`, { sizeMs: DAY_MS, origin, carrier });
    });
}

const CLOCKS = new SeasonPhases("America/New_York");

function table(name, { sizeMs, days = DAYS, origin, carrier }) {
  const [dataset] = DEMO_CONFIG.datasets;
  const isDaily = sizeMs === DAY_MS;
  return {
    name,
    columns: COLUMNS,
    sizeMs,
    days,
    season: isDaily ? 7 : 24,
    // As the judge does in the zone of a dataset's windows.
    ...(!isDaily && {
      placeOf: (timeMs) => ({ ahead: CLOCKS.windowsAhead(timeMs, sizeMs), secondPhase: CLOCKS.hourOfWeek(timeMs) }),
    }),
    ...(isDaily ? DAYS_BUDGET : HOURS_BUDGET),
    pairs: dataset.pairs,
    policyOf: (path) => dataset.fields.get(path)?.values ?? dataset.valuesDefault,
    async load() {
      loaded ??= await loadFlights();
      const endMs = YEAR_START_MS + days * DAY_MS;
      const rows = loaded.rows.filter(
        (row) =>
          row[0] < endMs &&
          (origin === undefined || row[10] === origin) &&
          (carrier === undefined || row[7] === carrier),
      );
      const bySlot = groupBy(rows, (row) => slotOf(row, sizeMs));
      const slots = [...bySlot.keys()].sort((a, b) => a - b);
      return {
        windows: slots.map((slot) => ({ index: slot, startMs: YEAR_START_MS + slot * sizeMs })),
        rowsOf: (window) => bySlot.get(slots[window]),
        isKnown: (column, text) => loaded.texts[column].has(text),
      };
    },
  };
}

function slotOf([timeMs], sizeMs) {
  return Math.floor((timeMs - YEAR_START_MS) / sizeMs);
}

/** `Map.groupBy` is younger than Node 20. */
function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** All flights as rows, in the order of the file, and the texts of each column. */
async function loadFlights() {
  const input = await openInput(FLIGHTS, { timeField: "time_hour" });
  const type = avsc.Type.forSchema(JSON.parse(input.schemaText));
  const paths = COLUMNS.map(({ path }) => path.split("."));
  const rows = [];
  const texts = COLUMNS.map(() => new Set());
  for await (const { count, bytes, starts, ends } of input.records()) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < count; i++) {
      const flight = type.fromBuffer(buffer.subarray(starts[i], ends[i]));
      const row = paths.map(([first, second]) => (second === undefined ? flight[first] : flight[first][second]));
      for (let column = 0; column < row.length; column++) {
        if (typeof row[column] === "string") texts[column].add(row[column]);
      }
      rows.push(row);
    }
  }
  return { rows, texts };
}

// Streams in which nothing is planted: how many incidents are opened against the budget that the detector was given, once the calibration has
// something to go by: what `streamgauge_budget_realised_ratio` counts, and what somebody is told of. Windows that alarm are counted, too: what goes on
// for days is one incident. Pooled over many streams, because one has a dozen windows beyond its budget at most.
//
// The flights: all, those of each airport, those of each airline at each airport (where it has some every day), by day; and all by hour.
// Their holidays and storms count as false alarms. The sales: a chain of shops per seed.
//
// The same once more as slices of a data set, which share its budget as they do in the judge: whatever alarms in a window is one incident.
import { IncidentTracker } from "../../dist/alerts/incident-tracker.js";
import { budgetShare } from "../../dist/stages/budget-share.js";
import { poissonInterval } from "./figures.mjs";
import { flightsByAirline, flightsByDay, flightsByHour, flightsByOrigin } from "./flights.mjs";
import { sales } from "./sales.mjs";
import { runStreams, runTogether } from "./streams.mjs";
import { tableData } from "./table-data.mjs";
import { DAY_MS } from "./windows.mjs";

/** Windows after which an alarm counts. */
const SETTLED = 60;
/** Two seasons of hours and 23 more are the warm-up, and the first window is partial: it is longer than what is settled of days. */
const SETTLED_HOURS = 72;
const CHAINS = 8;

/**
 * By table: streams, windows, alarms, incidents, what the budget allows, the incidents over it with their 95 % interval; all tables together; and, by data set
 * with slices, the same.
 */
export async function runCalm({ seed, hourlyDays, detect, onTime }) {
  const [whole, origins, airlines] = [flightsByDay(), flightsByOrigin(), await flightsByAirline()];
  const groups = {
    "flights, days": [whole],
    "flights of an airport, days": origins,
    "flights of an airline at an airport, days": airlines,
    "flights, hours": [flightsByHour(hourlyDays)],
    "sales, days": Array.from({ length: CHAINS }, (_, i) => ({ seed: seed + i, ...sales(seed + i) })),
  };
  const sliced = {
    "flights with their airports, days": [[whole, ...origins]],
    "flights of an airport with its airlines, days": origins.map((origin) => [
      origin,
      ...airlines.filter(({ name }) => name.startsWith(origin.name.replace("origin", "airline"))),
    ]),
  };
  const ofStream = (table) => runStream(table, { detect, onTime });
  const tables = await measured(groups, ofStream);
  const sum = (key) => tables.reduce((total, table) => total + table[key], 0);
  return {
    settled: SETTLED,
    tables,
    sliced: await measured(sliced, (series) => runSliced(series, { detect, onTime })),
    pooled: {
      name: "pooled",
      streams: sum("streams"),
      alarms: sum("alarms"),
      ...against(sum("windows"), sum("incidents"), sum("budget")),
    },
  };
}

async function measured(groups, run) {
  const tables = [];
  for (const [name, members] of Object.entries(groups)) {
    const perStream = [];
    for (const member of members) perStream.push(await run(member));
    const sum = (key) => perStream.reduce((total, stream) => total + stream[key], 0);
    const total = against(sum("windows"), sum("incidents"), sum("budget"));
    tables.push({ name, streams: members.length, alarms: sum("alarms"), ...total, perStream });
  }
  return tables;
}

async function runStream(table, { detect, onTime }) {
  const { clean } = await judged(table, { detect, onTime });
  const [alarms, incidents] = [count(clean, "alarm"), count(clean, "opened")];
  const perWindow = perWindowOf(table, detect);
  return { name: table.name, windows: clean.length, alarms, incidents, budget: clean.length * perWindow };
}

/** Their budget is shared as in the judge. */
async function runSliced(series, { detect, onTime }) {
  const [whole] = series;
  const tables = [];
  for (const table of series) tables.push({ table, windows: (await dataOf(table, onTime)).windows });
  const perWindow = perWindowOf(whole, detect);
  const incidents = new IncidentTracker({ dataset: whole.name, resolveAfter: 1 });
  const result = { name: whole.name, windows: 0, alarms: 0, incidents: 0, budget: 0 };
  // The first window is left out of all streams.
  let at = 1;
  runTogether(tables, {
    detect,
    falseAlarmsOf: (slices) => perWindow * budgetShare(slices),
    tell(tick) {
      const alert = incidents.update(tick);
      if (at++ < SETTLED) return;
      result.windows++;
      result.alarms += tick.verdicts.some(({ alarm }) => alarm) ? 1 : 0;
      result.incidents += alert?.state === "opened" ? 1 : 0;
      result.budget += perWindow;
    },
  });
  return result;
}

function dataOf(table, onTime) {
  return tableData(table, { seed: table.seed ?? 0, draws: 0, onTime });
}

async function judged(table, { detect, onTime }) {
  const judgedFrom = table.sizeMs === DAY_MS ? SETTLED : SETTLED_HOURS;
  const data = await dataOf(table, onTime);
  return runStreams({ ...table, judgedFrom }, data, { ways: ["beside"], detect, withBaselines: false }).beside;
}

function perWindowOf({ sizeMs }, detect) {
  return detect.falseAlarms ?? sizeMs / (30 * DAY_MS);
}

function count(windows, key) {
  return windows.filter((window) => window[key]).length;
}

function against(windows, incidents, budget) {
  const [low, high] = poissonInterval(incidents).map((bound) => bound / budget);
  return { windows, incidents, budget, ratio: incidents / budget, low, high };
}

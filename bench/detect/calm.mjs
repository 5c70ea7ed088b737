// Streams in which nothing is planted: how many incidents are opened against the budget that the detector was given, once the calibration has
// something to go by: what `streamgauge_budget_realised_ratio` counts, and what somebody is told of. Windows that alarm are counted, too: what goes on
// for days is one incident. Pooled over many streams, because one has a dozen windows beyond its budget at most.
//
// The flights: all, those of each airport, those of each airline at each airport (where it has some every day), by day; and all by hour.
// Their holidays and storms count as false alarms. The sales: a chain of shops per seed.
import { poissonInterval } from "./figures.mjs";
import { flightsByAirline, flightsByDay, flightsByHour, flightsByOrigin } from "./flights.mjs";
import { sales } from "./sales.mjs";
import { runStreams } from "./streams.mjs";
import { tableData } from "./table-data.mjs";
import { DAY_MS } from "./windows.mjs";

/** Windows after which an alarm counts. */
const SETTLED = 60;
/** Two seasons of hours and 23 more are the warm-up, and the first window is partial: it is longer than what is settled of days. */
const SETTLED_HOURS = 72;
const CHAINS = 8;

/** By table: streams, windows, alarms, incidents, what the budget allows, the incidents over it with their 95 % interval; the last is all of them. */
export async function runCalm({ seed, hourlyDays, detect, onTime }) {
  const groups = {
    "flights, days": [flightsByDay()],
    "flights of an airport, days": flightsByOrigin(),
    "flights of an airline at an airport, days": await flightsByAirline(),
    "flights, hours": [flightsByHour(hourlyDays)],
    "sales, days": Array.from({ length: CHAINS }, (_, i) => ({ seed: seed + i, ...sales(seed + i) })),
  };
  const tables = [];
  for (const [name, streams] of Object.entries(groups)) {
    let windows = 0;
    let alarms = 0;
    let incidents = 0;
    let budget = 0;
    const perStream = [];
    for (const table of streams) {
      const judgedFrom = table.sizeMs === DAY_MS ? SETTLED : SETTLED_HOURS;
      const data = await tableData(table, { seed: table.seed ?? 0, draws: 0, onTime });
      const ways = { ways: ["beside"], detect, withBaselines: false };
      const { clean } = runStreams({ ...table, judgedFrom }, data, ways).beside;
      const failed = clean.filter(({ alarm }) => alarm).length;
      const perWindow = detect.falseAlarms ?? table.sizeMs / (30 * DAY_MS);
      windows += clean.length;
      const opened = clean.filter((window) => window.opened).length;
      alarms += failed;
      incidents += opened;
      budget += clean.length * perWindow;
      perStream.push({ name: table.name, windows: clean.length, alarms: failed, incidents: opened });
    }
    tables.push({ name, streams: streams.length, alarms, ...against(windows, incidents, budget), perStream });
  }
  const sum = (key) => tables.reduce((total, table) => total + table[key], 0);
  return {
    settled: SETTLED,
    tables,
    pooled: {
      name: "pooled",
      streams: sum("streams"),
      alarms: sum("alarms"),
      ...against(sum("windows"), sum("incidents"), sum("budget")),
    },
  };
}

function against(windows, incidents, budget) {
  const [low, high] = poissonInterval(incidents).map((bound) => bound / budget);
  return { windows, incidents, budget, ratio: incidents / budget, low, high };
}

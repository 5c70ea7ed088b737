/** All datasets at one glance: what is wrong now, since when, and how it went. */
import {
  COLOR,
  coloredCell,
  coloredText,
  constantVariable,
  dashboard,
  dataSourceVariable,
  field,
  graph,
  IS_OPEN,
  incidentAnnotation,
  ref,
  SEVERITY_MAPPINGS,
  STATE_MAPPINGS,
  sql,
  stat,
  stateTimeline,
  table,
} from "./kit.mjs";

const NOTHING_YET = "no window yet";
const DATASET_LINK = [
  {
    title: "Open the dataset",
    url: `/d/streamgauge-dataset?var-dataset=${ref("__data.fields.dataset:percentencode")}&${ref("__url_time_range")}`,
    targetBlank: false,
  },
];
const COUNT_IS_BAD = [
  { color: COLOR.good, value: null },
  { color: COLOR.bad, value: 1 },
];

const openIncidents = stat({
  title: "Open incidents",
  description: "Incidents that are not resolved, of all datasets, whatever the time range; none of a backtest.",
  unit: "short",
  empty: "0",
  steps: COUNT_IS_BAD,
  targets: [sql(`SELECT count(*) AS incidents FROM $schema.incidents WHERE ${IS_OPEN}`)],
});

const worstSeverity = stat({
  title: "Worst open severity",
  description: "P0 is worst. Severity follows from how rare the score is and how much of the data is touched.",
  unit: "string",
  empty: "none",
  steps: [{ color: COLOR.good, value: null }],
  mappings: SEVERITY_MAPPINGS,
  text: true,
  targets: [sql(`SELECT coalesce(min(severity), 'none') AS severity FROM $schema.incidents WHERE ${IS_OPEN}`)],
});

const datasets = stat({
  title: "Datasets",
  description: "Datasets of which at least one window was closed.",
  unit: "short",
  empty: "0",
  targets: [sql("SELECT count(DISTINCT dataset) AS datasets FROM $schema.series")],
});

const inAlarm = stat({
  title: "In alarm now",
  description: "Datasets of which the newest window of any size or slice alarms.",
  unit: "short",
  empty: "0",
  steps: COUNT_IS_BAD,
  targets: [
    sql("SELECT count(DISTINCT dataset) FILTER (WHERE alarm AND NOT backtest) AS datasets FROM $schema.latest_windows"),
  ],
});

const notJudged = stat({
  title: "Not judged yet",
  description:
    "Datasets without a single judged newest window: the detector is still learning what is normal for them.",
  unit: "short",
  empty: "0",
  steps: [
    { color: COLOR.good, value: null },
    { color: COLOR.quiet, value: 1 },
  ],
  targets: [
    sql(`
      SELECT count(*) AS datasets FROM (
        SELECT dataset FROM $schema.latest_windows GROUP BY dataset HAVING NOT bool_or(outcome IN ('pass', 'fail'))
      ) unjudged`),
  ],
});

const newest = stat({
  title: "Newest window ended",
  description:
    "End of the newest closed window of any dataset, in event time. Far in the past: data does not flow, or streamgauge does not keep up.",
  unit: "dateTimeFromNow",
  empty: NOTHING_YET,
  targets: [sql("SELECT extract(epoch FROM max(window_end)) * 1000 AS ended FROM $schema.latest_windows")],
});

const datasetTable = table({
  title: "Datasets: state, last window, score",
  description:
    "One line per dataset. Rows and window are those of its shortest window size, slice all; state and score are the worst of all sizes and slices. A score of 1 is the alarm threshold. A click opens the dataset.",
  unit: "short",
  empty: "no dataset yet: no window has closed",
  targets: [
    sql(`
      WITH latest AS (SELECT * FROM $schema.latest_windows),
      open AS (
        SELECT DISTINCT ON (dataset) dataset, severity, latest_sentence, opened
        FROM $schema.incidents WHERE ${IS_OPEN} ORDER BY dataset, severity, opened
      ),
      shortest AS (
        SELECT DISTINCT ON (dataset) * FROM latest ORDER BY dataset, slice <> 'all', size_seconds
      ),
      worst AS (
        SELECT dataset, max(score) AS score, bool_or(alarm AND NOT backtest) AS alarm,
          bool_or(alarm) AS backtest, bool_or(outcome IN ('pass', 'fail')) AS judged
        FROM latest GROUP BY dataset
      )
      SELECT s.dataset,
        CASE WHEN o.dataset IS NOT NULL THEN 'incident' WHEN w.alarm THEN 'alarm'
          WHEN w.backtest THEN 'backtest' WHEN w.judged THEN 'ok'
          ELSE 'not judged' END AS state,
        o.severity, w.score, s.size, s.window_start AS "last window", s.valid + s.invalid AS rows,
        (s.invalid + s.undecodable)::float8 / nullif(s.consumed, 0) AS refused,
        o.opened AS "open since", o.latest_sentence AS "what is wrong"
      FROM shortest s JOIN worst w USING (dataset) LEFT JOIN open o USING (dataset)
      ORDER BY o.severity NULLS LAST, w.score DESC NULLS LAST, s.dataset`),
  ],
  overrides: [
    field("dataset", { links: DATASET_LINK, "custom.minWidth": 160 }),
    field("state", { mappings: STATE_MAPPINGS, "custom.cellOptions": coloredCell, "custom.width": 110 }),
    field("severity", {
      mappings: SEVERITY_MAPPINGS,
      "custom.cellOptions": coloredText,
      "custom.width": 90,
      noValue: "–",
    }),
    field("score", {
      decimals: 2,
      min: 0,
      max: 2,
      thresholds: {
        mode: "absolute",
        steps: [
          { color: COLOR.good, value: null },
          { color: COLOR.warn, value: 0.8 },
          { color: COLOR.bad, value: 1 },
        ],
      },
      "custom.cellOptions": { type: "gauge", mode: "basic", valueDisplayMode: "text" },
      "custom.width": 160,
      noValue: "–",
    }),
    field("size", { "custom.width": 70 }),
    field("last window", { unit: "dateTimeAsIso", "custom.width": 180 }),
    field("rows", { unit: "short", "custom.width": 100 }),
    field("refused", { unit: "percentunit", decimals: 2, "custom.width": 90 }),
    field("open since", { unit: "dateTimeAsIso", "custom.width": 180, noValue: "–" }),
    field("what is wrong", { "custom.minWidth": 320, noValue: "–" }),
  ],
});

const scores = graph({
  title: "Score of each dataset",
  description: "The worst score of all sizes and slices of a dataset. At 1 and above the detector alarms.",
  unit: "none",
  empty: "no window of this time range was judged",
  min: 0,
  lines: [{ value: 1, color: COLOR.bad }],
  targets: [
    sql(
      `SELECT $__timeGroupAlias(window_start,$__interval), dataset AS metric, max(score) AS score
       FROM $schema.verdicts
       WHERE "by" = 'detector' AND score IS NOT NULL AND $__timeFilter(window_start)
       GROUP BY 1, 2
       ORDER BY 1, 2`,
      "time_series",
    ),
  ],
});

const alarmStates = stateTimeline({
  title: "Alarm state of each dataset",
  description:
    "The worst outcome of all sizes and slices of a dataset: red while any of them alarms, in a backtest too.",
  unit: "string",
  empty: "no window of this time range was judged",
  mappings: [
    {
      type: "value",
      options: {
        0: { text: "ok", color: "green", index: 0 },
        1: { text: "alarm", color: "red", index: 1 },
      },
    },
  ],
  targets: [
    sql(
      `SELECT $__timeGroupAlias(window_start,$__interval), dataset AS metric, max(alarm::int) AS alarm
       FROM $schema.verdicts
       WHERE "by" = 'detector' AND outcome <> 'unknown' AND $__timeFilter(window_start)
       GROUP BY 1, 2
       ORDER BY 1, 2`,
      "time_series",
    ),
  ],
});

const rows = graph({
  title: "Rows per window",
  description: "Valid and invalid events of each window: slice all, shortest window size of the dataset.",
  unit: "short",
  empty: "no window closed in this time range",
  min: 0,
  targets: [
    sql(
      `WITH shortest AS (
         SELECT dataset, min(size_seconds) AS size_seconds FROM $schema.series WHERE slice = 'all' GROUP BY dataset
       )
       SELECT $__timeGroupAlias(window_start,$__interval), dataset AS metric, avg(valid + invalid) AS rows
       FROM $schema.windows JOIN shortest USING (dataset, size_seconds)
       WHERE slice = 'all' AND NOT partial AND $__timeFilter(window_start)
       GROUP BY 1, 2
       ORDER BY 1, 2`,
      "time_series",
    ),
  ],
});

const incidents = table({
  title: "Incidents",
  description:
    "Every incident that touches the time range, newest first; a backtest is what would have been told of the time before the start. A click opens the dataset.",
  unit: "string",
  empty: "no incident in this time range",
  targets: [
    sql(`
      SELECT opened, resolved, CASE WHEN backtest THEN 'backtest' WHEN state = 'resolved' THEN 'resolved' ELSE 'open' END AS state, severity, dataset,
        sentence AS "what was wrong", array_to_string(slices, ', ') AS slices, alerts
      FROM $schema.incidents
      WHERE time <= $__timeTo() AND timeend >= $__timeFrom()
      ORDER BY opened DESC
      LIMIT 200`),
  ],
  overrides: [
    field("opened", { unit: "dateTimeAsIso", "custom.width": 180 }),
    field("resolved", { unit: "dateTimeAsIso", "custom.width": 180, noValue: "–" }),
    field("state", { mappings: STATE_MAPPINGS, "custom.cellOptions": coloredText, "custom.width": 100 }),
    field("severity", { mappings: SEVERITY_MAPPINGS, "custom.cellOptions": coloredText, "custom.width": 90 }),
    field("dataset", { links: DATASET_LINK, "custom.width": 160 }),
    field("what was wrong", { "custom.minWidth": 380 }),
    field("slices", { "custom.width": 220 }),
    field("alerts", { unit: "short", "custom.width": 80 }),
  ],
});

export function fleetDashboard() {
  return dashboard({
    uid: "streamgauge-fleet",
    title: "streamgauge: fleet",
    description: "All datasets: open incidents, last windows, scores. From the tables of the PostgreSQL sink.",
    tags: ["data-quality"],
    from: "now-7d",
    refresh: "1m",
    variables: [
      dataSourceVariable("postgres", "PostgreSQL", "grafana-postgresql-datasource"),
      constantVariable("schema", "Schema of the sink", "streamgauge"),
    ],
    annotations: [incidentAnnotation("")],
    lines: [
      [4, [openIncidents, 4], [worstSeverity, 4], [inAlarm, 4], [notJudged, 4], [datasets, 4], [newest, 4]],
      [9, [datasetTable, 24]],
      [9, [scores, 12], [rows, 12]],
      [7, [alarmStates, 24]],
      [10, [incidents, 24]],
    ],
  });
}

/** One slice of one dataset in one window size: verdicts, the metric that was chosen, nulls, rows, ledger. */
import {
  COLOR,
  coloredText,
  constantVariable,
  dashboard,
  dataSourceVariable,
  field,
  fields,
  fixedColor,
  graph,
  IS_OPEN,
  incidentAnnotation,
  POSTGRES,
  queryVariable,
  ref,
  SEVERITY_MAPPINGS,
  STATE_MAPPINGS,
  sql,
  stat,
  table,
} from "./kit.mjs";

const SERIES = "dataset = '$dataset' AND slice = '$slice' AND size = '$size'";
const NOT_JUDGED = "not judged in this time range";
/** The first causes of a verdict in words: `null_rate(fare) 0.31 (0–0.08)`. */
const CAUSES = `(
  SELECT string_agg(
    concat(c->>'metric', ' ', trim_scale(round((c->>'observed')::numeric, 4)),
      ' (' || trim_scale(round((c->>'low')::numeric, 4)) || '–' || trim_scale(round((c->>'high')::numeric, 4)) || ')'),
    ' · ' ORDER BY n)
  FROM jsonb_array_elements(causes) WITH ORDINALITY AS cause(c, n) WHERE n <= 3
)`;

const state = stat({
  title: "State of the newest window",
  description: "What the detector said of the newest window of this slice and size.",
  unit: "string",
  empty: "no window yet",
  text: true,
  mappings: STATE_MAPPINGS,
  targets: [
    sql(`
      SELECT CASE WHEN alarm AND backtest THEN 'backtest' ELSE coalesce(outcome, 'unknown') END AS state
      FROM $schema.latest_windows WHERE ${SERIES}`),
  ],
});

const score = stat({
  title: "Score",
  description: "Of the newest window; 1 is the alarm threshold, higher is worse.",
  unit: "none",
  decimals: 2,
  empty: "–",
  steps: [
    { color: COLOR.good, value: null },
    { color: COLOR.warn, value: 0.8 },
    { color: COLOR.bad, value: 1 },
  ],
  targets: [sql(`SELECT score FROM $schema.latest_windows WHERE ${SERIES}`)],
});

const lastRows = stat({
  title: "Rows in the newest window",
  description: "Valid and invalid events.",
  unit: "short",
  empty: "–",
  targets: [sql(`SELECT valid + invalid AS rows FROM $schema.latest_windows WHERE ${SERIES}`)],
});

const ended = stat({
  title: "It ended",
  description: "End of the newest window, in event time.",
  unit: "dateTimeFromNow",
  empty: "–",
  targets: [sql(`SELECT extract(epoch FROM window_end) * 1000 AS ended FROM $schema.latest_windows WHERE ${SERIES}`)],
});

const sentence = stat({
  title: "Open incident",
  description: "The latest sentence about the open incident of this dataset, of any size and slice.",
  unit: "string",
  empty: "nothing is wrong",
  text: true,
  steps: [{ color: "transparent", value: null }],
  targets: [
    sql(`
      SELECT coalesce(max(severity || ': ' || latest_sentence), 'nothing is wrong') AS sentence
      FROM $schema.incidents WHERE dataset = '$dataset' AND ${IS_OPEN}`),
  ],
});

const scoreGraph = graph({
  title: "Score of the detector and of its lanes",
  description:
    "The detector is the one that alarms, at 1 and above (dashed). The lanes are what it is fused from; they never alarm by themselves.",
  unit: "none",
  empty: NOT_JUDGED,
  min: 0,
  lines: [{ value: 1, color: COLOR.bad }],
  overrides: [
    field("detector", { color: fixedColor(COLOR.main), "custom.lineWidth": 2 }),
    fields("/^lane:/", {
      "custom.lineWidth": 1,
      "custom.fillOpacity": 0,
      "custom.lineStyle": { fill: "dash", dash: [4, 4] },
    }),
  ],
  targets: [
    sql(
      `SELECT window_start AS time, "by" AS metric, score
       FROM $schema.verdicts
       WHERE ${SERIES} AND $__timeFilter(window_start)
       ORDER BY 1, 2`,
      "time_series",
    ),
  ],
});

/** Value over its expected band: `high` is filled down to `low`. */
const BAND = [
  field("value", { color: fixedColor(COLOR.main), "custom.lineWidth": 2, "custom.fillOpacity": 0 }),
  field("expected", {
    color: fixedColor(COLOR.band),
    "custom.lineStyle": { fill: "dash", dash: [6, 6] },
    "custom.fillOpacity": 0,
    "custom.showPoints": "never",
  }),
  field("low", {
    color: fixedColor(COLOR.band),
    "custom.lineWidth": 0,
    "custom.fillOpacity": 0,
    "custom.showPoints": "never",
  }),
  field("high", {
    color: fixedColor(COLOR.band),
    "custom.lineWidth": 0,
    "custom.fillOpacity": 15,
    "custom.fillBelowTo": "low",
    "custom.showPoints": "never",
  }),
];

const metricGraph = graph({
  title: "$metric with its expected band",
  description:
    "The metric chosen above in every window. The band is what the detector expected before it saw the window; there is none while it learns, and for metrics that are only published.",
  unit: "short",
  empty: "no value of this metric in this time range",
  overrides: BAND,
  targets: [
    sql(
      `SELECT window_start AS time, value, mid AS expected, low, high
       FROM $schema.metric_values
       WHERE ${SERIES} AND metric = '$metric' AND $__timeFilter(window_start)
       ORDER BY 1`,
      "time_series",
    ),
  ],
});

const rowGraph = graph({
  title: "Rows per window with their expected band",
  description: "Valid and invalid events of each window, the metric row_count(), over what the detector expected.",
  unit: "short",
  empty: "no window closed in this time range",
  overrides: BAND,
  targets: [
    sql(
      `SELECT window_start AS time, value, mid AS expected, low, high
       FROM $schema.metric_values
       WHERE ${SERIES} AND metric = 'row_count()' AND $__timeFilter(window_start)
       ORDER BY 1`,
      "time_series",
    ),
  ],
});

const nullGraph = graph({
  title: "Null rates: the ten highest",
  description:
    "Fields with the highest share of nulls in any window of the time range; the denominator is what could have held a value.",
  unit: "percentunit",
  empty: "no field has nulls in this time range",
  min: 0,
  targets: [
    sql(
      `WITH highest AS (
         SELECT metric FROM $schema.metric_values
         WHERE ${SERIES} AND metric LIKE 'null\\_rate(%' AND $__timeFilter(window_start)
         GROUP BY metric HAVING max(value) > 0 ORDER BY max(value) DESC, metric LIMIT 10
       )
       SELECT window_start AS time, substr(metric, 11, length(metric) - 11) AS metric, value AS share
       FROM $schema.metric_values
       WHERE ${SERIES} AND metric IN (SELECT metric FROM highest) AND $__timeFilter(window_start)
       ORDER BY 1, 2`,
      "time_series",
    ),
  ],
});

const ledgerGraph = graph({
  title: "Ledger: what became of the events",
  description:
    "Every consumed event is in exactly one of these. Invalid: breaks the schema's or a row's rule. Undecodable: the bytes are not what the schema says. Late: after the window could still be revised. Filtered: of no dataset here.",
  unit: "short",
  empty: "no window closed in this time range",
  bars: true,
  stack: true,
  min: 0,
  overrides: [
    field("valid", { color: fixedColor(COLOR.good) }),
    field("invalid", { color: fixedColor(COLOR.warn) }),
    field("undecodable", { color: fixedColor(COLOR.bad) }),
    field("late", { color: fixedColor("purple") }),
    field("future", { color: fixedColor("super-light-purple") }),
    field("tombstone", { color: fixedColor(COLOR.quiet) }),
    field("filtered", { color: fixedColor("#5a5a5a") }),
  ],
  targets: [
    sql(
      `SELECT window_start AS time, valid, invalid, undecodable, late, future, tombstone, filtered
       FROM $schema.windows
       WHERE ${SERIES} AND $__timeFilter(window_start)
       ORDER BY 1`,
      "time_series",
    ),
  ],
});

const unusual = table({
  title: "Last judged window: furthest from what was expected",
  description:
    "Of the last judged window of the time range. The distance is in half widths of the expected band: beyond 1 the value lies outside. A click charts the metric.",
  unit: "short",
  empty: "no window of this time range was judged: the detector learns first",
  targets: [
    sql(`
      WITH last AS (
        SELECT window_start FROM $schema.verdicts
        WHERE ${SERIES} AND "by" = 'detector' AND outcome <> 'unknown' AND $__timeFilter(window_start)
        ORDER BY window_start DESC LIMIT 1
      )
      SELECT metric, value, low, high,
        CASE WHEN value >= mid THEN (value - mid) / nullif(high - mid, 0) ELSE (mid - value) / nullif(mid - low, 0) END AS distance
      FROM $schema.metric_values JOIN last USING (window_start)
      WHERE ${SERIES} AND mid IS NOT NULL AND value IS NOT NULL
      ORDER BY distance DESC NULLS LAST, metric
      LIMIT 15`),
  ],
  overrides: [
    field("metric", {
      "custom.minWidth": 200,
      links: [
        {
          title: "Chart this metric",
          url: `/d/streamgauge-dataset?var-dataset=${ref("dataset:percentencode")}&var-slice=${ref("slice:percentencode")}&var-size=${ref("size:percentencode")}&var-metric=${ref("__data.fields.metric:percentencode")}&${ref("__url_time_range")}`,
          targetBlank: false,
        },
      ],
    }),
    field("value", { decimals: 4, unit: "none" }),
    field("low", { decimals: 4, unit: "none" }),
    field("high", { decimals: 4, unit: "none" }),
    field("distance", {
      decimals: 2,
      min: 0,
      max: 3,
      unit: "none",
      thresholds: {
        mode: "absolute",
        steps: [
          { color: COLOR.good, value: null },
          { color: COLOR.warn, value: 1 },
          { color: COLOR.bad, value: 2 },
        ],
      },
      "custom.cellOptions": { type: "gauge", mode: "basic", valueDisplayMode: "text" },
    }),
  ],
});

const verdicts = table({
  title: "Verdicts with their causes",
  description:
    "What the detector said of each window of the time range, alarms first, and which metrics it blames most: observed (expected low–high).",
  unit: "short",
  empty: NOT_JUDGED,
  targets: [
    sql(`
      SELECT window_start AS "window", CASE WHEN alarm AND backtest THEN 'backtest' ELSE outcome END AS outcome, severity, score, p_value AS "p", revision, ${CAUSES} AS causes
      FROM $schema.verdicts
      WHERE ${SERIES} AND "by" = 'detector' AND outcome <> 'unknown' AND $__timeFilter(window_start)
      ORDER BY alarm DESC, window_start DESC
      LIMIT 200`),
  ],
  overrides: [
    field("window", { unit: "dateTimeAsIso", "custom.width": 180 }),
    field("outcome", { mappings: STATE_MAPPINGS, "custom.cellOptions": coloredText, "custom.width": 90 }),
    field("severity", {
      mappings: SEVERITY_MAPPINGS,
      "custom.cellOptions": coloredText,
      "custom.width": 90,
      noValue: "–",
    }),
    field("score", { unit: "none", decimals: 2, "custom.width": 80 }),
    field("p", { unit: "none", decimals: 4, "custom.width": 80, noValue: "–" }),
    field("revision", { "custom.width": 90 }),
    field("causes", { "custom.minWidth": 480 }),
  ],
});

const alerts = table({
  title: "Alerts of this dataset",
  description: "Everything that was told about incidents that touch the time range, of all sizes and slices.",
  unit: "string",
  empty: "no alert in this time range",
  targets: [
    sql(`
      SELECT window_start AS "window", CASE WHEN backtest THEN 'backtest' ELSE state END AS state, severity, reason, sentence, array_to_string(slices, ', ') AS slices, incident
      FROM $schema.alerts
      WHERE dataset = '$dataset' AND $__timeFilter(window_start)
      ORDER BY at DESC, log_offset DESC
      LIMIT 200`),
  ],
  overrides: [
    field("window", { unit: "dateTimeAsIso", "custom.width": 180 }),
    field("state", { mappings: STATE_MAPPINGS, "custom.cellOptions": coloredText, "custom.width": 100 }),
    field("severity", { mappings: SEVERITY_MAPPINGS, "custom.cellOptions": coloredText, "custom.width": 90 }),
    field("reason", { "custom.width": 110 }),
    field("sentence", { "custom.minWidth": 420 }),
    field("slices", { "custom.width": 220 }),
    field("incident", { "custom.width": 260 }),
  ],
});

export function datasetDashboard() {
  const variable = (rest) => queryVariable({ datasource: POSTGRES, ...rest });
  return dashboard({
    uid: "streamgauge-dataset",
    title: "streamgauge: dataset",
    description: "One dataset: verdicts and their causes, a metric with its expected band, nulls, rows, ledger.",
    tags: ["data-quality"],
    from: "now-7d",
    refresh: "1m",
    variables: [
      dataSourceVariable("postgres", "PostgreSQL", "grafana-postgresql-datasource"),
      constantVariable("schema", "Schema of the sink", "streamgauge"),
      variable({
        name: "dataset",
        label: "Dataset",
        description: "A topic, or one record type on it",
        query: "SELECT dataset FROM $schema.series GROUP BY dataset ORDER BY dataset",
      }),
      variable({
        name: "slice",
        label: "Slice",
        description: "all is the whole dataset",
        query:
          "SELECT slice FROM $schema.series WHERE dataset = '$dataset' GROUP BY slice ORDER BY slice <> 'all', slice",
      }),
      variable({
        name: "size",
        label: "Window size",
        description: "Length of the windows in event time",
        query: `
          SELECT size FROM $schema.series WHERE dataset = '$dataset' AND slice = '$slice'
          GROUP BY size, size_seconds ORDER BY size_seconds`,
      }),
      variable({
        name: "metric",
        label: "Metric",
        description: "Charted with its expected band",
        query: `
          SELECT metric FROM $schema.latest_values WHERE ${SERIES}
          ORDER BY metric <> 'row_count()', mid IS NULL, metric`,
      }),
    ],
    annotations: [incidentAnnotation("dataset = '$dataset' AND")],
    lines: [
      [4, [state, 4], [score, 3], [lastRows, 4], [ended, 4], [sentence, 9]],
      "Verdicts",
      [9, [scoreGraph, 14], [unusual, 10]],
      [9, [verdicts, 24]],
      "Metrics",
      [10, [metricGraph, 24]],
      [9, [nullGraph, 12], [rowGraph, 12]],
      "Ledger and alerts",
      [9, [ledgerGraph, 24]],
      [8, [alerts, 24]],
    ],
  });
}

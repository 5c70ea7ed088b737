/** streamgauge itself: does it keep up, does it write, what does it cost. Metric names: src/core/telemetry-table.ts. */
import {
  COLOR,
  dashboard,
  dataSourceVariable,
  field,
  fields,
  fixedColor,
  graph,
  PROMETHEUS,
  promql,
  queryVariable,
  stat,
} from "./kit.mjs";

const HERE = 'instance=~"$instance"';
const NO_DATA = "no data: is streamgauge scraped?";
const NEVER = "none in this time range";

const rate = (metric, by, labels = "") =>
  `sum by (${by}) (rate(${metric}{${HERE}${labels === "" ? "" : `, ${labels}`}}[$__rate_interval]))`;
const quantile = (q, metric, by) =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${metric}_bucket{${HERE}}[$__rate_interval])))`;
/** Counted since the start of the time range; 0 only where a process is scraped, so that silence is not success. */
const counted = (metric, labels = "") =>
  `(sum(increase(${metric}{${HERE}${labels}}[$__range])) or 0 * count(streamgauge_build_info{${HERE}}))`;
const BAD_FROM_ONE = [
  { color: COLOR.good, value: null },
  { color: COLOR.bad, value: 1 },
];

const ready = stat({
  title: "Ready",
  description: "Processes of which /readyz answers 200.",
  unit: "short",
  empty: NO_DATA,
  steps: [
    { color: COLOR.bad, value: null },
    { color: COLOR.good, value: 1 },
  ],
  targets: [promql(`sum(streamgauge_ready{${HERE}})`, "ready", "A", true)],
});

const processes = stat({
  title: "Processes",
  description: "Processes that are scraped.",
  unit: "short",
  empty: NO_DATA,
  targets: [promql(`count(streamgauge_build_info{${HERE}})`, "processes", "A", true)],
});

const lagNow = stat({
  title: "Lag",
  description: "Records that the profilers have not read yet, over all input partitions.",
  unit: "short",
  empty: "not known",
  targets: [promql(`sum(streamgauge_lag_records{${HERE}, stage="profiler"})`, "lag", "A", true)],
});

const watermarkNow = stat({
  title: "Oldest watermark",
  description:
    "The largest age of a dataset's watermark: up to then its windows are closed. Above lateness plus flush interval something holds it.",
  unit: "s",
  empty: NO_DATA,
  targets: [promql(`max(streamgauge_watermark_lag_seconds{${HERE}})`, "lag", "A", true)],
});

const breaks = stat({
  title: "Ledger breaks",
  description: "Offset ranges that did not join, in the time range: events never seen, or counted twice. Must be 0.",
  unit: "short",
  empty: NO_DATA,
  steps: BAD_FROM_ONE,
  targets: [promql(counted("streamgauge_ledger_breaks_total"), "breaks", "A", true)],
});

const failuresNow = stat({
  title: "Failures",
  description:
    "Flushes, transactions and sink deliveries that failed in the time range. Each is tried again; many of them need a look.",
  unit: "short",
  empty: NO_DATA,
  steps: [
    { color: COLOR.good, value: null },
    { color: COLOR.warn, value: 1 },
  ],
  targets: [
    promql(
      `${counted("streamgauge_flush_failures_total")}
       + ${counted("streamgauge_transactions_total", ', outcome="failed"')}
       + ${counted("streamgauge_sink_failures_total")}`,
      "failures",
      "A",
      true,
    ),
  ],
});

const throughput = graph({
  title: "Records read",
  description:
    "Records handed to each stage per second. Profiler: events of the watched topics; judge: deltas; sinks: results.",
  unit: "cps",
  empty: NO_DATA,
  calcs: ["mean", "max"],
  targets: [promql(rate("streamgauge_records_total", "stage, topic"), "{{stage}} · {{topic}}")],
});

const bytes = graph({
  title: "Bytes read",
  description: "Keys and values of the records handed to each stage.",
  unit: "Bps",
  empty: NO_DATA,
  calcs: ["mean", "max"],
  targets: [promql(rate("streamgauge_record_bytes_total", "stage, topic"), "{{stage}} · {{topic}}")],
});

const lag = graph({
  title: "Lag by stage",
  description:
    "Offsets between the committed position and the end of the topic. A sink that lags holds nobody but itself.",
  unit: "short",
  empty: "the log does not tell, or nothing is claimed",
  calcs: ["lastNotNull", "max"],
  targets: [promql(`sum by (stage, topic) (streamgauge_lag_records{${HERE}})`, "{{stage}} · {{topic}}")],
});

const watermark = graph({
  title: "Watermark lag",
  description: "How old the event time is up to which windows are closed. Replayed data is old by nature.",
  unit: "s",
  empty: NO_DATA,
  targets: [promql(`max by (dataset) (streamgauge_watermark_lag_seconds{${HERE}})`, "{{dataset}}")],
});

const claims = graph({
  title: "Partitions held, and lost",
  description:
    "Partitions that each process holds; losses are rebalances (revoked), newer owners (fenced) and commits without an answer.",
  unit: "short",
  empty: NO_DATA,
  overrides: [
    fields("/^lost/", { "custom.drawStyle": "bars", "custom.fillOpacity": 60, color: fixedColor(COLOR.warn) }),
  ],
  targets: [
    promql(`sum by (instance, stage) (streamgauge_claimed_partitions{${HERE}})`, "{{instance}} · {{stage}}"),
    promql(
      `sum by (reason) (increase(streamgauge_claim_losses_total{${HERE}}[$__rate_interval]))`,
      "lost: {{reason}}",
      "B",
    ),
  ],
});

const flush = graph({
  title: "Flush duration",
  description: "Time to encode and commit what a partition brought since its last flush.",
  unit: "s",
  empty: "no flush in this time range",
  min: 0,
  targets: [
    promql(quantile(0.5, "streamgauge_flush_duration_seconds", "topic"), "p50 · {{topic}}"),
    promql(quantile(0.99, "streamgauge_flush_duration_seconds", "topic"), "p99 · {{topic}}", "B"),
  ],
});

const flushSize = graph({
  title: "Flush size",
  description: "Bytes that one flush writes: deltas of all panes and slices, ledger entry, refused records.",
  unit: "bytes",
  empty: "no flush in this time range",
  min: 0,
  targets: [
    promql(quantile(0.5, "streamgauge_flush_size_bytes", "topic"), "p50 · {{topic}}"),
    promql(quantile(0.99, "streamgauge_flush_size_bytes", "topic"), "p99 · {{topic}}", "B"),
  ],
});

const transactions = graph({
  title: "Transaction duration",
  description: "Time until a transaction of a stage was committed, 99th percentile.",
  unit: "s",
  empty: "no transaction in this time range",
  min: 0,
  targets: [promql(quantile(0.99, "streamgauge_transaction_duration_seconds", "stage"), "p99 · {{stage}}")],
});

const transactionFailures = graph({
  title: "Failed transactions and flushes",
  description: "Per second. What failed is read again from the committed position; nothing is lost or doubled.",
  unit: "cps",
  empty: NEVER,
  targets: [
    promql(rate("streamgauge_transactions_total", "stage", 'outcome="failed"'), "transaction · {{stage}}"),
    promql(rate("streamgauge_flush_failures_total", "topic"), "flush · {{topic}}", "B"),
  ],
});

const refused = graph({
  title: "Records that are not valid",
  description: "Per second, by reason.",
  unit: "cps",
  empty: NEVER,
  targets: [promql(rate("streamgauge_refused_records_total", "topic, reason"), "{{topic}} · {{reason}}")],
});

const registry = graph({
  title: "Schema registry",
  description: "Questions per second by outcome, and batches that wait for a schema.",
  unit: "cps",
  empty: "no question in this time range",
  overrides: [
    field("batches that wait", { unit: "short", "custom.axisPlacement": "right", color: fixedColor(COLOR.warn) }),
  ],
  targets: [
    promql(rate("streamgauge_registry_loads_total", "outcome"), "{{outcome}}"),
    promql(`sum(streamgauge_registry_waiting_batches{${HERE}})`, "batches that wait", "B"),
  ],
});

const windows = graph({
  title: "Windows told",
  description: "Per second, of all slices and sizes: closed for the first time, or revised by late events.",
  unit: "cps",
  empty: "no window closed in this time range",
  targets: [promql(rate("streamgauge_windows_closed_total", "dataset, kind"), "{{dataset}} · {{kind}}")],
});

const openWindows = graph({
  title: "Open windows",
  description: "Windows of all sizes and slices that still take events.",
  unit: "short",
  empty: NO_DATA,
  targets: [promql(`sum by (dataset) (streamgauge_open_windows{${HERE}})`, "{{dataset}}")],
});

const judge = graph({
  title: "Judging",
  description: "Time to take one flush into the windows and to judge those that it closed.",
  unit: "s",
  empty: "no flush in this time range",
  min: 0,
  targets: [
    promql(quantile(0.5, "streamgauge_judge_apply_duration_seconds", "dataset"), "p50 · {{dataset}}"),
    promql(quantile(0.99, "streamgauge_judge_apply_duration_seconds", "dataset"), "p99 · {{dataset}}", "B"),
  ],
});

const unheard = graph({
  title: "Partitions unheard",
  description: "Input partitions of which no flush has come for the configured time. They hold the watermark.",
  unit: "short",
  empty: NO_DATA,
  targets: [promql(`sum by (dataset) (streamgauge_unheard_partitions{${HERE}})`, "{{dataset}}")],
});

const realised = graph({
  title: "False alarms beside the budget",
  description:
    "Incidents that nobody called a fault, over the false alarms that are tolerated, in the last 30 intervals of the budget. Above 1 the detector alarms too often, or people have not said what were faults.",
  unit: "short",
  empty: "no window was judged yet",
  min: 0,
  targets: [promql(`max by (dataset) (streamgauge_budget_realised_ratio{${HERE}})`, "{{dataset}}")],
});

const budget = graph({
  title: "Budget of false alarms",
  description: "In the same time: incidents, and false alarms that are tolerated.",
  unit: "short",
  empty: "no window was judged yet",
  min: 0,
  targets: [
    promql(`max by (dataset) (streamgauge_budget_spent{${HERE}})`, "incidents · {{dataset}}"),
    promql(`max by (dataset) (streamgauge_budget_tolerated{${HERE}})`, "tolerated · {{dataset}}", "B"),
  ],
});

const sinkDuration = graph({
  title: "Sink writes",
  description: "Time that a sink took for the records of one delivery, 99th percentile; retries included.",
  unit: "s",
  empty: "no delivery in this time range",
  min: 0,
  targets: [promql(quantile(0.99, "streamgauge_sink_write_duration_seconds", "sink, topic"), "{{sink}} · {{topic}}")],
});

const sinkFailures = graph({
  title: "Sink failures",
  description: "Deliveries per second that a sink did not take.",
  unit: "cps",
  empty: NEVER,
  targets: [promql(rate("streamgauge_sink_failures_total", "sink"), "{{sink}}")],
});

const alertLatency = graph({
  title: "Time from the end of a window to its alert",
  description: "Lateness, flush interval, judging and delivery together. Replayed data is old by nature.",
  unit: "s",
  empty: "no alert in this time range",
  targets: [promql(quantile(0.5, "streamgauge_alert_latency_seconds", "dataset"), "p50 · {{dataset}}")],
});

const loop = graph({
  title: "Event-loop delay",
  description:
    "How late a timer ran since the last scrape. Above the session timeout of a consumer group its partitions are lost.",
  unit: "s",
  empty: NO_DATA,
  min: 0,
  targets: [
    promql(`max by (instance, stat) (streamgauge_event_loop_delay_seconds{${HERE}})`, "{{instance}} · {{stat}}"),
  ],
});

const busy = graph({
  title: "Event loop and CPU",
  description: "Part of the time in which the event loop was busy, and CPU time by mode; 100 % is one core.",
  unit: "percentunit",
  empty: NO_DATA,
  min: 0,
  targets: [
    promql(`max by (instance) (streamgauge_event_loop_utilization_ratio{${HERE}})`, "loop · {{instance}}"),
    promql(rate("streamgauge_process_cpu_seconds_total", "instance, mode"), "cpu {{mode}} · {{instance}}", "B"),
  ],
});

const memory = graph({
  title: "Memory",
  description:
    "Of each process. Profiles and open windows have a budget of their own; resident includes the heap and the buffers.",
  unit: "bytes",
  empty: NO_DATA,
  min: 0,
  targets: [
    promql(
      `max by (instance, kind) (streamgauge_process_memory_bytes{${HERE}, kind=~"resident|heap_used|array_buffers"})`,
      "{{instance}} · {{kind}}",
    ),
  ],
});

const collections = graph({
  title: "Garbage collection",
  description: "Part of the time spent in garbage collection, by kind.",
  unit: "percentunit",
  empty: NO_DATA,
  min: 0,
  targets: [promql(rate("streamgauge_gc_seconds_total", "instance, kind"), "{{instance}} · {{kind}}")],
});

const overflow = graph({
  title: "Metrics beyond the limit",
  description:
    "New series that were refused because a metric had maxSeries of them. Above 0: raise maxSeries, or chart history from PostgreSQL.",
  unit: "cps",
  empty: NEVER,
  targets: [promql(rate("streamgauge_telemetry_overflow_total", "metric"), "{{metric}}")],
});

export function healthDashboard() {
  return dashboard({
    uid: "streamgauge-health",
    title: "streamgauge: health",
    description:
      "streamgauge itself: lag, throughput, flushes, watermarks, sinks, event loop, memory. From its /metrics.",
    tags: ["operations"],
    from: "now-6h",
    refresh: "30s",
    variables: [
      dataSourceVariable("prometheus", "Prometheus", "prometheus"),
      queryVariable({
        name: "instance",
        label: "Process",
        description: "host:port that Prometheus scrapes",
        datasource: PROMETHEUS,
        query: { query: "label_values(streamgauge_build_info, instance)", refId: "instance", qryType: 1 },
        all: true,
      }),
    ],
    lines: [
      [4, [ready, 4], [processes, 4], [lagNow, 4], [watermarkNow, 4], [breaks, 4], [failuresNow, 4]],
      "Does it keep up",
      [9, [throughput, 12], [lag, 12]],
      [8, [bytes, 8], [watermark, 8], [claims, 8]],
      "Does it write",
      [8, [flush, 8], [flushSize, 8], [transactions, 8]],
      [8, [transactionFailures, 8], [refused, 8], [registry, 8]],
      "Judge and sinks",
      [8, [judge, 8], [windows, 8], [openWindows, 8]],
      [8, [sinkDuration, 8], [sinkFailures, 8], [unheard, 8]],
      [8, [realised, 12], [budget, 12]],
      "What it costs",
      [8, [loop, 8], [busy, 8], [memory, 8]],
      [8, [collections, 8], [alertLatency, 8], [overflow, 8]],
    ],
  });
}

/**
 * Every metric that streamgauge tells about itself and about its datasets, by the conventions of Prometheus: base units,
 * the unit at the end of the name, `_total` after it for counters. `docs/telemetry.md` is made from this table.
 */

export interface MetricSpec {
  readonly type: "counter" | "gauge" | "histogram";
  /** Unit, which is the end of the name before `_total`; "": a plain number. */
  readonly unit: "" | "seconds" | "bytes" | "ratio";
  /** One sentence. */
  readonly help: string;
  readonly labels: readonly string[];
  /** Histograms: upper bounds, ascending; +Inf is added. */
  readonly buckets?: readonly number[];
}

/** 1 ms to 30 s: a flush, a transaction, a write. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** 1 s to two days: windows are minutes to days long, and an alert comes after the end of one. */
const LATENCY_BUCKETS = [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400, 172_800];
/** 1 kB to 64 MB by powers of four. */
const SIZE_BUCKETS = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];

export const TELEMETRY = {
  streamgauge_records_total: {
    type: "counter",
    unit: "",
    help: "Records handed to a stage, those read again after a lost partition included.",
    labels: ["stage", "topic", "partition"],
  },
  streamgauge_record_bytes_total: {
    type: "counter",
    unit: "bytes",
    help: "Bytes of the keys and values of records handed to a stage.",
    labels: ["stage", "topic", "partition"],
  },
  streamgauge_lag_records: {
    type: "gauge",
    unit: "",
    help: "Offsets between the committed position and the end of the partition, as last known; absent where the log does not tell.",
    labels: ["stage", "topic", "partition"],
  },
  streamgauge_claimed_partitions: {
    type: "gauge",
    unit: "",
    help: "Partitions that this process holds.",
    labels: ["stage", "topic"],
  },
  streamgauge_claims_total: {
    type: "counter",
    unit: "",
    help: "Partitions taken over, at the start and after every rebalance.",
    labels: ["stage", "topic"],
  },
  streamgauge_claim_losses_total: {
    type: "counter",
    unit: "",
    help: "Partitions lost: revoked (a rebalance), fenced (a newer owner wrote), unknown-outcome (no answer to a commit), recreated (the topic is another one now).",
    labels: ["stage", "topic", "reason"],
  },
  streamgauge_transactions_total: {
    type: "counter",
    unit: "",
    help: "Transactions of a stage by outcome: committed or failed.",
    labels: ["stage", "outcome"],
  },
  streamgauge_transaction_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Time that a transaction took until it was committed.",
    labels: ["stage"],
    buckets: DURATION_BUCKETS,
  },
  streamgauge_written_records_total: {
    type: "counter",
    unit: "",
    help: "Records written in committed transactions.",
    labels: ["stage", "topic"],
  },
  streamgauge_written_bytes_total: {
    type: "counter",
    unit: "bytes",
    help: "Bytes of the values written in committed transactions.",
    labels: ["stage", "topic"],
  },
  streamgauge_refused_records_total: {
    type: "counter",
    unit: "",
    help: "Records that are not simply valid, by reason, of committed flushes; one with two reasons counts in both.",
    labels: ["topic", "reason"],
  },
  streamgauge_flush_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Time to encode and commit what a partition brought since its last flush.",
    labels: ["topic"],
    buckets: DURATION_BUCKETS,
  },
  streamgauge_flush_size_bytes: {
    type: "histogram",
    unit: "bytes",
    help: "Bytes of the values of one flush: deltas, ledger entry and refused records.",
    labels: ["topic"],
    buckets: SIZE_BUCKETS,
  },
  streamgauge_flush_failures_total: {
    type: "counter",
    unit: "",
    help: "Flushes that were not committed; the partition is read again from its committed position.",
    labels: ["topic"],
  },
  streamgauge_registry_loads_total: {
    type: "counter",
    unit: "",
    help: "Questions to the schema registry by outcome: reader, schema_unknown, schema_refused, no_answer.",
    labels: ["outcome"],
  },
  streamgauge_registry_load_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Time until the schema registry answered a question or failed to.",
    labels: [],
    buckets: DURATION_BUCKETS,
  },
  streamgauge_registry_waiting_batches: {
    type: "gauge",
    unit: "",
    help: "Batches held because a schema has not come from the registry yet.",
    labels: [],
  },
  streamgauge_training_ratio: {
    type: "gauge",
    unit: "ratio",
    help: "How far the judge has come on what the topic held when the deployment first started: 1 when it does not train, or no more.",
    labels: ["dataset"],
  },
  streamgauge_judge_apply_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Time to take one flush into the windows and to judge those that it closed.",
    labels: ["dataset"],
    buckets: DURATION_BUCKETS,
  },
  streamgauge_windows_closed_total: {
    type: "counter",
    unit: "",
    help: "Windows told by the judge, one per slice and size: closed for the first time, or revised by late events.",
    labels: ["dataset", "kind"],
  },
  streamgauge_open_windows: {
    type: "gauge",
    unit: "",
    help: "Windows of all sizes that are open.",
    labels: ["dataset"],
  },
  streamgauge_watermark_lag_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Wall time minus watermark: how old the event time is up to which windows are closed.",
    labels: ["dataset"],
  },
  streamgauge_ledger_breaks_total: {
    type: "counter",
    unit: "",
    help: "Offset ranges of a partition that did not join: gap (offsets never seen), overlap (offsets counted twice) or reset (the topic was created anew).",
    labels: ["dataset", "kind"],
  },
  streamgauge_replayed_flushes_total: {
    type: "counter",
    unit: "",
    help: "Flushes that had been applied before and were dropped by their offset range.",
    labels: ["dataset"],
  },
  streamgauge_unheard_partitions: {
    type: "gauge",
    unit: "",
    help: "Input partitions of which no flush has come for the configured time; they hold the watermark.",
    labels: ["dataset"],
  },
  streamgauge_budget_spent: {
    type: "gauge",
    unit: "",
    help: "Incidents of the data that were opened in the last 30 intervals of the budget of false alarms (30 days each at 1 per 30d), in event time; at most 256.",
    labels: ["dataset"],
  },
  streamgauge_budget_tolerated: {
    type: "gauge",
    unit: "",
    help: "False alarms that the budget tolerates in the part of these intervals that was judged; 30 when it was judged all along.",
    labels: ["dataset"],
  },
  streamgauge_budget_called: {
    type: "gauge",
    unit: "",
    help: "Of those incidents the ones of which a person has said what they were: fault, expected, new-normal.",
    labels: ["dataset", "feedback"],
  },
  streamgauge_budget_realised_ratio: {
    type: "gauge",
    unit: "ratio",
    help: "Of those incidents the ones that nobody called a fault, over what is tolerated: above 1 the detector alarms more often than it should. Absent until a window was judged.",
    labels: ["dataset"],
  },
  streamgauge_sink_write_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Time that a sink took for the records of one delivery.",
    labels: ["sink", "topic"],
    buckets: DURATION_BUCKETS,
  },
  streamgauge_sink_failures_total: {
    type: "counter",
    unit: "",
    help: "Deliveries that a sink did not take.",
    labels: ["sink"],
  },
  streamgauge_window_end_timestamp_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "End of the newest window told, in event time.",
    labels: ["dataset", "slice", "window"],
  },
  streamgauge_window_rows: {
    type: "gauge",
    unit: "",
    help: "Rows (valid and invalid events) of the newest window.",
    labels: ["dataset", "slice", "window"],
  },
  streamgauge_window_events_total: {
    type: "counter",
    unit: "",
    help: "Events of the windows told by what became of them; a revision adds only what it has more than the one before.",
    labels: ["dataset", "slice", "window", "kind"],
  },
  streamgauge_metric_value: {
    type: "gauge",
    unit: "",
    help: "Metrics of the newest window that the detector has an expectation of, in their own units; none while it warms up.",
    labels: ["dataset", "slice", "window", "metric"],
  },
  streamgauge_metric_expected: {
    type: "gauge",
    unit: "",
    help: "Prediction interval of the same metrics: low and high.",
    labels: ["dataset", "slice", "window", "metric", "bound"],
  },
  streamgauge_score: {
    type: "gauge",
    unit: "",
    help: "Score of the newest window; 1 is the alarm threshold, higher is worse. Absent while the window cannot be judged.",
    labels: ["dataset", "slice", "window"],
  },
  streamgauge_alarm: {
    type: "gauge",
    unit: "",
    help: "1 while the newest window alarms, else 0; 0 for a backtest.",
    labels: ["dataset", "slice", "window"],
  },
  streamgauge_incident_open: {
    type: "gauge",
    unit: "",
    help: "1 while an incident of the data with this severity is open, else 0; absent until the first alert since the start. A backtest opens none.",
    labels: ["dataset", "severity"],
  },
  streamgauge_alerts_total: {
    type: "counter",
    unit: "",
    help: "Alerts by state: opened, updated, resolved; those of streamgauge itself too, those of a backtest not.",
    labels: ["dataset", "state", "severity"],
  },
  streamgauge_alert_latency_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Time from the end of the window that an alert about the data has until the alert was read here.",
    labels: ["dataset", "state"],
    buckets: LATENCY_BUCKETS,
  },
  streamgauge_ready: {
    type: "gauge",
    unit: "",
    help: "1 when /readyz answers 200, else 0: starting, stopping, no flush committed though due, state not restored, registry away.",
    labels: [],
  },
  streamgauge_event_loop_delay_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "How late the event loop ran a timer since the last scrape: p50, p99, max.",
    labels: ["stat"],
  },
  streamgauge_event_loop_utilization_ratio: {
    type: "gauge",
    unit: "ratio",
    help: "Part of the time since the last scrape in which the event loop was busy.",
    labels: [],
  },
  streamgauge_process_memory_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Memory of the process: resident, heap_used, heap_total, external (array_buffers included), array_buffers.",
    labels: ["kind"],
  },
  streamgauge_process_cpu_seconds_total: {
    type: "counter",
    unit: "seconds",
    help: "CPU time of the process by mode: user, system.",
    labels: ["mode"],
  },
  streamgauge_gc_seconds_total: {
    type: "counter",
    unit: "seconds",
    help: "Time spent in garbage collection by kind: minor, major, incremental, weakcb.",
    labels: ["kind"],
  },
  streamgauge_process_start_time_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Start of the process, seconds since the epoch.",
    labels: [],
  },
  streamgauge_build_info: {
    type: "gauge",
    unit: "",
    help: "1; its labels say what is running.",
    labels: ["version", "node"],
  },
  streamgauge_telemetry_overflow_total: {
    type: "counter",
    unit: "",
    help: 'Times that a new series was refused because its metric had maxSeries of them; those share one with overflow="true".',
    labels: ["metric"],
  },
  streamgauge_telemetry_read_errors_total: {
    type: "counter",
    unit: "",
    help: "Values that could not be read for a scrape.",
    labels: ["metric"],
  },
} as const satisfies Readonly<Record<string, MetricSpec>>;

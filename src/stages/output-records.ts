/** What the judge writes to the metrics, verdicts, windows and alerts topics (shapes: core/verdict.ts). */
import { alertEvent } from "../alerts/cloud-event.ts";
import type { OutputRecord } from "../core/log.ts";
import { isoTime, utf8 } from "../core/text.ts";
import type { TopicNames } from "../core/topics.ts";
import type {
  AlertRecord,
  Cause,
  LogPosition,
  MetricsRecord,
  Outcome,
  VerdictBy,
  VerdictRecord,
} from "../core/verdict.ts";
import { ALL_SLICE, type WindowId } from "../core/window.ts";
import { hashText } from "../sketches/hash.ts";
import type { Judged } from "./series-judge.ts";

export interface OutputContext {
  readonly topics: TopicNames;
  readonly deployment: string;
  /** Wall time of the records, epoch milliseconds. */
  readonly timestampMs: number;
}

export function metricsRecord(judged: Judged, positions: readonly LogPosition[]): MetricsRecord {
  const metrics: Record<string, number | string | null> = Object.create(null);
  for (const metric of judged.metrics) metrics[metric.id] = metric.value ?? null;
  return {
    ...windowOf(judged),
    partial: judged.partial,
    counts: judged.counts,
    metrics,
    expected: Object.fromEntries(judged.score.expected),
    ...(judged.window.slice === ALL_SLICE && { positions }),
  };
}

/** The fused detector's line first, then one line per lane. */
export function verdictRecords(judged: Judged): VerdictRecord[] {
  const { score, calendar } = judged;
  const window = {
    ...windowOf(judged),
    ...(calendar.length > 0 && { calendar }),
    ...(judged.isBacktest === true && { backtest: true as const }),
  };
  const fused: VerdictRecord = {
    ...window,
    by: "detector",
    outcome: score.outcome,
    score: score.score,
    pValue: score.pValue,
    alarm: score.outcome === "fail",
    severity: score.severity,
    kind: judged.kind,
    causes: score.causes,
  };
  const lanes = score.lanes.map((lane) => laneRecord(window, `lane:${lane.lane}`, lane));
  return [fused, ...lanes];
}

/** A lane never alarms by itself. */
function laneRecord(
  window: ReturnType<typeof windowOf> & Pick<VerdictRecord, "calendar" | "backtest">,
  by: VerdictBy,
  lane: { readonly outcome: Outcome; readonly score: number | null; readonly causes: readonly Cause[] },
): VerdictRecord {
  const outcome = lane.outcome === "fail" ? "pass" : lane.outcome;
  const { score, causes } = lane;
  return { ...window, by, outcome, score, pValue: null, alarm: false, severity: null, kind: null, causes };
}

/** `positions`: how far every input partition was taken in. */
export function windowOutputs(
  judged: Judged,
  positions: readonly LogPosition[],
  context: OutputContext,
): OutputRecord[] {
  const key = windowKey(judged.window);
  const record = (topic: string, value: unknown): OutputRecord => ({
    topic,
    key,
    value: utf8(JSON.stringify(value)),
    timestampMs: context.timestampMs,
  });
  return [
    record(context.topics.metrics, metricsRecord(judged, positions)),
    ...verdictRecords(judged).map((verdict) => record(context.topics.verdicts, verdict)),
    record(context.topics.windows, { ...windowOf(judged), partial: judged.partial, ...judged.summary }),
  ];
}

/** `slice`: whose revision it is. `about`: what else is part of its id. */
export function alertOutput(alert: AlertRecord, context: OutputContext, slice = "all", about?: string): OutputRecord {
  return alertEvent(alert, {
    slice,
    about,
    topic: context.topics.alerts,
    deployment: context.deployment,
    timestampMs: context.timestampMs,
    isoTime: isoTime(context.timestampMs),
    hash: hexHash,
  });
}

function hexHash(text: string): string {
  const { lo, hi } = hashText(text);
  return (hi >>> 0).toString(16).padStart(8, "0") + (lo >>> 0).toString(16).padStart(8, "0");
}

/** Key of the metrics, verdicts and windows topics. */
function windowKey(window: WindowId): string {
  return `${window.dataset}|${window.slice}|${isoTime(window.startMs)}/${isoTime(window.endMs)}`;
}

function windowOf(judged: Judged) {
  const { dataset, slice, startMs, endMs } = judged.window;
  return {
    dataset,
    slice,
    windowStart: isoTime(startMs),
    windowEnd: isoTime(endMs),
    revision: judged.revision,
  };
}

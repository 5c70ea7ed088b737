/**
 * Alerts as CloudEvents 1.0 in Kafka's binary content mode: the attributes are `ce_*` headers, the value is the data.
 * The id is a function of what is told, so that a consumer may drop what it has already seen.
 */
import type { OutputRecord } from "../core/log.ts";
import { utf8 } from "../core/text.ts";
import type { AlertRecord } from "../core/verdict.ts";

export interface AlertEnvelope {
  readonly topic: string;
  readonly deployment: string;
  /** Wall time of the judge, epoch milliseconds. */
  readonly timestampMs: number;
  readonly isoTime: string;
  /** 64-bit hash of a text, 16 hex digits. */
  readonly hash: (text: string) => string;
  /**
   * The slice whose revision the alert's is. A revision of `all` and one of a slice alone may have the same number, and
   * each have something to tell. @default "all"
   */
  readonly slice?: string;
  /** What tells it from others of the same window, revision and type. @default nothing */
  readonly about?: string | undefined;
}

export function alertEvent(alert: AlertRecord, envelope: AlertEnvelope): OutputRecord {
  const type = `streamgauge.incident.${alert.state}`;
  const { slice = "all", about } = envelope;
  const parts = [alert.incident, alert.windowStart, alert.windowEnd, alert.revision, type];
  const more = [...(slice === "all" ? [] : [slice]), ...(about === undefined ? [] : [about])];
  const identity = [...parts, ...more].join("|");
  const attributes: Readonly<Record<string, string>> = {
    ce_specversion: "1.0",
    ce_id: envelope.hash(identity),
    ce_source: `/streamgauge/${envelope.deployment}/${alert.dataset}`,
    ce_type: type,
    ce_time: envelope.isoTime,
    ce_subject: alert.incident,
    "content-type": "application/json",
    ...(alert.backtest === true && { sg_backtest: "true" }),
  };
  return {
    topic: envelope.topic,
    key: alert.dataset,
    value: utf8(JSON.stringify(alert)),
    headers: Object.entries(attributes).map(([key, value]) => ({ key, value: utf8(value) })),
    timestampMs: envelope.timestampMs,
  };
}

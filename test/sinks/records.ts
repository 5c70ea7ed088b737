/** Records of our own topics, as a sink is handed them. */
import type { LogRecord } from "../../src/core/log.ts";
import { utf8 } from "../../src/core/text.ts";
import type { AlertRecord } from "../../src/core/verdict.ts";

export function recordOf(value: unknown, offset = 0): LogRecord {
  return { offset, timestampMs: 0, key: null, value: utf8(JSON.stringify(value)), headers: [] };
}

export const TOMBSTONE: LogRecord = { offset: 0, timestampMs: 0, key: null, value: null, headers: [] };

export const ALERT: AlertRecord = {
  incident: "flights/2013-02-08T00:00:00.000Z/2013-02-09T00:00:00.000Z",
  state: "opened",
  dataset: "flights",
  slices: ["all"],
  severity: "P1",
  windowStart: "2013-02-08T00:00:00.000Z",
  windowEnd: "2013-02-09T00:00:00.000Z",
  revision: 0,
  reason: "alarm",
  kind: "content",
  sentence: "8 Feb: 36 % of `dep_time` is null, expected 0–7.2 %",
  causes: [],
  evidence: [],
};

import { describe, expect, test } from "vitest";
import { type AlertEnvelope, alertEvent } from "../../src/alerts/cloud-event.ts";
import { IncidentTracker } from "../../src/alerts/incident-tracker.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { alertOutput } from "../../src/stages/output-records.ts";
import { alarm, dayTick } from "./ticks.ts";

const ALERT = new IncidentTracker({ dataset: "flights", resolveAfter: 1 }).update(dayTick(8, [alarm()]))!;
const ENVELOPE: AlertEnvelope = {
  topic: "streamgauge.alerts",
  deployment: "prod",
  timestampMs: Date.UTC(2013, 1, 9, 0, 1),
  isoTime: "2013-02-09T00:01:00.000Z",
  hash: (text) => `<${text}>`,
};

function headers(alert: Partial<AlertRecord> = {}, envelope: Partial<AlertEnvelope> = {}): Record<string, string> {
  const record = alertEvent({ ...ALERT, ...alert }, { ...ENVELOPE, ...envelope });
  return Object.fromEntries((record.headers ?? []).map(({ key, value }) => [key, textOf(value)]));
}

describe("alertEvent()", () => {
  test("is a CloudEvent 1.0 in Kafka's binary mode: attributes as ce_ headers, the alert as value", () => {
    expect(headers()).toEqual({
      ce_specversion: "1.0",
      ce_id:
        "<flights/2013-02-08T00:00:00.000Z/2013-02-09T00:00:00.000Z|2013-02-08T00:00:00.000Z|2013-02-09T00:00:00.000Z|0|streamgauge.incident.opened>",
      ce_source: "/streamgauge/prod/flights",
      ce_type: "streamgauge.incident.opened",
      ce_time: "2013-02-09T00:01:00.000Z",
      ce_subject: "flights/2013-02-08T00:00:00.000Z/2013-02-09T00:00:00.000Z",
      "content-type": "application/json",
    });
    const record = alertEvent(ALERT, ENVELOPE);
    expect(record).toMatchObject({ topic: "streamgauge.alerts", key: "flights", timestampMs: ENVELOPE.timestampMs });
    expect(JSON.parse(textOf(record.value!))).toEqual(ALERT);
  });

  test("has a type per state", () => {
    for (const state of ["opened", "updated", "resolved"] as const) {
      expect(headers({ state }).ce_type).toBe(`streamgauge.incident.${state}`);
    }
  });

  test("has another id for a revision of a slice alone", () => {
    const ids = [{}, { slice: "all" }, { slice: "origin=JFK" }, { slice: "origin=EWR" }].map(
      (envelope) => headers({}, envelope).ce_id,
    );
    expect(new Set(ids).size).toBe(3);
    expect(ids[1]).toBe(ids[0]);
  });

  test("has another id for each word of a person", () => {
    const ids = [{}, { about: "feedback@7" }, { about: "feedback@8" }].map((envelope) => headers({}, envelope).ce_id);
    expect(new Set(ids).size).toBe(3);
    expect(ids[0]).not.toContain("undefined");
  });

  test("has an id that each of incident, window, revision and type changes", () => {
    const changes: readonly Partial<AlertRecord>[] = [
      {},
      { incident: "flights/other" },
      { windowStart: "2013-02-07T00:00:00.000Z" },
      { windowEnd: "2013-02-10T00:00:00.000Z" },
      { revision: 1 },
      { state: "updated" },
    ];
    expect(new Set(changes.map((change) => headers(change).ce_id)).size).toBe(changes.length);
  });

  test("has an id that nothing else changes: what is told again, later or elsewhere, can be dropped", () => {
    const { ce_id } = headers();
    expect(headers({ sentence: "other", severity: "P0", slices: [], causes: [], reason: "other" }).ce_id).toBe(ce_id);
    expect(headers({}, { timestampMs: 0, isoTime: "1970-01-01T00:00:00.000Z", topic: "other" }).ce_id).toBe(ce_id);
  });
});

describe("alertOutput()", () => {
  const context = { topics: topicNames("sg."), deployment: "prod", timestampMs: ENVELOPE.timestampMs };

  test("puts the event on the alerts topic, with a 64-bit id in hexadecimal that is the same in every run", () => {
    const record = alertOutput(ALERT, context);
    const id = record.headers?.find(({ key }) => key === "ce_id");
    expect(record).toMatchObject({ topic: "sg.alerts", key: "flights", timestampMs: ENVELOPE.timestampMs });
    expect(textOf(id!.value)).toMatch(/^[0-9a-f]{16}$/);
    expect(alertOutput(ALERT, context)).toEqual(record);
    expect(alertOutput({ ...ALERT, revision: 1 }, context).headers).not.toEqual(record.headers);
  });
});

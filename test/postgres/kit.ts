/** Sinks, records and table contents for the tests of the PostgreSQL sink. */
import type pg from "pg";
import { systemClock } from "../../src/core/clock.ts";
import type { TlsConfig } from "../../src/core/config.ts";
import type { LogRecord } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { noTelemetry } from "../../src/core/telemetry.ts";
import { utf8 } from "../../src/core/text.ts";
import type { AlertRecord, MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { openPostgresSink, type PostgresSink } from "../../src/sinks/postgres-sink.ts";
import { withClient } from "./server.ts";

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** An open sink and what it logs. */
export async function openSink(
  url: string,
  options: { readonly schema?: string; readonly tls?: TlsConfig } = {},
): Promise<PostgresSink & { readonly lines: readonly LogLine[]; failures(): number }> {
  const lines: LogLine[] = [];
  let failures = 0;
  const counter = {
    add(amount: number) {
      failures += amount;
    },
    remove() {},
  };
  const log = (level: LogLine["level"]) => (fields: LogLine["fields"], message: string) => {
    lines.push({ level, message, fields });
  };
  const sink = await openPostgresSink({
    url,
    schema: options.schema ?? "streamgauge",
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    clock: systemClock(),
    random: new SeededRandom(7),
    logger: { info: log("info"), warn: log("warn"), error: log("error") },
    telemetry: { ...noTelemetry, counter: () => counter },
  });
  return Object.assign(sink, { lines, failures: () => failures });
}

const HOUR_MS = 3_600_000;
const FIRST_MS = Date.UTC(2024, 2, 30, 22);

export interface Place {
  readonly dataset: string;
  readonly slice: string;
  /** Hours since the first window. */
  readonly hour: number;
  readonly revision: number;
}

function windowOf({ dataset, slice, hour, revision }: Place) {
  const startMs = FIRST_MS + hour * HOUR_MS;
  const windowStart = new Date(startMs).toISOString();
  return { dataset, slice, windowStart, windowEnd: new Date(startMs + HOUR_MS).toISOString(), revision };
}

/** A metrics record whose content is a function of its place; each revision has a metric that no other has. */
export function metricsAt(place: Place): MetricsRecord {
  const { hour, revision } = place;
  const consumed = 1000 + hour * 10 + revision;
  const valid = consumed - hour;
  return {
    ...windowOf(place),
    partial: hour === 0,
    counts: { consumed, valid, invalid: hour, undecodable: 0, tombstone: 0, future: 0, late: 0, filtered: 0 },
    metrics: {
      "row_count()": valid,
      "null_rate(fare)": revision / 8 + hour / 1024,
      "mean(fare)": hour % 2 === 0 ? null : 0.1 + hour,
      "max(id)": "9007199254740993",
      [`only_in_revision(${revision})`]: -revision,
    },
    expected: { "null_rate(fare)": [0, 0.01, 0.25] },
  };
}

export function verdictAt(place: Place, by: VerdictRecord["by"] = "detector"): VerdictRecord {
  const alarm = by === "detector" && place.hour === 2;
  return {
    ...windowOf(place),
    by,
    outcome: alarm ? "fail" : "pass",
    score: place.hour + place.revision / 4,
    pValue: alarm ? 0.001 : null,
    alarm,
    severity: alarm ? "P2" : null,
    kind: alarm ? "content" : null,
    causes: [
      {
        fields: ["fare"],
        metric: "null_rate(fare)",
        share: 0.5,
        observed: 0.3,
        expected: 0.01,
        low: 0,
        high: 0.25,
      },
    ],
  };
}

export function alertAt(place: Place, state: AlertRecord["state"]): AlertRecord {
  return {
    ...windowOf(place),
    incident: `${place.dataset}/first`,
    state,
    slices: place.slice === "all" ? ["all", "origin=JFK"] : [place.slice],
    severity: state === "resolved" ? "P3" : "P2",
    reason: state === "resolved" ? "clean" : "alarm",
    kind: "content",
    sentence: `${state} at hour ${place.hour}`,
    causes: verdictAt(place).causes,
    evidence: [{ topic: "trips", partition: 0, offset: 12 }],
  };
}

export function logRecord(value: unknown, offset: number): LogRecord {
  return {
    offset,
    timestampMs: FIRST_MS + offset * 1000,
    key: null,
    value: utf8(typeof value === "string" ? value : JSON.stringify(value)),
    headers: [],
  };
}

export function logRecords(values: readonly unknown[]): LogRecord[] {
  return values.map((value, index) => logRecord(value, index));
}

export const VIEWS = ["windows", "metric_values", "verdicts", "alerts", "incidents"] as const;

/** Everything people can see, in an order that depends on the content only. */
export async function contents(url: string, schema = "streamgauge"): Promise<Record<string, string[]>> {
  return withClient(url, async (client) => {
    const tables: Record<string, string[]> = {};
    for (const view of VIEWS) {
      const { rows } = await client.query<{ row: string }>(
        `SELECT to_jsonb(t)::text AS row FROM "${schema}".${view} t`,
      );
      tables[view] = rows.map(({ row }) => row).sort();
    }
    return tables;
  });
}

export async function rowsOf<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  return withClient(url, async (client) => (await client.query<Row>(sql)).rows);
}

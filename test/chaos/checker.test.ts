import { describe, expect, test } from "vitest";
import type { MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { encodeLedger, encodePane } from "../../src/profiles/delta-codec.ts";
import { type ChaosReading, type CheckOptions, checkReading, type InputEvent, type ReadRecord } from "./checker.ts";

const OPTIONS: CheckOptions = {
  windowSizeMs: 1000,
  closedUntilMs: 4000,
  slice: { field: "place", name: "place" },
  fields: ["place", "fare"],
  mayRepeat: false,
};
const EVENTS_PER_FLUSH = 10;

describe("checkReading()", () => {
  test("finds nothing where every event was counted once", () => {
    expect(checkReading(reading(), OPTIONS)).toEqual({ findings: [], repeats: 0, windows: 12 });
  });

  // Each is a fault of streamgauge, of its log, or of this reading, planted into a reading that is right.
  const planted: readonly (readonly [name: string, plant: (of: Reading) => void, finding: RegExp])[] = [
    ["a flush twice", (of) => of.profiles.splice(2, 0, ...of.profiles.slice(0, 2)), /1 ranges stand twice/],
    ["a flush dropped", (of) => of.profiles.splice(2, 2), /a gap, 10 was expected/],
    ["the last flush dropped", (of) => of.profiles.splice(-2, 2), /ledger ends at 30, records at 40/],
    ["a flush that begins too early", (of) => of.profiles.splice(2, 2, ...flush(of, 0, 5, 20)), /overlaps, 10 was/],
    ["a flush beyond the end", (of) => of.profiles.push(...flush(of, 0, 40, 60)), /ends at 60, the log at 41/],
    ["a pane without its ledger entry", (of) => of.profiles.splice(-1, 1), /without a ledger entry/],
    ["a pane dropped", (of) => of.profiles.splice(0, 1), /0 pane records, 1 told/],
    ["an event missing", (of) => of.input.splice(17, 1), /\[10, 20\): 10 consumed, the input has 9/],
    ["an event missing, in its window", (of) => of.input.splice(17, 1), /all\|1970.*consumed, the input has/],
    ["a window twice", (of) => of.metrics.push(of.metrics[3]!), /metrics: trips\|.* stands twice/],
    ["a window missing", (of) => of.metrics.splice(3, 1), /is missing in metrics/],
    ["a verdict twice", (of) => of.verdicts.push(of.verdicts[3]!), /verdicts: trips\|.* stands twice/],
    ["a verdict missing", (of) => of.verdicts.splice(3, 1), /no verdict: trips/],
    ["a count", (of) => change(of, { counts: { ...of.metrics[0]!.counts, consumed: 99 } }), /99 consumed/],
    ["a null rate", (of) => figure(of, "null_rate(fare)", 0.9), /null_rate\(fare\) is 0.9/],
    ["a minimum", (of) => figure(of, "min(fare)", -1), /min\(fare\) is -1/],
    ["a maximum", (of) => figure(of, "max(fare)", 1e6), /max\(fare\) is 1000000/],
    ["a distinct count", (of) => figure(of, "distinct_count(place)", 7), /distinct_count\(place\) is 7/],
    ["a wrong newer revision", (of) => newer(of), /99 consumed/],
    ["a refused record lost", (of) => of.quarantine.splice(0, 1), /quarantine: 0\/3 is missing/],
    ["a refused record twice", (of) => of.quarantine.push(of.quarantine[0]!), /quarantine: 0\/3 stands 2 times/],
    ["a good record refused", (of) => of.quarantine.push(refused(1, 4)), /quarantine: 1\/4 is no undecodable/],
    ["an alert twice", (of) => of.alerts.push(of.alerts[0]!), /1 ids of alerts stand twice/],
  ];
  test.each(planted)("finds %s", (_name, plant, finding) => {
    const damaged = reading();
    plant(damaged);
    expect(checkReading(damaged, OPTIONS).findings.join("\n")).toMatch(finding);
  });

  test("after a broker was killed counts a flush that stands twice, and its refused records, as a repeat", () => {
    const repeated = reading();
    repeated.profiles.splice(2, 0, ...repeated.profiles.slice(0, 2));
    repeated.quarantine.push(repeated.quarantine[0]!);
    expect(checkReading(repeated, { ...OPTIONS, mayRepeat: true })).toMatchObject({ findings: [], repeats: 1 });
  });
});

type Reading = {
  -readonly [Key in keyof ChaosReading]: ChaosReading[Key] extends readonly (infer One)[] ? One[] : ChaosReading[Key];
};

/** Two partitions of 40 events over four windows, every tenth undecodable. */
function reading(): Reading {
  const input: InputEvent[] = [];
  for (const partition of [0, 1]) {
    for (let offset = 0; offset < 40; offset++) {
      const fare = offset % 4 === 0 ? null : offset + partition;
      const values = { place: offset % 2 === 0 ? "JFK" : "EWR", fare };
      input.push({ partition, offset, timeMs: offset * 100, ...(offset % 10 === 3 ? {} : { values }) });
    }
  }
  const of: Reading = {
    inputTopic: "trips",
    input,
    // A marker of a transaction is behind the last record.
    ends: new Map([0, 1].map((partition) => [partition, 41])),
    profiles: [],
    metrics: [],
    verdicts: [],
    alerts: ["a", "b"].map((id) => record({ ce_id: id })),
    quarantine: input.flatMap(({ partition, offset, values }) => (values ? [] : [refused(partition, offset)])),
  };
  for (const partition of [0, 1]) {
    for (let from = 0; from < 40; from += EVENTS_PER_FLUSH) {
      of.profiles.push(...flush(of, partition, from, from + EVENTS_PER_FLUSH));
    }
  }
  for (let startMs = 0; startMs < 4000; startMs += 1000) {
    for (const slice of ["all", "place=JFK", "place=EWR"]) {
      const line = windowOf(input, slice, startMs);
      of.metrics.push(line);
      of.verdicts.push({ ...line, by: "detector" } as unknown as VerdictRecord);
    }
  }
  return of;
}

function flush({ input }: Reading, partition: number, fromOffset: number, toOffset: number): ReadRecord[] {
  const origin = { dataset: "trips", topic: "trips", partition, fromOffset, toOffset };
  const inside = input.filter((event) => event.partition === partition).slice(fromOffset, toOffset);
  const undecodable = inside.filter(({ values }) => values === undefined).length;
  const counts = { ...emptyCounts(), consumed: inside.length, valid: inside.length - undecodable, undecodable };
  const entry = { ...origin, partitionCount: 2, caughtUp: true, ended: false, wallTimeMs: 0, counts };
  const pane = { slice: "all", paneStartMs: 0, profile: Uint8Array.of(1) };
  return [...encodePane(origin, pane), encodeLedger(entry, 1)].map((value) => ({ ...record({}), value }));
}

function windowOf(input: readonly InputEvent[], slice: string, startMs: number): MetricsRecord {
  const inside = input.filter(
    ({ timeMs, values }) =>
      timeMs >= startMs && timeMs < startMs + 1000 && (slice === "all" || slice === `place=${values?.place}`),
  );
  const rows = inside.flatMap(({ values }) => (values ? [values] : []));
  const fares = rows.map(({ fare }) => fare).filter((fare) => typeof fare === "number");
  const nulls = rows.filter(({ fare }) => fare === null).length;
  return {
    dataset: "trips",
    slice,
    windowStart: new Date(startMs).toISOString(),
    windowEnd: new Date(startMs + 1000).toISOString(),
    revision: 0,
    partial: false,
    counts: { ...emptyCounts(), consumed: inside.length, valid: rows.length, undecodable: inside.length - rows.length },
    metrics: {
      "row_count()": rows.length,
      "null_rate(place)": 0,
      "distinct_count(place)": slice === "all" ? 2 : 1,
      "null_rate(fare)": nulls / rows.length,
      "distinct_count(fare)": new Set(fares).size,
      "min(fare)": Math.min(...fares),
      "max(fare)": Math.max(...fares),
    },
    expected: {},
  };
}

function change(of: Reading, by: Partial<MetricsRecord>): void {
  of.metrics[0] = { ...of.metrics[0]!, ...by };
}

function figure(of: Reading, metric: string, value: number): void {
  change(of, { metrics: { ...of.metrics[0]!.metrics, [metric]: value } });
}

function newer(of: Reading): void {
  const line = of.metrics[0]!;
  of.metrics.push({ ...line, revision: 1, counts: { ...line.counts, consumed: 99 } });
}

function refused(partition: number, offset: number): ReadRecord {
  return record({ sg_partition: String(partition), sg_offset: String(offset) });
}

function record(headers: Readonly<Record<string, string>>): ReadRecord {
  const bytes = Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const);
  return { partition: 0, offset: 0, value: null, headers: new Map(bytes) };
}

import { describe, expect, test } from "vitest";
import type { MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { QUANTILES } from "../../src/profiles/catalogue.ts";
import { encodeLedger, encodePane } from "../../src/profiles/delta-codec.ts";
import { countsOf, type EventKind } from "../windows/flushes.ts";
import { checkReading } from "./checker.ts";
import type { ChaosReading, CheckOptions, InputEvent, ReadRecord, WindowsRecord } from "./reading.ts";

const OPTIONS: CheckOptions = {
  windowSizeMs: 1000,
  time: { latenessMs: 0, idleAfterMs: 1e9, unheardAfterMs: 1e9, reviseForMs: 1000 },
  slice: { field: "place", name: "place", values: ["JFK", "EWR"] },
  fields: ["place", "fare"],
  mayRepeat: false,
};
const EVENTS_PER_FLUSH = 10;
/** By offset within its ten. */
const ODD_KINDS: Readonly<Record<number, EventKind>> = { 3: "undecodable", 5: "tombstone", 7: "future", 9: "invalid" };

describe("checkReading()", () => {
  test("finds nothing where every event was counted once", () => {
    const { findings, figures } = checkReading(reading(), OPTIONS);
    expect(findings).toEqual([]);
    expect(figures).toMatchObject({
      events: 82,
      deltas: 10,
      windows: 24,
      revisions: 1,
      late: 0,
      repeats: 0,
      overlaps: 0,
    });
  });

  // Each is a fault of streamgauge, of its log, or of this reading, planted into a reading that is right.
  const planted: readonly (readonly [name: string, plant: (of: Reading) => void, finding: RegExp])[] = [
    [
      "a flush twice",
      (of) => of.profiles.splice(4, 0, ...of.profiles.slice(0, 2)),
      /\[0, 10\): stands twice, again at 0/,
    ],
    ["a flush dropped", (of) => of.profiles.splice(4, 2), /a gap, 10 was expected/],
    ["the last flush dropped", (of) => of.profiles.splice(-2, 2), /ledger ends at 40, records at 41/],
    ["a flush that begins too early", (of) => of.profiles.splice(4, 2, ...flush(of, 0, 5, 20)), /overlaps, 10 was/],
    ["a flush beyond the end", (of) => of.profiles.push(...flush(of, 0, 41, 60)), /ends at 60, the log at 42/],
    ["a pane without its ledger entry", (of) => of.profiles.splice(-1, 1), /without a ledger entry/],
    ["a pane dropped", (of) => of.profiles.splice(0, 1), /0 pane records, 1 told/],
    ["an event missing", (of) => of.input.splice(16, 1), /\[10, 20\): 10 consumed, the input has 9/],
    ["an event missing, in its window", (of) => of.input.splice(16, 1), /all 1970.*consumed, by the input/],
    [
      "an event of another kind",
      (of) => of.input.splice(0, 1, { ...of.input[0]!, kind: "invalid" }),
      /6 valid, the input has 5/,
    ],
    [
      "an event of another time",
      (of) => of.input.splice(8, 1, { ...of.input[8]!, timeMs: 990 }),
      /event time 900, not 990/,
    ],
    ["a window twice", (of) => of.metrics.push(of.metrics[3]!), /metrics: trips\|.* stands twice/],
    ["a window missing", (of) => of.metrics.splice(3, 1), /is missing in metrics/],
    ["a revision missing", (of) => change(of, { revision: 2 }), /revision 2 after 0/],
    ["the last revision missing", (of) => of.metrics.pop(), /all 1970.*tombstone, by the input/],
    ["a window that was not due", (of) => of.metrics.push({ ...of.metrics[0]!, windowStart: "1969" }), /never due/],
    ["a verdict twice", (of) => of.verdicts.push(of.verdicts[3]!), /verdicts: trips\|.* stands twice/],
    ["a verdict missing", (of) => of.verdicts.splice(3, 1), /no verdict: trips/],
    ["a summary twice", (of) => of.windows.push(of.windows[3]!), /windows: trips\|.* stands twice/],
    ["a summary missing", (of) => of.windows.splice(3, 1), /no summary: trips/],
    ["a count", (of) => change(of, { counts: { ...of.metrics[0]!.counts, consumed: 99 } }), /99 consumed/],
    ["late events told of none", (of) => change(of, { counts: { ...of.metrics[0]!.counts, late: 1 } }), /1 late/],
    ["a null rate", (of) => figure(of, "null_rate(fare)", 0.9), /null_rate\(fare\) is 0.9/],
    ["a minimum", (of) => figure(of, "min(fare)", -1), /min\(fare\) is -1/],
    ["a maximum", (of) => figure(of, "max(fare)", 1e6), /max\(fare\) is 1000000/],
    ["a mean", (of) => figure(of, "mean(fare)", 1), /mean\(fare\) is 1,/],
    ["a distinct count", (of) => figure(of, "distinct_count(place)", 7), /distinct_count\(place\) is 7/],
    ["a quantile", (of) => figure(of, "quantile(fare,0.5)", 1e6), /quantile\(fare,0.5\) is 1000000/],
    ["a frequent value", (of) => top(of, [["JFK", 1]]), /place: JFK stands 1 times/],
    ["a frequent value missing", (of) => top(of, []), /place: JFK is not among the frequent values/],
    ["a wrong newer revision", (of) => newer(of), /99 consumed/],
    ["a refused record lost", (of) => of.quarantine.splice(0, 1), /quarantine: 0\/3 is missing/],
    ["a refused record twice", (of) => of.quarantine.push(of.quarantine[0]!), /quarantine: 0\/3 stands 2 times/],
    ["a good record refused", (of) => of.quarantine.push(refused(1, 4)), /quarantine: 1\/4 is no refused/],
    ["an alert twice", (of) => of.alerts.push(of.alerts[0]!), /1 ids of alerts stand twice/],
    ["an alert of a gap", (of) => of.alerts.push(alert("c", "offset-gap")), /an alert: of offset-gap/],
  ];
  test.each(planted)("finds %s", (_name, plant, finding) => {
    const damaged = reading();
    plant(damaged);
    expect(checkReading(damaged, OPTIONS).findings.join("\n")).toMatch(finding);
  });

  describe("after a broker was killed", () => {
    const mayRepeat = { ...OPTIONS, mayRepeat: true };

    test("counts a flush that stands twice, and its refused records, as a repeat", () => {
      const repeated = reading();
      repeated.profiles.splice(4, 0, ...repeated.profiles.slice(0, 2));
      repeated.quarantine.push(repeated.quarantine[0]!);
      expect(checkReading(repeated, mayRepeat)).toMatchObject({ findings: [], figures: { repeats: 1, overlaps: 0 } });
    });

    test("takes refused records twice where nothing else is: a marker may be lost in one topic alone", () => {
      const repeated = reading();
      repeated.quarantine.push(repeated.quarantine[0]!);
      expect(checkReading(repeated, mayRepeat).findings).toEqual([]);
      repeated.quarantine.push(refused(1, 4));
      expect(checkReading(repeated, mayRepeat).findings.join("\n")).toMatch(/quarantine: 1\/4 is no refused/);
    });

    test("takes an overlap when its windows are partial, and an alert tells of it", () => {
      const overlapping = reading();
      overlapping.profiles.splice(4, 2, ...flush(overlapping, 0, 0, 20));
      const { findings } = checkReading(overlapping, mayRepeat);
      expect(findings.join("\n")).toMatch(/counted twice, and it is not partial/);
      expect(findings.join("\n")).toMatch(/no alert tells of it/);
      overlapping.metrics = overlapping.metrics.map((line) => ({ ...line, partial: true }));
      overlapping.alerts.push(alert("c", "offset-overlap"));
      expect(checkReading(overlapping, mayRepeat)).toMatchObject({ findings: [], figures: { overlaps: 1 } });
    });

    test("asks of no window that was closed for good when an overlap came that it is partial", () => {
      const overlapping = reading();
      overlapping.profiles.splice(12, 2, ...flush(overlapping, 0, 5, 40));
      overlapping.alerts.push(alert("c", "offset-overlap"));
      const isChanged = ({ windowStart }: MetricsRecord) =>
        ["01.000Z", "02.000Z"].some((at) => windowStart.endsWith(at));
      overlapping.metrics = overlapping.metrics.map((line) => ({ ...line, partial: isChanged(line) }));
      expect(checkReading(overlapping, mayRepeat)).toMatchObject({ findings: [], figures: { overlaps: 1, late: 3 } });
    });

    test("still finds a gap", () => {
      const damaged = reading();
      damaged.profiles.splice(4, 2);
      expect(checkReading(damaged, mayRepeat).findings.join("\n")).toMatch(/a gap, 10 was expected/);
    });
  });
});

type Reading = {
  -readonly [Key in keyof ChaosReading]: ChaosReading[Key] extends readonly (infer One)[] ? One[] : ChaosReading[Key];
};

/**
 * Two partitions of 40 events over four windows, a few of them odd, and then one far later. The last but one of partition
 * 0 is late by more than its window: a revision.
 */
function reading(): Reading {
  const input: InputEvent[] = [];
  for (const partition of [0, 1]) {
    for (let offset = 0; offset < 40; offset++) input.push(event(partition, offset, offset * 100));
    input.push(event(partition, 40, 9000));
  }
  const isRefused = ({ kind }: InputEvent) => kind === "undecodable" || kind === "invalid";
  const of: Reading = {
    inputTopic: "trips",
    input,
    // A marker of a transaction is behind the last record.
    ends: new Map([0, 1].map((partition) => [partition, 42])),
    profiles: [],
    metrics: [],
    verdicts: [],
    windows: [],
    alerts: [alert("a", "alarm"), alert("b", "clean")],
    quarantine: input.filter(isRefused).map(({ partition, offset }) => refused(partition, offset)),
  };
  for (let from = 0; from < 40; from += EVENTS_PER_FLUSH) {
    for (const partition of [0, 1]) of.profiles.push(...flush(of, partition, from, from + EVENTS_PER_FLUSH));
  }
  for (const partition of [0, 1]) of.profiles.push(...flush(of, partition, 40, 41));
  for (let startMs = 0; startMs < 9000; startMs += 1000) {
    for (const slice of ["all", "place=JFK", "place=EWR"]) tell(of, windowOf(input, slice, startMs));
  }
  // As it was told at first: with a tombstone less.
  const last = of.metrics[0]!;
  of.metrics[0] = { ...last, counts: { ...last.counts, consumed: last.counts.consumed - 1, tombstone: 1 } };
  tell(of, { ...last, revision: 1 });
  return of;
}

function event(partition: number, offset: number, timeMs: number): InputEvent {
  const kind = offset < 40 ? (ODD_KINDS[offset % 10] ?? "valid") : "valid";
  const base = { id: offset, partition, offset, kind, timeMs, arrivalMs: timeMs, value: "" };
  if (kind !== "valid" && kind !== "invalid") return base;
  const fare = offset % 4 === 0 ? null : offset + partition;
  return { ...base, values: { place: offset % 3 === 0 ? "JFK" : "EWR", fare } };
}

function flush({ input }: Reading, partition: number, fromOffset: number, toOffset: number): ReadRecord[] {
  const origin = { dataset: "trips", topic: "trips", partition, fromOffset, toOffset };
  const inside = input.filter(
    (one) => one.partition === partition && one.offset >= fromOffset && one.offset < toOffset,
  );
  const times = inside.filter(({ values }) => values !== undefined).map(({ timeMs }) => timeMs);
  const entry = {
    ...origin,
    partitionCount: 2,
    caughtUp: true,
    ended: false,
    wallTimeMs: 0,
    ...(times.length > 0 && { maxEventTimeMs: Math.max(...times) }),
    counts: countsOf(inside),
  };
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
  const sorted = fares.toSorted((a, b) => a - b);
  const nulls = rows.filter(({ fare }) => fare === null).length;
  const quantiles = QUANTILES.map((q) => [`quantile(fare,${q})`, sorted[Math.ceil(q * sorted.length) - 1]!] as const);
  return {
    dataset: "trips",
    slice,
    windowStart: new Date(startMs).toISOString(),
    windowEnd: new Date(startMs + 1000).toISOString(),
    revision: 0,
    partial: false,
    counts: countsOf(inside),
    metrics: {
      "row_count()": rows.length,
      "null_rate(place)": 0,
      "missing_rate(place)": 0,
      "distinct_count(place)": slice === "all" ? 2 : 1,
      "null_rate(fare)": nulls / rows.length,
      "missing_rate(fare)": 0,
      "distinct_count(fare)": new Set(fares).size,
      "min(fare)": Math.min(...fares),
      "max(fare)": Math.max(...fares),
      "mean(fare)": fares.reduce((sum, fare) => sum + fare, 0) / fares.length,
      ...Object.fromEntries(quantiles),
    },
    expected: {},
  };
}

/** In all three topics. */
function tell(of: Reading, line: MetricsRecord): void {
  of.metrics.push(line);
  of.verdicts.push({ ...line, by: "detector" } as unknown as VerdictRecord);
  const inside = of.input.filter(
    ({ timeMs }) => timeMs >= Date.parse(line.windowStart) && timeMs < Date.parse(line.windowEnd),
  );
  const places = inside.flatMap(({ values }) => (typeof values?.place === "string" ? [values.place] : []));
  const own = [...new Set(places)].filter((place) => line.slice === "all" || line.slice === `place=${place}`);
  const counted = own.map((place) => [place, places.filter((one) => one === place).length] as const);
  of.windows.push({ ...line, fields: { place: { counts: {}, top: counted } } } as WindowsRecord);
}

/** The newest revision of the first window. */
function change(of: Reading, by: Partial<MetricsRecord>): void {
  of.metrics.push({ ...of.metrics.pop()!, ...by });
}

function figure(of: Reading, metric: string, value: number): void {
  change(of, { metrics: { ...of.metrics.at(-1)!.metrics, [metric]: value } });
}

function newer(of: Reading): void {
  const line = of.metrics.at(-1)!;
  of.metrics.push({ ...line, revision: 2, counts: { ...line.counts, consumed: 99 } });
}

function top(of: Reading, top: readonly (readonly [string, number])[]): void {
  of.windows.push({ ...of.windows.pop()!, fields: { place: { counts: {}, top } } });
}

function alert(id: string, reason: string): ReadRecord {
  return { ...record({ ce_id: id }), value: Buffer.from(JSON.stringify({ reason, sentence: `of ${reason}` })) };
}

function refused(partition: number, offset: number): ReadRecord {
  return record({ sg_partition: String(partition), sg_offset: String(offset) });
}

function record(headers: Readonly<Record<string, string>>): ReadRecord {
  const bytes = Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const);
  return { partition: 0, offset: 0, value: null, headers: new Map(bytes) };
}

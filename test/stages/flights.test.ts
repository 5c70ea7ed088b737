import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demo } from "../../src/cli/demo.ts";
import type { AlertRecord, MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { type FlightWindow, flightWindows, NULLABLE } from "./flight-oracle.ts";

const SOURCE = fileURLToPath(new URL("../data/flights.csv.gz", import.meta.url));
const FIRST_DAY = "2013-01-01T00:00:00.000Z";
const LAST_DAY = "2014-01-01T00:00:00.000Z";
const SLICES = ["all", "origin=EWR", "origin=JFK", "origin=LGA"];
/** Windows of one series that are judged but not known yet. */
const WARMUP_WINDOWS = 37;
const BLIZZARD_FIELDS = ["dep_time", "arr_time", "air_time", "dep_delay", "arr_delay"];
const PLANTED: readonly { readonly days: readonly string[]; readonly blamed: readonly string[] }[] = [
  { days: ["2013-09-10", "2013-09-11"], blamed: ["carrier"] },
  { days: ["2013-10-15"], blamed: ["route.distance"] },
  { days: ["2013-11-12"], blamed: ["dep_delay"] },
  { days: ["2013-12-03"], blamed: ["duplicate_share()", "row_count()"] },
];

let directory = "";
let expected = new Map<string, FlightWindow>();
const lines: { metrics: MetricsRecord[]; verdicts: VerdictRecord[]; alerts: AlertRecord[] } = {
  metrics: [],
  verdicts: [],
  alerts: [],
};
const texts = { metrics: "", verdicts: "", alerts: "" };
const printed: string[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "streamgauge-flights-"));
  const stderr: string[] = [];
  const io = {
    stdout: (line: string) => void printed.push(line),
    stderr: (line: string) => void stderr.push(line),
    env: {},
    terminal: undefined,
  };
  expect(await demo({ json: true, out: directory }, io)).toBe(0);
  expect(stderr).toEqual([]);
  for (const name of ["metrics", "verdicts", "alerts"] as const) {
    texts[name] = readFileSync(join(directory, `${name}.jsonl`), "utf8");
    lines[name] = texts[name]
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  }
  expected = flightWindows(SOURCE);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("demo over all flights: metrics.jsonl", () => {
  test("has one line for each of 366 days and each of 4 slices, in order of time, all of revision 0", () => {
    const days = [...new Set(lines.metrics.map((line) => line.windowStart))];
    expect(days.length).toBe(366);
    expect(days).toEqual([...days].sort());
    expect([days[0], days.at(-1)]).toEqual([FIRST_DAY, LAST_DAY]);
    expect(lines.metrics.map((line) => line.slice)).toEqual(days.flatMap(() => SLICES));
    expect(new Set(lines.metrics.map((line) => line.revision))).toEqual(new Set([0]));
  });

  test("has the figures of the source with the planted faults in every window and slice", () => {
    expect(expected.size).toBe(366 * 4);
    expect([...expected.values()].filter((w) => w.slice === "all").reduce((sum, w) => sum + w.rows, 0)).toBe(336_856);
    expect(differences(lines.metrics, expected)).toEqual([]);
  });

  test("is partial on the first and the last day only", () => {
    const partial = lines.metrics.filter((line) => line.partial).map((line) => `${line.slice}|${line.windowStart}`);
    expect(partial).toEqual([FIRST_DAY, LAST_DAY].flatMap((day) => SLICES.map((slice) => `${slice}|${day}`)));
  });

  test("tells carrier UA apart from ua", () => {
    const share = (day: string) =>
      lines.metrics.find((line) => line.slice === "all" && line.windowStart.startsWith(day))?.metrics[
        "share(carrier=UA)"
      ];
    expect([share("2013-09-10"), share("2013-09-11")]).toEqual([0, 0]);
    expect(share("2013-09-12")).toBeGreaterThan(0.1);
    expect(lines.metrics.filter((line) => "share(carrier=UA)" in line.metrics).length).toBeGreaterThan(1200);
  });

  test("is found out when it is damaged in one place", () => {
    const at = lines.metrics.findIndex((line) => line.slice === "origin=JFK" && line.windowStart.startsWith("2013-06"));
    const line = lines.metrics[at]!;
    const mean = line.metrics["mean(route.distance)"] as number;
    const rate = line.metrics["null_rate(tailnum)"] as number;
    const damaged: readonly (MetricsRecord | undefined)[] = [
      undefined,
      { ...line, slice: "origin=other" },
      { ...line, windowEnd: line.windowStart },
      { ...line, counts: { ...line.counts, consumed: line.counts.consumed + 1 } },
      { ...line, counts: { ...line.counts, valid: line.counts.valid - 1, late: 1 } },
      { ...line, metrics: { ...line.metrics, "row_count()": Number(line.metrics["row_count()"]) - 1 } },
      { ...line, metrics: { ...line.metrics, "mean(route.distance)": mean * (1 + 1e-6) } },
      { ...line, metrics: { ...line.metrics, "null_rate(tailnum)": rate + 1 / line.counts.consumed } },
      { ...line, metrics: { ...line.metrics, "min(dep_delay)": null } },
      { ...line, metrics: { ...line.metrics, "duplicate_share()": 0.002 } },
    ];
    for (const other of damaged) {
      const changed = lines.metrics.toSpliced(at, 1, ...(other === undefined ? [] : [other]));
      expect(differences(changed, expected), JSON.stringify(other)?.slice(0, 200)).not.toEqual([]);
    }
    expect(differences([...lines.metrics, line], expected)).not.toEqual([]);
  });
});

describe("demo over all flights: verdicts.jsonl", () => {
  test("has exactly one detector line per window, slice and revision", () => {
    const fused = lines.verdicts.filter((line) => line.by === "detector").map(lineKey);
    expect(new Set(fused).size).toBe(fused.length);
    expect(fused).toEqual(lines.metrics.map(lineKey));
  });

  test("is unknown on the partial days and for the first 37 judged windows at most, and known afterwards", () => {
    for (const slice of SLICES) {
      const series = lines.verdicts.filter((line) => line.by === "detector" && line.slice === slice);
      expect([series[0]?.outcome, series.at(-1)?.outcome], slice).toEqual(["unknown", "unknown"]);
      const judged = series.slice(1, -1).map((line) => line.outcome !== "unknown");
      const first = judged.indexOf(true);
      expect(first, slice).toBeGreaterThan(0);
      expect(first, slice).toBeLessThanOrEqual(WARMUP_WINDOWS);
      expect(judged.slice(first).every(Boolean), slice).toBe(true);
    }
  });

  test("ties score, outcome, alarm and severity together", () => {
    for (const line of lines.verdicts) {
      const where = lineKey(line);
      expect(line.score === null, where).toBe(line.outcome === "unknown");
      expect(line.alarm, where).toBe(line.outcome === "fail");
      expect(line.severity !== null, where).toBe(line.outcome === "fail");
      if (line.by !== "detector") expect(line.alarm, where).toBe(false);
      if (line.outcome === "unknown") expect([line.pValue, line.causes], where).toEqual([null, []]);
      else if (line.by === "detector") {
        expect(line.score, where).toBeGreaterThanOrEqual(0);
        expect(line.pValue, where).toBeGreaterThan(0);
        expect(line.pValue, where).toBeLessThanOrEqual(1);
      }
    }
  });

  test("names three different causes on every scored detector line, each with what the metrics line says", () => {
    const metrics = new Map(lines.metrics.map((line) => [`${line.slice}|${line.windowStart}`, line.metrics]));
    for (const line of lines.verdicts) {
      const where = lineKey(line);
      expect(sharesProblem(line.causes), where).toBeUndefined();
      if (line.by === "detector" && line.outcome !== "unknown") {
        expect(new Set(line.causes.slice(0, 3).map(nameOf)).size, where).toBe(3);
      }
      for (const cause of line.causes) {
        expect(cause.observed, `${where} ${cause.metric}`).toBe(
          metrics.get(`${line.slice}|${line.windowStart}`)?.[cause.metric],
        );
      }
    }
  });

  test("alarms on 55 detector lines at most", () => {
    const alarms = lines.verdicts.filter((line) => line.alarm).length;
    expect(alarms).toBeGreaterThan(5);
    expect(alarms).toBeLessThanOrEqual(55);
  });
});

describe("demo over all flights: alerts.jsonl", () => {
  test("blames the blizzard's fields on 8 and 9 February", () => {
    for (const day of ["2013-02-08", "2013-02-09"]) {
      expect(
        blamedOn(day).filter((name) => BLIZZARD_FIELDS.includes(name)),
        day,
      ).not.toEqual([]);
    }
  });

  test.each(PLANTED)("blames the planted fault of $days on $blamed", ({ days, blamed }) => {
    for (const day of days) {
      const names = blamedOn(day);
      expect(
        names.filter((name) => blamed.includes(name)),
        `${day}: ${names}`,
      ).not.toEqual([]);
    }
  });

  test("tells of 24 other incidents at most, of each first opened and then resolved", () => {
    const known = ["2013-02-08", "2013-02-09", ...PLANTED.flatMap(({ days }) => days)];
    const incidents = new Map<string, AlertRecord[]>();
    for (const alert of lines.alerts) incidents.set(alert.incident, [...(incidents.get(alert.incident) ?? []), alert]);
    const others = [...incidents.values()].filter(
      (alerts) => !alerts.some((alert) => alert.state !== "resolved" && known.includes(alert.windowStart.slice(0, 10))),
    );
    expect(others.length).toBeLessThanOrEqual(24);
    for (const alerts of incidents.values()) {
      const states = alerts.map((alert) => alert.state);
      expect(states[0]).toBe("opened");
      expect(states.indexOf("resolved"), alerts[0]?.incident).toBe(states.length - 1);
      expect(states.slice(1, -1).every((state) => state === "updated")).toBe(true);
    }
    // One incident at a time.
    const order = lines.alerts.map((alert) => alert.incident);
    expect(order.filter((id, at) => id !== order[at - 1]).length).toBe(incidents.size);
  });

  test("names slices, severity and causes of detector lines that alarm in that window", () => {
    for (const alert of lines.alerts) {
      expect(sharesProblem(alert.causes), alert.sentence).toBeUndefined();
      expect(alert.sentence).not.toMatch(/NaN|undefined|null_|Infinity/);
      if (alert.state === "resolved") continue;
      const alarming = lines.verdicts.filter((line) => line.alarm && line.windowStart === alert.windowStart);
      expect([...alert.slices].sort()).toEqual(alarming.map((line) => line.slice).sort());
      // Of a window by itself, and one level more where it is not the first or second of its incident.
      const worst = alarming.map((line) => line.severity!).sort()[0]!;
      const before = new Set(
        lines.alerts.flatMap(({ incident, state, windowStart }) =>
          incident === alert.incident && state !== "resolved" && windowStart <= alert.windowStart ? windowStart : [],
        ),
      );
      const more = before.size < 3 ? worst : { P3: "P2", P2: "P1", P1: "P1", P0: "P0", P4: "P3" }[worst];
      expect(alert.severity, alert.sentence).toBe(more);
    }
  });

  test("is what the command prints", () => {
    expect(printed.map((line) => JSON.parse(line))).toEqual(lines.alerts);
  });
});

describe("demo over all flights: every line", () => {
  test("holds no NaN, no infinity and no half interval", () => {
    for (const name of ["metrics", "verdicts", "alerts"] as const) {
      expect(texts[name]).not.toMatch(/NaN|Infinity|undefined/);
      expect(texts[name].endsWith("}\n")).toBe(true);
    }
    // JSON has no NaN: one that slips through is a null where a number belongs.
    const broken = new Map<string, string>();
    for (const line of lines.metrics) {
      for (const [metric, value] of Object.entries(line.metrics)) {
        if (value === null) broken.set(metric, `${lineKey(line)}: no value`);
      }
      for (const [metric, [low, mid, high]] of Object.entries(line.expected)) {
        if (typeof low !== "number" || typeof mid !== "number" || typeof high !== "number" || low > mid || mid > high) {
          broken.set(metric, `${lineKey(line)}: expected ${low}, ${mid}, ${high}`);
        }
        if (!(metric in line.metrics)) broken.set(metric, `${lineKey(line)}: expected but not there`);
      }
    }
    for (const line of [...lines.verdicts, ...lines.alerts]) {
      for (const cause of line.causes) {
        // A level has no interval: there is what it is, and was.
        const isLevel = "reason" in line && line.reason === "new-level";
        for (const part of ["share", "observed", "expected", ...(isLevel ? [] : (["low", "high"] as const))] as const) {
          if (typeof cause[part] !== "number") broken.set(cause.metric, `${line.windowStart}: ${part} ${cause[part]}`);
        }
      }
    }
    expect(Object.fromEntries(broken)).toEqual({});
  });
});

/** Every difference between the metrics lines and the windows counted from the source, the first 20 of them. */
function differences(metrics: readonly MetricsRecord[], windows: ReadonlyMap<string, FlightWindow>): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  for (const line of metrics) {
    const key = `${line.slice}|${line.windowStart}`;
    const window = windows.get(key);
    if (window === undefined || seen.has(key)) found.push(`${key}: ${window === undefined ? "unexpected" : "twice"}`);
    else found.push(...lineDifferences(line, window).map((what) => `${key} ${what}`));
    seen.add(key);
  }
  for (const key of windows.keys()) if (!seen.has(key)) found.push(`${key}: no line`);
  return found.slice(0, 20);
}

function lineDifferences({ windowEnd, dataset, counts, metrics }: MetricsRecord, window: FlightWindow): string[] {
  const { rows } = window;
  const found: string[] = [];
  const same = (what: string, value: unknown, wanted: unknown) => {
    if (value !== wanted) found.push(`${what}: ${value}, expected ${wanted}`);
  };
  const close = (what: string, value: unknown, wanted: number, tolerance: number) => {
    if (!(typeof value === "number" && Math.abs(value - wanted) <= tolerance)) same(what, value, wanted);
  };
  same("dataset", dataset, "flights");
  same("windowEnd", windowEnd, window.end);
  const { consumed, ...parts } = counts;
  same("consumed", consumed, rows);
  same("valid", counts.valid, rows);
  same(
    "sum of the parts",
    Object.values(parts).reduce((sum, part) => sum + part, 0),
    consumed,
  );
  same("row_count()", metrics["row_count()"], rows);
  for (const name of NULLABLE) {
    close(`null_rate(${name})`, metrics[`null_rate(${name})`], window.fields[name]!.nulls / rows, 1e-12);
  }
  for (const [path, { count, sum, min, max }] of Object.entries(window.fields)) {
    if (count === 0) continue;
    const mean = sum / count;
    close(`mean(${path})`, metrics[`mean(${path})`], mean, 1e-9 * Math.max(1, Math.abs(mean)));
    same(`min(${path})`, metrics[`min(${path})`], min);
    same(`max(${path})`, metrics[`max(${path})`], max);
  }
  const united = metrics["share(carrier=UA)"];
  if (united !== undefined) close("share(carrier=UA)", united, window.united / rows, 1e-12);
  // Among the contents with the 1,024 lowest hashes: exact up to as many, an estimate beyond.
  const duplicates = (rows - window.contents.size) / rows;
  const isExact = window.contents.size <= 1024 || duplicates === 0;
  close("duplicate_share()", metrics["duplicate_share()"], duplicates, isExact ? 1e-12 : 0.05);
  return found;
}

function lineKey({ dataset, slice, windowStart, windowEnd, revision }: MetricsRecord | VerdictRecord): string {
  return [dataset, slice, windowStart, windowEnd, revision].join("|");
}

/** The first three causes of the alerts of a day. */
function blamedOn(day: string): string[] {
  return lines.alerts
    .filter((alert) => alert.state !== "resolved" && alert.windowStart.startsWith(day))
    .flatMap((alert) => alert.causes.slice(0, 3).map(nameOf));
}

function nameOf(cause: { readonly fields: readonly string[]; readonly metric: string }): string {
  return cause.fields.length === 0 ? cause.metric : cause.fields.join("+");
}

function sharesProblem(causes: readonly { readonly share: number }[]): string | undefined {
  let sum = 0;
  for (const { share } of causes) {
    if (!(share >= 0 && share <= 1)) return `share ${share}`;
    sum += share;
  }
  return sum <= 1 + 1e-9 ? undefined : `shares sum to ${sum}`;
}

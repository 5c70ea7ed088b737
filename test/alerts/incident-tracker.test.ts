import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  IncidentTracker,
  type IncidentTrackerOptions,
  type SliceVerdict,
  type Tick,
} from "../../src/alerts/incident-tracker.ts";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { alarm, anyTicks, cause, clean, DAY, dayTick, HOUR, hourTick, unknown } from "./ticks.ts";

const SEED = 20_130_209;

function tracker(options: Partial<IncidentTrackerOptions> = {}): IncidentTracker {
  return new IncidentTracker({ dataset: "flights", resolveAfter: 1, ...options });
}

/** The alerts of the ticks, `undefined` where nothing was told. */
function told(incidents: IncidentTracker, ticks: readonly Tick[]): (AlertRecord | undefined)[] {
  return ticks.map((tick) => incidents.update(tick));
}

/** `opened alarm 8`: state, reason and day of February of each alert. */
function outline(alerts: readonly (AlertRecord | undefined)[]): string[] {
  return alerts.map((alert) =>
    alert === undefined ? "" : `${alert.state} ${alert.reason} ${Number(alert.windowStart.slice(8, 10))}`,
  );
}

describe("IncidentTracker.update() opens", () => {
  test("an incident with the first window that alarms, and says all there is to say", () => {
    const causes = [cause("null_rate(dep_time)", { share: 0.6 }), cause("null_rate(arr_delay)", { share: 0.3 })];
    const newark = alarm({
      slice: "origin=EWR",
      score: 5,
      severity: "P1",
      causes: [cause("null_rate(dep_time)", { share: 0.9, observed: 0.38 })],
    });
    const incidents = tracker();
    expect(incidents.update(dayTick(7, [clean()]))).toBeUndefined();
    expect(incidents.update(dayTick(8, [alarm({ causes }), clean("origin=JFK"), newark]))).toEqual({
      incident: "flights/2013-02-08T00:00:00.000Z/2013-02-09T00:00:00.000Z",
      state: "opened",
      dataset: "flights",
      slices: ["origin=EWR", "all"],
      severity: "P1",
      windowStart: "2013-02-08T00:00:00.000Z",
      windowEnd: "2013-02-09T00:00:00.000Z",
      revision: 0,
      reason: "alarm",
      kind: "content",
      sentence: "8 Feb: 36 % of `dep_time` is null, expected 0–7.2 %; also arr_delay; worst at origin=EWR, 38 %",
      causes: [
        { ...newark.causes[0], share: 4.5 / 5.1 },
        { ...causes[1], share: expect.closeTo(0.6 / 5.1, 12) },
      ],
      evidence: [],
    });
  });

  test("an incident of a slice alone while the whole is clean", () => {
    const alert = tracker().update(dayTick(8, [clean(), alarm({ slice: "origin=EWR" })]));
    expect(alert).toMatchObject({ state: "opened", slices: ["origin=EWR"] });
  });

  test("an incident with a revised window that had been clean", () => {
    expect(
      outline(told(tracker(), [dayTick(8, [clean()]), dayTick(9, [clean()]), dayTick(8, [alarm()], { revision: 1 })])),
    ).toEqual(["", "", "opened alarm 8"]);
  });

  test("nothing for windows that are partial or warming up", () => {
    expect(told(tracker(), [dayTick(8, [unknown()]), dayTick(9, [unknown(), unknown("origin=EWR")])])).toEqual([
      undefined,
      undefined,
    ]);
  });

  test("in the zone of the windows", () => {
    const startMs = Date.parse("2013-02-08T00:00:00+01:00");
    const alert = tracker({ timezone: "Europe/Berlin" }).update(
      dayTick(8, [alarm()], { startMs, endMs: startMs + DAY }),
    );
    expect(alert?.sentence).toMatch(/^8 Feb: /);
    expect(alert?.windowStart).toBe("2013-02-07T23:00:00.000Z");
  });
});

describe("IncidentTracker.update() updates", () => {
  const OPENED = dayTick(8, [alarm()]);
  /** Half a day later, so that no reminder is due. */
  const next = (...verdicts: Parameters<typeof dayTick>[1]) =>
    hourTick(Date.UTC(2013, 1, 8, 12), verdicts, { sizeMs: DAY });

  test("when a field is new among the first three causes, once", () => {
    const more = alarm({ causes: [cause(), cause("null_rate(arr_delay)", { share: 0.3 })] });
    const alerts = told(tracker(), [OPENED, next(more), next(more)]);
    expect(outline(alerts)).toEqual(["opened alarm 8", "updated new-cause 8", ""]);
    expect(alerts[1]?.causes.map(({ metric }) => metric)).toEqual(["null_rate(dep_time)", "null_rate(arr_delay)"]);
  });

  test("not when the new field is a fourth cause, nor when another metric of a known field is out", () => {
    const fields = ["dep_time", "a", "b", "c"];
    const many = alarm({ causes: fields.map((name, i) => cause(`null_rate(${name})`, { share: 0.4 - i / 10 })) });
    expect(outline(told(tracker(), [OPENED, next(many), next(many)]))[2]).toBe("");
    expect(tracker().update(dayTick(8, [many]))?.causes).toHaveLength(4);
    const other = alarm({ causes: [cause("mean(dep_time)")] });
    expect(outline(told(tracker(), [OPENED, next(other)]))).toEqual(["opened alarm 8", ""]);
  });

  test("when the dataset's own metric is new among the causes", () => {
    const rows = alarm({ causes: [cause("row_count()", { observed: 3 })] });
    expect(outline(told(tracker(), [OPENED, next(rows)]))[1]).toBe("updated new-cause 8");
  });

  test("when it gets worse, not when it gets better", () => {
    const alerts = told(
      tracker(),
      (["P2", "P3", "P1", "P1", "P0"] as const).map((severity, i) => next(alarm({ severity, score: i + 1 }))),
    );
    expect(outline(alerts)).toEqual(["opened alarm 8", "", "updated worse 8", "", "updated worse 8"]);
    expect(alerts[4]?.severity).toBe("P0");
  });

  test("once a day of event time while it goes on", () => {
    const hours = Array.from({ length: 60 }, (_, hour) => hourTick(Date.UTC(2013, 1, 8, hour), [alarm()]));
    const alerts = told(tracker(), hours);
    expect(alerts.flatMap((alert, hour) => (alert === undefined ? [] : [hour]))).toEqual([0, 24, 48]);
    expect(outline([alerts[24], alerts[48]])).toEqual(["updated continues 9", "updated continues 10"]);
  });

  test("on each day of a fault, also on those with 23 and 25 hours", () => {
    const days = ["2026-03-28T00:00+01:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"];
    days.push("2026-10-24T00:00+02:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00");
    const alerts = told(
      tracker({ timezone: "Europe/Berlin" }),
      days.map((day) => dayTick(0, [alarm()], { startMs: Date.parse(day), endMs: Date.parse(day) + DAY })),
    );
    expect(alerts.map((alert) => alert?.sentence.split(":")[0])).toEqual(
      ["28 Mar", "29 Mar", "30 Mar"].concat("24 Oct", "25 Oct", "26 Oct"),
    );
  });

  test("under the name of the incident that was opened", () => {
    const alerts = told(tracker(), [dayTick(8, [alarm()]), dayTick(9, [alarm()]), dayTick(10, [clean()])]);
    expect(new Set(alerts.map((alert) => alert?.incident))).toEqual(
      new Set(["flights/2013-02-08T00:00:00.000Z/2013-02-09T00:00:00.000Z"]),
    );
  });
});

describe("IncidentTracker.update() resolves", () => {
  test("after `resolveAfter` clean windows, counted anew after each alarm", () => {
    const days = ["x", "-", "-", "x", "-", "-", "-"];
    const alerts = told(
      tracker({ resolveAfter: 3 }),
      days.map((day, i) => dayTick(8 + i, [day === "x" ? alarm() : clean()])),
    );
    expect(outline(alerts)).toEqual(["opened alarm 8", "", "", "updated continues 11", "", "", "resolved clean 14"]);
  });

  test("with the causes, slices and worst severity of the incident", () => {
    const alerts = told(tracker(), [
      dayTick(8, [alarm({ severity: "P1" })]),
      dayTick(9, [clean(), alarm({ slice: "origin=EWR", severity: "P3" })]),
      dayTick(10, [clean(), clean("origin=EWR")]),
    ]);
    expect(alerts[2]).toMatchObject({
      state: "resolved",
      severity: "P1",
      slices: ["origin=EWR"],
      sentence: "10 Feb: back to normal",
      causes: [{ metric: "null_rate(dep_time)", share: 1 }],
    });
  });

  test("not by windows of another size", () => {
    const incidents = tracker();
    expect(incidents.update(dayTick(8, [alarm()]))?.state).toBe("opened");
    for (let hour = 0; hour < 24; hour++) {
      expect(incidents.update(hourTick(Date.UTC(2013, 1, 9, hour), [clean()]))).toBeUndefined();
    }
    expect(incidents.update(dayTick(9, [clean()]))?.reason).toBe("clean");
  });

  test("not by windows that are partial or warming up, which do not count as alarming either", () => {
    const alerts = told(tracker({ resolveAfter: 2 }), [
      dayTick(8, [alarm()]),
      dayTick(9, [clean()]),
      dayTick(10, [unknown(), unknown("origin=EWR")]),
      dayTick(11, [clean(), unknown("origin=EWR")]),
    ]);
    expect(outline(alerts)).toEqual(["opened alarm 8", "", "", "resolved clean 11"]);
  });

  test("when late events take back its only alarm", () => {
    const alerts = told(tracker({ resolveAfter: 3 }), [
      dayTick(8, [alarm()]),
      dayTick(8, [clean()], { revision: 1 }),
      dayTick(9, [alarm()]),
    ]);
    expect(outline(alerts)).toEqual(["opened alarm 8", "resolved corrected 8", "opened alarm 9"]);
    expect(alerts[1]).toMatchObject({ revision: 1, sentence: "8 Feb: late events took the alarm back" });
  });

  test("only when late events take back all of its alarms", () => {
    const alerts = told(tracker({ resolveAfter: 3 }), [
      dayTick(8, [alarm(), alarm({ slice: "origin=EWR" })]),
      dayTick(8, [clean(), alarm({ slice: "origin=EWR" })], { revision: 1 }),
      dayTick(8, [clean(), clean("origin=EWR")], { revision: 2 }),
    ]);
    expect(outline(alerts)).toEqual(["opened alarm 8", "", "resolved corrected 8"]);
    const days = told(tracker({ resolveAfter: 3 }), [
      dayTick(8, [alarm()]),
      dayTick(9, [alarm()]),
      dayTick(8, [clean()], { revision: 1 }),
      dayTick(9, [clean()], { revision: 1 }),
    ]);
    expect(outline(days)).toEqual(["opened alarm 8", "updated continues 9", "", "resolved corrected 9"]);
  });

  test("not as corrected by a revision that says nothing", () => {
    const alerts = told(tracker(), [dayTick(8, [alarm()]), dayTick(8, [unknown()], { revision: 1 })]);
    expect(outline(alerts)).toEqual(["opened alarm 8", ""]);
  });

  test("not later because a known alarm is told again by a revision", () => {
    const alerts = told(tracker({ resolveAfter: 2 }), [
      dayTick(8, [alarm()]),
      dayTick(9, [clean()]),
      dayTick(8, [alarm()], { revision: 1 }),
      dayTick(10, [clean()]),
    ]);
    expect(outline(alerts)).toEqual(["opened alarm 8", "", "", "resolved clean 10"]);
  });

  test("for good: a revision that still alarms does not open the incident again", () => {
    const incidents = tracker();
    const ticks = [dayTick(8, [alarm()]), dayTick(9, [clean()]), dayTick(8, [alarm()], { revision: 1 })];
    expect(outline(told(incidents, ticks))).toEqual(["opened alarm 8", "resolved clean 9", ""]);
    // A slice that did not alarm before is news, and so is an alarm that was taken back in between.
    expect(
      outline(
        told(incidents, [
          dayTick(8, [alarm(), alarm({ slice: "origin=EWR" })], { revision: 2 }),
          dayTick(8, [clean(), clean("origin=EWR")], { revision: 3 }),
          dayTick(8, [alarm()], { revision: 4 }),
        ]),
      ),
    ).toEqual(["opened alarm 8", "resolved corrected 8", "opened alarm 8"]);
  });

  test("without a part of it in the next incident: an old alarm told again changes nothing there", () => {
    const other = alarm({ causes: [cause("mean(fare)")], severity: "P4" });
    const alerts = told(tracker({ resolveAfter: 1 }), [
      dayTick(8, [alarm({ severity: "P0" })]),
      dayTick(9, [clean()]),
      dayTick(10, [other]),
      dayTick(8, [alarm({ severity: "P0" })], { revision: 1 }),
    ]);
    expect(outline(alerts)).toEqual(["opened alarm 8", "resolved clean 9", "opened alarm 10", ""]);
  });
});

describe("IncidentTracker.update() with a severity for what lasts", () => {
  const mild = (more: Parameters<typeof alarm>[0] = {}) => alarm({ severity: "P3", ...more });
  const lasting = () =>
    tracker({
      severityOf: ({ severity }, windows) => (windows >= 3 ? "P1" : (severity ?? "P4")),
      resolveAfter: 2,
    });
  const severities = (alerts: ReturnType<typeof told>) =>
    alerts.map((one) => (one === undefined ? "" : `${one.reason} ${one.severity}`));

  test("tells of the third window as worse, whatever its slices", () => {
    const start = Date.UTC(2013, 1, 8);
    const ticks = [0, 1, 2, 3, 4].map((hour) =>
      hourTick(start + hour * HOUR, hour === 1 ? [mild(), mild({ slice: "origin=EWR" })] : [mild()]),
    );
    expect(severities(told(lasting(), ticks))).toEqual(["alarm P3", "", "worse P1", "", ""]);
  });

  test("counts windows that alarmed, not clean ones, nor revisions, nor those of another size", () => {
    const start = Date.UTC(2013, 1, 8);
    const ticks = [
      hourTick(start, [mild()]),
      hourTick(start + HOUR, [clean()]),
      hourTick(start + 2 * HOUR, [mild()]),
      hourTick(start + 2 * HOUR, [mild()], { revision: 1 }),
      dayTick(8, [mild()]),
      hourTick(start + 3 * HOUR, [mild()]),
    ];
    expect(severities(told(lasting(), ticks))).toEqual(["alarm P3", "", "", "", "", "worse P1"]);
  });

  test("counts a day of 23 hours as a day", () => {
    const ticks = [0, 1, 2].map((day) => dayTick(8 + day, [mild()]));
    const short = ticks.map((tick, at) => (at === 1 ? { ...tick, endMs: tick.endMs - HOUR } : tick));
    expect(severities(told(lasting(), short)).at(-1)).toBe("worse P1");
  });

  test("without one keeps that of the verdicts", () => {
    const ticks = [0, 1, 2].map((day) => dayTick(8 + day, [mild()]));
    expect(severities(told(tracker(), ticks))).toEqual(["alarm P3", "continues P3", "continues P3"]);
  });
});

describe("IncidentTracker laws", () => {
  const resolveAfter = fc.integer({ min: 1, max: 3 });

  test("one incident at a time: opened, then updated under its name, then resolved", () => {
    let incidentCount = 0;
    fc.assert(
      fc.property(anyTicks, resolveAfter, (ticks, after) => {
        const alerts = told(tracker({ resolveAfter: after }), ticks).filter((alert) => alert !== undefined);
        expect(orderProblem(alerts)).toBeUndefined();
        incidentCount += alerts.filter(({ state }) => state === "opened").length;
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect(incidentCount).toBeGreaterThan(300);
  });

  test("the law of one incident finds a second one, a wrong name and an end without a beginning", () => {
    const [opened, updated, resolved] = told(tracker(), [
      dayTick(8, [alarm()]),
      dayTick(9, [alarm()]),
      dayTick(10, [clean()]),
    ]) as [AlertRecord, AlertRecord, AlertRecord];
    expect(orderProblem([opened, updated, resolved])).toBeUndefined();
    expect(orderProblem([opened, opened])).toBe("opened while one is open");
    expect(orderProblem([opened, { ...updated, incident: "other" }])).toBe("updated of another incident");
    expect(orderProblem([resolved])).toBe("resolved while none is open");
  });

  test("a window that alarms for the first time leaves an incident open, and a clean one never opens one", () => {
    fc.assert(
      fc.property(anyTicks, resolveAfter, (ticks, after) => {
        const incidents = tracker({ resolveAfter: after });
        for (const tick of ticks) {
          const alert = incidents.update(tick);
          const alarms = tick.verdicts.some((verdict) => verdict.alarm);
          if (alarms && tick.revision === 0) expect(isOpen(incidents)).toBe(true);
          if (!alarms) expect(alert?.state ?? "resolved").toBe("resolved");
          if (tick.verdicts.every((verdict) => !verdict.judged)) expect(alert).toBeUndefined();
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("what is unknown says nothing: the alerts are the same without it", () => {
    fc.assert(
      fc.property(anyTicks, resolveAfter, (ticks, after) => {
        const known = ticks.map((tick) => ({ ...tick, verdicts: tick.verdicts.filter((verdict) => verdict.judged) }));
        expect(told(tracker({ resolveAfter: after }), known)).toEqual(told(tracker({ resolveAfter: after }), ticks));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("snapshot() taken through JSON has an identical future", () => {
    fc.assert(
      fc.property(anyTicks, fc.nat(60), resolveAfter, (ticks, cut, after) => {
        const whole = tracker({ resolveAfter: after });
        const first = told(whole, ticks.slice(0, cut));
        const resumed = tracker({ resolveAfter: after });
        resumed.restore(JSON.parse(JSON.stringify(whole.snapshot())));
        // As JSON, because that is how alerts leave, and JSON has no −0.
        expect(JSON.stringify(told(resumed, ticks.slice(cut)))).toBe(JSON.stringify(told(whole, ticks.slice(cut))));
        expect(told(tracker({ resolveAfter: after }), ticks.slice(0, cut))).toEqual(first);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("snapshot() does not change with the tracker, nor the tracker with the snapshot", () => {
    const incidents = tracker();
    incidents.update(dayTick(8, [alarm()]));
    const snapshot = incidents.snapshot();
    const before = JSON.stringify(snapshot);
    const resumed = tracker();
    resumed.restore(snapshot);
    resumed.update(dayTick(9, [alarm({ severity: "P0", causes: [cause("mean(x)")] })]));
    incidents.update(dayTick(9, [clean()]));
    expect(JSON.stringify(snapshot)).toBe(before);
  });

  test("alerts are JSON without loss: no NaN, no undefined; at most ten causes, each field once, shares that sum to at most 1", () => {
    fc.assert(
      fc.property(anyTicks, (ticks) => {
        const before = structuredClone(ticks);
        for (const alert of told(tracker(), ticks)) {
          if (alert === undefined) continue;
          expect(unprintable(alert)).toEqual([]);
          expect(alert.causes.length).toBeLessThanOrEqual(10);
          const names = alert.causes.map(({ fields, metric }) => fields.join("+") || metric);
          expect(new Set(names).size).toBe(names.length);
          expect(alert.causes.reduce((sum, { share }) => sum + share, 0)).toBeLessThanOrEqual(1 + 1e-9);
        }
        expect(ticks).toEqual(before);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("a reminder comes at least a day of event time after the newest window that was told", () => {
    let reminders = 0;
    fc.assert(
      fc.property(anyTicks, (ticks) => {
        let newest = Number.NEGATIVE_INFINITY;
        for (const alert of told(tracker({ resolveAfter: 2 }), ticks)) {
          if (alert === undefined) continue;
          const startMs = Date.parse(alert.windowStart);
          if (alert.reason === "continues") {
            expect(startMs - newest).toBeGreaterThanOrEqual(23 * HOUR);
            reminders++;
          }
          newest = alert.state === "opened" ? startMs : Math.max(newest, startMs);
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
    expect(reminders).toBeGreaterThan(20);
  });

  test("remembers at most 4,096 alarming windows of the open incident and of past ones", () => {
    const incidents = tracker();
    for (let hour = 0; hour < 9000; hour++) {
      const verdict = hour === 5000 ? clean() : alarm();
      incidents.update(hourTick(Date.UTC(2013, 1, 1, hour), [verdict]));
    }
    const { open, past } = incidents.snapshot() as { open: { alarming: string[] }; past: string[] };
    expect([open.alarming.length, past.length]).toEqual([3999, 4096]);
    expect(past.at(-1)).toBe(`all|${Date.UTC(2013, 1, 1, 4999)}|${Date.UTC(2013, 1, 1, 5000)}`);
  });
});

const FARE = { metric: "mean(fare)", fields: ["fare"], was: 11, is: 14.2 };

describe("IncidentTracker.update() while a metric settles", () => {
  const out = (more: Partial<SliceVerdict> = {}) => alarm({ isSettling: true, newLevels: [], ...more });
  const held = (more: Partial<SliceVerdict> = {}) => ({ ...clean(), isSettling: true, newLevels: [], ...more });
  const quiet = (more: Partial<SliceVerdict> = {}) => ({ ...clean(), isSettling: false, newLevels: [], ...more });

  test("no window is clean, so that a shift that now and then looks fine is one incident, and ends as a new level", () => {
    const incidents = tracker();
    const alerts = told(incidents, [
      dayTick(8, [out()]),
      dayTick(9, [held()]),
      dayTick(10, [out()]),
      dayTick(11, [held()]),
      dayTick(12, [out({ isSettling: false, newLevels: [FARE] })]),
      dayTick(13, [quiet()]),
    ]);
    expect(outline(alerts)).toEqual([
      "opened alarm 8",
      "",
      "updated continues 10",
      "",
      "updated continues 12",
      "resolved new-level 13",
    ]);
    expect(alerts.at(-1)?.sentence).toBe("13 Feb: quiet again at a new level: the mean of `fare` is 14.2 (was 11)");
    expect(alerts.at(-1)?.causes).toEqual([
      { fields: ["fare"], metric: "mean(fare)", share: 1, observed: 14.2, expected: 11, low: null, high: null },
    ]);
  });

  test("what comes back without a level is over as ever", () => {
    const alerts = told(tracker(), [dayTick(8, [out()]), dayTick(9, [held()]), dayTick(10, [quiet()])]);
    expect(outline(alerts)).toEqual(["opened alarm 8", "", "resolved clean 10"]);
  });

  test("a window that completes the level without an alarm resolves the incident by itself", () => {
    const alerts = told(tracker(), [dayTick(8, [out()]), dayTick(9, [quiet({ newLevels: [FARE] })])]);
    expect(outline(alerts)).toEqual(["opened alarm 8", "resolved new-level 9"]);
  });

  test("another size that settles holds the incident, too, as long as it is told of", () => {
    const night = Date.UTC(2013, 1, 8, 23);
    const hours = (from: number, count: number) =>
      Array.from({ length: count }, (_, hour) => hourTick(from + hour * HOUR, [quiet()]));
    const incidents = tracker();
    const alerts = told(incidents, [
      hourTick(night, [out()]),
      dayTick(8, [out()]),
      ...hours(night + HOUR, 23),
      dayTick(9, [quiet({ newLevels: [FARE] })]),
      ...hours(night + 24 * HOUR, 1),
    ]);
    expect(outline(alerts.slice(0, -1)).filter((line) => line !== "")).toEqual(["opened alarm 8"]);
    expect(alerts.at(-1)?.reason).toBe("new-level");
    // A slice that was retired, or a size that was dropped: two windows later nobody waits for it.
    const forgotten = tracker();
    const ends = told(forgotten, [hourTick(night, [out()]), dayTick(8, [out()]), ...hours(night + HOUR, 60)]);
    expect(outline(ends).filter((line) => line !== "")).toEqual(["opened alarm 8", "resolved clean 11"]);
  });

  test("the whole speaks for a metric before its slices, and a slice is named", () => {
    const newark = { ...FARE, is: 20 };
    const ends = (verdicts: readonly SliceVerdict[]) =>
      told(tracker(), [dayTick(8, [out()]), dayTick(9, verdicts)]).at(-1)?.sentence;
    const slice = quiet({ slice: "origin=EWR", newLevels: [newark] });
    expect(ends([quiet({ newLevels: [FARE] }), slice])).toBe(
      "9 Feb: quiet again at a new level: the mean of `fare` is 14.2 (was 11)",
    );
    expect(ends([quiet(), slice])).toBe(
      "9 Feb: quiet again at a new level: at origin=EWR the mean of `fare` is 20 (was 11)",
    );
  });

  test("restore() of a snapshot goes on settling, with the levels that there are", () => {
    const whole = tracker();
    told(whole, [dayTick(8, [out()]), dayTick(9, [held({ newLevels: [FARE] })])]);
    const parts = tracker();
    parts.restore(JSON.parse(JSON.stringify(whole.snapshot())));
    for (const incidents of [whole, parts]) {
      expect(outline(told(incidents, [dayTick(10, [held()]), dayTick(11, [quiet()])]))).toEqual([
        "",
        "resolved new-level 11",
      ]);
    }
  });
});

describe("IncidentTracker.update() on a past that a deployment trains on", () => {
  const past = (day: number, ...verdicts: Tick["verdicts"]) => dayTick(day, verdicts, { isBacktest: true });
  const now = (day: number, ...verdicts: Tick["verdicts"]) => dayTick(day, verdicts);
  /** As `outline()`, with a `*` at what is marked. */
  const marked = (alerts: readonly (AlertRecord | undefined)[]) =>
    outline(alerts).map((line, at) => line + (alerts[at]?.backtest === true ? " *" : ""));

  test("marks an incident up to its end, also where a window of now ends it", () => {
    const ticks = [past(8, alarm()), past(9, alarm()), past(10, clean()), past(11, alarm()), now(12, clean())];
    expect(marked(told(tracker(), ticks))).toEqual([
      "opened alarm 8 *",
      "updated continues 9 *",
      "resolved clean 10 *",
      "opened alarm 11 *",
      "resolved clean 12 *",
    ]);
  });

  test("tells of one that goes on with the first window that alarms, and from then on as of any", () => {
    const incidents = tracker({ resolveAfter: 2 });
    const alerts = told(incidents, [
      past(8, alarm()),
      now(9, clean()),
      now(10, alarm()),
      now(10, alarm()),
      now(11, clean()),
    ]);
    expect(marked(alerts)).toEqual(["opened alarm 8 *", "", "updated continues 10", "", ""]);
    expect(alerts[2]).toMatchObject({
      incident: alerts[0]!.incident,
      sentence: expect.stringMatching(/^10 Feb: 36 % of/),
    });
    expect(marked(told(incidents, [now(12, clean())]))).toEqual(["resolved clean 12"]);
  });

  test("tells of one that is not over although its windows do not alarm any more", () => {
    const settling = { ...clean(), isSettling: true, newLevels: [] };
    const incidents = tracker();
    const alerts = told(incidents, [past(8, alarm({ isSettling: true })), now(9, settling), now(10, settling)]);
    expect(marked(alerts)).toEqual(["opened alarm 8 *", "updated continues 9", ""]);
    expect(alerts[1]?.sentence).toBe("9 Feb: not back to normal, and not yet at a new level");
    expect(marked(told(incidents, [now(11, { ...clean(), isSettling: false })]))).toEqual(["resolved clean 11"]);
  });

  test("lets late events of the past take back what came from there, and adds nothing of them to what is wrong now", () => {
    const ahead = [past(8, alarm()), now(9, alarm())];
    const more = { ...past(7, alarm({ severity: "P0", causes: [cause("mean(fare)")] })), revision: 1 };
    expect(marked(told(tracker(), [...ahead, more]))).toEqual(["opened alarm 8 *", "updated continues 9", ""]);
    const back = [8, 9].map((day) => ({ ...(day === 8 ? past(8, clean()) : now(9, clean())), revision: 1 }));
    expect(marked(told(tracker(), [...ahead, ...back]))).toEqual([
      "opened alarm 8 *",
      "updated continues 9",
      "",
      "resolved corrected 9",
    ]);
    expect(marked(told(tracker(), [...ahead, ...back.toReversed()])).at(-1)).toBe("resolved corrected 8");
  });

  test("acknowledge() and reset() keep the mark", () => {
    const window = { startMs: Date.UTC(2013, 1, 8), endMs: Date.UTC(2013, 1, 9) };
    const open = () => {
      const incidents = tracker();
      told(incidents, [past(8, alarm())]);
      return incidents;
    };
    const words = { revision: 1, sentence: "" };
    expect(open().acknowledge(window, { isOver: false, ...words })).toMatchObject({ state: "updated", backtest: true });
    expect(open().acknowledge(window, { isOver: true, ...words })).toMatchObject({ state: "resolved", backtest: true });
    expect(open().reset(() => window)).toMatchObject({ reason: "reset", backtest: true });
  });

  test("never is an incident open in secret once a window of now has alarmed, also through snapshots", () => {
    let gone = 0;
    fc.assert(
      fc.property(anyTicks, fc.nat(20), fc.nat(60), (ticks, days, cut) => {
        const liveMs = Date.UTC(2013, 1, 1 + days);
        let incidents = tracker();
        const unmarked = new Set<string>();
        for (const [at, tick] of ticks.entries()) {
          if (at === cut) {
            const snapshot = JSON.parse(JSON.stringify(incidents.snapshot()));
            incidents = tracker();
            incidents.restore(snapshot);
          }
          const before = (incidents.snapshot() as { past: string[] }).past;
          const alert = incidents.update({ ...tick, isBacktest: tick.endMs <= liveMs });
          if (alert?.backtest === true) expect(unmarked.has(alert.incident)).toBe(false);
          else if (alert !== undefined) unmarked.add(alert.incident);
          // A window may open another one under the same id, when late events have changed another slice of it.
          if (alert?.state === "resolved") unmarked.delete(alert.incident);
          const key = (slice: string) => `${slice}|${tick.startMs}|${tick.endMs}`;
          const alarms = tick.verdicts.some(({ slice, alarm }) => alarm && !before.includes(key(slice)));
          if (tick.endMs <= liveMs || !alarms) continue;
          const { open } = incidents.snapshot() as { open: { id: string; isBacktest?: boolean } };
          expect(open.isBacktest).toBeUndefined();
          expect(unmarked).toContain(open.id);
          if (alert?.reason === "continues" && alert.state === "updated") gone++;
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
    expect(gone).toBeGreaterThan(50);
  });
});

/** What is wrong with the order of the alerts of one dataset. */
function orderProblem(alerts: readonly AlertRecord[]): string | undefined {
  let open: string | undefined;
  for (const { state, incident } of alerts) {
    if (state === "opened") {
      if (open !== undefined) return "opened while one is open";
      open = incident;
      continue;
    }
    if (open === undefined) return `${state} while none is open`;
    if (incident !== open) return `${state} of another incident`;
    if (state === "resolved") open = undefined;
  }
  return undefined;
}

/** What JSON would leave out or change to null. */
function unprintable(value: unknown): unknown[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(unprintable);
  return value === undefined || (typeof value === "number" && !Number.isFinite(value)) ? [value] : [];
}

function isOpen(incidents: IncidentTracker): boolean {
  return (incidents.snapshot() as { open: unknown }).open !== null;
}

import { describe, expect, test } from "vitest";
import { LedgerIncidents, type LedgerNews } from "../../src/alerts/ledger-incidents.ts";
import { isOwnIncident } from "../../src/core/verdict.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2026, 4, 1);

function news(minute: number, more: Partial<LedgerNews> = {}): LedgerNews {
  const timeMs = START + minute * MINUTE;
  return { topic: "trips", partition: 3, timeMs, unheard: new Map(), positions: new Map([[3, 4800]]), ...more };
}

function gap(expected: number, got: number): Partial<LedgerNews> {
  return { break: { kind: "offset-gap", expected, got, touched: { startMs: START, endMs: START + HOUR } } };
}

/** Through a checkpoint. */
function restored(incidents: LedgerIncidents): LedgerIncidents {
  const next = new LedgerIncidents("trips");
  next.restore(JSON.parse(JSON.stringify(incidents.snapshot())));
  return next;
}

describe("LedgerIncidents.update()", () => {
  test("opens an incident of its own for offsets never seen", () => {
    const [alert, ...others] = new LedgerIncidents("trips").update(news(0, gap(4711, 4801)));
    expect(others).toEqual([]);
    expect(alert).toEqual({
      incident: "trips/streamgauge/offset-gap/trips/3/4711-4801",
      state: "opened",
      dataset: "trips",
      slices: [],
      severity: "P1",
      windowStart: "2026-05-01T00:00:00.000Z",
      windowEnd: "2026-05-01T01:00:00.000Z",
      revision: 0,
      reason: "offset-gap",
      kind: null,
      sentence: "trips/3: offsets 4,711–4,800 were never seen; the windows touched are partial",
      causes: [],
      evidence: [{ topic: "trips", partition: 3, offset: 4711 }],
    });
    expect(isOwnIncident(alert!)).toBe(true);
    expect(
      isOwnIncident({ incident: "trips/2026-05-01T00:00:00.000Z/2026-05-02T00:00:00.000Z", dataset: "trips" }),
    ).toBe(false);
  });

  test("and for offsets counted twice, at the time of finding them where no event time is known", () => {
    const broken = { kind: "offset-overlap", expected: 10, got: 9 } as const;
    expect(new LedgerIncidents("trips").update(news(5, { break: broken }))).toMatchObject([
      {
        incident: "trips/streamgauge/offset-overlap/trips/3/9-10",
        reason: "offset-overlap",
        windowStart: "2026-05-01T00:05:00.000Z",
        windowEnd: "2026-05-01T00:05:00.001Z",
        sentence: "trips/3: offset 9 was counted twice; the windows touched are partial",
        evidence: [{ topic: "trips", partition: 3, offset: 9 }],
      },
    ]);
  });

  test("and for a topic that was created anew, each time", () => {
    const incidents = new LedgerIncidents("trips");
    const broken = { kind: "offset-reset", expected: 4711, got: 0 } as const;
    const [first] = incidents.update(news(5, { break: broken }));
    expect(first).toMatchObject({
      incident: "trips/streamgauge/offset-reset/trips/3/4711-0/2026-05-01T00:05:00.000Z",
      reason: "offset-reset",
      sentence:
        "trips/3: the topic was created anew: what the old one held from offset 4,711 on is lost; the windows touched are partial",
      evidence: [{ topic: "trips", partition: 3, offset: 0 }],
    });
    const [second] = incidents.update(news(9, { break: { ...broken, got: 7 } }));
    expect(second?.incident).not.toBe(first?.incident);
    expect(second?.sentence).toBe(
      "trips/3: the topic was created anew: what the old one held from offset 4,711 on is lost, and of the new one offsets 0–6 were not read; the windows touched are partial",
    );
  });

  test("opens one incident while a partition is not heard, and resolves it when it is, through restarts", () => {
    let incidents = new LedgerIncidents("trips");
    const unheard = new Map([[1, START]]);
    const opened = incidents.update(news(5, { unheard }));
    expect(opened).toMatchObject([
      {
        incident: "trips/streamgauge/unheard/trips/1/2026-05-01T00:00:00.000Z",
        state: "opened",
        reason: "unheard",
        windowStart: "2026-05-01T00:00:00.000Z",
        windowEnd: "2026-05-01T00:05:00.000Z",
        sentence: "trips/1: nothing heard for 5 min; windows wait for it",
        evidence: [],
      },
    ]);
    incidents = restored(incidents);
    expect(incidents.update(news(6, { unheard }))).toEqual([]);
    incidents = restored(incidents);
    // Another partition says nothing of it.
    expect(incidents.update(news(7, { unheard }))).toEqual([]);
    expect(incidents.update(news(9, { partition: 1, positions: new Map([[1, 7]]) }))).toMatchObject([
      {
        incident: opened[0]!.incident,
        state: "resolved",
        reason: "heard",
        severity: "P1",
        windowStart: "2026-05-01T00:00:00.000Z",
        windowEnd: "2026-05-01T00:09:00.000Z",
        sentence: "trips/1: heard again after 9 min",
        evidence: [{ topic: "trips", partition: 1, offset: 7 }],
      },
    ]);
    expect(restored(incidents).update(news(10, { partition: 1 }))).toEqual([]);
  });

  test("tells six of a partition an hour, and how many it left out with the next; of another partition as many", () => {
    let incidents = new LedgerIncidents("trips");
    const sentences: string[] = [];
    for (let at = 0; at < 20; at++) {
      incidents = restored(incidents);
      sentences.push(...incidents.update(news(at, gap(10 * at, 10 * at + 1))).map(({ sentence }) => sentence));
    }
    expect(sentences.length).toBe(6);
    expect(incidents.update(news(20, { ...gap(1, 2), partition: 0 })).length).toBe(1);
    const [next] = incidents.update(news(60, gap(1000, 1001)));
    expect(next?.sentence).toBe(
      "trips/3: offset 1,000 was never seen; the windows touched are partial; 14 more of this partition before it were not told",
    );
    expect(incidents.update(news(61, gap(2000, 2001)))[0]?.sentence).not.toContain("not told");
  });

  test("resolves what it opened, also when the hour is used up, and nothing that it left out", () => {
    const incidents = new LedgerIncidents("trips");
    const told: string[] = [];
    for (let at = 0; at < 10; at++) {
      const unheard = new Map([[3, START + at * MINUTE]]);
      for (const alert of incidents.update(news(2 * at, { partition: 0, unheard }))) told.push(alert.state);
      for (const alert of incidents.update(news(2 * at + 1))) told.push(alert.state);
    }
    expect(told).toEqual(Array.from({ length: 6 }, () => ["opened", "resolved"]).flat());
  });
});

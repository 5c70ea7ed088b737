import { expect, test } from "vitest";
import { rateOf, recoveries } from "./report.ts";

const LINES = [
  { partition: 0, consumed: 10, atMs: 1000 },
  { partition: 1, consumed: 20, atMs: 1500 },
  { partition: 0, consumed: 30, atMs: 7000 },
  { partition: 1, consumed: 40, atMs: 9000 },
  { partition: 0, consumed: 50, atMs: 9500 },
];

test("recoveries() waits for the last partition that a dead process held, and leaves out one that held none", () => {
  const deaths = [
    { atMs: 2000, partitions: [0, 1], judged: false },
    { atMs: 2000, partitions: [], judged: false },
    { atMs: 8000, partitions: [1], judged: false },
  ];
  expect(recoveries(deaths, LINES)).toEqual([7000, 1000]);
});

test("recoveries() takes a partition that never came back for one that takes for ever", () => {
  expect(recoveries([{ atMs: 9200, partitions: [0, 1], judged: false }], LINES)).toEqual([Number.POSITIVE_INFINITY]);
});

test("rateOf() counts the events of a stretch by the second", () => {
  expect(rateOf(LINES, 1000, 9000)).toBe(60 / 8);
});

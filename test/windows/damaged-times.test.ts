import fc from "fast-check";
import { expect, test } from "vitest";
import { DamagedTimes } from "../../src/windows/damaged-times.ts";

const range = fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 1, max: 20 })).map(([startMs, length]) => ({
  startMs,
  endMs: startMs + length,
}));

test("DamagedTimes.touches() is true for every time added, and for no other while few ranges are apart", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 100 }), range, (added, asked) => {
      const damaged = new DamagedTimes();
      for (const one of added) damaged.add(one);
      const expected = added.some((one) => one.startMs < asked.endMs && one.endMs > asked.startMs);
      expect(damaged.touches(asked)).toBe(expected);
      expect(new DamagedTimes(damaged.snapshot()).touches(asked)).toBe(expected);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("DamagedTimes.add() joins the closest ranges beyond its limit and loses none", () => {
  const damaged = new DamagedTimes();
  for (let i = 0; i < 1000; i++) damaged.add({ startMs: i * i * 10, endMs: i * i * 10 + 1 });
  expect(damaged.snapshot().length).toBe(256);
  for (let i = 0; i < 1000; i++) expect(damaged.touches({ startMs: i * i * 10, endMs: i * i * 10 + 1 })).toBe(true);
  expect(damaged.touches({ startMs: 999 * 999 * 10 - 9, endMs: 999 * 999 * 10 - 8 })).toBe(false);
});

test("DamagedTimes.forget() drops what ends before, DamagedTimes.add() takes no empty range", () => {
  const damaged = new DamagedTimes();
  damaged.add({ startMs: 0, endMs: 5 });
  damaged.add({ startMs: 9, endMs: 9 });
  damaged.forget(4);
  expect(damaged.snapshot()).toEqual([{ startMs: 0, endMs: 5 }]);
  damaged.forget(5);
  expect(damaged.isEmpty).toBe(true);
});

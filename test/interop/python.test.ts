/** Both directions against Python as it is installed: large sketches that it writes, and every sketch that we write. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import avsc from "avsc";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeProfiles } from "../../src/cli/profile.ts";
import { writeHll, writeHllOfHashes } from "../../src/sketches/datasketches-hll.ts";
import { writeFrequentStrings } from "../../src/sketches/datasketches-items.ts";
import { writeKll } from "../../src/sketches/datasketches-kll.ts";
import type { FrequentItems } from "../../src/sketches/frequent-items.ts";
import type { ProfileRecord } from "../../src/state/profile-container.ts";
import { runCommand } from "../cli/cli-kit.ts";
import { ROOT } from "../kafka/repository.ts";
import { describeWithPython, RANKS, readByPython, writtenByPython } from "./python.ts";
import { expectRead } from "./reading.ts";
import { countsOf, hllOf, itemsOf, kllOf, lowsOf } from "./values.ts";

const SIZES = [0, 1, 2, 7, 8, 10, 100, 200, 201, 384, 385, 1000, 4096, 10_000, 100_000, 1_000_000];
/** Of DataSketches' KLL with k = 200, twice, since the sketches have different coins and the tails are looked at, too. */
const RANK_ERROR = 2 * 0.0133;

describeWithPython("Apache DataSketches for Python", () => {
  test("reads the KLL sketches that we write", () => {
    const sketches = SIZES.map((n) => ({ n, sketch: kllOf(n) }));
    const read = readByPython(sketches.map(({ sketch }) => ({ kind: "kll", bytes: writeKll(sketch) })));
    sketches.forEach(({ n, sketch }, i) => {
      const told = read[i]!;
      expect(told.n).toBe(n);
      if (n === 0) return;
      expect([told.min, told.max]).toEqual([0, n - 1]);
      RANKS.forEach((rank, at) => {
        const quantile = told.quantiles[at]!;
        if (n <= 200) expect(quantile).toBe(sketch.quantile(rank));
        expect(Math.abs(quantile / n - rank)).toBeLessThanOrEqual(RANK_ERROR + 1 / n);
        expect(Math.abs(told.ranks[at]! - (quantile + 1) / n)).toBeLessThanOrEqual(RANK_ERROR);
      });
    });
  });

  test("reads the HLL sketches that we write, from hashes and from registers", () => {
    const ours = SIZES.flatMap((n) => [
      { n, estimate: n <= 384 ? n : hllOf(n).estimate(), bytes: writeHllOfHashes(lowsOf(n)) },
      { n, estimate: hllOf(n).estimate(), bytes: writeHll(hllOf(n)) },
    ]);
    const read = readByPython(ours.map(({ bytes }) => ({ kind: "hll8", bytes })));
    ours.forEach(({ n, estimate }, i) => {
      const told = read[i]!;
      expect(told.type).toBe("HLL_8");
      // Two estimators of the same registers.
      expect(Math.abs(told.estimate - estimate), `${n}`).toBeLessThanOrEqual(0.01 * estimate);
      expect(Math.abs(told.estimate - n), `${n}`).toBeLessThanOrEqual(0.065 * n);
    });
  });

  test("reads the frequent items that we write, exact and not", () => {
    const sizes = SIZES.filter((n) => n <= 100_000);
    const estimated = sizes.map((n) => ({ kind: "items" as const, bytes: bytesOf(itemsOf(n)) }));
    const exact = sizes.filter((n) => n <= 10_000).map((n) => ({ kind: "items" as const, bytes: exactBytes(n) }));
    const read = readByPython([...estimated, ...exact]);
    sizes.forEach((n, i) => {
      const told = read[i]!;
      const counts = countsOf(n);
      expect(told.totalWeight).toBe(n);
      for (const [text, estimate, lower, upper] of told.items) {
        const count = counts.get(text)!;
        expect([estimate, lower <= count, count <= upper]).toEqual([upper, true, true]);
      }
    });
    exact.forEach((_, i) => {
      const told = read[sizes.length + i]!;
      const counts = [...countsOf(sizes[i]!)].map(([text, count]) => [text, count, count, count]);
      expect(told.items).toHaveLength(counts.length);
      expect(new Set(told.items.map(String))).toEqual(new Set(counts.map(String)));
    });
  });

  test("writes sketches of 10^6 and 10^7 values, which we read", () => {
    const requests = (["kll", "hll4", "hll6", "hll8"] as const).flatMap((kind) =>
      [1_000_000, 10_000_000].map((n) => ({ kind, n })),
    );
    const written = writtenByPython([...requests, { kind: "items", n: 1_000_000 }]);
    expect(written.length).toBe(2 * 2 + 6 * 4 + 1);
    for (const sketch of written) expectRead(sketch);
  });
});

describeWithPython("a .profile of the flights", () => {
  let out = "";
  let records: ProfileRecord[] = [];
  beforeAll(async () => {
    out = mkdtempSync(join(tmpdir(), "streamgauge-interop-"));
    const inputs = [join(ROOT, "data/flights.avro")];
    await runCommand((io) => writeProfiles({ inputs, out, timeField: "time_hour", window: "30d", json: true }, io));
    for (const file of readdirSync(out)) records = [...records, ...(await recordsOf(join(out, file)))];
  });
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  test("Python reads every sketch in it: n, distinct values, counts", () => {
    expect(records.length).toBeGreaterThan(200);
    const kll = records.filter((record) => record.kll !== null);
    readByPython(kll.map((record) => ({ kind: "kll", bytes: record.kll! }))).forEach((told, i) => {
      const { field, values, nan, posInfinity, negInfinity, min, max } = kll[i]!;
      expect(told.n, field).toBe(values - nan - posInfinity - negInfinity);
      if (min !== null && told.n > 0) expect([told.min, told.max], field).toEqual([min, max]);
    });
    const hll = records.filter((record) => record.hll !== null);
    readByPython(hll.map((record) => ({ kind: "hll8", bytes: record.hll! }))).forEach((told, i) => {
      const { field, distinct } = hll[i]!;
      const apart = Math.abs(told.estimate - (distinct ?? 0));
      // Up to 4,096 distinct values `distinct` is exact, and only the registers of the HLL, from 385 on, are an estimate.
      expect(apart, `${field} ${told.estimate} ${distinct}`).toBeLessThanOrEqual(0.065 * (distinct ?? 0));
      if ((distinct ?? 0) < 380) expect(apart).toBeLessThan(0.01);
    });
    const items = records.filter((record) => record.frequentItems !== null);
    readByPython(items.map((record) => ({ kind: "items", bytes: record.frequentItems! }))).forEach((told, i) => {
      const { field, values, nan, posInfinity, negInfinity, distinct } = items[i]!;
      expect(told.totalWeight, field).toBe(values - nan - posInfinity - negInfinity);
      if ((distinct ?? 0) <= 4096) {
        expect(told.items.length, field).toBe(distinct ?? 0);
        expect(told.items.reduce((sum, [, count]) => sum + count, 0)).toBe(told.totalWeight);
      }
    });
    expect([kll, hll, items].map(({ length }) => length > 100)).toEqual([true, true, true]);
  });
});

function bytesOf(sketch: FrequentItems): Uint8Array {
  const items = sketch.top(sketch.capacity).map(({ label, lowerBound }) => ({ text: label!, count: lowerBound }));
  const { totalWeight, maximumError, capacity } = sketch;
  return writeFrequentStrings(items, { totalWeight, maximumError, slots: capacity });
}

function exactBytes(n: number): Uint8Array {
  const items = [...countsOf(n)].map(([text, count]) => ({ text, count }));
  return writeFrequentStrings(items, { totalWeight: n, maximumError: 0 });
}

async function recordsOf(path: string): Promise<ProfileRecord[]> {
  const records: ProfileRecord[] = [];
  for await (const record of avsc.createFileDecoder(path)) records.push(record as ProfileRecord);
  return records;
}

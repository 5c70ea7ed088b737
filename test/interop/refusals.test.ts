/** Bytes of others that are damaged, foreign or made to mislead: refused with the position, never an error of another kind. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StreamgaugeError } from "../../src/core/errors.ts";
import { readHll } from "../../src/sketches/datasketches-hll.ts";
import { readFrequentStrings } from "../../src/sketches/datasketches-items.ts";
import { readKll } from "../../src/sketches/datasketches-kll.ts";
import { golden, type Kind } from "./python.ts";

const READERS: Readonly<Record<Kind, (bytes: Uint8Array) => unknown>> = {
  kll: (bytes) => {
    const sketch = readKll(bytes);
    return [sketch.count, sketch.quantile(0.5), sketch.rank(0)];
  },
  items: (bytes) => readFrequentStrings(bytes).top(10),
  hll4: (bytes) => readHll(bytes).sketch.estimate(),
  hll6: (bytes) => readHll(bytes).sketch.estimate(),
  hll8: (bytes) => readHll(bytes).sketch.estimate(),
};
const KINDS = Object.keys(READERS) as Kind[];
/** Of a sketch of 100 values and of 1000. */
const SAMPLES = golden.cases.filter(({ n }) => n === 100 || n === 1000);

/** The message, or `undefined` when it was read. Another error than `SG_CORRUPT` fails the test. */
function refusal(kind: Kind, bytes: Uint8Array): string | undefined {
  try {
    READERS[kind](bytes);
    return undefined;
  } catch (error) {
    if (error instanceof StreamgaugeError && error.code === "SG_CORRUPT") return error.message;
    throw error;
  }
}

function sample(kind: Kind, n: number, form?: string): Buffer {
  const found = golden.cases.find((one) => one.kind === kind && one.n === n && (form ?? one.form) === one.form);
  return Buffer.from(found!.bytes, "base64");
}

describe.each(KINDS)("%s", (kind) => {
  const samples = SAMPLES.filter((one) => one.kind === kind).map((one) => Buffer.from(one.bytes, "base64"));

  test("every truncation and every byte too many is refused", () => {
    for (const bytes of samples) {
      for (let length = 0; length < bytes.length; length += 1 + (length >> 5)) {
        expect(refusal(kind, bytes.subarray(0, length)), `${length} of ${bytes.length}`).toBeDefined();
      }
      expect(refusal(kind, Buffer.concat([bytes, Buffer.of(0)]))).toBeDefined();
    }
  });

  test("sketches of the other kinds are refused", () => {
    for (const other of SAMPLES) {
      if (other.kind === kind || (kind.startsWith("hll") && other.kind.startsWith("hll"))) continue;
      expect(refusal(kind, Buffer.from(other.bytes, "base64"))).toMatch(/byte \d+: .*, expected /);
    }
  });

  test("any damage is read or refused, and nothing else happens", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)), {
          minLength: 1,
        }),
        (original, changes) => {
          const bytes = Buffer.from(original);
          // Half of the damage goes to the header.
          changes.forEach(([share, byte], i) => {
            bytes[Math.floor(share * (i % 2 === 0 ? 40 : bytes.length))] = byte;
          });
          refusal(kind, bytes);
        },
      ),
      { seed: 8, numRuns: 500 },
    );
  });

  test("any bytes are read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        refusal(kind, bytes);
      }),
      { seed: 9, numRuns: 500 },
    );
  });
});

describe("what is refused, and how it is said", () => {
  const changed = (bytes: Buffer, change: (view: DataView) => void): Buffer => {
    const copy = Buffer.from(bytes);
    change(new DataView(copy.buffer, copy.byteOffset, copy.length));
    return copy;
  };
  const kll = sample("kll", 1000);
  const items = sample("items", 100);
  const hll = sample("hll8", 1000, "compact");
  const set = sample("hll8", 100, "compact");
  const cases: readonly (readonly [string, Kind, Buffer, string])[] = [
    [
      "n that the levels do not have",
      "kll",
      changed(kll, (v) => v.setUint32(8, 1001, true)),
      "byte 20: levels of weight 1000, expected 1001",
    ],
    [
      "n beyond 2^53",
      "kll",
      changed(kll, (v) => v.setUint32(12, 1 << 30, true)),
      "byte 8: count 4611686018427389000, expected at most 2^53 - 1",
    ],
    [
      "mixed k",
      "kll",
      changed(kll, (v) => v.setUint16(16, 100, true)),
      "byte 16: least k 100, expected 200: the error of a mixed sketch is not known",
    ],
    ["another m", "kll", changed(kll, (v) => v.setUint8(6, 9)), "byte 6: m 9, expected 8"],
    ["62 levels", "kll", changed(kll, (v) => v.setUint8(18, 62)), "byte 18: 62 levels, expected 1 to 61"],
    [
      "a NaN",
      "kll",
      changed(kll, (v) => v.setFloat64(kll.length - 8, Number.NaN, true)),
      `byte ${kll.length - 8}: NaN, expected a number`,
    ],
    [
      "4 billion items",
      "items",
      changed(items, (v) => v.setUint32(8, 0xffff_ffff, true)),
      "byte 8: 4294967295 items, expected at most 192",
    ],
    [
      "less weight than counts",
      "items",
      changed(items, (v) => v.setUint32(16, 3, true)),
      "byte 16: total weight 3, expected at least 100, that of counts and error",
    ],
    ["text that is no UTF-8", "items", changed(items, (v) => v.setUint8(items.length - 1, 0xff)), "text at "],
    ["another lgK", "hll8", changed(hll, (v) => v.setUint8(3, 11)), "byte 3: lgK 11, expected 12"],
    ["another register", "hll8", changed(hll, (v) => v.setUint8(40, v.getUint8(40) + 1)), "byte 16: sum "],
    [
      "another kept estimate",
      "hll8",
      changed(hll, (v) => v.setFloat64(8, 3000, true)),
      "byte 8: estimate 3000, expected about ",
    ],
    [
      "flags that nobody has",
      "hll8",
      changed(hll, (v) => v.setUint8(5, 64)),
      "byte 5: flags 64, expected none beside 60",
    ],
    [
      "a coupon twice",
      "hll8",
      changed(set, (v) => v.setUint32(12, v.getUint32(16, true), true)),
      "byte 12: a coupon twice, expected 100 different ones",
    ],
    [
      "more coupons than a set has",
      "hll8",
      changed(set, (v) => v.setUint32(8, 0x4000_0000, true)),
      "byte 8: 1073741824 coupons, expected at most 384",
    ],
  ];
  test.each(cases)("%s", (_, kind, bytes, said) => {
    expect(refusal(kind, bytes)).toContain(`Cannot read sketch: ${said}`);
  });
});

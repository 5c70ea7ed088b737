/** Generated streams over the whole domain of a field: what the laws of the sketches are tried on. */
import fc from "fast-check";
import { SeededRandom } from "../../src/core/random.ts";
import { hashByteRanges, hashDoubles, hashWords } from "../../src/sketches/hash.ts";

/** A field's value: double, 64-bit integer or text. */
export type StreamValue = number | bigint | string;

const EXTREMES = [
  0,
  -0,
  Number.MIN_VALUE,
  -Number.MIN_VALUE,
  2.2250738585072014e-308,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  2 ** 53 + 2,
  2 ** 63,
  -(2 ** 63),
  2 ** -40,
  -1,
  0.1,
];

const LONGS = [0n, -1n, 1n, 2n ** 53n + 1n, 2n ** 53n - 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n, -(2n ** 32n)];

const TEXTS = [
  "",
  "\u0000",
  "\u0000\u0000",
  "\ufeffbom",
  "é",
  "🚀",
  "__proto__",
  "x".repeat(2000),
  "12345678",
  "123456789",
  "2013-02-08T06:00",
  "8/2/2013",
  " \t",
  "-1.5e3",
];

const value: fc.Arbitrary<StreamValue> = fc.oneof(
  fc.double(),
  fc.constantFrom(...EXTREMES),
  fc.integer({ min: -20, max: 20 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(...LONGS),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom(...TEXTS),
);

/** Long streams are described by a few numbers, so that a failure stays small enough to read. */
const shaped: fc.Arbitrary<StreamValue[]> = fc
  .record({
    shape: fc.constantFrom("ascending", "descending", "few", "unique", "skewed", "timestamps", "texts", "longs"),
    seed: fc.integer(),
    length: fc.integer({ min: 200, max: 2000 }),
  })
  .map(({ shape, seed, length }) => shapedStream(shape, seed, length));

/** At most 2000 values, so that an exact dictionary holds two of them. */
export const stream: fc.Arbitrary<StreamValue[]> = fc.oneof(
  { weight: 3, arbitrary: fc.array(value, { maxLength: 60 }) },
  { weight: 2, arbitrary: shaped },
);

/** A stream cut into parts, some of them empty. */
export const parts: fc.Arbitrary<StreamValue[][]> = fc
  .tuple(stream, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }))
  .map(([values, cuts]) => {
    const positions = [0, ...cuts.map((cut) => Math.floor(cut * values.length)).sort((a, b) => a - b), values.length];
    return positions.slice(1).map((end, i) => values.slice(positions[i], end));
  });

export function numbersOf(values: readonly StreamValue[]): Float64Array {
  return Float64Array.from(values.filter((one) => typeof one === "number"));
}

export function withoutNaN(values: Float64Array): Float64Array {
  return values.filter((one) => !Number.isNaN(one));
}

export interface Words {
  readonly lo: Int32Array;
  readonly hi: Int32Array;
}

export function longsOf(values: readonly StreamValue[]): Words {
  const longs = BigInt64Array.from(values.filter((one) => typeof one === "bigint"));
  return {
    lo: Int32Array.from(longs, (one) => Number(BigInt.asIntN(32, one))),
    hi: Int32Array.from(longs, (one) => Number(one >> 32n)),
  };
}

/** The hash of each value, by the function for its type. */
export function hashesOf(values: readonly StreamValue[]): Words {
  const lo = new Int32Array(values.length);
  const hi = new Int32Array(values.length);
  const oneLo = new Int32Array(1);
  const oneHi = new Int32Array(1);
  values.forEach((one, i) => {
    if (typeof one === "number") {
      hashDoubles(Float64Array.of(one), 1, oneLo, oneHi);
    } else if (typeof one === "bigint") {
      const words = longsOf([one]);
      hashWords(words.lo, words.hi, 1, oneLo, oneHi);
    } else {
      const bytes = new TextEncoder().encode(one);
      hashByteRanges(bytes, Int32Array.of(0), Int32Array.of(bytes.length), 1, oneLo, oneHi);
    }
    lo[i] = oneLo[0]!;
    hi[i] = oneHi[0]!;
  });
  return { lo, hi };
}

function shapedStream(shape: string, seed: number, length: number): StreamValue[] {
  const random = new SeededRandom(seed);
  return Array.from({ length }, (_, i): StreamValue => {
    switch (shape) {
      case "ascending":
        return i - length / 2;
      case "descending":
        return length / 2 - i;
      case "few":
        return random.below(5) - 2;
      case "skewed":
        return Math.round(1 / (random.next() + 1e-9)) - 3;
      case "timestamps":
        return 1.7e12 + i * 10 + random.below(1000);
      case "texts":
        return `item-${Math.floor(1 / (random.next() + 1e-3))}`;
      case "longs":
        return 2n ** 53n + BigInt(random.below(2000)) - 1000n;
      default:
        return (random.next() - 0.5) * 1e6;
    }
  });
}

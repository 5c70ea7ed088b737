import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";

const SEED = 20_130_217;

describe("SeededRandom", () => {
  test("is splitmix32: the same numbers as the algorithm over big integers", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new SeededRandom(seed);
        const reference = splitmix32(seed);
        for (let i = 0; i < 20; i++) expect(random.nextUint32()).toBe(reference());
      }),
      { seed: SEED, numRuns: 500, examples: [[0], [-1], [2 ** 31 - 1], [-(2 ** 31)]] },
    );
  });

  test("gives the same for the same seed, and other numbers for another", () => {
    const draw = (seed: number) => Array.from({ length: 10 }, mapped(new SeededRandom(seed)));
    expect(draw(42)).toEqual(draw(42));
    expect(draw(42)).not.toEqual(draw(43));
    // Seeds beyond 32 bits count by their low 32 bits, as states do.
    expect(draw(2 ** 32 + 42)).toEqual(draw(42));
  });

  test("goes on from its state", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(50), (seed, steps) => {
        const random = new SeededRandom(seed);
        for (let i = 0; i < steps; i++) random.next();
        const resumed = new SeededRandom(JSON.parse(JSON.stringify(random.state)));
        expect(Array.from({ length: 10 }, mapped(resumed))).toEqual(Array.from({ length: 10 }, mapped(random)));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("looking at the state changes nothing", () => {
    const [looked, not] = [new SeededRandom(7), new SeededRandom(7)];
    expect(looked.state).toBe(looked.state);
    expect(looked.next()).toBe(not.next());
  });

  test("draws from [0, 1), [0, bound) and both bits, each about as often as another", () => {
    const random = new SeededRandom(SEED);
    const draws = 60_000;
    const counts = new Array<number>(6).fill(0);
    let [ones, sum] = [0, 0];
    for (let i = 0; i < draws; i++) {
      counts[random.below(6)]!++;
      ones += random.bit();
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      sum += value;
    }
    // Five standard deviations, with a fixed seed.
    for (const count of counts) expect(Math.abs(count - draws / 6)).toBeLessThan(5 * Math.sqrt(draws * (5 / 36)));
    expect(Math.abs(ones - draws / 2)).toBeLessThan(5 * Math.sqrt(draws / 4));
    expect(Math.abs(sum - draws / 2)).toBeLessThan(5 * Math.sqrt(draws / 12));
    expect(random.below(1)).toBe(0);
  });
});

const mapped = (random: SeededRandom) => () => random.nextUint32();

/** Steele, Lea, Flood's SplitMix on 32 bits with the finaliser's constants of C. Wellons's hash-prospector. */
function splitmix32(seed: number): () => number {
  const low = (value: bigint) => BigInt.asUintN(32, value);
  let state = low(BigInt(seed));
  return () => {
    state = low(state + 0x9e3779b9n);
    let z = state;
    z = low((z ^ (z >> 16n)) * 0x21f0aaadn);
    z = low((z ^ (z >> 15n)) * 0x735a2d97n);
    return Number(z ^ (z >> 15n));
  };
}

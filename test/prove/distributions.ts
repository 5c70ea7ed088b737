/** Streams on which the bounds of the sketches are tried. */
import type { SeededRandom } from "../../src/core/random.ts";

/** The value at `index` of `count`. */
export type Draw = (random: SeededRandom, index: number, count: number) => number;

export const DISTRIBUTIONS: Readonly<Record<string, Draw>> = {
  uniform: (random) => random.next(),
  lognormal: (random) => Math.exp(3 * normal(random)),
  Pareto: (random) => 1 / (random.next() + 1e-12),
  sorted: (_, index) => index,
  reversed: (_, index, count) => count - index,
  sawtooth: (_, index) => index % 997,
  "few distinct": (random) => random.below(10),
  timestamps: (random, index) => 1.7e12 + index * 10 + random.below(1000),
};

/** How often items occur: the larger, the rarer. */
export const ITEM_STREAMS: Readonly<Record<string, Draw>> = {
  Zipf: (random) => Math.floor(1 / (random.next() + 1e-5)),
  uniform: (random) => random.below(1000),
  unique: (_, index) => index,
  "a few among unique ones": (random, index) => (random.below(3) === 0 ? -1 - random.below(20) : index),
  bursts: (_, index) => Math.floor(index / 100),
};

/** Sum of 12 uniform values: near enough to a normal one. */
function normal(random: SeededRandom): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.next();
  return sum;
}

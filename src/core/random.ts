/**
 * A seeded generator: chance is an argument, so that every run can be repeated.
 * Algorithm: splitmix32 (a 32-bit Weyl sequence through a murmur3-like finaliser); period 2^32,
 * enough for sampling decisions and tests, not for cryptography.
 */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** Uniform on all 32-bit unsigned integers. */
  nextUint32(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.nextUint32() / 4294967296;
  }

  /** Uniform integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  bit(): 0 | 1 {
    return (this.nextUint32() >>> 31) as 0 | 1;
  }

  /** The whole state, for a checkpoint; `new SeededRandom(state)` goes on from there. */
  get state(): number {
    return this.#state;
  }
}

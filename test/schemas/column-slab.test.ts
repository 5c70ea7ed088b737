import { expect, test } from "vitest";
import { ColumnSlab } from "../../src/schemas/column-slab.ts";
import { fieldOf } from "../profiles/column-batches.ts";

test("ColumnSlab.grow() of one column again and again leaves no places behind, and keeps its values", () => {
  const fields = [fieldOf("other", "long"), fieldOf("values", "long")];
  const slab = new ColumnSlab(fields, new Set(), 8);
  const [count, words, stride, numbers] = [8, 11, 10, 12];
  let filled = 0;
  let capacity = 8;
  while (capacity < 65_536) {
    for (; filled < capacity; filled++) {
      for (let lane = 0; lane < 3; lane++) {
        slab.words[slab.table[words]! + lane * slab.table[stride]! + filled] = 3 * filled + lane;
      }
      slab.numbers[slab.table[numbers]! + filled] = filled / 2;
    }
    slab.table[count] = filled;
    slab.grow(1);
    capacity = slab.table[9]!;
  }
  for (let at = 0; at < filled; at++) {
    const lanes = [0, 1, 2].map((lane) => slab.words[slab.table[words]! + lane * slab.table[stride]! + at]);
    if (lanes.some((word, lane) => word !== 3 * at + lane)) expect(lanes, `value ${at}`).toEqual([]);
    if (slab.numbers[slab.table[numbers]! + at] !== at / 2) expect.fail(`number ${at}`);
  }
  // Three words and a double for each value; arrays double.
  expect(slab.words.length).toBeLessThan(2.1 * 3 * capacity);
  expect(slab.numbers.length).toBeLessThan(2.1 * capacity);
  expect(slab.table[words]).toBeLessThan(1000);
});

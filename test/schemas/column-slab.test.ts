import { expect, test } from "vitest";
import type { FieldDescriptor } from "../../src/core/column-batch.ts";
import { BatchHeap } from "../../src/schemas/batch-heap.ts";
import {
  AT_CAPACITY,
  AT_COUNT,
  AT_NUMBERS,
  AT_STRIDE,
  AT_WORDS,
  COLUMN_WORDS,
  ColumnSlab,
} from "../../src/schemas/column-slab.ts";
import { fieldOf } from "../profiles/column-batches.ts";

const VALUES = 65_536;

function slabOf(fields: readonly FieldDescriptor[], isPlain: boolean) {
  const heap = new BatchHeap(ColumnSlab.firstBytes(fields, 8), isPlain);
  return { heap, slab: new ColumnSlab(fields, new Set(), 8, heap) };
}

/** Fills columns up to their capacity, and lets each grow when it is full, until they have room for `VALUES`. */
function fill(slab: ColumnSlab, columns: readonly number[], lanes: number): void {
  let filled = 0;
  for (let capacity = 8; capacity < VALUES; capacity *= 2) {
    for (; filled < capacity; filled++) {
      for (const column of columns) {
        const at = (entry: number) => slab.table[column * COLUMN_WORDS + entry]!;
        for (let lane = 0; lane < lanes; lane++) {
          slab.words[at(AT_WORDS) + lane * at(AT_STRIDE) + filled] = 3 * filled + lane + column;
        }
        if (lanes === 1 || column > 0) slab.numbers[at(AT_NUMBERS) + filled] = filled / 2 + column;
      }
    }
    for (const column of columns) {
      slab.table[column * COLUMN_WORDS + AT_COUNT] = filled;
      slab.grow(column);
    }
  }
}

/** Fails unless the column holds what `fill()` has put there. */
function expectFilled(slab: ColumnSlab, column: number, lanes: number): void {
  const at = (entry: number) => slab.table[column * COLUMN_WORDS + entry]!;
  expect([at(AT_CAPACITY), at(AT_COUNT)]).toEqual([VALUES, VALUES / 2]);
  for (let value = 0; value < VALUES / 2; value++) {
    for (let lane = 0; lane < lanes; lane++) {
      const word = slab.words[at(AT_WORDS) + lane * at(AT_STRIDE) + value];
      if (word !== 3 * value + lane + column) expect.fail(`word ${value} of lane ${lane} is ${word}`);
    }
    if (lanes === 3 && column === 0) continue;
    const number = slab.numbers[at(AT_NUMBERS) + value];
    if (number !== value / 2 + column) expect.fail(`number ${value} is ${number}`);
  }
}

test.each([
  ["WebAssembly's memory", false],
  ["a plain buffer", true],
])(
  "ColumnSlab.grow() of one column again and again leaves no places behind, and keeps its values, in %s",
  (_, isPlain) => {
    const { heap, slab } = slabOf([fieldOf("other", "string"), fieldOf("values", "long")], isPlain);
    fill(slab, [1], 3);
    expectFilled(slab, 1, 3);
    // Three words and a double for each value; the heap grows by half of what it is.
    expect(heap.bytes.length).toBeLessThan(1.6 * 20 * VALUES);
    expect(slab.table[COLUMN_WORDS + AT_WORDS]).toBeLessThan(4 * VALUES);
  },
);

test("ColumnSlab.grow() of columns in turn keeps the values of each, and loses at most as much as they have", () => {
  const { heap, slab } = slabOf([fieldOf("a", "string"), fieldOf("b", "long")], false);
  fill(slab, [0, 1], 3);
  expectFilled(slab, 0, 3);
  expectFilled(slab, 1, 3);
  expect(heap.bytes.length).toBeLessThan(1.6 * 2 * (12 + 20) * VALUES);
  const numbers = slabOf([fieldOf("a", "int"), fieldOf("b", "double")], true).slab;
  fill(numbers, [0, 1], 1);
  expectFilled(numbers, 0, 1);
  expectFilled(numbers, 1, 1);
});

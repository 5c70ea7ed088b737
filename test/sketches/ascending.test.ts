import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ascendingOrder } from "../../src/sketches/ascending.ts";

test.each([1, 1000, 2 ** 22, 2 ** 31, 2 ** 33, 2 ** 50])(
  "ascendingOrder() of integers up to %i on either side of 0",
  (most) => {
    const integer = fc.maxSafeInteger().map((value) => (value % most) + 0);
    fc.assert(
      fc.property(fc.uniqueArray(integer, { maxLength: 300, selector: (value) => value + 0 }), (integers) => {
        const values = Float64Array.from(integers);
        const order = Array.from(ascendingOrder(values, values.length), (index) => values[index]);
        expect(order).toEqual(integers.toSorted((a, b) => a - b));
      }),
      { seed: 20_261_129, numRuns: 200 },
    );
  },
);

test("ascendingOrder() of more values than it has room for at first", () => {
  const values = Float64Array.from({ length: 10_000 }, (_, i) => (i * 7_919) % 10_007);
  expect(Array.from(ascendingOrder(values, values.length), (index) => values[index])).toEqual([...values.toSorted()]);
});

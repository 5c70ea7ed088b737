import { expect, test } from "vitest";
import { RingTails, TAIL_EVERY } from "../../src/anomaly/ring-tails.ts";
import { tailOf } from "../../src/anomaly/tail.ts";
import { WindowRing } from "../../src/anomaly/window-ring.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian } from "./stream.ts";

const SLOTS = 10;
const WINDOWS = 80;
const turnOf = (slot: number) => 1_000_003 * slot;

function rows(count: number): Float32Array[] {
  const random = new SeededRandom(4);
  return Array.from({ length: count }, () => Float32Array.from({ length: SLOTS }, () => gaussian(random)));
}

test("RingTails.tail() rests on windows of which the newest is at most six old, whenever it is asked", () => {
  const ring = new WindowRing(WINDOWS + TAIL_EVERY);
  const asked = new RingTails(ring, WINDOWS, 0, turnOf);
  const all = rows(300);
  for (const [index, row] of all.entries()) {
    ring.push(index, row);
    // One that is asked each time, one that is new: when somebody asked does not show.
    const fresh = new RingTails(ring, WINDOWS, 0, turnOf);
    for (let slot = 0; slot < SLOTS; slot++) {
      const tail = asked.tail(slot);
      expect(fresh.tail(slot)).toEqual(tail);
      const candidates = Array.from({ length: TAIL_EVERY }, (_, age) => {
        const end = index + 1 - age;
        return tailOf(
          Float64Array.from(all.slice(Math.max(0, end - WINDOWS), Math.max(0, end)), (r) => Math.abs(r[slot]!)),
        );
      });
      expect(candidates).toContainEqual(tail);
    }
  }
});

test("RingTails.tail() of a restored ring is the same, and a slot that goes to another metric begins anew", () => {
  const ring = new WindowRing(WINDOWS + TAIL_EVERY);
  const tails = new RingTails(ring, WINDOWS, 21, turnOf);
  for (const [index, row] of rows(150).entries()) {
    ring.push(index, row);
    for (let slot = 0; slot < SLOTS; slot++) tails.tail(slot);
  }
  const restored = new WindowRing(WINDOWS + TAIL_EVERY, JSON.parse(JSON.stringify(ring.snapshot())));
  const again = new RingTails(restored, WINDOWS, 21, turnOf);
  for (let slot = 0; slot < SLOTS; slot++) expect(again.tail(slot)).toEqual(tails.tail(slot));
  ring.clearSlot(3);
  tails.forget(3);
  expect(tails.tail(3)).toBeUndefined();
  expect(tails.tail(4)).toBeDefined();
});

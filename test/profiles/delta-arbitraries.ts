/** Records of the profiles topic over their whole domain. */
import fc from "fast-check";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { DeltaOrigin } from "../../src/profiles/delta-codec.ts";

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const slice = fc.oneof(text, fc.constantFrom("all", "origin=JFK", "", "\ufeffx", "\u0000", "😀", "x".repeat(300)));
const count = fc.oneof(fc.nat(200), fc.maxSafeNat());
const int = fc.oneof(fc.nat(100), fc.constant(2 ** 31 - 1));
const timeMs = fc.oneof(
  fc.integer({ min: -8.64e15, max: 8.64e15 }),
  fc.constantFrom(0, -1, 8.64e15, -8.64e15, -(2 ** 52) - 1, 2 ** 52 + 1),
);
const eventTimeMs = fc.double({ min: -8.64e15, max: 8.64e15, noNaN: true });

export const anyOrigin: fc.Arbitrary<DeltaOrigin> = fc.record({
  dataset: text,
  topic: text,
  partition: int,
  fromOffset: count,
  toOffset: count,
});

export const anyPane = fc.record({ slice, paneStartMs: timeMs, profile: fc.uint8Array({ maxLength: 60 }) });

export const anyEntry: fc.Arbitrary<LedgerEntry> = fc
  .tuple(
    anyOrigin,
    fc.record(
      {
        partitionCount: int,
        topicId: text,
        caughtUp: fc.boolean(),
        ended: fc.boolean(),
        wallTimeMs: timeMs,
        maxEventTimeMs: eventTimeMs,
        counts: fc.record({
          consumed: count,
          valid: count,
          invalid: count,
          undecodable: count,
          tombstone: count,
          future: count,
          late: fc.constant(0),
          filtered: count,
        }),
      },
      { requiredKeys: ["partitionCount", "caughtUp", "ended", "wallTimeMs", "counts"], noNullPrototype: true },
    ),
  )
  .map(([origin, rest]) => ({ ...origin, ...rest }));

export const anyPaneRecords = int;

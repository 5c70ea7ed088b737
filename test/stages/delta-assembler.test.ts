import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { LogRecord } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { encodeLedger, encodePane } from "../../src/profiles/delta-codec.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { DeltaAssembler, type Flush } from "../../src/stages/delta-assembler.ts";

const SEED = 20_130_214;
const TOPIC = "sg.profiles";
const PANE_MS = 3_600_000;

/** A flush of one partition: the rows of each of its panes, and how small its parts are cut. */
interface Plan {
  readonly partition: number;
  readonly fromOffset: number;
  readonly panes: readonly { readonly slice: string; readonly rows: number }[];
  readonly maxPartBytes?: number;
}

function entryOf({ partition, fromOffset }: Plan): LedgerEntry {
  return {
    dataset: "flights",
    topic: "flights",
    partition,
    partitionCount: 4,
    fromOffset,
    toOffset: fromOffset + 10,
    caughtUp: false,
    ended: false,
    wallTimeMs: 0,
    counts: emptyCounts(),
  };
}

/** The records of a flush: its panes, then its ledger entry. */
function valuesOf(plan: Plan): Uint8Array[] {
  const entry = entryOf(plan);
  const panes = plan.panes.flatMap(({ slice, rows }, index) => {
    const profile = Profile.empty(1);
    profile.valid = rows;
    return encodePane(entry, { slice, paneStartMs: index * PANE_MS, profile: profile.write() }, plan.maxPartBytes);
  });
  return [...panes, encodeLedger(entry, panes.length)];
}

function recordsOf(values: readonly (Uint8Array | null)[], firstOffset = 0): LogRecord[] {
  return values.map((value, i) => ({ offset: firstOffset + i, timestampMs: 0, key: null, value, headers: [] }));
}

/** What the records complete, `undefined` where they complete nothing. */
function taken(assembler: DeltaAssembler, records: readonly LogRecord[]): (Flush | undefined)[] {
  return records.map((record) => assembler.take(record, TOPIC, 0));
}

/** A flush as its plan would tell it. */
function planned(plan: Plan) {
  return { entry: entryOf(plan), panes: plan.panes.map((pane, index) => ({ ...pane, paneStartMs: index * PANE_MS })) };
}

function told(flush: Flush | undefined) {
  if (flush === undefined) return undefined;
  const panes = flush.panes.map(({ slice, paneStartMs, profile }) => ({ slice, paneStartMs, rows: profile.valid }));
  return { entry: flush.entry, panes };
}

const corruptAt = (offset: number) =>
  expect.objectContaining({
    code: "SG_CORRUPT",
    message: expect.stringContaining(`(${TOPIC}[0]@${offset})`),
  });

const PLAN: Plan = {
  partition: 2,
  fromOffset: 100,
  panes: [
    { slice: "all", rows: 7 },
    { slice: "origin=JFK", rows: 3 },
  ],
};

describe("DeltaAssembler.take()", () => {
  test("gives a flush with the record that completes it, its panes in order", () => {
    const flushes = taken(new DeltaAssembler(), recordsOf(valuesOf(PLAN)));
    expect(flushes.map(told)).toEqual([undefined, undefined, planned(PLAN)]);
  });

  test("gives a flush without panes at once, also the same one twice", () => {
    const empty = { ...PLAN, panes: [] };
    const flushes = taken(new DeltaAssembler(), recordsOf([...valuesOf(empty), ...valuesOf(empty)]));
    expect(flushes.map(told)).toEqual([planned(empty), planned(empty)]);
  });

  test("joins the parts of a profile", () => {
    const plan = { ...PLAN, maxPartBytes: 10 };
    const values = valuesOf(plan);
    expect(values.length).toBeGreaterThan(6);
    expect(told(taken(new DeltaAssembler(), recordsOf(values)).at(-1))).toEqual(planned(plan));
  });

  test("passes over records without a value", () => {
    const values = valuesOf(PLAN).flatMap((value) => [null, value]);
    expect(told(taken(new DeltaAssembler(), recordsOf(values)).at(-1))).toEqual(planned(PLAN));
  });

  test("keeps flushes of several partitions apart, however their records lie among each other", () => {
    fc.assert(
      fc.property(anyPlans, fc.integer(), (plans, seed) => {
        const { records, flushOf } = interleaved(plans, seed);
        const assembler = new DeltaAssembler();
        const completed: number[] = [];
        for (const [at, flush] of taken(assembler, records).entries()) {
          if (flush === undefined) continue;
          expect(told(flush)).toEqual(planned(plans[flushOf[at]!]!));
          expect(flushOf.lastIndexOf(flushOf[at]!)).toBe(at);
          completed.push(flushOf[at]!);
        }
        expect(completed.toSorted((a, b) => a - b)).toEqual(plans.map((_, flush) => flush));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});

describe("DeltaAssembler.take() refuses", () => {
  test("a flush of which any one pane record is missing, with topic, partition and offset", () => {
    const before = valuesOf({ ...PLAN, fromOffset: 90 });
    const values = valuesOf({ ...PLAN, maxPartBytes: 10 });
    for (let missing = 0; missing < values.length - 1; missing++) {
      const records = recordsOf([...before, ...values.toSpliced(missing, 1)], 500);
      const last = records.pop()!;
      const assembler = new DeltaAssembler();
      taken(assembler, records);
      expect(() => assembler.take(last, TOPIC, 0), `record ${missing}`).toThrowError(corruptAt(last.offset));
      expect(() => assembler.take(last, TOPIC, 0)).toThrowError(
        expect.objectContaining({ message: expect.stringMatching(/^Cannot apply flush: 0 of \d+ pane records/) }),
      );
    }
  });

  test("such a flush also as the first of its partition, where the topic is read from its beginning", () => {
    const records = recordsOf(valuesOf(PLAN).toSpliced(0, 1));
    expect(() => taken(new DeltaAssembler(), records)).toThrowError(corruptAt(1));
  });

  test("a flush with a pane record too many", () => {
    const values = valuesOf(PLAN);
    const records = recordsOf([values[0]!, ...values], 8);
    const assembler = new DeltaAssembler();
    taken(assembler, records.slice(0, -1));
    expect(() => assembler.take(records.at(-1)!, TOPIC, 0)).toThrowError(corruptAt(11));
  });

  test("parts that are not in order, and parts of two panes for one", () => {
    const [first, second, ...rest] = valuesOf({ ...PLAN, maxPartBytes: 10 });
    const notInOrder = expect.objectContaining({
      code: "SG_CORRUPT",
      message: expect.stringMatching(/^Cannot join parts: they are not in order/),
    });
    expect(() => taken(new DeltaAssembler(), recordsOf([second!, first!, ...rest]))).toThrowError(notInOrder);
    // Both of two parts; of one slice, but two panes.
    const entry = entryOf(PLAN);
    const half = (paneStartMs: number) =>
      encodePane(entry, { slice: "all", paneStartMs, profile: new Uint8Array(8) }, 4);
    const mixed = [half(0)[0]!, half(PANE_MS)[1]!, encodeLedger(entry, 2)];
    expect(() => taken(new DeltaAssembler(), recordsOf(mixed))).toThrowError(notInOrder);
  });

  test("bytes that are no delta, and a profile that is damaged", () => {
    expect(() => new DeltaAssembler().take(recordsOf([Uint8Array.of(1, 2)], 41)[0]!, TOPIC, 0)).toThrowError(
      corruptAt(41),
    );
    const [pane, ...rest] = valuesOf(PLAN);
    const damaged = pane!.slice();
    damaged[damaged.length - 1]! ^= 1;
    expect(() => taken(new DeltaAssembler(), recordsOf([damaged, ...rest]))).toThrowError(corruptAt(2));
  });

  test("more than 20,000 flushes without a ledger record", () => {
    const assembler = new DeltaAssembler();
    const profile = Profile.empty(1).write();
    const open = (partition: number) =>
      assembler.take(
        recordsOf(
          encodePane(entryOf({ ...PLAN, partition }), { slice: "all", paneStartMs: 0, profile }),
          partition,
        )[0]!,
        TOPIC,
        0,
      );
    for (let partition = 0; partition < 20_000; partition++) open(partition);
    expect(() => open(20_000)).toThrowError(corruptAt(20_000));
  });
});

describe("DeltaAssembler.take() where reading begins in the middle", () => {
  test("leaves out the first flush of each partition when it began before, and only that", () => {
    const [a, b] = [PLAN, { ...PLAN, partition: 3 }].map(valuesOf) as [Uint8Array[], Uint8Array[]];
    // b began before; a is whole; then b is whole, and its next flush is not.
    const values = [a[0]!, b[1]!, b[2]!, a[1]!, a[2]!, ...b, b[1]!, b[2]!];
    const assembler = new DeltaAssembler();
    const records = recordsOf(values, 60);
    const flushes = taken(assembler, records.slice(0, -1));
    expect(flushes.map((flush) => flush?.entry.partition)).toEqual(
      [undefined, undefined, undefined, undefined, 2].concat(undefined, undefined, 3, undefined),
    );
    expect(() => assembler.take(records.at(-1)!, TOPIC, 0)).toThrowError(corruptAt(69));
  });
});

describe("DeltaAssembler.position()", () => {
  test("is that of the next record while every flush is whole", () => {
    const assembler = new DeltaAssembler();
    expect(assembler.position(77)).toBe(77);
    taken(assembler, recordsOf(valuesOf(PLAN), 10));
    expect(assembler.position(13)).toBe(13);
  });

  test("stays at the first record of the oldest open flush", () => {
    const [a, b] = [PLAN, { ...PLAN, partition: 3 }].map(valuesOf) as [Uint8Array[], Uint8Array[]];
    // a a b a' b b', where ' marks the ledger record.
    const values = [a[0]!, a[1]!, b[0]!, a[2]!, b[1]!, b[2]!];
    const assembler = new DeltaAssembler();
    const positions = recordsOf(values, 50).map((record) => {
      assembler.take(record, TOPIC, 0);
      return assembler.position(record.offset + 1);
    });
    expect(positions).toEqual([50, 50, 50, 52, 52, 56]);
  });

  test("is where reading can begin again: what was open then comes whole, and nothing is taken for damaged", () => {
    let [openCount, cutCount] = [0, 0];
    fc.assert(
      fc.property(anyPlans, fc.integer(), fc.nat(), (plans, seed, where) => {
        const { records, flushOf } = interleaved(plans, seed);
        const cut = where % (records.length + 1);
        const before = new DeltaAssembler();
        taken(before, records.slice(0, cut));
        const isWhole = (flush: number) => flushOf.lastIndexOf(flush) < cut;
        const open = plans.map((_, flush) => flush).filter((flush) => flushOf.indexOf(flush) < cut && !isWhole(flush));
        const position = before.position(cut);
        expect(position).toBe(Math.min(cut, ...open.map((flush) => flushOf.indexOf(flush))));
        const again = records.slice(position);
        for (const [at, flush] of taken(new DeltaAssembler(), again).entries()) {
          const own = flushOf[position + at]!;
          const isLast = flushOf.lastIndexOf(own) === position + at;
          // Whole before the cut, and begun before the position: left out, because it was applied.
          const isCut = isLast && flushOf.indexOf(own) < position;
          if (isCut) expect(isWhole(own)).toBe(true);
          expect(told(flush)).toEqual(isLast && !isCut ? planned(plans[own]!) : undefined);
          if (isCut) cutCount++;
        }
        openCount += open.length;
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect(openCount).toBeGreaterThan(100);
    expect(cutCount).toBeGreaterThan(20);
  });
});

const anyPlans: fc.Arbitrary<readonly Plan[]> = fc
  .array(
    fc.record({
      partition: fc.nat(3),
      panes: fc.array(fc.record({ slice: fc.constantFrom("all", "o=A", "o=B"), rows: fc.nat(1000) }), { maxLength: 3 }),
      maxPartBytes: fc.constantFrom(10, 20, 900_000),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((plans) => plans.map((plan, flush) => ({ ...plan, fromOffset: 10 * flush })));

/** The records of all flushes, those of a partition in order, otherwise by chance; and whose record each is. */
function interleaved(plans: readonly Plan[], seed: number): { records: LogRecord[]; flushOf: number[] } {
  const random = new SeededRandom(seed);
  const partitions = new Map<number, { flush: number; value: Uint8Array }[]>();
  for (const [flush, plan] of plans.entries()) {
    const own = valuesOf(plan).map((value) => ({ flush, value }));
    partitions.set(plan.partition, [...(partitions.get(plan.partition) ?? []), ...own]);
  }
  const left = [...partitions.values()];
  const mixed: { flush: number; value: Uint8Array }[] = [];
  while (left.length > 0) {
    const at = random.below(left.length);
    mixed.push(left[at]!.shift()!);
    if (left[at]!.length === 0) left.splice(at, 1);
  }
  return { records: recordsOf(mixed.map(({ value }) => value)), flushOf: mixed.map(({ flush }) => flush) };
}

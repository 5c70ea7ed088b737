import { describe, expect, test } from "vitest";
import type { SeededRandom } from "../../src/core/random.ts";
import type { OriginDimension } from "../../src/core/verdict.ts";
import { concentrationsOf } from "../../src/drift/concentration.ts";
import { FieldNames } from "../../src/profiles/field-names.ts";
import { Origins } from "../../src/profiles/origins.ts";
import { causeOf, type Event, originsOf, STREAM, type Stream, told } from "./origin-kit.ts";

const SEEDS = 200;
const SPARSE: Stream = { ...STREAM, partitions: 32, producers: 8, rows: 200 };

interface Fault {
  readonly metric: string;
  readonly change: (event: Event) => Event | undefined;
}

const FAULTS: readonly Fault[] = [
  { metric: "null_rate(fare)", change: (event) => ({ ...event, fare: null }) },
  { metric: "missing_rate(fare)", change: (event) => ({ ...event, isMissing: true }) },
  { metric: "zero_rate(fare)", change: (event) => ({ ...event, fare: 0 }) },
  { metric: "negative_rate(fare)", change: (event) => ({ ...event, fare: -Math.abs(event.fare ?? 1) }) },
  { metric: "mean(fare)", change: (event) => ({ ...event, fare: event.fare === null ? null : event.fare * 10 }) },
  { metric: "undecodable_share()", change: (event) => ({ ...event, isUndecodable: true }) },
  { metric: "row_count()", change: () => undefined },
];

const PLACES: readonly { readonly dimension: OriginDimension; readonly value: string; is(event: Event): boolean }[] = [
  { dimension: "partition", value: "3", is: ({ partition }) => partition === 3 },
  { dimension: "schema", value: "42", is: ({ schema }) => schema === 42 },
  { dimension: "producer", value: "p1", is: ({ producer }) => producer === "p1" },
];

/** Makes this part of the events that are meant faulty. */
function plant(change: Fault["change"], part: number, isMeant: (event: Event) => boolean = () => true) {
  return (events: readonly Event[], random: SeededRandom) =>
    events.flatMap((event) => {
      const changed = isMeant(event) && random.next() < part ? change(event) : event;
      return changed === undefined ? [] : [changed];
    });
}

describe.each(FAULTS)("concentrationsOf() of $metric", ({ metric, change }) => {
  test.each(PLACES)("names the $dimension that all of the change comes from, and no other", (place) => {
    for (let seed = 1; seed <= 20; seed++) {
      const found = told(STREAM, metric, plant(change, 0.9, place.is), seed);
      expect(found, `seed ${seed}`).toHaveLength(1);
      expect(found[0]).toMatchObject({ metric, dimension: place.dimension, value: place.value });
      expect(found[0]!.share, `seed ${seed}`).toBeGreaterThan(0.8);
      expect(found[0]!.isNew).toBeUndefined();
    }
  });

  test("names nothing where the change is spread evenly, whatever its size", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const part = [0.03, 0.1, 0.3, 0.9][seed % 4]!;
      expect(told(STREAM, metric, plant(change, part), seed), `seed ${seed}`).toEqual([]);
    }
  });

  test("names nothing where it is spread evenly over few events and many partitions", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const part = [0.03, 0.1, 0.3, 0.9][seed % 4]!;
      expect(told(SPARSE, metric, plant(change, part), seed), `seed ${seed}`).toEqual([]);
    }
  });
});

describe("concentrationsOf()", () => {
  const toNull: Fault["change"] = (event) => ({ ...event, fare: null });
  /** One producer always has many nulls, and so has a partition. */
  const uneven: Stream = {
    ...STREAM,
    nullChance: ({ producer, partition }) => (producer === "p0" ? 0.4 : 0.005) + (partition === 0 ? 0.2 : 0),
  };

  test("is not taken in by a producer and a partition that always have more nulls than the others", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const part = [0.03, 0.1, 0.3][seed % 3]!;
      expect(told(uneven, "null_rate(fare)", plant(toNull, part), seed), `seed ${seed}`).toEqual([]);
    }
  });

  test("names another one beside them", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const found = told(
        uneven,
        "null_rate(fare)",
        plant(toNull, 0.9, ({ producer }) => producer === "p2"),
        seed,
      );
      expect(found, `seed ${seed}`).toMatchObject([{ dimension: "producer", value: "p2" }]);
    }
  });

  test("names several partitions together, which have half of the events at most", () => {
    const stream = { ...STREAM, partitions: 8 };
    const of = (seed: number, partitions: readonly number[]) =>
      told(
        stream,
        "null_rate(fare)",
        plant(toNull, 0.5, ({ partition }) => partitions.includes(partition)),
        seed,
      ).map(({ dimension, value }) => `${dimension} ${value}`);
    for (let seed = 1; seed <= 20; seed++) {
      expect(of(seed, [2, 5, 6]).sort(), `seed ${seed}`).toEqual(["partition 2", "partition 5", "partition 6"]);
      expect(of(seed, [0, 1, 2, 3, 4, 5]), `seed ${seed}`).toEqual([]);
    }
  });

  test("tells the figures of what it names and of the rest", () => {
    const [found] = told(
      STREAM,
      "null_rate(fare)",
      plant(toNull, 1, ({ partition }) => partition === 3),
      1,
    );
    expect(found).toMatchObject({ value: "3", observed: 1 });
    expect(found!.share).toBeCloseTo(1, 1);
    for (const figure of [found!.usual!, found!.elsewhere!]) expect(Math.abs(figure - 0.02)).toBeLessThan(0.012);
  });

  test("tells of a partition that sends nothing how much it should have sent", () => {
    const silent = plant(
      () => undefined,
      1,
      ({ partition }) => partition === 2,
    );
    const [found] = told(STREAM, "row_count()", silent, 1);
    expect(found).toMatchObject({ dimension: "partition", value: "2", observed: 0 });
    expect(Math.abs(found!.usual! - 500)).toBeLessThan(50);
    expect(Math.abs(found!.elsewhere! - 1500)).toBeLessThan(150);
  });

  test("says that a schema is new, also where all events have it", () => {
    for (const part of [0.3, 1]) {
      const migrated = (events: readonly Event[], random: SeededRandom) =>
        events.map((event) => (random.next() < part ? { ...event, schema: 77, fare: null } : event));
      const found = told(STREAM, "null_rate(fare)", migrated, 1);
      expect(found, `${part}`).toMatchObject([{ dimension: "schema", value: "77", isNew: true, usual: null }]);
    }
    const evenly = (events: readonly Event[], random: SeededRandom) =>
      events.map((event) => ({
        ...event,
        schema: random.next() < 0.8 ? 77 : event.schema,
        fare: random.next() < 0.3 ? null : event.fare,
      }));
    for (let seed = 1; seed <= SEEDS; seed++) expect(told(STREAM, "null_rate(fare)", evenly, seed)).toEqual([]);
  });

  test("takes one value far out for one event, in whatever partition it is", () => {
    const stream = { ...STREAM, partitions: 32 };
    const outlier = (events: readonly Event[]) =>
      events.map((event, at) => (at === 7 ? { ...event, fare: 1e7 } : event));
    for (let seed = 1; seed <= SEEDS; seed++) expect(told(stream, "mean(fare)", outlier, seed)).toEqual([]);
  });

  test("says nothing of a metric that does not follow from the figures, nor of a window of which a part is not told apart", () => {
    const events = Array.from({ length: 1000 }, (_, at): Event => {
      return { partition: at % 4, schema: 1, producer: "p", fare: at % 4 === 3 ? null : 1 };
    });
    const of = (metric: string, window: Origins, observed: number) =>
      concentrationsOf({
        causes: [causeOf(metric, observed, 0.01)],
        window,
        usual: new Origins(),
        usualWindows: 0,
        names: new FieldNames(),
        metric: () => undefined,
      });
    expect(of("null_rate(fare)", originsOf(events), 0.25)).toMatchObject([{ dimension: "partition", value: "3" }]);
    expect(of("null_rate(fare)", originsOf(events.slice(100)), 0.24)).toEqual([]);
    expect(of("null_rate(fare)", new Origins(), 0.25)).toEqual([]);
    expect(of("unseen_share(fare)", originsOf(events), 0.25)).toEqual([]);
    expect(of("null_rate(other)", originsOf(events), 0.25)).toEqual([]);
  });
});

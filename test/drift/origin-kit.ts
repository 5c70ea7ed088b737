/** Windows of events from several partitions, schemas and producers, as the judge has their figures. */
import { SeededRandom } from "../../src/core/random.ts";
import type { Cause, Concentration } from "../../src/core/verdict.ts";
import { concentrationsOf } from "../../src/drift/concentration.ts";
import { FieldNames } from "../../src/profiles/field-names.ts";
import { FIGURES, Origins } from "../../src/profiles/origins.ts";

export const KEY = "fare#number";

export interface Event {
  readonly partition: number;
  readonly schema: number;
  readonly producer: string;
  readonly fare: number | null;
  /** Its schema has no fare. */
  readonly isMissing?: boolean;
  readonly isUndecodable?: boolean;
}

/** Chance of a null and mean fare of an event before anything is planted. */
export type NullChance = (event: Omit<Event, "fare">) => number;

export interface Stream {
  readonly partitions: number;
  readonly schemas: number;
  readonly producers: number;
  readonly rows: number;
  readonly nullChance: NullChance;
}

export const STREAM: Stream = { partitions: 4, schemas: 2, producers: 3, rows: 2000, nullChance: () => 0.02 };

export function eventsOf(stream: Stream, random: SeededRandom): Event[] {
  const { partitions, schemas, producers, nullChance } = stream;
  const rows = Math.round(stream.rows * (0.95 + 0.1 * random.next()));
  return Array.from({ length: rows }, () => {
    const place = {
      partition: random.below(partitions),
      schema: 41 + random.below(schemas),
      producer: `p${random.below(producers)}`,
    };
    const isNull = random.next() < nullChance(place);
    return { ...place, fare: isNull ? null : Math.round(1000 + 300 * random.next()) / 10 };
  });
}

export function originsOf(events: readonly Event[]): Origins {
  const origins = new Origins();
  const place = origins.placeOf(KEY);
  for (const { partition, schema, producer, fare, isMissing, isUndecodable } of events) {
    for (const [dimension, value] of [
      ["partition", String(partition)],
      ["schema", String(schema)],
      ["producer", producer],
    ] as const) {
      const figures = origins.figures(dimension, value);
      if (isUndecodable === true) {
        figures.addCount("undecodable", 1);
        continue;
      }
      figures.addCount("rows", 1);
      if (isMissing === true) continue;
      const room = figures.room(1);
      const at = place * FIGURES;
      if (fare === null) {
        room[at + 1]!++;
        continue;
      }
      room[at]!++;
      room[at + 2]!++;
      room[at + 3]! += fare;
      if (fare === 0) room[at + 4]!++;
      if (fare < 0) room[at + 5]!++;
    }
  }
  return origins;
}

interface Past {
  readonly usual: Origins;
  readonly usualWindows: number;
  readonly events: readonly Event[];
}

const WINDOWS_BEFORE = 30;
const pasts = new Map<Stream, Past>();

/** All windows of a stream have the same past. */
function pastOf(stream: Stream): Past {
  const known = pasts.get(stream);
  if (known !== undefined) return known;
  const random = new SeededRandom(4711);
  const usual = new Origins();
  let usualWindows = 0;
  const all: Event[] = [];
  for (let window = 0; window < WINDOWS_BEFORE; window++) {
    const events = eventsOf(stream, random);
    usual.decay(0.95);
    usual.merge(originsOf(events));
    usualWindows = usualWindows * 0.95 + 1;
    all.push(...events);
  }
  const past = { usual, usualWindows, events: all };
  pasts.set(stream, past);
  return past;
}

/** What is said of a window in which `plant` changed the events. */
export function told(
  stream: Stream,
  metric: string,
  plant: (events: readonly Event[], random: SeededRandom) => readonly Event[],
  seed: number,
): Concentration[] {
  const { usual, usualWindows, events: before } = pastOf(stream);
  const random = new SeededRandom(seed);
  const events = plant(eventsOf(stream, random), random);
  const expected = metric === "row_count()" ? before.length / WINDOWS_BEFORE : expectedOf(metric, stream);
  return concentrationsOf({
    causes: [causeOf(metric, figureOf(metric, events), expected)],
    window: originsOf(events),
    usual,
    usualWindows,
    names: new FieldNames(),
    metric: (id) => figureOf(id, events) ?? undefined,
  });
}

const expectations = new Map<string, number>();

function expectedOf(metric: string, stream: Stream): number {
  const key = `${metric} ${JSON.stringify(stream)} ${stream.nullChance}`;
  let expected = expectations.get(key);
  if (expected === undefined) {
    expected = figureOf(metric, pastOf(stream).events)!;
    expectations.set(key, expected);
  }
  return expected;
}

export function causeOf(metric: string, observed: number | null, expected: number): Cause {
  const fields = metric.endsWith("()") ? [] : [metric.slice(metric.indexOf("(") + 1, -1)];
  return { fields, metric, share: 1, observed, expected, low: null, high: null };
}

/** Counted event by event. */
function figureOf(metric: string, events: readonly Event[]): number | null {
  const rows = events.filter(({ isUndecodable }) => isUndecodable !== true);
  const present = rows.filter(({ isMissing }) => isMissing !== true);
  const fares = present.flatMap(({ fare }) => (fare === null ? [] : [fare]));
  const mean = fares.reduce((sum, fare) => sum + fare, 0) / fares.length;
  switch (metric) {
    case "row_count()":
      return rows.length;
    case "undecodable_share()":
      return (events.length - rows.length) / events.length;
    case "null_rate(fare)":
      return (present.length - fares.length) / present.length;
    case "missing_rate(fare)":
      return (rows.length - present.length) / rows.length;
    case "zero_rate(fare)":
      return fares.filter((fare) => fare === 0).length / present.length;
    case "negative_rate(fare)":
      return fares.filter((fare) => fare < 0).length / present.length;
    case "mean(fare)":
      return mean;
    case "stddev(fare)":
      return Math.sqrt(fares.reduce((sum, fare) => sum + (fare - mean) ** 2, 0) / fares.length);
    default:
      return null;
  }
}

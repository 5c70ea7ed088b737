/** A small made-up data set, its files in every format, and what its windows must hold, counted the slow way. */
import avsc from "avsc";
import { SeededRandom } from "../../src/core/random.ts";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const START_MS = Date.UTC(2024, 2, 4);
export const ORIGINS = ["EWR", "JFK", "LGA"] as const;

export interface Trip {
  readonly at: number;
  readonly fare: number | null;
  readonly seats: number;
  readonly origin: string;
}

export const TRIP_SCHEMA = {
  type: "record",
  name: "Trip",
  fields: [
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "fare", type: ["null", "double"], default: null },
    { name: "seats", type: "int" },
    { name: "origin", type: "string" },
  ],
};

/** One trip every `everyMs`, a little later or earlier, no two at the same time; a weekly season in the fares. */
export function makeTrips(options: {
  readonly seed: number;
  readonly count: number;
  readonly everyMs: number;
  readonly startMs?: number;
}): Trip[] {
  const random = new SeededRandom(options.seed);
  const { count, everyMs, startMs = START_MS } = options;
  return Array.from({ length: count }, (_, index) => {
    const at = startMs + index * everyMs + random.below(everyMs);
    const weekend = new Date(at).getUTCDay() % 6 === 0 ? 4 : 0;
    return {
      at,
      fare: random.next() < 0.04 ? null : Math.round(100 * (8 + weekend + 6 * random.next())) / 100,
      seats: 1 + random.below(4),
      origin: ORIGINS[random.below(ORIGINS.length)] ?? "EWR",
    };
  });
}

export function asCsv(trips: readonly Trip[]): string {
  const rows = trips.map(
    ({ at, fare, seats, origin }) => `${new Date(at).toISOString()},${fare ?? ""},${seats},${origin}`,
  );
  return `${["at,fare,seats,origin", ...rows].join("\n")}\n`;
}

/** Keys in an order of their own, and no key for a fare that is not there. */
export function asJsonLines(trips: readonly Trip[]): string {
  return trips
    .map(({ at, fare, seats, origin }) => {
      const rest = { origin, at: new Date(at).toISOString(), seats };
      return `${JSON.stringify(fare === null ? rest : { ...rest, fare })}\n`;
    })
    .join("");
}

export async function asAvro(
  trips: readonly unknown[],
  options: { readonly codec?: "null" | "deflate"; readonly schema?: unknown; readonly blockSize?: number } = {},
): Promise<Buffer> {
  const encoder = new avsc.streams.BlockEncoder((options.schema ?? TRIP_SCHEMA) as avsc.Schema, {
    codec: options.codec ?? "deflate",
    blockSize: options.blockSize ?? 4096,
    syncMarker: Buffer.from("streamgauge-test", "latin1"),
  });
  for (const trip of trips) encoder.write(trip);
  encoder.end();
  const chunks: Buffer[] = [];
  for await (const chunk of encoder) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A container with one block of the payloads given, whatever its schema text says: avsc would refuse some. */
export function rawContainer(schemaText: string, payloads: readonly Uint8Array[]): Buffer {
  const sync = Buffer.from("streamgauge-test", "latin1");
  const block = Buffer.concat(payloads);
  const prefixed = (text: string) => [avroLong(Buffer.byteLength(text)), Buffer.from(text)];
  return Buffer.concat([
    Buffer.from("Obj\u0001", "latin1"),
    ...[
      avroLong(2),
      ...prefixed("avro.schema"),
      ...prefixed(schemaText),
      ...prefixed("avro.codec"),
      ...prefixed("null"),
    ],
    ...[avroLong(0), sync],
    ...[avroLong(payloads.length), avroLong(block.length), block, sync],
  ]);
}

function avroLong(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** Figures of one window and slice. */
export interface TripFigures {
  rows: number;
  nullFares: number;
  fares: number[];
  seats: number[];
}

/** Windows of UTC by `slice|start`, the whole and each origin. */
export function tripWindows(trips: readonly Trip[], sizeMs: number): Map<string, TripFigures> {
  const windows = new Map<string, TripFigures>();
  for (const trip of trips) {
    const start = new Date(Math.floor(trip.at / sizeMs) * sizeMs).toISOString();
    for (const slice of ["all", `origin=${trip.origin}`]) {
      const key = `${slice}|${start}`;
      const window = windows.get(key) ?? { rows: 0, nullFares: 0, fares: [], seats: [] };
      windows.set(key, window);
      window.rows++;
      if (trip.fare === null) window.nullFares++;
      else window.fares.push(trip.fare);
      window.seats.push(trip.seats);
    }
  }
  return windows;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the whole population, two passes. */
export function deviation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - center) ** 2)));
}

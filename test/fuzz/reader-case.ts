/**
 * One case of the reader fuzzer: random schemas, events and damaged events, all a function of the seed. avsc, which decodes the
 * same bytes in its own way, says what is right.
 */
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import type { ColumnBatch } from "../../src/core/column-batch.ts";
import { UNDECODABLE_REASONS } from "../../src/core/violation.ts";
import { type AvroReader, createAvroReader } from "../../src/schemas/avro-reader.ts";
import { type AvroCase, avroCase, mutatedBytes } from "../schemas/avro-arbitraries.ts";
import { expectedColumns } from "../schemas/avro-oracle.ts";
import { batchContents } from "../schemas/batch-contents.ts";

export const LIMITS = { cpuMs: 50, bytes: 16_000_000 };
/** A record that took too long is read again: the engine may have compiled meanwhile, which counts as CPU of the process. */
const TIME_TRIES = 25;
/** Schemas of one seed: the generator begins with simple ones. */
const SCHEMAS_PER_SEED = 8;
const MAX_STRETCH = 65_536;

export interface Tally {
  schemas: number;
  seedsWithoutSchema: number;
  /** Schemas of more columns than the reader has: their events are read, but not compared. */
  notCompared: number;
  valid: number;
  /** Damaged events by what became of them. */
  readonly damaged: Map<string, number>;
  cpuMsMax: number;
  bytesMax: number;
}

/** Why a case fails, with what it needs to be seen again. */
export class ReaderFailure extends Error {
  constructor(what: string, schema: unknown, payload: Uint8Array) {
    super(`${what}\nschema  ${JSON.stringify(schema)}\npayload ${Buffer.from(payload).toString("hex")}`);
  }
}

/** @throws {ReaderFailure} */
export function runSeed(seed: number, tally: Tally): void {
  for (const [index, given] of casesOf(seed, tally).entries()) {
    const damaged = given.payloads.map((payload, i) => {
      const options = { seed: seed * 31 + index * 7 + i, numRuns: 1 };
      return [...fc.sample(mutatedBytes(payload), options), ...fc.sample(stretchedBytes(payload), options)];
    });
    runCase(given, damaged, tally);
  }
}

function casesOf(seed: number, tally: Tally): readonly AvroCase[] {
  try {
    return fc.sample(avroCase(4), { seed, numRuns: SCHEMAS_PER_SEED });
  } catch {
    // A reference to a type whose definition was left out with the union around it: avsc refuses the schema.
    tally.seedsWithoutSchema++;
    return [];
  }
}

function runCase({ schema, twin, payloads }: AvroCase, damaged: readonly Uint8Array[][], tally: Tally): void {
  const reader = createAvroReader(JSON.stringify(schema));
  const batch = reader.createBatch(4 * payloads.length);
  const accepted: Uint8Array[] = [];
  const take = (bytes: Uint8Array): string => {
    const outcome = measured(schema, bytes, tally, reader, batch);
    if (outcome === "ok") accepted.push(bytes);
    return outcome;
  };
  tally.schemas++;
  // Each damaged event between two that are whole: what one leaves behind would show in the next.
  for (const [i, payload] of payloads.entries()) {
    for (const bytes of damaged[i]!) {
      const outcome = take(bytes);
      tally.damaged.set(outcome, (tally.damaged.get(outcome) ?? 0) + 1);
      if (outcome === "ok") continue;
      if (!(UNDECODABLE_REASONS as readonly string[]).includes(outcome)) {
        throw new ReaderFailure(`refused for an unknown reason: ${outcome}`, schema, bytes);
      }
      const at = reader.errorPosition;
      if (!(at >= 0 && at <= bytes.length)) throw new ReaderFailure(`refused at byte ${at}`, schema, bytes);
    }
    const outcome = take(payload);
    if (outcome !== "ok") throw new ReaderFailure(`a valid event is ${outcome}`, schema, payload);
    tally.valid++;
  }
  if (reader.fieldsLeftOut > 0) {
    tally.notCompared++;
    return;
  }
  if (batch.rowCount !== accepted.length) throw new ReaderFailure("rows are lost", schema, payloads[0]!);
  const decoded = accepted.map((bytes) => decodedBy(twin, schema, bytes));
  const expected = expectedColumns(schema, decoded);
  const contents = batchContents(batch);
  for (const path of new Set([...expected.keys(), ...contents.keys()])) {
    if (isDeepStrictEqual(contents.get(path), expected.get(path))) continue;
    const all = Buffer.concat(accepted.map((bytes) => Buffer.from(bytes)));
    throw new ReaderFailure(`column ${path} is not what avsc decodes from ${accepted.length} events`, schema, all);
  }
}

function decodedBy(twin: AvroCase["twin"], schema: unknown, bytes: Uint8Array): unknown {
  try {
    return twin.fromBuffer(Buffer.from(bytes));
  } catch (error) {
    throw new ReaderFailure(`taken, but avsc refuses it: ${(error as Error).message}`, schema, bytes);
  }
}

/** What `reader.read()` into the batch says, within the limits. */
function measured(schema: unknown, bytes: Uint8Array, tally: Tally, reader: AvroReader, batch: ColumnBatch): string {
  const memoryBefore = memoryOf(batch);
  let outcome = "";
  let cpuMs = cpuMsOf(schema, bytes, () => {
    outcome = reader.read(batch, bytes, 0, bytes.length);
  });
  const memory = memoryOf(batch) - memoryBefore;
  for (let tries = 1; tries < TIME_TRIES && cpuMs > LIMITS.cpuMs; tries++) {
    const other = reader.createBatch(1);
    cpuMs = Math.min(
      cpuMs,
      cpuMsOf(schema, bytes, () => reader.read(other, bytes, 0, bytes.length)),
    );
  }
  tally.cpuMsMax = Math.max(tally.cpuMsMax, cpuMs);
  tally.bytesMax = Math.max(tally.bytesMax, memory);
  if (cpuMs > LIMITS.cpuMs) throw new ReaderFailure(`took ${cpuMs} ms of CPU`, schema, bytes);
  if (memory > LIMITS.bytes) throw new ReaderFailure(`took ${memory} bytes`, schema, bytes);
  return outcome;
}

/** Bytes of all array buffers, and of the batch's memory of WebAssembly, which is not among them. */
function memoryOf({ room }: ColumnBatch): number {
  return process.memoryUsage().arrayBuffers + (room?.memory.buffer.byteLength ?? 0);
}

function cpuMsOf(schema: unknown, bytes: Uint8Array, read: () => void): number {
  const before = process.cpuUsage();
  try {
    read();
  } catch (error) {
    throw new ReaderFailure(`threw ${(error as Error).stack}`, schema, bytes);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** A long run of one byte put in: what counts and lengths then promise is really there. */
function stretchedBytes(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc
    .record({
      at: fc.nat({ max: bytes.length }),
      count: fc.integer({ min: 1, max: MAX_STRETCH }),
      byte: fc.constantFrom(0, 1, 2, 4, 0x7e, 0x80, 0xff),
      prefix: fc.constantFrom<readonly number[]>([], [0x80, 0x80, 0x04], [0xfe, 0xff, 0x07], [0xff, 0xff, 0x07]),
    })
    .map(({ at, count, byte, prefix }) => {
      const stretched = new Uint8Array(bytes.length + prefix.length + count).fill(byte);
      stretched.set(bytes.subarray(0, at));
      stretched.set(prefix, at);
      stretched.set(bytes.subarray(at), at + prefix.length + count);
      return stretched;
    });
}

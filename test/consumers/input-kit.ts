/** What the tests of recorded files share: files in a folder of their own, and avsc as the independent decoder. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import avro from "avsc";
import type { EventBlock, FileInput, InputOptions } from "../../src/consumers/event-block.ts";
import { openInput } from "../../src/consumers/file-input.ts";
import { StreamgaugeError } from "../../src/core/errors.ts";

export class InputFolder {
  readonly path = mkdtempSync(join(tmpdir(), "streamgauge-input-"));

  /** Writes a file, gzipped when its name ends in `.gz`. */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    writeFileSync(path, name.endsWith(".gz") ? gzipSync(bytes) : bytes);
    return path;
  }

  /** Writes bytes as they are, whatever the name says. */
  writeRaw(name: string, bytes: Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, bytes);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface Collected {
  readonly input: FileInput;
  readonly payloads: Buffer[];
  readonly places: number[];
  readonly timesMs: number[];
}

export async function collect(path: string, options: InputOptions = {}): Promise<Collected> {
  const input = await openInput(path, options);
  const collected: Collected = { input, payloads: [], places: [], timesMs: [] };
  for await (const block of input.records()) addBlock(collected, block);
  return collected;
}

function addBlock(collected: Collected, block: EventBlock): void {
  for (let index = 0; index < block.count; index++) {
    collected.payloads.push(Buffer.from(block.bytes.subarray(block.starts[index], block.ends[index])));
    collected.places.push(block.places[index]!);
    collected.timesMs.push(block.timesMs[index]!);
  }
}

/** Longs as bigints, so that nothing is rounded. */
const BIG_LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (left: bigint, right: bigint) => (left === right ? 0 : left < right ? -1 : 1),
});

/**
 * Decoded events by avsc; each payload has to be used up. `bigLongs`: longs come as bigints. A value of a union that
 * holds several numbers is `{branch: value}`.
 */
export function decode(collected: Collected, options: { bigLongs?: boolean } = {}): unknown[] {
  const type = avro.Type.forSchema(JSON.parse(collected.input.schemaText), {
    ...(options.bigLongs === true ? { registry: { long: BIG_LONG } } : {}),
  });
  return collected.payloads.map((payload) => plain(type.fromBuffer(payload)));
}

export async function collectDecoded(path: string, options: InputOptions = {}): Promise<unknown[]> {
  return decode(await collect(path, options));
}

/** Without avsc's classes. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** The message of the `SG_INPUT` that reading the file ends with; anything else is a failure. */
export async function inputMessage(path: string, options: InputOptions = {}): Promise<string> {
  try {
    await collect(path, options);
  } catch (error) {
    if (error instanceof StreamgaugeError && error.code === "SG_INPUT") return error.message;
    throw error;
  }
  throw new Error("it was read without an error");
}

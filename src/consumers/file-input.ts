/**
 * Recorded files as sources of events: Avro containers, JSON lines and CSV, each also gzipped. The format follows
 * from the name and is checked against the first bytes.
 */
import { hasAvroMagic, openAvroContainer } from "./avro-container.ts";
import { firstBytes } from "./byte-window.ts";
import { openCsv } from "./csv-input.ts";
import type { FileInput, InputOptions } from "./event-block.ts";
import { inputError } from "./input-error.ts";
import { openJsonLines } from "./json-lines-input.ts";

type Opener = (path: string, gzip: boolean, options: InputOptions) => Promise<FileInput>;

/** A new format is one line here. */
const OPENERS: ReadonlyMap<string, Opener> = new Map([
  [".avro", openAvroContainer],
  [".jsonl", openJsonLines],
  [".ndjson", openJsonLines],
  [".json", openJsonLines],
  [".csv", openCsv],
]);

/**
 * Opens a recorded file. CSV and JSON lines are read once as a whole, to check them and to find their types; an Avro
 * container's blocks are counted. `options.schemaText` is not used for containers, which carry their own.
 * @throws {StreamgaugeError} `SG_INPUT` when the file is not what its name says, is damaged, or has no field
 *   `options.timeField` that holds a time; `SG_SCHEMA` when `options.schemaText` is no Avro schema.
 */
export async function openInput(path: string, options: InputOptions = {}): Promise<FileInput> {
  const name = path.toLowerCase();
  const gzip = name.endsWith(".gz");
  const plainName = gzip ? name.slice(0, -".gz".length) : name;
  const open = OPENERS.get(/\.[^./\\]*$/.exec(plainName)?.[0] ?? "");
  if (open === undefined) {
    throw inputError(path, "", `its name has to end in ${[...OPENERS.keys()].join(", ")}, or one of these and .gz`);
  }
  const start = await firstBytes(path, 4);
  if (!gzip && start[0] === 0x1f && start[1] === 0x8b)
    throw inputError(path, "", "it is gzip: its name has to end in .gz");
  if (!gzip && open !== openAvroContainer && hasAvroMagic(start)) {
    throw inputError(path, "", "it is an Avro container: its name has to end in .avro");
  }
  return open(path, gzip, options);
}

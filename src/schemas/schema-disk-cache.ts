/**
 * Schemas kept in a directory, so that a restart during an outage of the registry can read what it read before.
 *
 * The registry is asked first and its word counts: ids are given out anew when somebody sets a registry up again.
 * What it says is written down; only when it does not answer, or refuses us, is the file taken. Nothing here fails a
 * schema that the registry gave: a directory that cannot be written costs one warning, a damaged file is as none.
 *
 * One file per id: `<16 hex digits of the SHA-256 of the registry's URL>-<id>.json`, an object with the schema and the
 * SHA-256 of it. Written beside and renamed, so that no reader ever sees half a file, also of another process that
 * shares the directory. At most 5,000 files of one registry; those written longest ago go first.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StreamgaugeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { RegisteredSchema, SchemaRegistry } from "../core/schema-registry.ts";

export interface SchemaDiskCacheOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** Base URL of the registry: others may use the same directory. */
  readonly registryUrl: string;
  readonly logger: Logger;
  /** Files kept of this registry. @default 5000 */
  readonly maxFiles?: number;
}

export function createSchemaDiskCache(registry: SchemaRegistry, options: SchemaDiskCacheOptions): SchemaRegistry {
  return new SchemaDiskCache(registry, options);
}

/** Beyond the limit this share of the files goes at once, so that not every new schema lists the directory. */
const EVICTED_SHARE = 0.1;
/** A larger file is none of ours: a schema with all that it refers to is 4 MB at most, several times over. */
const FILE_BYTES_MAX = 64_000_000;

type Stored = Omit<RegisteredSchema, "id"> & { readonly sha256: string };

class SchemaDiskCache implements SchemaRegistry {
  readonly #registry: SchemaRegistry;
  readonly #directory: string;
  readonly #prefix: string;
  readonly #logger: Logger;
  readonly #maxFiles: number;
  /** Files of this registry; undefined until they were counted. */
  #fileCount: number | undefined;
  #isWritable = true;
  #isBridging = false;

  constructor(registry: SchemaRegistry, { directory, registryUrl, logger, maxFiles = 5_000 }: SchemaDiskCacheOptions) {
    this.#registry = registry;
    this.#directory = directory;
    this.#prefix = `${sha256(registryUrl.replace(/\/+$/, "")).slice(0, 16)}-`;
    this.#logger = logger;
    this.#maxFiles = maxFiles;
  }

  async schema(id: number): Promise<RegisteredSchema | undefined> {
    let schema: RegisteredSchema | undefined;
    try {
      schema = await this.#registry.schema(id);
    } catch (error) {
      if (!(error instanceof StreamgaugeError) || error.code === "SG_SCHEMA") throw error;
      const kept = await this.#read(id);
      if (kept === undefined) throw error;
      if (!this.#isBridging) {
        this.#logger.warn({ error: error.message, directory: this.#directory }, "schemas are read from disk");
      }
      this.#isBridging = true;
      return kept;
    }
    this.#isBridging = false;
    if (schema !== undefined) await this.#keep(schema);
    return schema;
  }

  #file(id: number): string {
    return join(this.#directory, `${this.#prefix}${id}.json`);
  }

  /** The schema as it was written; undefined when there is none, or it is not whole. */
  async #read(id: number): Promise<RegisteredSchema | undefined> {
    try {
      const file = this.#file(id);
      if ((await stat(file)).size > FILE_BYTES_MAX) return undefined;
      return parse(id, await readFile(file, "utf8"));
    } catch {
      return undefined;
    }
  }

  async #keep(schema: RegisteredSchema): Promise<void> {
    const known = await this.#read(schema.id);
    if (known !== undefined && checksum(known) === checksum(schema)) return;
    if (known !== undefined) {
      this.#logger.warn({ schemaId: schema.id }, "the registry has another schema behind this id than before");
    }
    try {
      await mkdir(this.#directory, { recursive: true });
      await this.#write(schema);
      if (known === undefined) await this.#makeRoom();
      this.#isWritable = true;
    } catch (error) {
      if (this.#isWritable) {
        const fields = { directory: this.#directory, error: error instanceof Error ? error.message : String(error) };
        this.#logger.warn(fields, "schemas cannot be kept on disk: a restart will need the registry");
      }
      this.#isWritable = false;
    }
  }

  async #write(schema: RegisteredSchema): Promise<void> {
    // Not the process id: in containers that share a volume all are 1. One left by a crash goes with the oldest.
    const tmp = join(this.#directory, `${this.#prefix}${schema.id}.${randomUUID()}.tmp`);
    const { type, text, references } = schema;
    const stored: Stored = {
      type,
      text,
      ...(references === undefined ? {} : { references }),
      sha256: checksum(schema),
    };
    try {
      await writeFile(tmp, JSON.stringify(stored), { flush: true });
      await rename(tmp, this.#file(schema.id));
    } catch (error) {
      await rm(tmp, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  /** Counts a new file, and removes the oldest ones when there are too many. */
  async #makeRoom(): Promise<void> {
    if (this.#fileCount !== undefined) this.#fileCount++;
    if (this.#fileCount !== undefined && this.#fileCount <= this.#maxFiles) return;
    const names = (await readdir(this.#directory)).filter((name) => name.startsWith(this.#prefix));
    this.#fileCount = names.length;
    if (names.length <= this.#maxFiles) return;
    const files: { path: string; writtenMs: number }[] = [];
    for (const name of names) {
      const path = join(this.#directory, name);
      // Another process may have removed it.
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined) files.push({ path, writtenMs: found.mtimeMs });
    }
    files.sort((a, b) => a.writtenMs - b.writtenMs);
    const keptCount = this.#maxFiles - Math.floor(this.#maxFiles * EVICTED_SHARE);
    const evicted = files.slice(0, Math.max(0, files.length - keptCount));
    for (const { path } of evicted) await rm(path, { force: true });
    this.#fileCount = files.length - evicted.length;
  }
}

function parse(id: number, json: string): RegisteredSchema | undefined {
  const { type, text, references, sha256: expected } = JSON.parse(json) as Partial<Stored>;
  if (typeof type !== "string" || typeof text !== "string") return undefined;
  const schema: RegisteredSchema = { id, type, text, ...(Array.isArray(references) ? { references } : {}) };
  return checksum(schema) === expected ? schema : undefined;
}

/** Of everything that makes the schema, its id included: a file under another name is not taken. */
function checksum({ id, type, text, references = [] }: RegisteredSchema): string {
  return sha256(JSON.stringify([id, type, text, references]));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

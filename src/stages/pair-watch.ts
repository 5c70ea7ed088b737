/**
 * Watches for the configured pairs of a dataset. Which fields there are only the schemas of the events tell: a pair that those of
 * the first batch lack is told of once, and once more when a schema comes that has it, for a topic may hold several.
 */
import type { EventReader } from "../core/column-batch.ts";
import type { DatasetConfig, PairPaths } from "../core/config.ts";
import type { Logger } from "../core/logger.ts";
import { hasPair, missingPairs } from "../profiles/missing-pairs.ts";
import type { SchemaTable } from "./partition-profiler.ts";

export class PairWatch {
  readonly #topic: string;
  readonly #logger: Logger;
  readonly #pairs: readonly PairPaths[];
  /** Of those that were told of; `undefined` before the first schema. */
  #missing: readonly PairPaths[] | undefined;
  readonly #known = new WeakSet<EventReader>();

  constructor({ topic, pairs = [] }: Pick<DatasetConfig, "topic" | "pairs">, logger: Logger) {
    this.#topic = topic;
    this.#logger = logger;
    this.#pairs = pairs;
  }

  /** Looks at the schemas of a batch. */
  look(schemas: SchemaTable): void {
    if (this.#pairs.length === 0 || this.#missing?.length === 0) return;
    const fresh = [...schemas.values()].filter(
      (schema): schema is EventReader => !("reason" in schema) && !this.#known.has(schema),
    );
    if (fresh.length === 0) return;
    for (const reader of fresh) this.#known.add(reader);
    const fields = fresh.map((reader) => reader.fields);
    const topic = this.#topic;
    if (this.#missing === undefined) {
      const missing = missingPairs(fields, this.#pairs);
      this.#missing = missing.map(({ pair }) => pair);
      for (const { pair, why } of missing) {
        this.#logger.warn(
          { topic, pair },
          `no schema so far has the pair [${pair.join(", ")}]: ${why}. It is looked for in each schema that comes`,
        );
      }
      return;
    }
    this.#missing = this.#missing.filter((pair) => {
      if (!fields.some((one) => hasPair(one, pair))) return true;
      this.#logger.info({ topic, pair }, `a schema has the pair [${pair.join(", ")}]`);
      return false;
    });
  }
}

/**
 * Schemas for the profiler. Back-pressure: while the registry gives no verdict, the partition that needs a schema
 * waits, and nothing of it is counted; a registry that refuses us (a rotated password) is an outage as any other, for
 * the records are not to blame. What changes is logged once, however many partitions wait.
 */
import type { Clock } from "../core/clock.ts";
import type { EventReader, ReaderSource, SchemaRefusal } from "../core/column-batch.ts";
import { type ErrorCode, StreamgaugeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";

export interface SchemaLoaderOptions {
  readonly readers: ReaderSource;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The first wait, milliseconds; each next one is twice as long. */
const WAIT_MS = 1_000;
const WAIT_MS_MAX = 30_000;

export class SchemaLoader {
  readonly #options: SchemaLoaderOptions;
  /** Why the registry gave no verdict the last time; undefined when it did. */
  #trouble: ErrorCode | undefined;
  /** Ends of waits, to be called early. */
  readonly #sleepers = new Set<() => void>();

  constructor(options: SchemaLoaderOptions) {
    this.#options = options;
  }

  /** The registry gave no verdict the last time it was asked. */
  get isInTrouble(): boolean {
    return this.#trouble !== undefined;
  }

  /** Undefined once `isWanted` is false: the partition was lost, or the process stops. */
  async load(schemaId: number, isWanted: () => boolean): Promise<EventReader | SchemaRefusal | undefined> {
    for (let waitMs = WAIT_MS; isWanted(); waitMs = Math.min(2 * waitMs, WAIT_MS_MAX)) {
      try {
        const found = await this.#options.readers.load(schemaId);
        this.#answered();
        return found;
      } catch (error) {
        if (!(error instanceof StreamgaugeError) || !(error.code === "SG_CONNECT" || error.code === "SG_CONFIG"))
          throw error;
        this.#failed(schemaId, error);
      }
      if (isWanted()) await this.#sleep(waitMs);
    }
    return undefined;
  }

  /** Whoever waits looks at once whether it is still wanted. */
  wake(): void {
    for (const end of [...this.#sleepers]) end();
  }

  #sleep(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#sleepers.delete(end);
        resolve();
      };
      const timer = this.#options.clock.after(waitMs, end);
      this.#sleepers.add(end);
    });
  }

  #failed(schemaId: number, error: StreamgaugeError): void {
    if (this.#trouble === error.code) return;
    this.#trouble = error.code;
    const fields = { schemaId, error: error.message };
    if (error.code === "SG_CONFIG") {
      this.#options.logger.error(
        fields,
        "schema registry refuses us: partitions with new schemas wait until it does not",
      );
    } else {
      this.#options.logger.warn(fields, "schema registry does not answer: partitions with new schemas wait");
    }
  }

  #answered(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#options.logger.info({}, "schema registry answers again");
  }
}

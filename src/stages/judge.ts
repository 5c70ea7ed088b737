/**
 * Stage 2: deltas in, metrics, verdicts and alerts out. One transaction writes the outputs with the new position.
 *
 * The position never passes a flush of which only some records were seen: it stays at the first record of the oldest
 * such flush, and what is read twice after a restart is dropped by its offset range.
 */
import type { DatasetConfig } from "../core/config.ts";
import type { Claim, ClaimHandler, Log, OutputRecord, RecordBatch, Subscription } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { noTelemetry, type Telemetry } from "../core/telemetry.ts";
import type { TopicNames } from "../core/topics.ts";
import { DatasetJudge } from "./dataset-judge.ts";
import { DeltaAssembler, type Flush } from "./delta-assembler.ts";
import { observeLog } from "./observed-log.ts";

export interface JudgeOptions {
  readonly log: Log;
  readonly logger: Logger;
  readonly deployment: string;
  /** Consumer group. */
  readonly group: string;
  readonly topics: TopicNames;
  readonly datasets: readonly DatasetConfig[];
  /** Clean windows after which an incident is resolved. */
  readonly resolveAfter: number;
  /** @default none */
  readonly telemetry?: Telemetry;
}

export function startJudge(options: JudgeOptions): Promise<Subscription> {
  const shards = new Map<Claim, Shard>();
  const handler: ClaimHandler = {
    claimed(claim) {
      shards.set(claim, new Shard(options));
    },
    async batch(claim, batch) {
      await shards.get(claim)?.take(claim, batch);
    },
    lost(claim) {
      shards.get(claim)?.end();
      shards.delete(claim);
    },
  };
  const { log, telemetry = noTelemetry } = options;
  return observeLog(log, { telemetry, stage: "judge" }).subscribe(
    {
      group: options.group,
      topics: [options.topics.profiles],
      startFrom: "earliest",
      transactionalPrefix: options.deployment,
    },
    handler,
  );
}

class Shard {
  readonly #options: JudgeOptions;
  readonly #judges = new Map<string, DatasetJudge>();
  readonly #assembler = new DeltaAssembler();

  constructor(options: JudgeOptions) {
    this.#options = options;
    for (const dataset of options.datasets) {
      this.#judges.set(dataset.topic, new DatasetJudge({ ...options, dataset }));
    }
  }

  async take(claim: Claim, batch: RecordBatch): Promise<void> {
    for (const record of batch.records) {
      const flush = this.#assembler.take(record, batch.topic, batch.partition);
      if (flush === undefined) continue;
      const outputs = this.#apply(flush);
      // A window's outputs leave at once: an alert must not wait for the end of a long batch.
      if (outputs.length > 0) await claim.commit(outputs, this.#assembler.position(record.offset + 1));
    }
    await claim.commit([], this.#assembler.position(batch.toOffset));
  }

  end(): void {
    for (const judge of this.#judges.values()) judge.telemetry.end();
  }

  #apply(flush: Flush): OutputRecord[] {
    const { entry, panes } = flush;
    const { topics, deployment, logger } = this.#options;
    const judge = this.#judges.get(entry.dataset);
    if (judge === undefined) {
      logger.warn({ dataset: entry.dataset, topic: entry.topic }, "delta of an unknown dataset dropped");
      return [];
    }
    const context = { topics, deployment, timestampMs: entry.wallTimeMs };
    return judge.telemetry.applied(() => judge.apply(entry, panes, context));
  }
}

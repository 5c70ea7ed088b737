/**
 * Stage 2: deltas in, metrics, verdicts and alerts out. One transaction writes the outputs with what changed of the
 * state and the new position; it happens when a window closes, and at least every `checkpointEvery`.
 *
 * Delivery guarantee: a reader that sees only committed records finds each (window, slice, revision) once. What was not
 * committed when a process died is read again from the position that stands in the state, which belongs to the state
 * whatever the group's position says; a delta that was applied before is dropped by its offset range.
 * What people say of incidents lies in the same topic and is taken in by the same rules.
 * The position never passes a flush of which only some records were seen: it stays at the first record of the oldest one.
 * Back-pressure: the next batch is taken when the outputs of this one are committed.
 */
import type { Clock } from "../core/clock.ts";
import type { DatasetConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import { datasetOfIncident, type Feedback, isFeedback, parseFeedback } from "../core/feedback.ts";
import type { Claim, ClaimHandler, Log, LogRecord, OutputRecord, RecordBatch, Subscription } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { SeverityMatrix } from "../core/severity.ts";
import { noTelemetry, type Telemetry } from "../core/telemetry.ts";
import { textOf, utf8 } from "../core/text.ts";
import type { TopicNames } from "../core/topics.ts";
import { PackedBytes } from "../state/packed-bytes.ts";
import { type StateEntry, StateStore } from "../state/state-records.ts";
import { DatasetJudge } from "./dataset-judge.ts";
import { datasetOfKey, POSITION_KEY, StoredDataset } from "./dataset-state.ts";
import { DeltaAssembler, type Flush } from "./delta-assembler.ts";
import { observeLog } from "./observed-log.ts";
import { Stints } from "./stints.ts";
import type { TrainingProgress } from "./training.ts";

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
  /** @default `SEVERITY_MATRIX` */
  readonly severity?: SeverityMatrix;
  /** Absent: nothing is kept over a restart, as for a bounded run. */
  readonly checkpoints?: {
    readonly clock: Clock;
    readonly everyMs: number;
    /** Program and version, which stand beside each state record. */
    readonly writer?: string;
  };
  /** @default none */
  readonly telemetry?: Telemetry;
}

export interface JudgeSubscription extends Subscription {
  /** Datasets of this process that train on the past. */
  training(): readonly TrainingProgress[];
}

/** Ends with a last checkpoint. */
export async function startJudge(options: JudgeOptions): Promise<JudgeSubscription> {
  const shards = new Map<Claim, Shard>();
  const handler: ClaimHandler = {
    async claimed(claim) {
      const shard = new Shard(claim, options);
      await shard.restore();
      shards.set(claim, shard);
    },
    async batch(claim, batch) {
      await shards.get(claim)?.take(batch);
    },
    lost(claim, reason) {
      shards.get(claim)?.end();
      shards.delete(claim);
      options.logger.info({ topic: claim.topic, partition: claim.partition, reason }, "shard lost");
    },
  };
  const { log, telemetry = noTelemetry } = options;
  const subscription = await observeLog(log, { telemetry, stage: "judge" }).subscribe(
    {
      group: options.group,
      topics: [options.topics.profiles],
      startFrom: "earliest",
      transactionalPrefix: options.deployment,
    },
    handler,
  );
  return {
    done: subscription.done,
    ...(subscription.health === undefined ? {} : { health: subscription.health }),
    training: () => [...shards.values()].flatMap((shard) => shard.training()),
    async stop() {
      for (const shard of shards.values()) await shard.close();
      await subscription.stop();
    },
  };
}

/** Outputs of a judge that is behind wait so long for the next transaction, which writes the state with them, */
const HOLD_OUTPUTS_MS = 1000;
/** or so many times as long as the last one took, so that it has most of its time for what it is behind with, */
const HOLD_PER_COMMIT = 4;
/** up to this. */
const MOST_HOLD_OUTPUTS_MS = 5000;
/** But no more of them. */
const MAX_HELD_OUTPUTS = 1000;

/** One partition of the profiles topic: the datasets that share it. */
class Shard {
  readonly #claim: Claim;
  readonly #options: JudgeOptions;
  readonly #judges = new Map<string, DatasetJudge>();
  readonly #assembler = new DeltaAssembler();
  readonly #stints = new Stints();
  readonly #store: StateStore;
  /** Deltas were applied since the last checkpoint. */
  #isChanged = false;
  #checkpointAtMs = 0;
  #commitTookMs = 0;
  #position: number;
  /** Largest wall time of the deltas: that of the records. */
  #timeMs = 0;
  /** Batches and the last checkpoint, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(claim: Claim, options: JudgeOptions) {
    this.#claim = claim;
    this.#options = options;
    this.#position = claim.position;
    const { writer } = options.checkpoints ?? {};
    const place = { topic: options.topics.state, partition: claim.partition };
    this.#store = new StateStore({ ...place, ...(writer === undefined ? {} : { writer }) });
    for (const dataset of options.datasets) {
      // Without checkpoints the input is bounded and recorded: all of it is the past.
      const trains = options.checkpoints !== undefined;
      this.#judges.set(dataset.topic, new DatasetJudge({ ...options, dataset, trains }));
    }
  }

  /** Takes up the state of whoever held the partition before, and its position. */
  async restore(): Promise<void> {
    const { checkpoints, logger, topics } = this.#options;
    if (checkpoints === undefined) return;
    const datasets = new Map<string, StoredDataset>();
    let stored: Uint8Array | undefined;
    let count = 0;
    for (const { key, value } of this.#store.read(await this.#claim.restore(topics.state))) {
      count++;
      if (key === POSITION_KEY) stored = value.unpack();
      const place = datasetOfKey(key);
      if (place !== undefined && this.#judges.has(place.dataset)) {
        const own = datasets.get(place.dataset) ?? new StoredDataset();
        datasets.set(place.dataset, own);
        own.take(place.rest, value);
      }
      await this.#stints.worked(value.length);
    }
    this.#checkpointAtMs = checkpoints.clock.monotonicMs();
    if (stored === undefined) {
      if (this.#claim.position > 0) {
        logger.warn(
          { topic: topics.state, partition: this.#claim.partition, position: this.#claim.position },
          "no state was found for a position that is not 0: the detector begins anew",
        );
      }
      return;
    }
    this.#position = positionOf(stored);
    for (const [dataset, own] of datasets) await this.#judges.get(dataset)?.restore(own);
    this.#claim.seek(this.#position);
    logger.info({ partition: this.#claim.partition, position: this.#position, entries: count }, "state restored");
  }

  take(batch: RecordBatch): Promise<void> {
    this.#work = this.#work.then(() => (this.#isClosed ? undefined : this.#take(batch)));
    return this.#work;
  }

  /** Writes what is not yet written. */
  close(): Promise<void> {
    this.#work = this.#work
      .then(() => {
        if (this.#isClosed || this.#options.checkpoints === undefined || !this.#claim.active) return undefined;
        return this.#isChanged ? this.#commit([]) : undefined;
      })
      .catch((error: unknown) => {
        this.#options.logger.warn({ error: String(error) }, "the last checkpoint was not written");
      })
      .then(() => {
        this.#isClosed = true;
      });
    return this.#work;
  }

  async #take(batch: RecordBatch): Promise<void> {
    const { checkpoints } = this.#options;
    const outputs: OutputRecord[] = [];
    for (const record of batch.records) {
      await this.#stints.worked(record.value?.length ?? 0);
      // Lost meanwhile: what would be worked out could not be committed, and whoever has the partition now needs the processor.
      if (!this.#claim.active) return;
      const isWord = record.value !== null && isFeedback(record.value);
      const flush = isWord ? undefined : this.#flushOf(record, batch);
      this.#position = this.#assembler.position(record.offset + 1);
      if (flush === undefined && !isWord) continue;
      this.#isChanged = true;
      if (flush === undefined) {
        outputs.push(...(await this.#heed(record, batch)));
      } else {
        this.#timeMs = Math.max(this.#timeMs, flush.entry.wallTimeMs);
        outputs.push(...(await this.#apply(flush)));
      }
      // An alert must not wait for the end of a long batch. Nor must a checkpoint: a judge that is behind, and is interrupted
      // again and again, would never come to the end of one. But not with each flush: late events bring outputs all the time.
      if (outputs.length >= MAX_HELD_OUTPUTS || this.#isDue(outputs.length > 0 ? this.#holdMs() : undefined))
        await this.#commit(outputs.splice(0));
    }
    this.#position = this.#assembler.position(batch.toOffset);
    if (outputs.length > 0 || checkpoints === undefined || this.#isDue()) await this.#commit(outputs);
  }

  /** @param atMostMs what was decided since the last checkpoint waits so long, unless checkpoints are nearer */
  #isDue(atMostMs = Number.POSITIVE_INFINITY): boolean {
    const { checkpoints } = this.#options;
    if (!this.#isChanged) return false;
    // Without checkpoints each output leaves at once.
    if (checkpoints === undefined) return atMostMs < Number.POSITIVE_INFINITY;
    const { clock, everyMs } = checkpoints;
    return clock.monotonicMs() - this.#checkpointAtMs >= Math.min(everyMs, atMostMs);
  }

  /**
   * A damaged delta ends nothing, since trying again would find the same bytes: its range will be missing in the ledger,
   * which is an incident, and its windows are partial.
   */
  #flushOf(record: LogRecord, { topic, partition }: RecordBatch): Flush | undefined {
    try {
      return this.#assembler.take(record, topic, partition);
    } catch (error) {
      if (!(error instanceof StreamgaugeError) || error.code !== "SG_CORRUPT") throw error;
      const fields = { topic, partition, offset: record.offset };
      this.#options.logger.error(fields, `a flush is left out, its events are not counted: ${error.message}`);
      return undefined;
    }
  }

  /** What cannot be read, or is of nothing that is judged here, is told of in the log: whoever wrote it is not waiting. */
  async #heed(record: LogRecord, { topic, partition }: RecordBatch): Promise<OutputRecord[]> {
    const { topics, deployment, logger } = this.#options;
    const { offset, timestampMs } = record;
    const fields = { topic, partition, offset };
    let feedback: Feedback;
    try {
      feedback = parseFeedback(record.value!);
    } catch (error) {
      if (!(error instanceof StreamgaugeError)) throw error;
      logger.error(fields, `feedback is left out: ${error.message}`);
      return [];
    }
    const judge = this.#judges.get(datasetOfIncident(feedback.incident));
    if (judge === undefined) {
      logger.warn({ ...fields, incident: feedback.incident }, "feedback is left out: its dataset is not judged here");
      return [];
    }
    const context = { topics, deployment, timestampMs };
    return this.#stints.through(judge.heed(feedback, { offset, topicId: this.#claim.topicId }, context));
  }

  #holdMs(): number {
    return Math.min(MOST_HOLD_OUTPUTS_MS, Math.max(HOLD_OUTPUTS_MS, HOLD_PER_COMMIT * this.#commitTookMs));
  }

  async #commit(outputs: readonly OutputRecord[]): Promise<void> {
    const clock = this.#options.checkpoints?.clock;
    const startMs = clock?.monotonicMs() ?? 0;
    await this.#claim.commit([...outputs, ...(await this.#checkpoint())], this.#position);
    this.#isChanged = false;
    this.#commitTookMs = (clock?.monotonicMs() ?? 0) - startMs;
  }

  async #checkpoint(): Promise<OutputRecord[]> {
    const { checkpoints } = this.#options;
    if (checkpoints === undefined) return [];
    this.#checkpointAtMs = checkpoints.clock.monotonicMs();
    const changed: StateEntry[] = [];
    const gone: string[] = [];
    for (const [dataset, judge] of this.#judges) {
      const state = await this.#stints.through(judge.checkpoint());
      for (const { key, value } of state.changed) changed.push({ key: `${dataset}|${key}`, value });
      for (const key of state.gone) gone.push(`${dataset}|${key}`);
    }
    // Datasets that are configured no more.
    for (const key of this.#store.keys()) {
      const dataset = datasetOfKey(key)?.dataset;
      if (dataset !== undefined && !this.#judges.has(dataset)) gone.push(key);
    }
    changed.push({ key: POSITION_KEY, value: PackedBytes.of(utf8(String(this.#position))) });
    const records: OutputRecord[] = [];
    for (const record of this.#store.write(changed, gone, this.#timeMs)) {
      records.push(record);
      await this.#stints.worked(record.value?.length ?? 0);
    }
    return records;
  }

  training(): TrainingProgress[] {
    return [...this.#judges.values()].flatMap(({ training }) => (training === undefined ? [] : [training]));
  }

  end(): void {
    for (const judge of this.#judges.values()) judge.telemetry.end();
  }

  async #apply(flush: Flush): Promise<OutputRecord[]> {
    const { entry, panes } = flush;
    const { topics, deployment, logger } = this.#options;
    const judge = this.#judges.get(entry.dataset);
    if (judge === undefined) {
      logger.warn({ dataset: entry.dataset, topic: entry.topic }, "delta of an unknown dataset dropped");
      return [];
    }
    const context = { topics, deployment, timestampMs: entry.wallTimeMs };
    return judge.telemetry.applied(() => this.#stints.through(judge.apply(entry, panes, context)));
  }
}

/** @throws {StreamgaugeError} `SG_CORRUPT` */
export function positionOf(stored: Uint8Array): number {
  const position = Number(textOf(stored));
  if (Number.isSafeInteger(position) && position >= 0) return position;
  throw new StreamgaugeError("SG_CORRUPT", `Cannot read the judge's state: the position is "${textOf(stored)}"`);
}

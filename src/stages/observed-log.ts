/**
 * A log that counts what a stage does with it: records, transactions, partitions won and lost, lag. The stage does not
 * know; without telemetry it has the log itself.
 */
import type {
  Claim,
  ClaimHandler,
  Log,
  LogRecord,
  LossReason,
  OutputRecord,
  RecordBatch,
  SubscribeOptions,
} from "../core/log.ts";
import {
  type Counter,
  type Gauge,
  type Histogram,
  noTelemetry,
  type Reading,
  type Telemetry,
} from "../core/telemetry.ts";

export interface ObserveOptions {
  readonly telemetry: Telemetry;
  /** `profiler`, `judge`, `sink.<name>`. */
  readonly stage: string;
}

/** The part of a log that a stage uses. */
type StageLog = Pick<Log, "subscribe">;

export function observeLog(log: StageLog, options: ObserveOptions): StageLog {
  if (options.telemetry === noTelemetry) return log;
  return {
    subscribe: (subscribe: SubscribeOptions, handler: ClaimHandler) =>
      log.subscribe(subscribe, observedHandler(handler, options)),
  };
}

function observedHandler(handler: ClaimHandler, options: ObserveOptions): ClaimHandler {
  const claims = new Map<Claim, ObservedClaim>();
  const held = new Map<string, { count: number; readonly gauge: Gauge }>();
  const hold = ({ topic }: Claim, change: 1 | -1) => {
    let entry = held.get(topic);
    if (entry === undefined) {
      const { telemetry, stage } = options;
      entry = { count: 0, gauge: telemetry.gauge("streamgauge_claimed_partitions", { stage, topic }) };
      held.set(topic, entry);
    }
    entry.count += change;
    entry.gauge.set(entry.count);
  };
  const observed = (claim: Claim): ObservedClaim => {
    let known = claims.get(claim);
    if (known === undefined) {
      known = new ObservedClaim(claim, options);
      claims.set(claim, known);
      hold(claim, 1);
    }
    return known;
  };
  return {
    async claimed(claim) {
      const own = observed(claim);
      await handler.claimed?.(own);
      own.begin();
    },
    async batch(claim, batch) {
      const own = observed(claim);
      own.received(batch);
      await handler.batch(own, batch);
    },
    async ended(claim) {
      await handler.ended?.(observed(claim));
    },
    lost(claim, reason) {
      const own = observed(claim);
      claims.delete(claim);
      hold(claim, -1);
      own.lost(reason);
      handler.lost?.(own, reason);
    },
  };
}

class ObservedClaim implements Claim {
  readonly topic: string;
  readonly partition: number;
  readonly #claim: Claim;
  readonly #options: ObserveOptions;
  readonly #records: Counter;
  readonly #bytes: Counter;
  readonly #committedTransactions: Counter;
  readonly #failedTransactions: Counter;
  readonly #duration: Histogram;
  readonly #losses: Readonly<Record<LossReason, Counter>>;
  readonly #lag: Reading;
  #committed: number;

  constructor(claim: Claim, options: ObserveOptions) {
    const { telemetry, stage } = options;
    const labels = { stage, topic: claim.topic, partition: String(claim.partition) };
    this.topic = claim.topic;
    this.partition = claim.partition;
    this.#claim = claim;
    this.#options = options;
    this.#committed = claim.position;
    this.#records = telemetry.counter("streamgauge_records_total", labels);
    this.#bytes = telemetry.counter("streamgauge_record_bytes_total", labels);
    this.#lag = telemetry.read("streamgauge_lag_records", labels, () => {
      const { endOffset } = claim;
      return endOffset === undefined ? undefined : Math.max(0, endOffset - this.#committed);
    });
    const transactions = (outcome: string) => telemetry.counter("streamgauge_transactions_total", { stage, outcome });
    this.#committedTransactions = transactions("committed");
    this.#failedTransactions = transactions("failed");
    this.#duration = telemetry.histogram("streamgauge_transaction_duration_seconds", { stage });
    const losses = (reason: LossReason) =>
      telemetry.counter("streamgauge_claim_losses_total", { stage, topic: claim.topic, reason });
    this.#losses = {
      revoked: losses("revoked"),
      fenced: losses("fenced"),
      "unknown-outcome": losses("unknown-outcome"),
      recreated: losses("recreated"),
    };
    telemetry.counter("streamgauge_claims_total", { stage, topic: claim.topic }).add(1);
  }

  get partitionCount(): number {
    return this.#claim.partitionCount;
  }

  get topicId(): string | undefined {
    return this.#claim.topicId;
  }

  get position(): number {
    return this.#claim.position;
  }

  get active(): boolean {
    return this.#claim.active;
  }

  get caughtUp(): boolean {
    return this.#claim.caughtUp;
  }

  get endOffset(): number | undefined {
    return this.#claim.endOffset;
  }

  get ended(): boolean {
    return this.#claim.ended;
  }

  pause(): void {
    this.#claim.pause();
  }

  resume(): void {
    this.#claim.resume();
  }

  seek(offset: number): void {
    this.#claim.seek(offset);
  }

  restore(topic: string): Promise<Iterable<LogRecord>> {
    return this.#claim.restore(topic);
  }

  async commit(outputs: readonly OutputRecord[], nextOffset: number): Promise<void> {
    const { telemetry, stage } = this.#options;
    const startMs = telemetry.clock.monotonicMs();
    try {
      await this.#claim.commit(outputs, nextOffset);
    } catch (error) {
      this.#failedTransactions.add(1);
      throw error;
    }
    this.#committed = nextOffset;
    this.#committedTransactions.add(1);
    this.#duration.observe((telemetry.clock.monotonicMs() - startMs) / 1000);
    for (const [topic, written] of byTopic(outputs)) {
      telemetry.counter("streamgauge_written_records_total", { stage, topic }).add(written.records);
      telemetry.counter("streamgauge_written_bytes_total", { stage, topic }).add(written.bytes);
    }
  }

  /** The handler has taken the claim, and may have moved its position to where its own state ends. */
  begin(): void {
    this.#committed = this.#claim.position;
  }

  received({ records }: RecordBatch): void {
    let bytes = 0;
    for (const { key, value } of records) bytes += (key?.length ?? 0) + (value?.length ?? 0);
    this.#records.add(records.length);
    this.#bytes.add(bytes);
  }

  lost(reason: LossReason): void {
    this.#lag.end();
    this.#losses[reason].add(1);
  }
}

function byTopic(outputs: readonly OutputRecord[]): Map<string, { records: number; bytes: number }> {
  const written = new Map<string, { records: number; bytes: number }>();
  for (const { topic, value } of outputs) {
    let entry = written.get(topic);
    if (entry === undefined) {
      entry = { records: 0, bytes: 0 };
      written.set(topic, entry);
    }
    entry.records += 1;
    entry.bytes += value?.length ?? 0;
  }
  return written;
}

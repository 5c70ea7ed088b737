/** What the cases of the log contract share: a session of one case, and a handler that writes down what it is told. */
import { expect } from "vitest";
import { StreamgaugeError } from "../../src/core/errors.ts";
import type {
  Claim,
  ClaimHandler,
  Log,
  LogRecord,
  LossReason,
  OutputRecord,
  RecordBatch,
  SubscribeOptions,
  Subscription,
  TopicSpec,
} from "../../src/core/log.ts";

/** What an implementation brings to be tried. */
export interface LogContractFixture {
  /** Another client of the same cluster. */
  createLog(): Promise<Log>;
  /** A name that no other case uses, for topics, groups and transactional ids. */
  uniqueName(stem: string): string;
  /** Under which the first log that was created commits for a partition. */
  transactionalId(
    names: Pick<SubscribeOptions, "group" | "transactionalPrefix">,
    topic: string,
    partition: number,
  ): string;
  /** Takes the id over and opens a transaction outside of any claim. */
  openTransaction(transactionalId: string): Promise<OpenTransaction>;
  /** Deletes the topic and creates it anew with one partition, as an administrator does. */
  recreate(topic: string): Promise<void>;
  /** A short wait, after which a condition is tried again. */
  tick(): Promise<void>;
  /** So many ticks are waited for a thing that should happen. */
  readonly patienceTicks: number;
  close(): Promise<void>;
}

export interface OpenTransaction {
  send(records: readonly OutputRecord[]): Promise<void>;
  /** Both settle when the markers are written, so that the order of the markers is that of the calls. */
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export interface LogContractCase {
  readonly name: string;
  run(session: ContractSession): Promise<void>;
}

/** One case's view of the fixture; `end` stops what it has subscribed. */
export class ContractSession {
  readonly fixture: LogContractFixture;
  readonly log: Log;
  readonly #consumers: Consumer[] = [];

  constructor(fixture: LogContractFixture, log: Log) {
    this.fixture = fixture;
    this.log = log;
  }

  async topic(stem: string, spec: Partial<TopicSpec> = {}): Promise<string> {
    const name = this.fixture.uniqueName(stem);
    await this.log.createTopics([{ partitions: 1, ...spec, name }]);
    return name;
  }

  /** For those who come back, or are looked for by others. */
  names(): Pick<SubscribeOptions, "group" | "transactionalPrefix"> {
    return { group: this.fixture.uniqueName("group"), transactionalPrefix: this.fixture.uniqueName("prefix") };
  }

  /** By default a group and a prefix of its own, from the earliest offset. */
  async subscribe(topic: string, options: ConsumerOptions = {}): Promise<Consumer> {
    const { script = {}, log = this.log, ...rest } = options;
    const consumer = new Consumer(this.fixture, script);
    this.#consumers.push(consumer);
    consumer.subscription = await log.subscribe(
      {
        ...this.names(),
        topics: [topic],
        startFrom: "earliest",
        ...rest,
      },
      consumer,
    );
    return consumer;
  }

  append(topic: string, values: readonly string[], partition = 0): Promise<void> {
    return this.log.append(values.map((value) => record(topic, value, { partition })));
  }

  /** Everything that a fresh reader of partition 0 is given; ends at a record that is written for this purpose. */
  async valuesOf(topic: string, options: ConsumerOptions = {}): Promise<string[]> {
    await this.append(topic, ["(end)"]);
    const reader = await this.subscribe(topic, options);
    await reader.until("the end record was delivered", () => reader.values().includes("(end)"));
    return reader.values().slice(0, -1);
  }

  async end(): Promise<void> {
    for (const consumer of this.#consumers) {
      consumer.release();
      await consumer.subscription?.stop();
    }
  }
}

export interface ConsumerOptions extends Partial<Omit<SubscribeOptions, "topics">> {
  readonly script?: ConsumerScript;
  /** The client to subscribe with. */
  readonly log?: Log;
}

/** What a consumer does beyond writing down; it may be called before `subscribe` has returned the consumer. */
export interface ConsumerScript {
  claimed?(claim: Claim, consumer: Consumer): Promise<void> | void;
  batch?(claim: Claim, batch: RecordBatch, consumer: Consumer): Promise<void> | void;
}

export class Consumer implements ClaimHandler {
  subscription: Subscription | undefined;
  /** Every claim ever announced, oldest first. */
  readonly claims: Claim[] = [];
  /** Positions at the time of `claimed`, before the script. */
  readonly startPositions: number[] = [];
  readonly deliveries: { claim: Claim; batch: RecordBatch }[] = [];
  readonly losses: { claim: Claim; reason: string }[] = [];
  /** Broken promises of the log, in words. */
  readonly violations: string[] = [];
  readonly #fixture: LogContractFixture;
  readonly #script: ConsumerScript;
  readonly #busy = new Set<Claim>();
  #held: Promise<void> | undefined;
  #release = () => {};

  constructor(fixture: LogContractFixture, script: ConsumerScript) {
    this.#fixture = fixture;
    this.#script = script;
  }

  async claimed(claim: Claim): Promise<void> {
    this.claims.push(claim);
    this.startPositions.push(claim.position);
    await this.#alone(claim, () => this.#script.claimed?.(claim, this));
  }

  async batch(claim: Claim, batch: RecordBatch): Promise<void> {
    if (!claim.active) this.violations.push("a batch for a claim that is not active");
    if (claim.position !== batch.toOffset) this.violations.push("the position is not behind the batch");
    if (batch.records.some(({ offset }) => offset < batch.fromOffset || offset >= batch.toOffset)) {
      this.violations.push("a record outside of its batch's range");
    }
    this.deliveries.push({ claim, batch });
    await this.#alone(claim, async () => {
      await this.#held;
      await this.#script.batch?.(claim, batch, this);
    });
  }

  lost(claim: Claim, reason: LossReason): void {
    if (claim.active) this.violations.push("lost() of a claim that is active");
    if (this.#busy.has(claim)) this.violations.push("lost() during another method");
    this.losses.push({ claim, reason });
  }

  /** From now on a batch is not finished before `release`. */
  hold(): void {
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#release();
    this.#held = undefined;
  }

  /** Delivered records, of one claim if given, in order of delivery. */
  records(claim?: Claim): LogRecord[] {
    const deliveries = claim === undefined ? this.deliveries : this.deliveries.filter((one) => one.claim === claim);
    return deliveries.flatMap(({ batch }) => batch.records);
  }

  values(claim?: Claim): string[] {
    return this.records(claim).map(({ value }) => text(value) ?? "(null)");
  }

  lossOf(claim: Claim): string | undefined {
    return this.losses.find((loss) => loss.claim === claim)?.reason;
  }

  /** The one active claim of a partition, awaited. */
  async claim(partition = 0): Promise<Claim> {
    const find = () => this.claims.find((claim) => claim.partition === partition && claim.active);
    await this.until(`partition ${partition} is claimed`, () => find() !== undefined);
    return find()!;
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    await eventually(this.#fixture, what, condition);
    expect(this.violations).toEqual([]);
  }

  async #alone(claim: Claim, method: () => Promise<void> | void): Promise<void> {
    if (this.#busy.has(claim)) this.violations.push("two methods at a time for one claim");
    this.#busy.add(claim);
    try {
      await method();
    } finally {
      this.#busy.delete(claim);
    }
  }
}

/** Waits until the condition holds; the limit is for things that never happen, it decides nothing else. */
export async function eventually(fixture: LogContractFixture, what: string, condition: () => boolean): Promise<void> {
  for (let tick = 0; tick < fixture.patienceTicks; tick += 1) {
    if (condition()) return;
    await fixture.tick();
  }
  throw new Error(`Gave up waiting: ${what}`);
}

export async function expectFenced(promise: Promise<unknown>): Promise<void> {
  const outcome = await promise.then(
    () => "fulfilled",
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(StreamgaugeError);
  expect(outcome).toMatchObject({ code: "SG_FENCED" });
}

export function record(topic: string, value: string | null, rest: Partial<OutputRecord> = {}): OutputRecord {
  return { topic, key: null, value: value === null ? null : Buffer.from(value), ...rest };
}

export function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString();
}

/**
 * `streamgauge doctor -c FILE`: everything that `run` needs, tried one after the other, and what it would refuse.
 * Nothing is created, committed or kept: what is written is written in transactions that are aborted.
 */
import { loadConfigFile } from "../config/load-config.ts";
import { VERSION } from "../config/version.ts";
import type { ApiVersionRange } from "../consumers/kafka-cluster.ts";
import { createKafkaInspector, type KafkaInspector } from "../consumers/kafka-inspection.ts";
import { createKafkaLog, type KafkaLog } from "../consumers/kafka-log.ts";
import { systemClock } from "../core/clock.ts";
import type { EventReader, ReaderSource } from "../core/column-batch.ts";
import type { Config, DatasetConfig } from "../core/config.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import type { LogRecord } from "../core/log.ts";
import { SeededRandom } from "../core/random.ts";
import { isoTime } from "../core/text.ts";
import { topicNames } from "../core/topics.ts";
import { missingPairs } from "../profiles/missing-pairs.ts";
import { createHttpRegistry } from "../schemas/http-registry.ts";
import { createReaderSource } from "../schemas/registry.ts";
import { readWireHeader, WIRE_HEADER_BYTES, wireRefusal } from "../schemas/wire-format.ts";
import { timeColumn } from "../validation/event-time.ts";
import { needed, ownTopics } from "./deployment.ts";
import type { Io } from "./io.ts";
import { createLogger } from "./logger.ts";

type Verdict = "ok" | "note" | "fail";

interface Finding {
  readonly verdict: Verdict;
  readonly what: string;
  /** What was seen, and for a failure what to do. */
  readonly detail: string;
}

/** Records per partition that are looked at. */
const SAMPLE_RECORDS = 100;

export async function doctor(args: { readonly config: string; readonly json: boolean }, io: Io): Promise<number> {
  const { config } = await loadConfigFile({ file: args.config, env: io.env, command: "doctor" });
  const examination = new Examination(config, io, args.json ? undefined : (line) => io.stdout(line));
  const exitCode = await examination.run();
  if (args.json) io.stdout(JSON.stringify({ ok: exitCode === EXIT_CODES.ok, findings: examination.findings }));
  return exitCode;
}

class Examination {
  readonly findings: Finding[] = [];
  readonly #config: Config;
  readonly #print: ((line: string) => void) | undefined;
  readonly #clock = systemClock();
  readonly #log: KafkaLog;
  readonly #inspector: KafkaInspector;
  readonly #readers: ReaderSource;
  readonly #checkRegistry: () => Promise<void>;
  #exitCode: number = EXIT_CODES.ok;

  constructor(config: Config, io: Io, print: ((line: string) => void) | undefined) {
    this.#config = config;
    this.#print = print;
    // What the client library warns of is what the findings are about.
    const logger = createLogger(io, "error");
    const clock = this.#clock;
    const kafka = needed(config.kafka, "kafka");
    const options = { kafka, clock, logger, clientId: `streamgauge-${config.deployment}-doctor` };
    this.#log = createKafkaLog(options);
    this.#inspector = createKafkaInspector(options);
    const random = new SeededRandom(clock.nowMs());
    const registry = createHttpRegistry(needed(config.registry, "registry"), { clock, random, logger });
    this.#readers = createReaderSource(registry, { clock });
    this.#checkRegistry = () => registry.check();
  }

  async run(): Promise<number> {
    try {
      if (!(await this.#tried("brokers", () => this.#brokers()))) return this.#exitCode;
      const isRegistryThere = await this.#tried("registry", () => this.#registry());
      for (const dataset of this.#config.datasets) {
        await this.#tried(`topic ${dataset.topic}`, () => this.#input(dataset, isRegistryThere));
      }
      await this.#tried("own topics", () => this.#ownTopics());
      await this.#tried("permissions", () => this.#permissions());
      this.#summary();
      return this.#exitCode;
    } finally {
      await this.#log.close();
    }
  }

  async #brokers(): Promise<void> {
    const { clusterId, brokers } = await this.#log.ping();
    this.#say("ok", "brokers", `${brokers} in cluster ${clusterId}`);
    const { produce, fetch, lacking } = await this.#inspector.versions();
    const spoken = `Produce ${rangeText(produce)}, Fetch ${rangeText(fetch)}`;
    const own = `streamgauge ${VERSION} on Node ${process.versions.node}; the broker speaks ${spoken}`;
    if (lacking.length === 0) this.#say("ok", "versions", own);
    else {
      const advice = `and not ${lacking.join(", ")} as it is needed: Kafka 2.1 or newer will do`;
      this.#fail("versions", `${own}, ${advice}`, EXIT_CODES.configuration);
    }
  }

  async #registry(): Promise<void> {
    await this.#checkRegistry();
    this.#say("ok", "registry", `${this.#config.registry?.url} answers`);
  }

  async #input(dataset: DatasetConfig, isRegistryThere: boolean): Promise<void> {
    const { topic } = dataset;
    const description = (await this.#log.describeTopics([topic])).get(topic);
    if (description === undefined) {
      const advice =
        "does not exist, or this user may not see it: correct datasets[].topic, or grant Describe and Read";
      this.#fail(`topic ${topic}`, advice, EXIT_CODES.configuration);
      return;
    }
    const records = await this.#inspector.newestRecords(topic, description.partitions, SAMPLE_RECORDS);
    const newestMs = Math.max(...records.map(({ timestampMs }) => timestampMs));
    const newest = records.length === 0 ? "empty so far" : `newest record of ${isoTime(newestMs)}`;
    this.#say("ok", `topic ${topic}`, `${description.partitions} partitions, readable, ${newest}`);
    if (records.length === 0) return;
    const aheadMs = newestMs - this.#clock.nowMs();
    if (aheadMs > dataset.time.maxAheadMs) {
      this.#say(
        "note",
        "clock",
        `the newest record of ${topic} is ${Math.round(aheadMs / 1000)} s ahead of this machine`,
      );
    }
    if (isRegistryThere) await this.#refusals(dataset, records);
  }

  /** What `run` would make of the newest records. */
  async #refusals(dataset: DatasetConfig, records: readonly LogRecord[]): Promise<void> {
    const refused = new Map<string, number>();
    const refuse = (reason: string) => void refused.set(reason, (refused.get(reason) ?? 0) + 1);
    let isTimeSeen = dataset.time.field === undefined;
    let decoded = 0;
    const seen = new Set<EventReader>();
    for (const { value } of records) {
      const schemaId = readWireHeader(value);
      if (schemaId < 0) {
        refuse(wireRefusal(schemaId));
        continue;
      }
      const reader = this.#readers.known(schemaId) ?? (await this.#readers.load(schemaId));
      if ("reason" in reader) {
        refuse(reader.reason);
        continue;
      }
      seen.add(reader);
      const outcome = reader.read(reader.createBatch(1), value!, WIRE_HEADER_BYTES, value!.length);
      if (outcome !== "ok") refuse(outcome);
      else decoded++;
      isTimeSeen ||= timeColumn(reader.fields, dataset.time.field ?? "") >= 0;
    }
    const reasons = [...refused].map(([reason, count]) => `${count} ${reason}`).join(", ");
    const what = `records of ${dataset.topic}`;
    if (decoded === 0) {
      const advice = "is this topic Avro in Confluent wire format, and is this its registry?";
      this.#fail(
        what,
        `none of the newest ${records.length} can be decoded (${reasons}): ${advice}`,
        EXIT_CODES.configuration,
      );
      return;
    }
    if (refused.size === 0) this.#say("ok", what, `the newest ${records.length} can all be decoded`);
    else this.#say("note", what, `of the newest ${records.length}, ${reasons} would not be taken`);
    const schemas = [...seen].map(({ fields }) => fields);
    for (const { pair, why } of missingPairs(schemas, dataset.pairs ?? [])) {
      this.#say("note", `pair [${pair.join(", ")}]`, `no schema among them has it: ${why}`);
    }
    if (isTimeSeen) return;
    const advice = `no schema among them has it at the top of an event: every row would be "time_missing"`;
    this.#fail(`event time ${dataset.time.field}`, advice, EXIT_CODES.configuration);
  }

  async #ownTopics(): Promise<void> {
    const specs = ownTopics(this.#config);
    const existing = await this.#log.describeTopics(specs.map(({ name }) => name));
    for (const { name, compacted = false } of specs) {
      const found = existing.get(name);
      if (found === undefined) continue;
      if (compacted && found.compacted === false) {
        const advice = "must be compacted: set cleanup.policy=compact, or it forgets what was learned";
        this.#fail(`topic ${name}`, advice, EXIT_CODES.configuration);
      } else {
        this.#say("ok", `topic ${name}`, "is there");
      }
    }
    const missing = specs.filter(({ name }) => !existing.has(name));
    if (missing.length === 0) return;
    await this.#log.createTopics(missing, { dryRun: true });
    for (const { name } of missing) this.#say("note", `topic ${name}`, "not there: run will create it");
  }

  async #permissions(): Promise<void> {
    const { deployment, kafka, datasets, sinks, topics } = this.#config;
    const names = topicNames(topics.prefix);
    const existing = await this.#log.describeTopics(ownTopics(this.#config).map(({ name }) => name));
    const group = kafka?.group ?? "";
    const inputs = datasets.map(({ topic }) => topic);
    const visible = await this.#log.describeTopics([...inputs, ...existing.keys()]);
    const groups = [
      { group: `${group}.profiler`, topic: inputs[0] ?? "" },
      { group: `${group}.judge`, topic: names.profiles },
      ...sinks.map((sink) => ({ group: `${group}.sink.${sink.kind}`, topic: names.alerts })),
    ].filter(({ topic }) => visible.has(topic));
    const tried = await this.#inspector.rehearse({
      transactionalId: `${deployment}.doctor`,
      topics: [...existing.keys()],
      groups,
    });
    const refused = tried.filter(({ refusal }) => refusal !== undefined);
    for (const { resource, operation, refusal } of refused) {
      this.#fail(`${operation} ${resource}`, refusal ?? "", EXIT_CODES.configuration);
    }
    const granted = tried.length - refused.length;
    if (granted > 0) this.#say("ok", "permissions", `${granted} of ${tried.length} were tried and are there`);
  }

  #summary(): void {
    const failures = this.findings.filter(({ verdict }) => verdict === "fail").length;
    this.#print?.("");
    this.#print?.(failures === 0 ? "run has what it needs" : `${failures} to be mended before run can work`);
  }

  /** False: it could not be done, and the finding says why. */
  async #tried(what: string, look: () => Promise<void>): Promise<boolean> {
    const before = this.findings.length;
    try {
      await look();
    } catch (error) {
      if (!(error instanceof StreamgaugeError)) throw error;
      this.#fail(what, error.message, error.exitCode);
    }
    return !this.findings.slice(before).some(({ verdict }) => verdict === "fail");
  }

  #fail(what: string, detail: string, exitCode: number): void {
    // The first failure decides: what follows may only be its consequence.
    if (this.#exitCode === EXIT_CODES.ok) this.#exitCode = exitCode;
    this.#say("fail", what, detail);
  }

  #say(verdict: Verdict, what: string, detail: string): void {
    this.findings.push({ verdict, what, detail });
    this.#print?.(`${MARKS[verdict]}  ${what}: ${detail}`);
  }
}

function rangeText({ minVersion, maxVersion }: ApiVersionRange): string {
  return `${minVersion}–${maxVersion}`;
}

const MARKS: Readonly<Record<Verdict, string>> = { ok: "ok  ", note: "note", fail: "FAIL" };

/** Creates the topics that are missing, and compares those that exist with what is wanted. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Admin, ITopicConfig } from "kafkajs";
import { StreamgaugeError } from "../core/errors.ts";
import type { TopicSpec } from "../core/log.ts";
import type { KafkaAdmin } from "./kafka-admin.ts";
import { kafkaError } from "./kafka-errors.ts";

export interface TopicDescription {
  readonly partitions: number;
  /** Absent when this user may not see the topic's configuration. */
  readonly compacted?: boolean;
}

export interface CreateTopicsOptions {
  /** The broker only says whether it would. @default false */
  readonly dryRun?: boolean;
}

/**
 * Replicas are left to the broker's default. Another process that creates the same topics at the same time is no error.
 * @throws {StreamgaugeError} `SG_CONFIG` when a topic exists with other properties, or when this user may not create one;
 *   the sentence says what to do
 */
export async function createKafkaTopics(
  admin: KafkaAdmin,
  specs: readonly TopicSpec[],
  options: CreateTopicsOptions = {},
): Promise<void> {
  const { dryRun = false } = options;
  for (const { name, partitions } of specs) {
    if (!Number.isInteger(partitions) || partitions < 1) {
      throw new RangeError(`Cannot create topic ${name}: partitions is ${partitions}, expected 1 or more`);
    }
  }
  const existing = await describeKafkaTopics(
    admin,
    specs.map(({ name }) => name),
  );
  assertAsWanted(specs, existing);
  const missing = specs.filter(({ name }) => !existing.has(name));
  if (missing.length === 0) return;
  try {
    // Whether all brokers know them already is looked at below: kafkajs gives up on one that does not.
    const topics = missing.map(creation);
    await admin.ask((client) => client.createTopics({ topics, validateOnly: dryRun, waitForLeaders: false }));
  } catch (error) {
    if (!isNotAllowed(error)) throw kafkaError(`create ${missing.map(({ name }) => name).join(", ")}`, error);
    const list = missing.map((spec) => `${spec.name} (${propertiesOf(spec)})`).join(", ");
    const advice = `Have an administrator create ${list}; if they are there, grant this user Read and Write`;
    const message = `Cannot create topics: this user may not. ${advice}`;
    throw new StreamgaugeError("SG_CONFIG", message, { cause: error });
  }
  if (!dryRun) await untilVisible(admin, missing);
}

/** Brokers learn of a new topic one after the other. Another process may have made it, with properties of its own. */
async function untilVisible(admin: KafkaAdmin, created: readonly TopicSpec[]): Promise<void> {
  const names = created.map(({ name }) => name);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const visible = await describeKafkaTopics(admin, names);
      if (visible.size === created.length) {
        assertAsWanted(created, visible);
        return;
      }
      if (attempt === VISIBLE_ATTEMPTS) throw new Error("they cannot be seen after they were created");
    } catch (error) {
      const passing = error instanceof StreamgaugeError && error.code === "SG_CONNECT";
      if (!passing || attempt === VISIBLE_ATTEMPTS) throw kafkaError(`create ${names.join(", ")}`, error);
    }
    await sleep(VISIBLE_ATTEMPT_MS);
  }
}

const VISIBLE_ATTEMPTS = 50;
const VISIBLE_ATTEMPT_MS = 100;

/** Those of the topics that exist and may be seen. */
export async function describeKafkaTopics(
  admin: KafkaAdmin,
  names: readonly string[],
): Promise<ReadonlyMap<string, TopicDescription>> {
  const described = new Map<string, TopicDescription>();
  try {
    const counts = await admin.partitionCounts(names);
    if (counts.size === 0) return described;
    const policies = await admin.ask((client) => cleanupPolicies(client, [...counts.keys()]));
    for (const [name, partitions] of counts) {
      const policy = policies.get(name);
      described.set(name, { partitions, ...(policy === undefined ? {} : { compacted: policy === "compact" }) });
    }
  } catch (error) {
    throw kafkaError(`describe ${names.join(", ")}`, error);
  }
  return described;
}

async function cleanupPolicies(client: Admin, topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const TOPIC = 2;
  try {
    const { resources } = await client.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: TOPIC, name, configNames: ["cleanup.policy"] })),
    });
    return new Map(
      resources.map(({ resourceName, configEntries }) => [resourceName, configEntries[0]?.configValue ?? ""]),
    );
  } catch (error) {
    // The permission to read a topic does not include its configuration; then only the partitions are compared.
    if (isNotAllowed(error)) return new Map();
    throw error;
  }
}

function assertAsWanted(specs: readonly TopicSpec[], existing: ReadonlyMap<string, TopicDescription>): void {
  for (const { name, partitions, compacted = false } of specs) {
    const found = existing.get(name);
    if (found === undefined) continue;
    const differences: string[] = [];
    if (found.partitions !== partitions) differences.push(`partitions is ${found.partitions}, expected ${partitions}`);
    if (found.compacted !== undefined && found.compacted !== compacted) {
      differences.push(`compacted is ${found.compacted}, expected ${compacted} (cleanup.policy)`);
    }
    if (differences.length === 0) continue;
    throw new StreamgaugeError("SG_CONFIG", `Cannot create topic ${name}: it exists, ${differences.join("; ")}`);
  }
}

function creation(spec: TopicSpec): ITopicConfig {
  return {
    topic: spec.name,
    numPartitions: spec.partitions,
    replicationFactor: -1,
    configEntries: Object.entries(configOf(spec)).map(([name, value]) => ({ name, value })),
  };
}

/**
 * What is written again and again is read as a whole after each failure: a broker's defaults would let it grow to a gigabyte
 * before the first compaction.
 */
const COMPACTION = {
  "cleanup.policy": "compact",
  "segment.bytes": String(32 * 1024 * 1024),
  "min.cleanable.dirty.ratio": "0.3",
};

function configOf({ compacted, retentionMs }: TopicSpec): Record<string, string> {
  return {
    ...(compacted === true ? COMPACTION : {}),
    ...(retentionMs === undefined ? {} : { "retention.ms": Number.isFinite(retentionMs) ? String(retentionMs) : "-1" }),
  };
}

function propertiesOf(spec: TopicSpec): string {
  const config = Object.entries(configOf(spec)).map(([name, value]) => `${name}=${value}`);
  return [`partitions=${spec.partitions}`, ...config].join(", ");
}

function isNotAllowed(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const candidates = "errors" in cause && Array.isArray(cause.errors) ? [cause, ...cause.errors] : [cause];
    for (const one of candidates) if ("type" in one && /_AUTHORIZATION_FAILED$/.test(String(one.type))) return true;
  }
  return false;
}

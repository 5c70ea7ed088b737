/**
 * Ids of topics, which kafkajs does not know: a topic that is deleted and created anew has another one. Asked with a
 * request of our own over its connections.
 *
 * Metadata, version 12 (Kafka 3.1 and later), request: tags of the header, topics [id (16 bytes), name, tags], create missing
 * ones, with permissions, tags. Response: tags of the header, throttle time, brokers [node id, host, port, rack, tags], cluster
 * id, controller id, topics [error, name, id, …]. Lengths are one more than they say.
 */
import type { Clock } from "../core/clock.ts";
import type { KafkaCluster } from "./kafka-cluster.ts";
import type { KafkaConnection } from "./kafka-connection.ts";

const VERSION = 12;
const ID_BYTES = 16;
/** What was asked so lately is not asked again: the partitions of a topic commit at about the same time. */
const FRESH_MS = 500;
/** Nothing waits longer for an id. */
const ANSWER_LIMIT_MS = 2000;

interface Answer {
  readonly askedAtMs: number;
  readonly id: Promise<string | undefined>;
}

export class KafkaTopicIds {
  readonly #connection: KafkaConnection;
  readonly #clock: Clock;
  readonly #answers = new Map<string, Answer>();
  #cluster: Promise<KafkaCluster> | undefined;
  #isClosed = false;

  constructor(connection: KafkaConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** As of now, half a second more or less; `undefined`: there is no such topic, no answer, or the brokers know no ids. */
  async read(topic: string): Promise<string | undefined> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#answers.get(topic);
    if (known !== undefined && nowMs - known.askedAtMs < FRESH_MS) return known.id;
    const id = this.#ask(topic);
    this.#answers.set(topic, { askedAtMs: nowMs, id });
    return id;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const cluster = this.#cluster;
    this.#cluster = undefined;
    await cluster?.then((open) => open.disconnect()).catch(() => undefined);
  }

  async #ask(topic: string): Promise<string | undefined> {
    if (this.#isClosed) return undefined;
    this.#cluster ??= this.#connect();
    const used = this.#cluster;
    let limit: { cancel(): void } | undefined;
    const tooLong = new Promise<undefined>((resolve) => {
      limit = this.#clock.after(ANSWER_LIMIT_MS, () => resolve(undefined));
    });
    const answer = used.then((cluster) => this.#request(cluster, topic));
    // The next question goes over a new connection.
    answer.catch(() => {
      if (this.#cluster === used) this.#cluster = undefined;
      used.then((cluster) => cluster.disconnect()).catch(() => undefined);
    });
    try {
      return await Promise.race([answer, tooLong]);
    } catch {
      return undefined;
    } finally {
      limit?.cancel();
    }
  }

  async #connect(): Promise<KafkaCluster> {
    const cluster = this.#connection.createCluster();
    await cluster.connect();
    await cluster.refreshMetadata();
    return cluster;
  }

  async #request(cluster: KafkaCluster, topic: string): Promise<string | undefined> {
    const { apiKeys, Encoder } = this.#connection.library;
    const apiKey = apiKeys.Metadata!;
    const [nodeId] = cluster.getNodeIds();
    if (nodeId === undefined) return undefined;
    const node = await cluster.findBroker({ nodeId });
    if ((node.versions[apiKey]?.maxVersion ?? 0) < VERSION) return undefined;
    return node.connectionPool.send({
      request: {
        apiKey,
        apiVersion: VERSION,
        apiName: "Metadata",
        encode: async () => {
          const encoder = new Encoder();
          encoder.writeBufferInternal(requestFor(topic));
          return encoder;
        },
      },
      response: { decode: async (payload) => topicIdIn(payload), parse: async (id) => id },
    });
  }
}

function requestFor(topic: string): Buffer {
  const name = Buffer.from(topic);
  const length = name.length + 1;
  const lengthBytes = length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
  return Buffer.concat([Buffer.of(0, 2), Buffer.alloc(ID_BYTES), Buffer.from(lengthBytes), name, Buffer.alloc(4)]);
}

/** Of the first topic; `undefined`: it does not exist. */
function topicIdIn(payload: Buffer): string | undefined {
  let at = 0;
  const skip = (bytes: number) => {
    at += bytes;
  };
  const unsigned = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = payload.readUInt8(at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const skipText = () => skip(Math.max(0, unsigned() - 1));
  const skipTags = () => {
    for (let tags = unsigned(); tags > 0; tags--) {
      unsigned();
      skip(unsigned());
    }
  };
  skipTags();
  skip(4);
  for (let brokers = unsigned() - 1; brokers > 0; brokers--) {
    skip(4);
    skipText();
    skip(4);
    skipText();
    skipTags();
  }
  skipText();
  skip(4);
  if (unsigned() < 2 || payload.readInt16BE(at) !== 0) return undefined;
  skip(2);
  skipText();
  const id = payload.subarray(at, at + ID_BYTES);
  return id.length < ID_BYTES || id.every((byte) => byte === 0) ? undefined : id.toString("base64url");
}

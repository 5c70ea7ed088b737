import { randomBytes } from "node:crypto";
import { deflateRawSync, gzipSync } from "node:zlib";
import { CompressionTypes } from "kafkajs";
import { compress as snappy } from "snappyjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KAFKA_CODECS, MAX_UNPACKED_BYTES } from "../../src/consumers/kafka-codecs.ts";
import { unpackLz4 } from "../../src/consumers/kafka-lz4.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { ContractSession, record } from "../consumers/log-contract-kit.ts";
import { describeWithKafka, TestBroker } from "./broker.ts";
import { kafkaFixture, kafkaLog, plainConfig, rawKafka } from "./kafka-log-kit.ts";
import { describeWithRdkafka } from "./rdkafka.ts";

const CODECS = ["gzip", "snappy", "lz4", "zstd"] as const;

describeWithKafka("Kafka's compressions", () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await TestBroker.start();
  });
  afterAll(() => broker?.stop());

  // The broker packs what it stores with the classes that the Java producer uses.
  test.each(CODECS)("KAFKA_CODECS read what Kafka's own %s has packed", (codec) => readsPacked(codec, "kafkajs"));
  describeWithRdkafka("Kafka's compressions", () => {
    test.each(CODECS)("KafkaLog reads what Kafka's own %s has packed", (codec) => readsPacked(codec, "node-rdkafka"));
  });

  async function readsPacked(codec: (typeof CODECS)[number], client: "kafkajs" | "node-rdkafka"): Promise<void> {
    const fixture = kafkaFixture(broker, {}, { client });
    const session = new ContractSession(fixture, await fixture.createLog());
    const topic = fixture.uniqueName(codec);
    const admin = rawKafka(broker).admin();
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, numPartitions: 1, configEntries: [{ name: "compression.type", value: codec }] }],
    });
    const values = payloads();
    for (let at = 0; at < values.length; at += 100) {
      await session.log.append(values.slice(at, at + 100).map((value) => ({ ...record(topic, null), value })));
    }
    const consumer = await session.subscribe(topic);
    await consumer.until("all came", () => consumer.records().length === values.length);
    for (const [at, { value }] of consumer.records().entries()) expect(Buffer.compare(value!, values[at]!)).toBe(0);
    // Uncompressed bytes would prove nothing.
    expect(broker.bytesOf(topic, 0)).toBeLessThan(0.9 * values.reduce((sum, value) => sum + value.length, 0));
    await session.end();
    await admin.disconnect();
    await fixture.close();
  }

  test("KafkaLog refuses a batch that unpacks to more than the limit, in one sentence with its offset", async () => {
    const fixture = kafkaFixture(broker);
    const log = kafkaLog(plainConfig(broker));
    const session = new ContractSession(fixture, log);
    const topic = await session.topic("bomb");
    await session.append(topic, ["good"]);
    const producer = rawKafka(broker).producer({ createPartitioner: () => () => 0 });
    await producer.connect();
    const value = Buffer.alloc(MAX_UNPACKED_BYTES + 1);
    await producer.send({ topic, compression: CompressionTypes.GZIP, messages: [{ value }] });
    await producer.disconnect();
    const before = process.memoryUsage().rss;
    const consumer = await session.subscribe(topic);
    await expect(consumer.subscription!.done).rejects.toMatchObject({
      code: "SG_CORRUPT",
      message: expect.stringMatching(
        /^Cannot read bomb-.*: the record batch at offset 1 cannot be read: .*larger than/,
      ),
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(3 * MAX_UNPACKED_BYTES);
    await session.end();
    await log.close();
    await fixture.close();
  });
});

describe("KAFKA_CODECS", () => {
  const [GZIP, SNAPPY, LZ4, ZSTD] = [1, 2, 3, 4] as const;
  const tooMuch = Buffer.alloc(MAX_UNPACKED_BYTES + 1);
  /** Gzip takes another way where there is much to unpack. */
  const noise = randomBytes(200_000);
  /** A frame header, then blocks of one literal and a match of `length` zeros. */
  const lz4Bomb = (blocks: number, length: number) => {
    const lengthBytes = [...Array(Math.floor((length - 19) / 255)).fill(255), (length - 19) % 255];
    const block = [0x1f, 0, 1, 0, ...lengthBytes];
    const size = Buffer.alloc(4);
    size.writeUInt32LE(block.length);
    const body = Buffer.concat(Array.from({ length: blocks }, () => [size, Buffer.from(block)]).flat());
    return Buffer.concat([Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0]), body, Buffer.alloc(4)]);
  };
  /** A frame without content size, window of 1 MB, of blocks that each repeat one byte 128 KB. */
  const zstdBomb = (blocks: number) => {
    const block = (last: boolean) => {
      const header = ((128 << 10) << 3) | (1 << 1) | Number(last);
      return [header & 255, (header >> 8) & 255, header >> 16, 0];
    };
    const body = Array.from({ length: blocks }, (_, at) => block(at === blocks - 1)).flat();
    return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50, ...body]);
  };
  const xerial = (blocks: readonly Uint8Array[]) => {
    const parts: Uint8Array[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])];
    for (const block of blocks) {
      const size = Buffer.alloc(4);
      size.writeUInt32BE(block.length);
      parts.push(size, block);
    }
    return Buffer.concat(parts);
  };

  test("unpack what they should: raw and framed snappy, linked lz4 blocks, repeated zstd blocks", async () => {
    const text = Buffer.from("streamgauge ".repeat(500));
    for (const plain of [text, noise]) {
      expect((await KAFKA_CODECS.get(GZIP)!.decompress(gzipSync(plain))).equals(plain)).toBe(true);
    }
    expect(await KAFKA_CODECS.get(SNAPPY)!.decompress(Buffer.from(snappy(text)))).toEqual(text);
    const framed = xerial([snappy(text), snappy(text)]);
    expect(await KAFKA_CODECS.get(SNAPPY)!.decompress(framed)).toEqual(Buffer.concat([text, text]));
    expect(await KAFKA_CODECS.get(LZ4)!.decompress(lz4Bomb(3, 1000))).toEqual(Buffer.alloc(3 * 1001));
    expect(await KAFKA_CODECS.get(ZSTD)!.decompress(zstdBomb(3))).toEqual(Buffer.alloc(3 * (128 << 10)));
  });

  test.each([
    ["gzip", GZIP, gzipSync(tooMuch)],
    ["gzip of many bytes", GZIP, gzipSync(Buffer.concat([noise, tooMuch]))],
    ["snappy", SNAPPY, Buffer.from(snappy(tooMuch))],
    ["snappy of many blocks", SNAPPY, xerial(Array(40).fill(snappy(Buffer.alloc(1 << 20))))],
    ["lz4", LZ4, lz4Bomb(9, 4 << 20)],
    ["zstd", ZSTD, zstdBomb(MAX_UNPACKED_BYTES / (128 << 10) + 1)],
  ] as const)("refuse a bomb: %s", async (_name, type, bomb) => {
    expect(bomb.length).toBeLessThan(MAX_UNPACKED_BYTES / 15);
    await expect(KAFKA_CODECS.get(type)!.decompress(bomb)).rejects.toThrow(
      /larger than|too big|Cannot create a Buffer/,
    );
  });

  test("refuse damaged bytes with an error, or give back at most the limit", async () => {
    const random = new SeededRandom(4711);
    const text = Buffer.from(Array.from({ length: 3000 }, () => random.below(20)));
    const samples = [
      [GZIP, gzipSync(text)],
      [SNAPPY, Buffer.from(snappy(text))],
      [SNAPPY, xerial([snappy(text)])],
      [LZ4, lz4Bomb(2, 5000)],
      [ZSTD, zstdBomb(2)],
      [GZIP, deflateRawSync(text)],
    ] as const;
    let refused = 0;
    for (let round = 0; round < 600; round += 1) {
      const [type, sound] = samples[round % samples.length]!;
      const damaged = Buffer.from(sound.subarray(0, 1 + random.below(sound.length)));
      for (let hit = 0; hit <= random.below(4); hit += 1) damaged[random.below(damaged.length)] = random.below(256);
      try {
        expect((await KAFKA_CODECS.get(type)!.decompress(damaged)).length).toBeLessThanOrEqual(MAX_UNPACKED_BYTES);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(300);
  });

  test("unpackLz4() names what is wrong with a frame", () => {
    const sound = lz4Bomb(1, 300);
    const with_ = (at: number, byte: number) => {
      const bytes = Buffer.from(sound);
      bytes[at] = byte;
      return bytes;
    };
    expect(unpackLz4(sound, 1000)).toHaveLength(301);
    expect(() => unpackLz4(with_(0, 0), 1000)).toThrow("no frame begins here");
    expect(() => unpackLz4(with_(4, 0), 1000)).toThrow("unknown version");
    expect(() => unpackLz4(with_(4, 0x61), 1000)).toThrow("dictionary");
    expect(() => unpackLz4(with_(13, 9), 1000)).toThrow("before the output");
    expect(() => unpackLz4(sound.subarray(0, 14), 1000)).toThrow("a block is cut off");
    expect(() => unpackLz4(sound, 300)).toThrow("larger than 300 bytes");
  });
});

/** Compressible and incompressible, empty and larger than the block of every codec. */
function payloads(): Buffer[] {
  const random = new SeededRandom(20261127);
  return Array.from({ length: 1200 }, (_, at) => {
    if (at % 7 === 0) return Buffer.alloc(0);
    const length = at % 100 === 1 ? 100_000 : 1 + random.below(800);
    const spread = at % 5 === 0 ? 256 : 1 + random.below(12);
    return Buffer.from(Array.from({ length }, () => random.below(spread)));
  });
}

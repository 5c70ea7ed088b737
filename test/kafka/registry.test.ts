/** Our side of the schema registry against a real one, with the client that producers use as the oracle. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SchemaRegistry as ProducersRegistry, SchemaType } from "@kafkajs/confluent-schema-registry";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import type { ColumnBatch } from "../../src/core/column-batch.ts";
import type { Logger } from "../../src/core/logger.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { createHttpRegistry } from "../../src/schemas/http-registry.ts";
import { createReaderSource } from "../../src/schemas/registry.ts";
import { createSchemaDiskCache } from "../../src/schemas/schema-disk-cache.ts";
import { readWireHeader, WIRE_HEADER_BYTES } from "../../src/schemas/wire-format.ts";
import { batchContents } from "../schemas/batch-contents.ts";
import { describeWithApicurio, TestRegistryServer } from "./apicurio.ts";

const SEED = 20_261_127;
const silent: Logger = { info() {}, warn() {}, error() {} };

function connect(url: string) {
  return createHttpRegistry({ url }, { clock: systemClock(), random: new SeededRandom(SEED), logger: silent });
}

const MONEY = {
  type: "record" as const,
  name: "Money",
  namespace: "shop",
  fields: [
    { name: "cents", type: "long" },
    { name: "currency", type: { type: "enum", name: "Currency", symbols: ["EUR", "USD"] } },
  ],
};
const ITEM = {
  type: "record" as const,
  name: "Item",
  namespace: "shop",
  fields: [
    { name: "sku", type: "string" },
    { name: "price", type: "shop.Money" },
  ],
};
const ORDER = {
  type: "record" as const,
  name: "Order",
  namespace: "shop",
  fields: [
    { name: "id", type: "long" },
    { name: "weight", type: ["null", "double"], default: null },
    { name: "items", type: { type: "array", items: "Item" } },
    { name: "discount", type: ["null", "Money"], default: null },
  ],
};

interface Order {
  readonly id: number;
  readonly weight: number | null;
  readonly items: readonly {
    readonly sku: string;
    readonly price: { readonly cents: number; readonly currency: string };
  }[];
  readonly discount: { readonly cents: number; readonly currency: string } | null;
}

function orders(count: number): Order[] {
  const random = new SeededRandom(SEED);
  const money = () => ({ cents: random.below(1e9) * 1e5 - 5e13, currency: random.bit() === 0 ? "EUR" : "USD" });
  return Array.from({ length: count }, (_, id) => ({
    id,
    weight: random.below(4) === 0 ? null : random.next() * 1e3 - 500,
    items: Array.from({ length: random.below(4) }, () => ({ sku: `sku ${random.below(50)} é`, price: money() })),
    discount: random.bit() === 0 ? null : money(),
  }));
}

describeWithApicurio("a real schema registry", () => {
  let server: TestRegistryServer;
  let producers: ProducersRegistry;
  let folder = "";
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "streamgauge-registry-"));
    server = await TestRegistryServer.start();
    producers = new ProducersRegistry({ host: server.url });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Id of ORDER, which refers to two other subjects. */
  async function registerOrder(): Promise<number> {
    await producers.register({ type: SchemaType.AVRO, schema: JSON.stringify(MONEY) }, { subject: "money" });
    const money = { name: "shop.Money", subject: "money", version: 1 };
    await producers.register(
      { type: SchemaType.AVRO, schema: JSON.stringify(ITEM), references: [money] },
      { subject: "shop/item" },
    );
    const item = { name: "shop.Item", subject: "shop/item", version: 1 };
    const { id } = await producers.register(
      { type: SchemaType.AVRO, schema: JSON.stringify(ORDER), references: [item, money] },
      { subject: "orders-value" },
    );
    return id;
  }

  test("HttpRegistry.check() knows it, and not what stands beside it", async () => {
    await connect(server.url).check();
    await connect(`${server.url}/`).check();
    const error = { code: "SG_CONNECT", message: expect.stringContaining("does not look like a schema registry") };
    await expect(connect(server.origin).check()).rejects.toMatchObject(error);
    await expect(connect(`${server.url}/nope`).check()).rejects.toMatchObject(error);
  });

  test("HttpRegistry.schema() gives the text that a producer registered", async () => {
    const { id } = await producers.register(MONEY, { subject: "money-alone" });
    const schema = await connect(server.url).schema(id);
    expect(schema).toMatchObject({ id, type: "AVRO" });
    expect(JSON.parse(schema?.text ?? "")).toEqual(MONEY);
  });

  test("HttpRegistry.schema() is undefined for ids that it does not know, and rejects without the path", async () => {
    for (const id of [0, 999_999, 2 ** 31 - 1, 2 ** 32 - 1])
      expect(await connect(server.url).schema(id)).toBeUndefined();
    await expect(connect(server.origin).schema(1)).rejects.toMatchObject({ code: "SG_CONNECT" });
  });

  test("createReaderSource() refuses JSON Schema and Protobuf by their names", async () => {
    const readers = createReaderSource(connect(server.url), { clock: systemClock() });
    const json = await producers.register(
      { type: SchemaType.JSON, schema: '{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}' },
      { subject: "json-value" },
    );
    const proto = await producers.register(
      { type: SchemaType.PROTOBUF, schema: 'syntax = "proto3"; message M { int32 a = 1; }' },
      { subject: "proto-value" },
    );
    for (const [id, type] of [
      [json.id, "JSON"],
      [proto.id, "PROTOBUF"],
    ]) {
      const message = `Cannot use schema ${id}: its type is "${type}", expected "AVRO"`;
      expect(await readers.load(Number(id))).toEqual({ reason: "schema_refused", message });
    }
  });

  test("what a producer encodes, our reader decodes as the producer's own client does", async () => {
    const id = await registerOrder();
    const registry = createSchemaDiskCache(connect(server.url), {
      directory: folder,
      registryUrl: server.url,
      logger: silent,
    });
    const reader = await createReaderSource(registry, { clock: systemClock() }).load(id);
    if ("reason" in reader) throw new Error(reader.message);
    const written = orders(200);
    const batch = reader.createBatch(written.length);
    const decoded: Order[] = [];
    for (const order of written) {
      const bytes = await producers.encode(id, order);
      expect(readWireHeader(bytes)).toBe(id);
      expect(reader.read(batch, bytes, WIRE_HEADER_BYTES, bytes.length)).toBe("ok");
      decoded.push((await producers.decode(bytes)) as Order);
    }
    expect(contentsOf(batch)).toEqual(expectedContents(decoded));
    expect(JSON.parse(JSON.stringify(decoded))).toEqual(written);
  });

  test("createSchemaDiskCache() bridges its end, references included", async () => {
    const id = await registerOrder();
    const cached = () =>
      createSchemaDiskCache(connect(server.url), { directory: folder, registryUrl: server.url, logger: silent });
    const before = await cached().schema(id);
    expect(before?.references).toHaveLength(2);
    await server.stop();
    expect(await cached().schema(id)).toEqual(before);
    expect(await createReaderSource(cached(), { clock: systemClock() }).load(id)).toHaveProperty("fields");
    await expect(cached().schema(id + 1_000)).rejects.toMatchObject({ code: "SG_CONNECT" });
  });
});

type Contents = Record<string, { rows: number[]; values: unknown[] }>;

/** Values by path, as a client would have them. */
function contentsOf(batch: ColumnBatch): Contents {
  const contents: Contents = {};
  for (const [path, { rows, values }] of batchContents(batch)) {
    contents[path] = {
      rows,
      values: values.map((value) => {
        if (typeof value === "string") return Buffer.from(value, "hex").toString("utf8");
        return typeof value === "number" ? value : Number(value[0]);
      }),
    };
  }
  return contents;
}

function expectedContents(decoded: readonly Order[]): Contents {
  const column = (of: (order: Order) => readonly unknown[]) => {
    const cells = decoded.flatMap((order, row) => of(order).map((value) => ({ row, value })));
    return { rows: cells.map(({ row }) => row), values: cells.map(({ value }) => value) };
  };
  const some = (value: unknown) => (value === null || value === undefined ? [] : [value]);
  return {
    id: column(({ id }) => [id]),
    weight: column(({ weight }) => some(weight)),
    items: column(({ items }) => [items.length]),
    "items[].sku": column(({ items }) => items.map(({ sku }) => sku)),
    "items[].price.cents": column(({ items }) => items.map(({ price }) => price.cents)),
    "items[].price.currency": column(({ items }) => items.map(({ price }) => price.currency)),
    "discount.cents": column(({ discount }) => some(discount?.cents)),
    "discount.currency": column(({ discount }) => some(discount?.currency)),
  };
}

/**
 * A copy of kafkajs of our own, in which three of its modules are replaced: the filter of aborted transactions, the class
 * of a fetched batch, and the reader of record batches. Others are mended in places (`kafka-mends.ts`). A copy,
 * because what else runs in this process may use kafkajs too: neither does it get ours, nor do we get one that was loaded
 * before. The version is pinned, because modules are replaced that no interface keeps.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve, sep } from "node:path";
import { compileFunction } from "node:vm";
import type * as KafkaJs from "kafkajs";
import { withoutAborted } from "./kafka-aborted-filter.ts";
import { type FetchedMessage, type StockBatchClass, type WholeBatchClass, wholeBatchOf } from "./kafka-batch.ts";
import type { KafkaCluster, KafkaClusterClass, KafkaEncoder } from "./kafka-cluster.ts";
import { KAFKA_CODECS } from "./kafka-codecs.ts";
import { MENDS, type Mend } from "./kafka-mends.ts";
import { type FetchedMessages, type RecordDecoders, recordBatchReader } from "./kafka-record-batches.ts";

const VERSION = "2.2.4";
const FILTER = "src/consumer/filterAbortedMessages.js";
const BATCH = "src/consumer/batch.js";
const RECORD_BATCHES = "src/protocol/requests/fetch/v4/decodeMessages.js";
export interface KafkaLibrary extends Pick<typeof KafkaJs, "Kafka" | "logLevel"> {
  readonly Batch: WholeBatchClass;
  readonly Cluster: new (...options: ConstructorParameters<KafkaClusterClass>) => KafkaCluster;
  readonly Encoder: new () => KafkaEncoder;
  readonly createSocketFactory: () => KafkaJs.ISocketFactory;
  /** API keys of Kafka's protocol by the names of kafkajs. */
  readonly apiKeys: Readonly<Record<string, number>>;
  /** The versions of each request that kafkajs can speak. */
  readonly requests: Readonly<Record<string, { readonly versions: readonly string[] }>>;
}

export type AbortedFilter = typeof withoutAborted;

let loaded: KafkaLibrary | undefined;

/**
 * The one copy of this process.
 * @throws {Error} when another version of kafkajs is installed, or the replaced modules are not in use.
 */
export function kafkaLibrary(): KafkaLibrary {
  if (loaded === undefined) {
    const library = loadKafkaLibrary(withoutAborted);
    assertReadsCommitted(library.Batch);
    loaded = library;
  }
  return loaded;
}

/** A copy with the filter given, or with kafkajs' own; for tests. */
export function loadKafkaLibrary(filter?: AbortedFilter): KafkaLibrary {
  const hostRequire = createRequire(import.meta.url);
  const root = dirname(hostRequire.resolve("kafkajs/package.json"));
  const { version } = hostRequire("kafkajs/package.json") as { version: string };
  if (version !== VERSION) {
    throw new Error(`Cannot use kafkajs ${version}: install ${VERSION}, whose modules are replaced here`);
  }
  const modules = new PrivateModules(root, hostRequire);
  if (filter !== undefined) modules.replace(FILTER, filter);
  for (const mend of MENDS) modules.mend(mend);
  const load = (path: string) => modules.load(join(root, path));
  modules.replace(
    RECORD_BATCHES,
    recordBatchReader({
      Decoder: load("src/protocol/decoder.js") as RecordDecoders["Decoder"],
      decodeRecordBatch: load("src/protocol/recordBatch/v0/decoder.js") as RecordDecoders["decodeRecordBatch"],
      decodeMessageSet: load("src/protocol/messageSet/decoder.js") as RecordDecoders["decodeMessageSet"],
    }),
  );
  const Batch = wholeBatchOf(load(BATCH) as StockBatchClass);
  modules.replace(BATCH, Batch);
  const { Kafka, logLevel, CompressionCodecs } = load("index.js") as typeof KafkaJs;
  for (const [type, codec] of KAFKA_CODECS) CompressionCodecs[type] = () => codec;
  return {
    Kafka,
    logLevel,
    Batch,
    Cluster: load("src/cluster/index.js") as KafkaClusterClass,
    Encoder: load("src/protocol/encoder.js") as KafkaLibrary["Encoder"],
    createSocketFactory: load("src/network/socketFactory.js") as () => KafkaJs.ISocketFactory,
    apiKeys: load("src/protocol/requests/apiKeys.js") as KafkaLibrary["apiKeys"],
    requests: (load("src/protocol/requests/index.js") as { readonly requests: KafkaLibrary["requests"] }).requests,
  };
}

/** CommonJS modules of one package, evaluated apart from all others of the process. */
class PrivateModules {
  readonly #root: string;
  readonly #hostRequire: NodeJS.Require;
  readonly #modules = new Map<string, { exports: unknown }>();
  readonly #mended = new Map<string, string>();

  constructor(root: string, hostRequire: NodeJS.Require) {
    this.#root = root;
    this.#hostRequire = hostRequire;
  }

  replace(path: string, exports: unknown): void {
    const filename = join(this.#root, path);
    if (!existsSync(filename)) throw new Error(`Cannot replace ${path} of kafkajs: there is no such module`);
    this.#modules.set(filename, { exports });
  }

  /** Several mends of one module come one after the other. */
  mend({ path, stock, mended }: Mend): void {
    const filename = join(this.#root, path);
    const parts = (this.#mended.get(filename) ?? readFileSync(filename, "utf8")).split(stock);
    if (parts.length !== 2) throw new Error(`Cannot mend ${path} of kafkajs: it is not as it is known`);
    this.#mended.set(filename, parts.join(mended));
  }

  load(filename: string): unknown {
    const known = this.#modules.get(filename);
    if (known !== undefined) return known.exports;
    const module: { exports: unknown } = { exports: {} };
    // Before it is run: modules that require each other see what the other has exported so far.
    this.#modules.set(filename, module);
    const source = this.#mended.get(filename) ?? readFileSync(filename, "utf8");
    if (filename.endsWith(".json")) {
      module.exports = JSON.parse(source);
      return module.exports;
    }
    const run = compileFunction(source, ["exports", "require", "module", "__filename", "__dirname"], { filename });
    const folder = dirname(filename);
    run.call(module.exports, module.exports, (id: string) => this.#require(id, folder), module, filename, folder);
    return module.exports;
  }

  #require(id: string, folder: string): unknown {
    if (!id.startsWith(".")) return this.#hostRequire(id);
    const path = resolve(folder, id);
    const filename = [path, `${path}.js`, join(path, "index.js")].find(
      (one) => /\.js(on)?$/.test(one) && existsSync(one),
    );
    if (filename === undefined || !filename.startsWith(this.#root + sep)) {
      throw new Error(`Cannot load ${id} for kafkajs: it is not in its folder`);
    }
    return this.load(filename);
  }
}

/** Overlapping aborted transactions in the broker's order, and an int32 key 0: what the stock filter lets through. */
function assertReadsCommitted(Batch: WholeBatchClass): void {
  const message = (offset: number, producerId: string, control?: "abort"): FetchedMessage => ({
    offset: String(offset),
    timestamp: "0",
    key: Buffer.from([0, 0, 0, 0]),
    value: Buffer.from("aborted"),
    headers: {},
    isControlRecord: control !== undefined,
    batchContext: { producerId, inTransaction: true },
  });
  const messages: FetchedMessages = [
    message(0, "1"),
    message(1, "2"),
    message(2, "2", "abort"),
    message(3, "1"),
    message(4, "1", "abort"),
  ];
  const { committed, toOffset } = new Batch("probe", "0", {
    partition: 0,
    highWatermark: "5",
    lastStableOffset: "5",
    abortedTransactions: [
      { producerId: "2", firstOffset: "1" },
      { producerId: "1", firstOffset: "0" },
    ],
    messages,
  });
  if (committed.length !== 0 || toOffset !== 5) {
    throw new Error("Cannot use kafkajs: its filter of aborted transactions could not be replaced");
  }
}

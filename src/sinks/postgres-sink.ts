/**
 * Windows, metric values, verdicts and alerts as tables in PostgreSQL, for Grafana and for people's own queries.
 *
 * Delivery guarantee: `write` settles when its records are committed, all in one transaction; before that it tries
 * again for as long as it takes. Records that come again (after a crash, or when the answer to a commit was lost)
 * change nothing, and a lower revision never replaces a higher one: nothing is lost or doubled.
 *
 * Back-pressure: one connection, one write at a time. While the database is away the sink's own consumer group waits,
 * for as long as the topics keep their records; the stages and the other sinks go on. At most the records of the
 * pending calls are held.
 */
import type { Clock } from "../core/clock.ts";
import type { TlsConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { LogRecord } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { SeededRandom } from "../core/random.ts";
import type { Sink, SinkTopic } from "../core/sink.ts";
import { type Counter, noTelemetry, type Telemetry } from "../core/telemetry.ts";
import {
  BEGIN,
  connect,
  describeTarget,
  failureOf,
  messageOf,
  type PostgresConnection,
  type PostgresTarget,
  type Queryable,
  quoteSchema,
} from "./postgres-connection.ts";
import { migrate } from "./postgres-migrations.ts";
import { type Decoded, decodeAlert, decodeVerdict, decodeWindow, type WindowRow } from "./postgres-records.ts";
import { PostgresWriter } from "./postgres-writer.ts";

export interface PostgresSinkOptions {
  /** `postgres://user:password@host:5432/database`. */
  readonly url: string;
  /** Holds all tables; made when it does not exist. */
  readonly schema: string;
  readonly tls?: TlsConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Spreads the attempts of several processes. */
  readonly random: SeededRandom;
  /** Attempts that failed count as `streamgauge_sink_failures_total`. @default none */
  readonly telemetry?: Telemetry;
}

export interface PostgresSink extends Sink {
  /**
   * Ends within seconds: a `write` that waits for the database rejects with `SG_CONNECT`, one under way may still
   * succeed. Call it before, not after, waiting for the sink's subscription to stop.
   */
  close(): Promise<void>;
}

const TOPICS = ["metrics", "verdicts", "alerts"] as const satisfies readonly SinkTopic[];
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 30_000;
/** For a transaction under way when the sink is closed. */
const GRACE_MS = 3000;
/** Rows decoded at a time: a window may hold thousands of values. */
const CHUNK_VALUES = 20_000;
/** What a verdict or an alert weighs beside a value: its causes. */
const VALUES_OF_CAUSES = 20;

/**
 * Connects and brings the tables to the newest version. A database that cannot be reached is not an error here: the
 * sink starts, waits for it, and its consumer group with it.
 * @throws {StreamgaugeError} `SG_CONFIG` for what waiting does not mend: the url, the password, a missing database,
 *   missing rights, tables of a newer version.
 */
export async function openPostgresSink(options: PostgresSinkOptions): Promise<PostgresSink> {
  const sink = new TableSink(options);
  await sink.start();
  return sink;
}

/** A record that is not written, and why. */
interface LeftOut {
  readonly offset: number | undefined;
  readonly reason: string;
}

class TableSink implements PostgresSink {
  readonly name = "postgres";
  readonly topics = TOPICS;
  readonly #target: PostgresTarget;
  readonly #where: string;
  readonly #writer: PostgresWriter;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #random: SeededRandom;
  readonly #failures: Counter;
  #connection: PostgresConnection | undefined;
  /** Settles when the write before has; never rejects. */
  #turn: Promise<void> = Promise.resolve();
  #state: "up" | "unreachable" | "refused" = "up";
  #closed = false;
  #wake = () => {};
  readonly #ending = new AbortController();

  constructor(options: PostgresSinkOptions) {
    this.#target = options;
    this.#writer = new PostgresWriter(quoteSchema(options.schema));
    this.#where = `PostgreSQL at ${describeTarget(options)}`;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#random = options.random;
    this.#failures = (options.telemetry ?? noTelemetry).counter("streamgauge_sink_failures_total", { sink: this.name });
  }

  async start(): Promise<void> {
    try {
      await this.#connected();
    } catch (error) {
      if (failureOf(error) === "refused") throw this.#asConfigError(error);
      this.#noteFailure(error);
    }
  }

  async write(topic: SinkTopic, records: readonly LogRecord[]): Promise<void> {
    const before = this.#turn;
    const mine = before.then(() => this.#writeAll(topic, records));
    this.#turn = mine.catch(() => undefined);
    await mine;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    const timer = this.#clock.after(GRACE_MS, () => this.#ending.abort());
    await this.#turn;
    timer.cancel();
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.end();
  }

  /** Tries until it is committed. Records that PostgreSQL will never take are found by halving, and left out. */
  async #writeAll(topic: SinkTopic, records: readonly LogRecord[]): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    for (;;) {
      if (this.#closed) throw this.#closedError();
      try {
        const leftOut = await this.#writeOnce(topic, records);
        this.#noteSuccess();
        this.#noteLeftOut(topic, leftOut);
        return;
      } catch (error) {
        this.#drop();
        // Our own mistake, which trying again does not mend.
        if (error instanceof TypeError || error instanceof RangeError) throw error;
        const failure = failureOf(error);
        if (failure === "data" && records.length > 1) {
          const half = records.length >> 1;
          await this.#writeAll(topic, records.slice(0, half));
          await this.#writeAll(topic, records.slice(half));
          return;
        }
        if (failure === "data") {
          this.#noteLeftOut(topic, [{ offset: records[0]?.offset, reason: messageOf(error) }]);
          return;
        }
        this.#failures.add(1);
        this.#noteFailure(error);
      }
      await this.#wait(waitMs * (0.5 + this.#random.next() / 2));
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }

  /** One transaction; the records that are not of our shape are left out. */
  async #writeOnce(topic: SinkTopic, records: readonly LogRecord[]): Promise<readonly LeftOut[]> {
    const db = await this.#connected();
    await db.query(BEGIN);
    const writer = this.#writer;
    const leftOut: LeftOut[] = [];
    const causes = () => VALUES_OF_CAUSES;
    switch (topic) {
      case "metrics": {
        const values = (row: WindowRow) => row.values.length;
        await this.#inChunks(records, leftOut, decodeWindow, values, (rows) => writer.writeWindows(db, rows));
        break;
      }
      case "verdicts":
        await this.#inChunks(records, leftOut, decodeVerdict, causes, (rows) => writer.writeVerdicts(db, rows));
        break;
      case "alerts":
        await this.#inChunks(records, leftOut, decodeAlert, causes, (rows) => writer.writeAlerts(db, rows));
        break;
      case "windows":
        break;
      default:
        topic satisfies never;
    }
    await db.query("COMMIT");
    return leftOut;
  }

  /** Decodes as many records as make one set of statements, so that a long batch is not decoded all at once. */
  async #inChunks<Row>(
    records: readonly LogRecord[],
    leftOut: LeftOut[],
    decode: (record: LogRecord) => Decoded<Row>,
    valuesOf: (row: Row) => number,
    write: (rows: readonly Row[]) => Promise<void>,
  ): Promise<void> {
    let rows: Row[] = [];
    let values = 0;
    for (const record of records) {
      if (record.value === null) continue;
      const decoded = decode(record);
      if ("refused" in decoded) {
        leftOut.push({ offset: record.offset, reason: decoded.refused });
        continue;
      }
      rows.push(decoded.row);
      values += valuesOf(decoded.row);
      if (values < CHUNK_VALUES) continue;
      await write(rows);
      rows = [];
      values = 0;
    }
    await write(rows);
  }

  async #connected(): Promise<Queryable> {
    if (this.#connection?.alive === true) return this.#connection;
    this.#drop();
    const connection = await connect(this.#target, this.#ending.signal);
    try {
      await migrate(connection, { schema: this.#target.schema, where: this.#where });
    } catch (error) {
      connection.destroy();
      throw error;
    }
    this.#connection = connection;
    return connection;
  }

  /** After any failure: the connection may be inside a transaction, or half dead. */
  #drop(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  async #wait(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(delayMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
      if (this.#closed) this.#wake();
    });
    this.#wake = () => {};
  }

  #noteSuccess(): void {
    if (this.#state === "up") return;
    this.#state = "up";
    this.#logger.info({ sink: this.name }, `${this.#where} takes records again`);
  }

  /** Once per change of state, not once per attempt. */
  #noteFailure(error: unknown): void {
    const state = failureOf(error) === "refused" ? "refused" : "unreachable";
    if (state === this.#state) return;
    this.#state = state;
    const fields = { sink: this.name, error: messageOf(error) };
    if (state === "refused") {
      this.#logger.error(fields, `${this.#where} refuses the sink; records wait on their topics until that is mended`);
    } else {
      this.#logger.warn(fields, `${this.#where} cannot be written to; trying again, records wait on their topics`);
    }
  }

  /** One line per delivery: a topic may be full of what somebody else wrote. */
  #noteLeftOut(topic: SinkTopic, leftOut: readonly LeftOut[]): void {
    const [first] = leftOut;
    if (first === undefined) return;
    const fields = { sink: this.name, topic, count: leftOut.length, ...first };
    this.#logger.warn(fields, "records left out because they are not of our shape; the first is named");
  }

  #asConfigError(error: unknown): StreamgaugeError {
    if (error instanceof StreamgaugeError) return error;
    const { schema } = this.#target;
    return new StreamgaugeError(
      "SG_CONFIG",
      `Cannot use ${this.#where}, schema ${schema}: ${messageOf(error)}; mend it or correct the url of the postgres sink`,
    );
  }

  #closedError(): StreamgaugeError {
    return new StreamgaugeError("SG_CONNECT", `Cannot write to ${this.#where}: the sink was closed`);
  }
}

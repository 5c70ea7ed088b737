/**
 * Writes `metrics.jsonl`, `verdicts.jsonl` and `alerts.jsonl` into a directory.
 *
 * `atomic`: for bounded runs. Lines go to `<name>.part`, which `close` renames, so that a run that fails leaves no
 * file that looks whole. Without it lines are appended as they come.
 * Delivery guarantee: at least once; a reader drops repeats by (dataset, slice, window, revision, by).
 */
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { StreamgaugeError } from "../core/errors.ts";
import type { LogRecord } from "../core/log.ts";
import type { Sink, SinkTopic } from "../core/sink.ts";

const FILES = ["metrics", "verdicts", "alerts"] as const satisfies readonly SinkTopic[];
const NEWLINE = Uint8Array.of(10);

export interface FileSink extends Sink {
  close(): Promise<void>;
  /** Removes what `atomic` writing has begun. */
  discard(): Promise<void>;
}

export interface FileSinkOptions {
  readonly directory: string;
  readonly atomic: boolean;
}

/** @throws {StreamgaugeError} `SG_CONFIG` when the directory or a file in it cannot be written. */
export async function openFileSink(options: FileSinkOptions): Promise<FileSink> {
  try {
    return await open(options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StreamgaugeError("SG_CONFIG", `Cannot write into ${options.directory}: ${why}`, { cause: error });
  }
}

async function open(options: FileSinkOptions): Promise<FileSink> {
  await mkdir(options.directory, { recursive: true });
  const suffix = options.atomic ? ".jsonl.part" : ".jsonl";
  const pathOf = (name: string, ending = suffix) => join(options.directory, `${name}${ending}`);
  const streams = new Map<SinkTopic, WriteStream>();
  let failure: Error | undefined;
  for (const name of FILES) {
    const stream = createWriteStream(pathOf(name), { flags: options.atomic ? "w" : "a" });
    stream.on("error", (error) => {
      failure ??= error;
    });
    streams.set(name, stream);
  }
  const end = () =>
    Promise.all(
      [...streams.values()].map(async (stream) => {
        if (stream.writableFinished || stream.closed) return;
        // How the last bytes ended is told here before it is an event.
        const error = await new Promise<Error | null | undefined>((resolve) => {
          stream.end((outcome?: Error | null) => resolve(outcome));
        });
        failure ??= error ?? undefined;
      }),
    );
  // What cannot be removed must not hide the failure that led here.
  const discard = async (names: readonly SinkTopic[] = FILES) => {
    await end();
    if (options.atomic) for (const name of names) await rm(pathOf(name), { force: true }).catch(() => undefined);
  };
  // Before the first record, so that a long run does not end in it.
  const opened = await Promise.allSettled([...streams.values()].map((stream) => once(stream, "open")));
  const refused = opened.find((outcome) => outcome.status === "rejected");
  if (refused !== undefined) {
    await discard(FILES.filter((_, index) => opened[index]?.status === "fulfilled"));
    throw refused.reason;
  }
  return {
    name: "file",
    topics: FILES,
    async write(topic, records: readonly LogRecord[]) {
      if (failure !== undefined) throw failure;
      const stream = streams.get(topic);
      if (stream === undefined) return;
      for (const record of records) {
        if (record.value === null) continue;
        stream.write(record.value);
        if (!stream.write(NEWLINE)) await drained(stream);
        if (failure !== undefined) throw failure;
      }
    },
    async close() {
      await end();
      if (failure !== undefined) throw failure;
      if (options.atomic) for (const name of FILES) await rename(pathOf(name), pathOf(name, ".jsonl"));
    },
    discard: () => discard(),
  };
}

/** Settles when the stream takes more, or has failed: the failure itself is kept by its first listener. */
async function drained(stream: WriteStream): Promise<void> {
  const settled = new AbortController();
  const { signal } = settled;
  await Promise.race([
    once(stream, "drain", { signal }).catch(() => undefined),
    once(stream, "close", { signal }).catch(() => undefined),
  ]);
  settled.abort();
}

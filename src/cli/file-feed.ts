/** Recorded files as records of the memory log: framed with their schema's id, stamped with their event time. */
import { basename } from "node:path";
import type { FileInput } from "../consumers/event-block.ts";
import { openInput } from "../consumers/file-input.ts";
import { mergeByTime } from "../consumers/merge-inputs.ts";
import type { DatasetConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { OutputRecord } from "../core/log.ts";
import type { InProcessRegistry } from "../schemas/registry.ts";
import { schemaProblem } from "../schemas/schema-problem.ts";
import { frame } from "../schemas/wire-format.ts";

export interface FileFeed {
  readonly eventCount: number;
  readonly records: AsyncIterable<readonly OutputRecord[]>;
  /** What was noticed about the order of the files; complete at the end. */
  notes(): string[];
}

/** Records handed over at a time. */
const BLOCK_RECORDS = 4000;

/**
 * Opens all inputs before anything is read, so that a bad file is found first.
 * @throws {StreamgaugeError} `SG_INPUT` for a bad file, `SG_CONFIG` for one that belongs to no dataset.
 */
export async function openFileFeed(options: {
  readonly inputs: readonly string[];
  readonly datasets: readonly DatasetConfig[];
  readonly registry: InProcessRegistry;
  /** Event times beyond it are not believed as timestamps. */
  readonly futureLimitMs: number;
}): Promise<FileFeed> {
  const opened: { input: FileInput; topic: string; schemaId: number; latenessMs: number; hasTimes: boolean }[] = [];
  for (const path of options.inputs) {
    const dataset = datasetOf(path, options.datasets);
    const input = await openInput(path, {
      ...(dataset.schema === undefined ? {} : { schemaText: dataset.schema }),
      ...(dataset.time.field === undefined ? {} : { timeField: dataset.time.field }),
    });
    // The readers of files accept a little more than the decoder does: every event would be undecodable.
    const problem = schemaProblem(input.schemaText);
    if (problem !== undefined) {
      throw new StreamgaugeError("SG_INPUT", `Cannot read ${path}: its schema cannot be used: ${problem}`);
    }
    const schemaId = options.registry.register(input.schemaText);
    const { topic, time } = dataset;
    opened.push({ input, topic, schemaId, latenessMs: time.latenessMs, hasTimes: time.field !== undefined });
  }
  const inputs = opened.map(({ input }) => input);
  const timed = opened.filter(({ hasTimes }) => hasTimes).map(({ input }) => input);
  const merged = mergeByTime(inputs, { latenessMs: opened.map(({ latenessMs }) => latenessMs) });

  async function* records(): AsyncGenerator<readonly OutputRecord[]> {
    let pending: OutputRecord[] = [];
    // A file has no broker: an event without a usable time is stamped like the one before it, at the start as the first.
    let stampMs: number | undefined;
    for await (const { input, block, from, to } of merged.runs()) {
      const source = opened[input];
      if (source === undefined) continue;
      for (let index = from; index < to; index++) {
        const timeMs = block.timesMs[index] ?? Number.NaN;
        if (timeMs <= options.futureLimitMs) stampMs = Math.max(timeMs, stampMs ?? timeMs);
        else stampMs ??= await firstTimeMs(timed, options.futureLimitMs);
        const value = frame(source.schemaId, block.bytes.subarray(block.starts[index], block.ends[index]));
        pending.push({ topic: source.topic, partition: 0, key: null, value, timestampMs: stampMs });
        if (pending.length === BLOCK_RECORDS) {
          yield pending;
          pending = [];
        }
      }
    }
    if (pending.length > 0) yield pending;
  }

  return {
    eventCount: opened.reduce((sum, { input }) => sum + input.eventCount, 0),
    records: records(),
    notes: () =>
      merged.order.flatMap((order, index) => {
        const notes: string[] = [...(opened[index]?.input.notes ?? [])];
        const { path, withoutTime, firstWithoutTime, lateEvents, firstLatePlace } = order;
        if (withoutTime > 0 && opened[index]?.hasTimes === true) {
          const place = `${opened[index]?.input.placeUnit} ${firstWithoutTime}`;
          notes.push(`${path}: ${withoutTime} of ${order.events} events have no event time, the first at ${place}`);
        }
        if (lateEvents > 0) {
          notes.push(
            `${path}: not in time order: ${lateEvents} of ${order.events} events are older than time.lateness allows, ` +
              `the first at ${opened[index]?.input.placeUnit} ${firstLatePlace}; sort the file or raise time.lateness`,
          );
        }
        return notes;
      }),
  };
}

/** The earliest first usable time of the inputs, read as far as there; 0 when there is none. */
async function firstTimeMs(inputs: readonly FileInput[], limitMs: number): Promise<number> {
  const firsts: number[] = [];
  for (const input of inputs) {
    for await (const { timesMs } of input.records()) {
      const first = timesMs.find((timeMs) => timeMs <= limitMs);
      if (first === undefined) continue;
      firsts.push(first);
      break;
    }
  }
  return firsts.length === 0 ? 0 : Math.min(...firsts);
}

/** The only dataset, or the one whose topic begins the file's name; the longest such topic. */
function datasetOf(path: string, datasets: readonly DatasetConfig[]): DatasetConfig {
  const [only] = datasets;
  if (datasets.length === 1 && only !== undefined) return only;
  const name = basename(path);
  const candidates = datasets.filter(({ topic }) => name.startsWith(topic));
  const best = candidates.sort((a, b) => b.topic.length - a.topic.length)[0];
  if (best === undefined) {
    const topics = datasets.map(({ topic }) => topic).join(", ");
    throw new StreamgaugeError("SG_CONFIG", `Cannot replay ${path}: its name begins with none of the topics ${topics}`);
  }
  return best;
}

/** `streamgauge replay`: the same stages over recorded files. The same files give the same outputs, byte by byte. */
import { formatProblem } from "../config/config-error.ts";
import { loadConfigFile } from "../config/load-config.ts";
import { systemClock } from "../core/clock.ts";
import type { Config } from "../core/config.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import { topicNames } from "../core/topics.ts";
import { createReaderSource, InProcessRegistry } from "../schemas/registry.ts";
import { openFileSink } from "../sinks/file-sink.ts";
import { readFeedbackFile } from "./feedback-file.ts";
import { openFileFeed } from "./file-feed.ts";
import { createIncidentTable } from "./incident-table.ts";
import type { Io } from "./io.ts";
import { createLogger } from "./logger.ts";
import { runInMemory } from "./memory-pipeline.ts";
import { makeOutDirectory } from "./out-directory.ts";
import { createProgress } from "./progress.ts";

export interface ReplayArgs {
  readonly inputs: readonly string[];
  readonly config: string;
  readonly out: string;
  /** JSON lines of `Feedback`. */
  readonly feedback?: string;
  readonly json: boolean;
}

export async function replay(args: ReplayArgs, io: Io): Promise<number> {
  const { config, notices } = await loadConfigFile({ file: args.config, env: io.env, command: "replay" });
  assertEventTimes(args.config, config);
  const feedback =
    args.feedback === undefined
      ? []
      : await readFeedbackFile(args.feedback, {
          profilesTopic: topicNames(config.topics.prefix).profiles,
          datasets: config.datasets.map(({ topic }) => topic),
        });
  const clock = systemClock();
  const registry = new InProcessRegistry();
  const maxAheadMs = Math.max(...config.datasets.map(({ time }) => time.maxAheadMs));
  const feed = await openFileFeed({
    inputs: args.inputs,
    datasets: config.datasets,
    registry,
    futureLimitMs: clock.nowMs() + maxAheadMs,
  });
  const progress = createProgress(io, clock, { total: feed.eventCount, unit: "events" });
  const table = createIncidentTable({
    line: args.json ? () => {} : progress.line,
    color: io.terminal?.color ?? false,
    json: false,
  });
  await makeOutDirectory(args.out);
  const files = await openFileSink({ directory: args.out, atomic: true });
  let events = 0;
  try {
    await runInMemory({
      config,
      partitions: 1,
      readers: createReaderSource(registry, { clock }),
      clock,
      logger: createLogger(io),
      env: io.env,
      feed: feed.records,
      feedback,
      sinks: [table.sink, files],
      onProgress: (records) => {
        events = records;
        progress.update(records);
      },
    });
  } catch (error) {
    await files.discard();
    throw error;
  } finally {
    progress.finish();
  }
  const heard = table.alerts.filter(({ reason }) => reason === "feedback").length;
  if (heard < feedback.length) {
    const reason = "the others are of incidents that there were not (yet), or say what was said before";
    io.stderr(`${args.feedback}: ${heard} of ${feedback.length} were heard; ${reason}`);
  }
  for (const notice of notices) io.stderr(`note: ${formatProblem(notice)}`);
  for (const note of feed.notes()) io.stderr(note);
  const incidents = new Set(table.alerts.map((alert) => alert.incident)).size;
  if (args.json) io.stdout(JSON.stringify({ events, incidents, out: args.out, notes: feed.notes() }));
  else io.stdout(`${events.toLocaleString("en-US")} events, ${incidents} incidents; files are in ${args.out}`);
  return EXIT_CODES.ok;
}

/** A recorded file has no broker timestamp to fall back on. */
function assertEventTimes(file: string, config: Config): void {
  for (const [index, { time }] of config.datasets.entries()) {
    if (time.field !== undefined) continue;
    throw new StreamgaugeError(
      "SG_CONFIG",
      `${file}: datasets[${index}].time.field: needed by replay, because recorded files carry no broker timestamp`,
    );
  }
}

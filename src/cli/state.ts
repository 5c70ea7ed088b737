/**
 * `streamgauge state ls|show|reset -c FILE`: what the judge keeps, what it has learned, and how it is made to begin anew.
 * `ls` and `show` read and disturb nobody; `reset` writes only when no judge of the deployment runs.
 */
import { BUDGET_INTERVALS } from "../alerts/alarm-history.ts";
import { formatDuration } from "../config/duration.ts";
import { loadConfigFile } from "../config/load-config.ts";
import { VERSION } from "../config/version.ts";
import { createKafkaLog, type KafkaLog } from "../consumers/kafka-log.ts";
import { createKafkaStateAccess, type KafkaStateAccess } from "../consumers/kafka-state.ts";
import { systemClock } from "../core/clock.ts";
import type { Config, KafkaConfig } from "../core/config.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import { FEEDBACK_LABELS } from "../core/feedback.ts";
import type { LogRecord } from "../core/log.ts";
import { printable } from "../core/text.ts";
import { type TopicNames, topicNames } from "../core/topics.ts";
import {
  type DatasetKnowledge,
  type PartitionReport,
  reportKnowledge,
  reportPartition,
  type SeriesKnowledge,
} from "../stages/state-report.ts";
import { resetState, type StateReset } from "../stages/state-reset.ts";
import { needed } from "./deployment.ts";
import type { Io } from "./io.ts";
import { createLogger } from "./logger.ts";

interface StateArgs {
  readonly config: string;
  readonly json: boolean;
}

/** Program and version, as they stand beside each state record. */
const STATE_WRITER = `streamgauge ${VERSION}`;

export async function listState(args: StateArgs, io: Io): Promise<number> {
  return withState(args, io, async ({ topics, log, access, partitions, judgeGroup }) => {
    const lags = await log.lag(judgeGroup, [topics.profiles]);
    const reports: (PartitionReport & { readonly end: number | null; readonly behind: number | null })[] = [];
    for (const partition of partitions) {
      const records = await access.read(topics.state, partition);
      const report = reportPartition(records, { topic: topics.state, partition });
      const end = lags.find((one) => one.partition === partition)?.end ?? null;
      const behind = end === null || report.position === null ? null : Math.max(0, end - report.position);
      reports.push({ ...report, end, behind });
    }
    if (args.json) io.stdout(JSON.stringify({ topic: topics.state, partitions: reports }));
    else for (const report of reports) for (const line of listing(report, topics)) io.stdout(line);
    return EXIT_CODES.ok;
  });
}

export async function showState(
  args: StateArgs & { readonly dataset: string; readonly key?: string },
  io: Io,
): Promise<number> {
  return withState(args, io, async ({ topics, access, partitions }) => {
    for (const partition of partitions) {
      const records = await access.read(topics.state, partition);
      const known = reportKnowledge(records, { topic: topics.state, partition }, args.dataset);
      if (known === undefined) continue;
      const series = known.series.filter(({ key }) => args.key === undefined || key === args.key);
      if (args.key !== undefined && series.length === 0) {
        const keys = known.series.map(({ key }) => `"${printable(key)}"`).join(", ");
        throw new StreamgaugeError("SG_CONFIG", `Cannot show "${args.key}": the keys of ${known.dataset} are ${keys}`);
      }
      if (args.json) io.stdout(JSON.stringify(args.key === undefined ? known : series[0]));
      else if (args.key === undefined) for (const line of describeDataset(known)) io.stdout(line);
      else for (const one of series) io.stdout(describeSeries(one));
      return EXIT_CODES.ok;
    }
    throw new StreamgaugeError("SG_CONFIG", `Cannot show ${args.dataset}: nothing is kept of it in ${topics.state}`);
  });
}

export async function resetStates(
  args: StateArgs & { readonly dataset?: string; readonly all: boolean; readonly yes: boolean },
  io: Io,
): Promise<number> {
  if ((args.dataset === undefined) === !args.all) {
    throw new StreamgaugeError("SG_CONFIG", "Cannot reset the state: name one dataset, or give --all");
  }
  return withState(args, io, async ({ config, topics, access, partitions, judgeGroup }) => {
    const clock = systemClock();
    const plan = (records: readonly LogRecord[], partition: number) =>
      resetState(records, {
        state: { topic: topics.state, partition, writer: STATE_WRITER },
        context: { topics, deployment: config.deployment, timestampMs: clock.nowMs() },
        datasets: args.dataset === undefined ? "all" : [args.dataset],
      });
    const resets: StateReset[] = [];
    for (const partition of partitions) resets.push(plan(await access.read(topics.state, partition), partition));
    const isThere = resets.some(({ outputs }) => outputs.length > 0);
    if (!isThere && args.dataset !== undefined) {
      throw new StreamgaugeError("SG_CONFIG", `Cannot reset ${args.dataset}: nothing is kept of it in ${topics.state}`);
    }
    if (args.yes && isThere) {
      for (const partition of partitions) {
        // One id for the partition of the profiles topic that belongs to it: that of the judge.
        const transactionalId = `${config.deployment}.${topics.profiles}.${partition}`;
        await access.edit({ transactionalId, group: judgeGroup, topic: topics.state, partition }, (records) => {
          const reset = plan(records, partition);
          resets[partition] = reset;
          return reset.outputs;
        });
      }
    }
    report(resets, args, io);
    return args.yes || !isThere ? EXIT_CODES.ok : EXIT_CODES.configuration;
  });
}

function report(resets: readonly StateReset[], args: { readonly json: boolean; readonly yes: boolean }, io: Io): void {
  const datasets = resets.flatMap((reset) => reset.datasets);
  const keepsPosition = resets.every((reset) => reset.keepsPosition);
  if (args.json) {
    io.stdout(JSON.stringify({ done: args.yes, keepsPosition, datasets }));
    return;
  }
  if (datasets.length === 0 && keepsPosition) io.stdout("nothing is kept: there is nothing to reset");
  const did = args.yes ? "dropped" : "would drop";
  for (const { dataset, entries, packedBytes, incident, keepsWatermark } of datasets) {
    io.stdout(`${did} what was learned of ${dataset}: ${entries} entries, ${bytesText(packedBytes)}`);
    if (incident !== null) io.stdout(`  its open incident ${printable(incident)} is resolved, with the reason reset`);
    io.stdout(
      keepsWatermark
        ? "  it begins anew with the next events; its first window is partial, no window is told twice"
        : "  its windows cannot be read: one that was told may be told again when late events come",
    );
  }
  if (!keepsPosition) io.stdout(`${did} the position, which cannot be read: that of the consumer group counts`);
  if (!args.yes && datasets.length > 0) io.stdout("nothing was changed: give --yes to do it");
}

interface StateContext {
  readonly config: Config;
  readonly topics: TopicNames;
  readonly judgeGroup: string;
  readonly log: KafkaLog;
  readonly access: KafkaStateAccess;
  readonly partitions: readonly number[];
}

async function withState(args: StateArgs, io: Io, act: (context: StateContext) => Promise<number>): Promise<number> {
  const { config } = await loadConfigFile({ file: args.config, env: io.env, command: "doctor" });
  const kafka: KafkaConfig = needed(config.kafka, "kafka");
  const topics = topicNames(config.topics.prefix);
  const clientId = `streamgauge-${config.deployment}-state`;
  const options = { kafka, clock: systemClock(), logger: createLogger(io, "error"), clientId };
  const log = createKafkaLog(options);
  const access = createKafkaStateAccess(options);
  try {
    await log.ping();
    const found = (await log.describeTopics([topics.state])).get(topics.state);
    if (found === undefined) {
      const advice = "start streamgauge run once, or correct topics.prefix";
      throw new StreamgaugeError("SG_CONFIG", `Cannot read the state: topic ${topics.state} does not exist; ${advice}`);
    }
    const partitions = Array.from({ length: found.partitions }, (_, partition) => partition);
    return await act({ config, topics, judgeGroup: `${kafka.group}.judge`, log, access, partitions });
  } finally {
    await Promise.all([log.close(), access.close()]);
  }
}

function* listing(
  report: PartitionReport & { readonly end: number | null; readonly behind: number | null },
  topics: TopicNames,
): Generator<string> {
  const { partition, position, sequence, checkpointAt, end, behind } = report;
  const at = checkpointAt === null ? "no checkpoint yet" : `checkpoint ${sequence} of ${checkpointAt}`;
  const place =
    position === null
      ? "no position"
      : `position ${position} of ${end ?? "?"} in ${topics.profiles}, ${behind ?? "?"} behind`;
  yield `${topics.state}[${partition}]: ${at}, ${place}`;
  for (const { dataset, entries, packedBytes, bytes, ...last } of report.datasets) {
    const kinds = `${entries.series} series, ${entries.profile} profiles, ${entries.tracker} tracker`;
    const size = `${bytesText(bytes)} (${bytesText(packedBytes)} packed)`;
    yield `  ${printable(dataset)}: ${kinds}, ${size}, last written by checkpoint ${last.sequence} of ${last.checkpointAt}`;
  }
  for (const { sentence } of report.problems) yield `  DAMAGED ${printable(sentence)}`;
}

function* describeDataset(known: DatasetKnowledge): Generator<string> {
  yield `${known.dataset}: windows of ${known.sizesMs.map(formatDuration).join(", ")} in ${known.timezone}`;
  yield `  events     ${known.events.toLocaleString("en-US")} taken in`;
  yield `  watermark  ${known.watermark === null ? "none yet: nothing was decided" : `${known.watermark}: windows that end by then are closed`}`;
  yield `  incident   ${known.incident === null ? "none open" : `open: ${printable(known.incident)}`}`;
  if (known.training !== null) yield `  training   ${trainingText(known.training, known.budget?.backtest ?? 0)}`;
  if (known.budget !== null) yield `  alarms     ${budgetText(known.budget)}`;
  const open = known.openWindows.map(({ sizeMs, start }) => `${formatDuration(sizeMs)} from ${start}`);
  yield `  open       ${open.length === 0 ? "no window" : listed(open)}`;
  yield `  slices     ${known.slices.length === 0 ? "none by value" : listed(known.slices.map(printable))}`;
  for (const { partition, position, newestEvent } of known.inputs) {
    const place =
      position === null ? "not heard of yet" : `up to offset ${position}, newest event ${newestEvent ?? "none"}`;
    yield `  input      partition ${partition}: ${place}`;
  }
  yield known.series.length === 0
    ? "  learned    nothing yet: no window has closed"
    : `  learned    ${known.series.length} series`;
  for (const one of known.series) yield `    ${describeSeries(one)}`;
}

function trainingText({ startedAt, share }: NonNullable<DatasetKnowledge["training"]>, incidents: number): string {
  const backtest = `windows that ended by ${startedAt} are a backtest, ${incidents} incidents in it`;
  return share === null ? `over: ${backtest}` : `${Math.floor(100 * share)} % of what the topic held: ${backtest}`;
}

function budgetText({
  intervalMs,
  spent,
  called,
  tolerated,
  realised,
}: NonNullable<DatasetKnowledge["budget"]>): string {
  const budget = `1 false alarm per ${intervalText(intervalMs)}`;
  if (realised === null) return `budget of ${budget}; nothing judged yet`;
  const span = `in the last ${BUDGET_INTERVALS} such intervals, as far as they were judged`;
  const words = FEEDBACK_LABELS.flatMap((label) => (called[label] > 0 ? `${called[label]} ${label}` : []));
  const said = words.length === 0 ? "" : ` (${words.join(", ")})`;
  return `${spent} incidents${said} ${span}; ${tolerated.toFixed(1)} false alarms are tolerated (${budget}): realised ${realised.toFixed(2)}`;
}

/** Three figures of the largest unit. */
function intervalText(intervalMs: number): string {
  for (const [unit, unitMs] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
  ] as const) {
    if (intervalMs >= unitMs) return `${Number((intervalMs / unitMs).toPrecision(3))}${unit}`;
  }
  return `${Number((intervalMs / 1000).toPrecision(3))}s`;
}

function describeSeries(series: SeriesKnowledge): string {
  const { slice, sizeMs, windows, warmup, isWarm, season, secondSeason, metrics, revisable, bytes } = series;
  const after = warmup === null ? "the season is known" : `${warmup} windows`;
  const readiness = isWarm ? `warm (after ${after})` : `warming up: judges after ${after}`;
  const length = season === null ? "season not known yet" : `season of ${season} windows`;
  const second =
    secondSeason === null ? "" : ` and, for ${secondSeason.metrics} of the metrics, one of a ${secondSeason.name}`;
  const late = revisable === 0 ? "" : `, ${revisable} can still be revised`;
  return `${printable(slice)}, ${formatDuration(sizeMs)}: ${windows} windows learned, ${readiness}, ${length}${second}, ${metrics} metrics, ${bytesText(bytes)}${late}`;
}

const LISTED_MAX = 8;

function listed(names: readonly string[]): string {
  const more = names.length - LISTED_MAX;
  return names.slice(0, LISTED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
